"""A user's own lemmas, from a file that runs with the user's rights."""

import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proofs.language import Lemma, Observable, Statement, StatementError, collect
from proofs.language.definitions import observables_behind
from verify.errors import RequestError
from verify.systems.base import System

MODULE = "lemmas_of_the_user"


def load_lemmas(path: Path, system: System) -> list[Lemma]:
    """Run a file and collect the lemmas that it defines, to be judged beside those of a system.

    Raises:
        RequestError: with file and line, if it cannot be read, fails, or states something that is refused.
    """
    if not path.is_file():
        raise RequestError(f"--lemmas: {path} is no file")
    spec = importlib.util.spec_from_file_location(MODULE, path.resolve())
    if spec is None or spec.loader is None:
        raise RequestError(f"--lemmas: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
        found = [statement for statement in collect(module).values() if isinstance(statement, Lemma)]
    except StatementError as error:
        raise RequestError(f"--lemmas: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file that ends the process would end it with its own exit status
        line = _line_of(error, path)
        raise RequestError(f"--lemmas: {path}:{line}: {type(error).__name__}: {error}") from None
    if not found:
        raise RequestError(f"--lemmas: {path} defines no lemma")
    _refuse_strangers(found, system)
    return found


def _refuse_strangers(lemmas: Sequence[Lemma], system: System) -> None:
    """Refuse lemmas with the name of another statement, or about an observable of another system."""
    statements = system.statements()
    behind = (observables_behind(side) for statement in statements.values() for side in _sides(statement))
    own = {each.name: each for observables in behind for each in observables}
    for lemma in lemmas:
        if lemma.name in statements:
            raise RequestError(f"--lemmas: {lemma.place}: {lemma.name}: {system.name} has a statement of that name")
        named = {each for side in _sides(lemma) for each in side.atoms(Observable)}
        for observable in sorted(named, key=lambda each: str(each.name)):
            if own.get(observable.name, observable) != observable:
                stranger = f"its {observable.name} is not that of {system.name} ({observable.place})"
                raise RequestError(f"--lemmas: {lemma.place}: {lemma.name}: {stranger}")


def _sides(statement: Statement) -> list[Any]:
    claims = (*statement.claims, *statement.given) if isinstance(statement, Lemma) else ()
    return [side for claim in claims for side in (claim.lhs, claim.rhs, claim.where)]


def _line_of(error: BaseException, path: Path) -> int:
    """The line of the user's file at which the error came up."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    here = str(path.resolve())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == here]
    return (lines[-1] or 0) if lines else 0
