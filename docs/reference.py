"""A Sphinx extension: a page for each system, from its statements, fields and studies, and one for the commands.

They are written when the site is built; formulas are printed from the statements that runs judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from proofs.language import Lemma, Paper, ScalarInequality, Statement, mathml
from proofs.language.statements import ByHand, ByScalar, BySymbols
from verify.cli import app
from verify.systems.base import System, find_system, system_names

COMMANDS = "command-line.md"
FOLDER = "systems"
"""Where the pages are written, in the folder of the documentation's sources."""


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before the sources are read."""
    app.connect("builder-inited", lambda built: write_pages(Path(built.srcdir)))
    return {"parallel_read_safe": True}


def write_pages(sources: Path) -> None:
    """Write a page for each installed system, and that of the command line."""
    (sources / FOLDER).mkdir(exist_ok=True)
    pages = {f"{FOLDER}/{name}.md": page(find_system(name)) for name in system_names()}
    for name, text in {**pages, COMMANDS: command_page()}.items():
        path = sources / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # what is unchanged is not read again
            path.write_text(text, encoding="utf-8")


def command_page() -> str:
    """What `--help` of every command prints."""
    runner = CliRunner()
    names = ["", *(str(command.name) for command in app.registered_commands)]
    told = {
        name: runner.invoke(app, [*name.split(), "--help"], prog_name="verify", color=False).output for name in names
    }
    parts = [f"## verify {name}\n\n```text\n{text.strip()}\n```\n" for name, text in told.items()]
    return "\n".join(["# Command line", "", *parts])


def page(system: System) -> str:
    """The reference of one system, as Markdown with formulas in MathML."""
    return "\n".join([f"# {system.name}", "", f"{_safe(system.title)} ({system.source}).", "", *_lines(system)])


def _lines(system: System) -> Iterator[str]:
    statements = system.statements()
    yield from ("## Headline claims", "")
    for name, headline in system.ledger().items():
        linked = ", ".join(_linked(each, system) for each in headline.statements)
        studies = f"; studies: {', '.join(headline.studies)}" if headline.studies else ""
        yield f"- **{_safe(name)}**: {_safe(headline.says)} ({linked}{studies})"
    yield from ("", "## Presets", "")
    for name, preset in system.presets.items():
        yield f"- `{name}`{' (default)' if name == system.default_preset else ''}: {_safe(preset.shows)}"
    yield from ("", "## Fields of a problem", "", *_table(_fields(system)))
    yield from ("", "## Events", "")
    for event in system.events():
        yield f"- `{event.name}`: {_safe(event.words)}"
    yield from ("", "## Studies", "")
    for study in system.studies():
        yield f"- `{study.name}`: {_safe(study.words)}"
    yield from ("", "## Statements", "")
    for statement in statements.values():
        yield from _statement(statement, system)


def _fields(system: System) -> dict[str, str]:
    described = {}
    for name, info in system.problem.model_fields.items():
        default = "" if info.default is None or info.is_required() or info.default_factory else f" [{info.default}]"
        described[f"`{name}`"] = _safe((info.description or "") + default)
    return described


def _statement(statement: Statement, system: System) -> Iterator[str]:
    yield from (f"({_anchor(system.name, statement.name)})=", f"### {statement.name}", "", _safe(statement.words), "")
    if isinstance(statement, ScalarInequality):
        yield from (f"<p>{mathml(statement.claim)}</p>", "")
    if isinstance(statement, Lemma):
        for claim in statement.claims:
            yield from (f"<p>{mathml(claim)}</p>", "")
        for given in statement.given:
            yield from (f"<p>given {mathml(given)}</p>", "")
    yield from (*_table(dict(_facts(statement, system))), "")


def _facts(statement: Statement, system: System) -> Iterator[tuple[str, str]]:
    if isinstance(statement, Lemma):
        stage = f"{statement.stage.name} ({statement.stage.words})"
        yield "kind", f"{statement.kind}; {_safe(stage)}"
    source = statement.source
    if isinstance(source, Paper):
        derived = f"; derived here: {source.derived}" if source.derived else ""
        yield "source", _safe(f"{source.reference}: {source.says}{derived}")
    else:
        yield "source", _safe(f"derived here ({source.where})")
    match statement.proof:
        case BySymbols():
            yield "proof", "by sympy, for generic symbols"
        case ByScalar(inequality):
            yield "proof", f"an instance of {_linked(inequality, system)}"
        case ByHand(anchor):
            file, _, part = anchor.removeprefix("docs/").partition("#")
            yield "proof", f"by hand: [{file}](../{file}#{part})"
        case _:
            branch = isinstance(statement, ScalarInequality)
            yield (
                "proof",
                "in ball arithmetic (`verify show`)" if branch else "none: judged by what runs and studies show",
            )
    if statement.rests_on:
        yield "rests on", ", ".join(_linked(each, system) for each in statement.rests_on if isinstance(each, Statement))


def _linked(statement: Statement, system: System) -> str:
    if statement.name not in system.statements():
        return statement.name
    return f"[{statement.name}](#{_anchor(system.name, statement.name)})"


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    for name, text in rows.items():
        yield f"| {name} | {text} |"


def _anchor(system: str, name: str) -> str:
    return f"{system}-{name}"


def _safe(text: str) -> str:
    """Text in which Markdown finds nothing of its own."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]|$<>{}#^~" else letter for letter in text)
