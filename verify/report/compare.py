"""What the terminal shows of two runs side by side."""

from collections.abc import Mapping
from typing import IO, Any

from rich.table import Table
from rich.text import Text

from verify.compare import Change, Comparison
from verify.numbering import Numbering
from verify.report.text import console_for

ABSENT = "-"


def print_comparison(found: Comparison, numbering: Numbering, stream: IO[str]) -> None:
    """Print what changed, one table a subject; the statements that are newly violated stand below."""
    console = console_for(stream)
    subjects: dict[str, Mapping[str, Change]] = {
        "Problem": found.problem,
        "Run": found.made,
        "Versions": found.versions,
        "Stages": found.stages,
        "Verdicts": _named(found.verdicts, numbering),
        "Smallest relative margins": _named(found.margins, numbering),
    }
    for title, changed in subjects.items():
        if not changed:
            console.print(f"{title}: the same", markup=False)
            continue
        table = Table(title=f"{title}: {len(changed)} changed", title_justify="left")
        for column in ("", "first", "second"):
            table.add_column(column, justify="left" if not column else "right", overflow="fold")
        for name, pair in changed.items():
            table.add_row(Text(name), *(Text(_shown(value)) for value in pair))
        console.print(table)
    for name in found.newly_violated:
        console.print(f"newly violated: {numbering.both(name)}", markup=False, style="bold")
    if not found.newly_violated:
        console.print("nothing is newly violated", markup=False)


def _named(changed: Mapping[str, Change], numbering: Numbering) -> dict[str, Change]:
    return {numbering.both(name): pair for name, pair in changed.items()}


def _shown(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
