"""The cells of a study as a table for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verify.io.files import write_whole
from verify.studies.store import DONE, FAILED
from verify.studies.study import Row
from verify.studies.tasks import flattened


def csv_text(rows: Sequence[Row]) -> str:
    """One line a cell: its parameters, replicate, seed, status, the leaves of its result, and its error.

    A part of the result that is named like another column is called `result.NAME`.

    Examples:
        >>> done = Row({"N": 4}, replicate=0, seed=7, result={"loss": {"test": 0.5}})
        >>> print(csv_text([done, Row({"N": 8}, 0, 9, error="ValueError: too large")]), end="")
        N,replicate,seed,status,loss.test,error
        4,0,7,done,0.5,
        8,0,9,failed,,ValueError: too large
    """
    lines: list[dict[str, Any]] = []
    measured: dict[str, None] = {}
    for row in rows:
        parameters = flattened(row.parameters)
        fixed = {
            **parameters,
            "replicate": row.replicate,
            "seed": row.seed,
            "status": FAILED if row.result is None else DONE,
        }
        leaves = {
            f"result.{name}" if name in fixed or name == "error" else name: value
            for name, value in flattened(row.result or {}).items()
        }
        measured.update(dict.fromkeys(leaves))
        lines.append({**fixed, **leaves, "error": row.error})
    named = dict.fromkeys(name for line in lines for name in line if name not in measured and name != "error")
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*named, *measured, "error"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def write_export(path: Path, rows: Sequence[Row]) -> None:
    """Write the table whole or not at all, its folders as well.

    Raises:
        RequestError: if the disk refuses.
    """
    write_whole("--export", path, csv_text(rows))
