"""One statement as `verify show` prints it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from proofs.language import Lemma, Observable, ScalarInequality, formula
from proofs.language.statements import ByHand, ByScalar, BySymbols, Paper, Statement
from verify.errors import RequestError
from verify.io.nearest import unknown_name
from verify.numbering import UNNUMBERED, Numbering, read_numbering
from verify.report.text import console_for
from verify.systems.base import System, find_system


def print_ledger(system_name: str, numbering_file: Path | None = None) -> None:
    """Print a system's headline claims, each with the statements that bear on it and how they can be judged."""
    system = find_system(system_name)
    numbering = _numbering(numbering_file, system)
    console = console_for(sys.stdout)
    for name, headline in system.ledger().items():
        console.print(Text(f"{name}: {headline.says}", style="bold"))
        for statement in headline.statements:
            kind = f" ({statement.kind})" if isinstance(statement, Lemma) else ""
            console.print(Text(f"  {numbering.both(statement.name)}{kind}: {statement.words}"), soft_wrap=True)
        if headline.studies:
            console.print(Text(f"  studies: {', '.join(headline.studies)}"), soft_wrap=True)


def print_statement(name: str, numbering_file: Path | None = None) -> None:
    """Print a statement named `SYSTEM/LEMMA`, or the ledger of `SYSTEM`, with the reader's numbers if any.

    Raises:
        RequestError: if there is none of that name.
    """
    system_name, slash, lemma_name = name.partition("/")
    if not slash:
        print_ledger(system_name, numbering_file)
        return
    system = find_system(system_name)
    statements = system.statements()
    numbering = _numbering(numbering_file, system)
    if lemma_name not in statements:
        raise RequestError(f"LEMMA: {unknown_name(lemma_name, statements, system_name)}")
    console = console_for(sys.stdout)
    statement = statements[lemma_name]
    console.print(Text(f"{system_name}/{statement.name}", style="bold"))
    if number := numbering.number(lemma_name):
        console.print(Text(" of ".join(part for part in (number, numbering.paper) if part)))
    console.print(Text(statement.words))
    for label, line in _lines(statement):
        console.print(Text(f"{label:<11}{line}"), soft_wrap=True)


def _numbering(path: Path | None, system: System) -> Numbering:
    statements = system.statements()  # gives the statements their names, too
    return UNNUMBERED if path is None else read_numbering(path, statements, system.name)


def _lines(statement: Statement) -> Iterator[tuple[str, str]]:
    if isinstance(statement, Lemma):
        yield "kind", f"{statement.kind}; stage: {statement.stage.name} ({statement.stage.words})"
        for claim in statement.claims:
            yield "claim", formula(claim)
        for given in statement.given:
            yield "given", formula(given)
    elif isinstance(statement, ScalarInequality):
        domain = ", ".join(
            f"{variable} in {statement.domain.get(variable, ('-oo', 'oo'))}" for variable in statement.variables
        )
        yield "kind", f"scalar inequality; {domain}"
        yield "claim", formula(statement.claim)
    for letter, definition in _definitions(statement):
        yield "where", f"{letter} = {definition}"
    source = statement.source
    if isinstance(source, Paper):
        yield (
            "source",
            f"{source.reference}: {source.says}" + (f"; derived here: {source.derived}" if source.derived else ""),
        )
    else:
        yield "source", f"derived here ({source.where})"
    yield "proof", _proof(statement)
    for other in statement.rests_on:
        assert isinstance(other, Statement)
        yield "rests on", f"{other.name}: {other.words}"
    yield "written in", statement.place


def _definitions(statement: Statement) -> Iterator[tuple[str, str]]:
    """The observables that a lemma names and what they stand for, until only data, state and recurrences are left."""
    if not isinstance(statement, Lemma):
        return
    claims = [*statement.claims, *statement.given]
    waiting = [each for claim in claims for side in (claim.lhs, claim.rhs) for each in side.atoms(Observable)]
    seen: set[Observable] = set()
    for observable in waiting:
        if observable in seen or observable.definition is None:
            continue
        seen.add(observable)
        indices, expression = observable.definition.indices, observable.definition.expression
        yield formula(observable[indices] if indices else observable), f"{formula(expression)}   ({observable.words})"
        waiting.extend(sorted(expression.atoms(Observable), key=lambda each: each.name))


def _proof(statement: Statement) -> str:
    if isinstance(statement, ScalarInequality) and not isinstance(statement.proof, BySymbols):
        from verify.checking.scalar import prove_inequality

        outcome = prove_inequality(statement)
        return f"{outcome.status} in ball arithmetic: {outcome.words}"
    match statement.proof:
        case BySymbols():
            return "by sympy, for generic symbols (run by the tests)"
        case ByScalar(inequality):
            return f"an instance of {inequality.name}"
        case ByHand(anchor):
            return f"by hand, {anchor}"
        case _:
            return "none: judged by what runs and studies show"
