"""A study as its store holds it: cells read back, and judged again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.errors import RequestError
from verify.studies.fingerprint import code_fingerprint
from verify.studies.study import Judgement, Row, Study
from verify.systems.base import System, find_system


@dataclass(frozen=True)
class StoredStudy:
    """The cells of one study in a store, judged with the defaults of its question.

    `axes` are the parameters in which the cells differ.
    """

    system: System
    study: Study
    rows: Sequence[Row]
    failures: Sequence[Row]
    judgement: Judgement
    axes: Mapping[str, Sequence[Any]]
    notes: Sequence[str]


def stored_study(path: Path, name: str | None = None) -> StoredStudy:
    """Read a store and judge its cells; nothing is measured, and the file stays as it is.

    Of cells that different versions of the code have measured, those of the present one are taken, or else those of
    the version that measured last.

    Raises:
        RequestError: if the file is no store or has no cell, or several studies ask of such cells and none is named.
    """
    meta, records = _read(path)
    system = find_system(meta.get("system", ""))
    study = _study_of(system, path, meta.get("measured_as", ""), name)
    if not records:
        raise RequestError(f"DIR: {path} has no cells yet")
    versions = [record[-1] for record in records]
    code = code_fingerprint(system)
    present = [version for version in versions if version.endswith(f"+{code}")]
    chosen = (present or versions)[-1]
    notes = [] if present else ["the cells were measured by other code than that which judges them here"]
    if others := sum(version != chosen for version in versions):
        notes.append(f"{others:,} cells of the store were measured by other code and are not used")
    rows = [_row(record) for record in records if record[-1] == chosen]
    done = [row for row in rows if row.result is not None]
    return StoredStudy(
        system=system,
        study=study,
        rows=done,
        failures=[row for row in rows if row.result is None],
        judgement=study.judge(done, study.question()) if done else Judgement({}),
        axes=_axes(rows),
        notes=notes,
    )


def _read(path: Path) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    columns = "parameters, replicate, seed, result, error, attempts, seconds, version"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            meta = dict(database.execute("SELECT name, value FROM meta"))
            cells = database.execute(f"SELECT {columns} FROM cells ORDER BY finished_at").fetchall()
    except sqlite3.Error as error:
        raise RequestError(f"DIR: {path} is not a store of a study, or is damaged ({error})") from None
    return meta, cells


def _study_of(system: System, path: Path, measured_as: str, name: str | None) -> Study:
    possible = {study.name: study for study in system.studies() if study.measured_as == measured_as}
    if name is None and len(possible) == 1:
        return next(iter(possible.values()))
    if name is None:
        raise RequestError(f"NAME: which study of {path}? ({' or '.join(possible)})")
    if name not in possible:
        raise RequestError.of("NAME", name, f"{path} holds cells of {' or '.join(possible)}")
    return possible[name]


def _row(record: tuple[Any, ...]) -> Row:
    parameters, replicate, seed, result, error, attempts, seconds, _ = record
    measured = None if result is None else json.loads(result)
    return Row(json.loads(parameters), replicate, int(seed), measured, error, attempts, seconds)


def _axes(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Parameter -> its values, where there is more than one, ascending if they can be compared."""
    axes = {}
    for name in rows[0].parameters:
        values = list(dict.fromkeys(json.dumps(row.parameters[name]) for row in rows))
        if len(values) > 1:
            found = [json.loads(value) for value in values]
            axes[name] = sorted(found) if all(isinstance(value, int | float) for value in found) else found
    return axes
