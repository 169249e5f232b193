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
    for column in ("control", "what is wrong", "planted in", "", "check", "says", "noticed too"):
        table.add_column(column, overflow="fold")
    for each in found:
        control = each.control
        table.add_row(
            control.name,
            Text(control.words),
            control.plant.place,
            Text("caught") if each.caught else Text("ESCAPED", style="bold"),
            control.caught_by,
            Text(each.verdict),
            _named(each.also),
        )
    console.print(table)
    caught = sum(each.caught for each in found)
    console.print(f"{len(found)} planted errors: {caught} caught, {len(found) - caught} escaped", markup=False)


def _named(checks: Sequence[str]) -> str:
    if len(checks) <= MOST_NAMED + 1:
        return ", ".join(checks)
    return f"{', '.join(checks[:MOST_NAMED])} and {len(checks) - MOST_NAMED} more"
