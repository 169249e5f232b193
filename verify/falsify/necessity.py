"""Which hypotheses are needed: every one of every statement dropped in turn, and a counterexample looked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from proofs.language import Lemma
from verify.falsify.keep import FOLDER, check_folder
from verify.falsify.run import Falsified, falsify, require_seconds
from verify.falsify.search import SHRINKING
from verify.falsify.weaken import ALL, droppable
from verify.io.results import json_text
from verify.systems.base import System, find_system

BROKEN, NOT_BROKEN, NOT_TESTED = "broken", "not broken", "not tested"


@dataclass(frozen=True)
class Row:
    """One question: a statement, what was dropped of it, and what the search came to.

    `asked` is what the answer depends on: the statement as it stands, and seed and seconds.
    """

    lemma: str
    dropped: str
    hypothesis: str
    asked: str
    verdict: str
    instances: int
    met: int
    relative_margin: float | None
    evidence: str
    replay: str

    def record(self) -> dict[str, Any]:
        """The row as it is kept and printed."""
        return asdict(self)


def necessity_table(
    system_name: str, seconds: float, seed: int = 0, out: Path | None = None, show_progress: bool = False
) -> list[Row]:
    """Ask of every statement with hypotheses whether it can be broken without each of them, and as it stands.

    Rows are kept in the folder as they come: the same command goes on where it was stopped.

    Raises:
        RequestError: if there is no such system, or the folder cannot be written.
    """
    system = find_system(system_name)
    require_seconds(seconds)
    folder = FOLDER if out is None else out
    check_folder(folder)
    store = folder / f"{system_name}-necessity.json"
    known = {(row.lemma, row.dropped): row for row in _read(store)}
    rows = []
    for lemma, dropped, text in _questions(system):
        asked = f"{seed} {seconds:g} {lemma.words} {lemma.claims} {lemma.given} {lemma.stage.name}"
        row = known.get((lemma.name, dropped))
        if row is None or row.asked != asked:
            without = [dropped] if dropped else []
            name = f"{system_name}/{lemma.name}"
            found = falsify(name, without, None, seconds, seed, folder, show_progress, min(SHRINKING, seconds))
            row = known[lemma.name, dropped] = _row(lemma, dropped, text, asked, found)
            _write(store, list(known.values()))
        rows.append(row)
    return rows


def table_lines(system_name: str, rows: Sequence[Row]) -> list[str]:
    """The table in Markdown."""
    lines = [
        f"## {system_name}",
        "",
        "| statement | dropped | result | relative margin | instances that met the rest |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        dropped = f"{row.dropped}: `{row.hypothesis}`" if row.dropped else "nothing"
        smallest = row.relative_margin if row.verdict == BROKEN else max(row.relative_margin or 0.0, 0.0)
        margin = "" if row.relative_margin is None else f"{smallest:.2g}"
        lines.append(
            f"| {row.lemma} | {dropped} | {row.verdict}{' (float)' if row.evidence == 'float' else ''} | {margin} "
            f"| {row.met:,} of {row.instances:,} |"
        )
    return lines


def _questions(system: System) -> Iterator[tuple[Lemma, str, str]]:
    for lemma in system.lemmas():
        there = droppable(lemma)
        if lemma.judged_in_a_run and there:
            yield lemma, "", ""
            yield from ((lemma, name, _short(text)) for name, text in there.items())
            if len(there) > 1:
                yield lemma, ALL, "all of them"


def _short(text: str, most: int = 90) -> str:
    """A hypothesis on one line of a table."""
    return text.replace("|", "/") if len(text) <= most else f"{text[:most].replace('|', '/')}..."


def _row(lemma: Lemma, dropped: str, text: str, asked: str, found: Falsified) -> Row:
    searched = found.searched
    margin: float | None
    if searched.worst is not None:
        verdict, margin = BROKEN, searched.worst.broken.place.relative_margin
    else:
        verdict = NOT_BROKEN if searched.met else NOT_TESTED
        margin = searched.closest[1].margin if searched.closest is not None else None
    return Row(
        lemma=lemma.name,
        dropped=dropped,
        hypothesis=text,
        asked=asked,
        verdict=verdict,
        instances=searched.trials,
        met=searched.met,
        relative_margin=margin,
        evidence=searched.worst.broken.evidence if searched.worst is not None else "",
        replay=found.kept.command if found.kept is not None else "",
    )


def _read(store: Path) -> list[Row]:
    return [Row(**row) for row in json.loads(store.read_text(encoding="utf-8"))] if store.exists() else []


def _write(store: Path, rows: Sequence[Row]) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    scratch = store.with_suffix(".tmp")
    scratch.write_text(json_text([row.record() for row in rows]), encoding="utf-8")
    os.replace(scratch, store)
