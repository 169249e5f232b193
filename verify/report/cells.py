"""The finished cells of a study's store as columns, read without disturbing who writes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.errors import RequestError
from verify.io.nearest import unknown_name
from verify.studies.store import DONE
from verify.studies.tasks import flattened


@dataclass(frozen=True)
class Cells:
    """The cells of a store: `parameters` and `results`, one mapping of names to values a cell; `x`, `y`, `z` are the
    names of what is to be drawn, chosen if they are empty.
    """

    path: Path
    parameters: Sequence[Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    x: str = ""
    y: str = ""
    z: str = ""

    def __str__(self) -> str:
        return str(self.path)

    @property
    def axes(self) -> list[str]:
        """The parameters that are numbers and differ between cells, those with the most values first."""
        counts = {name: len({row.get(name) for row in self.parameters}) for name in _numeric(self.parameters)}
        return sorted((name for name, count in counts.items() if count > 1), key=lambda name: -counts[name])

    @property
    def measured(self) -> list[str]:
        """The results that are numbers, test quantities first."""
        return sorted(_numeric(self.results), key=lambda name: not name.startswith("test"))

    def numbers(self, name: str) -> list[float]:
        """One column.

        Raises:
            RequestError: if there is none of that name.
        """
        names = [*self.axes, *self.measured]
        if name not in names:
            raise RequestError(
                f"--x, --y, --z: {unknown_name(name, names, str(self.path))} (there are {' '.join(names)})"
            )
        rows = self.parameters if name in self.axes else self.results
        return [float(row[name]) if row.get(name) is not None else float("nan") for row in rows]


def read_cells(path: Path, x: str = "", y: str = "", z: str = "") -> Cells:
    """The finished cells of a store.

    Raises:
        RequestError: if the file is no store, or none of its cells has finished.
    """
    try:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT parameters, result FROM cells WHERE status = ?", (DONE,)).fetchall()
    except sqlite3.Error as error:
        raise RequestError(f"DIR: {path} is no folder of a run and no store of a study ({error})") from None
    if not rows:
        raise RequestError(f"DIR: {path} has no finished cell")
    parameters, results = ([flattened(json.loads(row[part])) for row in rows] for part in (0, 1))
    return Cells(path, parameters, results, x, y, z)


def _numeric(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names whose values are numbers in every row that has them, and in one at least."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        name
        for name in names
        if any(row.get(name) is not None for row in rows)
        and all(
            isinstance(row.get(name, 0), int | float | None) and not isinstance(row.get(name), bool) for row in rows
        )
    ]
