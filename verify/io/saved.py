"""Runs read back from the folders that keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.checking.verdicts import SEVERITY, Verdict
from verify.errors import RequestError
from verify.io.folder import MARK, PROBLEM, SIDES, TRAJECTORY
from verify.io.settings import read_config
from verify.numbering import Numbering, read_numbering, saved_numbering
from verify.systems.base import find_system

if TYPE_CHECKING:
    import xarray

    from verify.runs import Run

NEEDED = ("system", "problem", "seed", "engine", "steps", "ending", "stages", "versions", "verdicts")


@dataclass(frozen=True)
class SavedRun:
    """A run in its folder; `record` is what `verdicts.json` holds."""

    folder: Path
    record: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def system(self) -> str:
        """The system's name."""
        return str(self.record["system"])

    @cached_property
    def verdicts(self) -> dict[str, Mapping[str, Any]]:
        """The verdicts by the names of their statements, without the system's."""
        return {row["lemma"].partition("/")[2]: row for row in self.record["verdicts"]}

    @property
    def judged(self) -> dict[str, Mapping[str, Any]]:
        """The verdicts on what one run can judge, violations first."""
        order = [verdict.value for verdict in SEVERITY]
        rows = {name: row for name, row in self.verdicts.items() if row["verdict"] != Verdict.NOT_JUDGED.value}
        return dict(sorted(rows.items(), key=lambda item: order.index(item[1]["verdict"])))

    def numbering(self, path: Path | None) -> Numbering:
        """The reader's numbers: those of a file, or else those that the folder keeps.

        Raises:
            RequestError: if a file cannot be read, or names what the run does not have.
        """
        if path is None:
            return saved_numbering(self.folder)
        statements = find_system(self.system).statements()
        return read_numbering(path, {*statements, *self.verdicts}, str(self.folder))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration that repeats the run.

        Raises:
            RequestError: if its file cannot be read.
        """
        return read_config(self.folder / PROBLEM)

    @cached_property
    def trajectory(self) -> xarray.Dataset:
        """The recorded states.

        Raises:
            RequestError: if their file cannot be read.
        """
        return _dataset(self.folder / TRAJECTORY)

    @cached_property
    def sides(self) -> xarray.Dataset | None:
        """Both sides of claims at recorded steps, if the folder keeps them.

        Raises:
            RequestError: if their file cannot be read.
        """
        return _dataset(self.folder / SIDES) if (self.folder / SIDES).exists() else None


@dataclass(frozen=True)
class FinishedRun(SavedRun):
    """A run that is in no folder, read as a saved one is."""

    run: Run

    @classmethod
    def of(cls, run: Run) -> FinishedRun:
        """The run as a saved one."""
        return cls(Path(), run.record(), run)

    def __str__(self) -> str:
        return "the run"

    def numbering(self, path: Path | None) -> Numbering:
        """The numbers that the run was given, or those of a file."""
        return self.run.numbering if path is None else super().numbering(path)

    @cached_property
    def trajectory(self) -> xarray.Dataset:
        """The recorded states."""
        return self.run.trajectory


def load_run(folder: Path | str) -> SavedRun:
    """The run that a folder holds.

    Raises:
        RequestError: if it holds none, or one that is damaged.
    """
    path = Path(folder) / MARK
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(
            f"DIR: {folder} holds no run: there is no {MARK} (verify run ... --out DIR keeps one)"
        ) from None
    except OSError as error:
        raise RequestError(f"DIR: {path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"DIR: {path} is damaged ({error})") from None
    missing = [key for key in NEEDED if not isinstance(record, dict) or key not in record]
    if missing:
        raise RequestError(f"DIR: {path} is not the record of a run: it has no {missing[0]!r}")
    if not all(isinstance(row, dict) and {"lemma", "verdict", "claims"} <= set(row) for row in record["verdicts"]):
        raise RequestError(f"DIR: {path} is damaged (a verdict lacks its lemma, its verdict or its claims)")
    return SavedRun(Path(folder), record)


def relative_margin(row: Mapping[str, Any]) -> float | None:
    """The smallest relative margin among the claims that decide a verdict."""
    deciding = [
        claim["relative_margin"]
        for claim in row["claims"]
        if claim["verdict"] == row["verdict"] and claim["relative_margin"] is not None
    ]
    return min(deciding, default=None)


def _dataset(path: Path) -> xarray.Dataset:
    import xarray

    try:
        with xarray.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise RequestError(f"DIR: {path} cannot be read ({error})") from None
