"""The table of `verify controls`."""

from collections.abc import Sequence
from typing import IO

from rich.table import Table
from rich.text import Text

from verify.controls import Found
from verify.report.text import console_for

MOST_NAMED = 2
"""Other checks that noticed are named up to so many, then counted."""


def print_controls(found: Sequence[Found], stream: IO[str]) -> None:
    """Print which planted errors were caught, by what, and which escaped."""
    console = console_for(stream)
    table = Table(title="Planted errors", title_justify="left")
    for column in ("control, and where it is planted", "what is wrong", "", "check, and what it says", "noticed too"):
        table.add_column(column, overflow="fold")
    for each in found:
        control = each.control
        table.add_row(
            Text(f"{control.name}\n{control.plant.place}"),
            Text(control.words),
            Text("caught") if each.caught else Text("ESCAPED", style="bold"),
            Text(f"{control.caught_by}\n{each.verdict}"),
            _named(each.also),
        )
    console.print(table)
    caught = sum(each.caught for each in found)
    console.print(f"{len(found)} planted errors: {caught} caught, {len(found) - caught} escaped", markup=False)


def _named(checks: Sequence[str]) -> str:
    if len(checks) <= MOST_NAMED + 1:
        return ", ".join(checks)
    return f"{', '.join(checks[:MOST_NAMED])} and {len(checks) - MOST_NAMED} more"
