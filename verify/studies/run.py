"""One study: its cells measured and stored, what is stored judged."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.checking.verdicts import Evidence, Verdict
from verify.errors import RequestError
from verify.io.request import LARGEST_SEED, whole_number
from verify.studies.design import SEEDS, Cell, Design, design
from verify.studies.fingerprint import code_fingerprint
from verify.studies.progress import StudyProgress
from verify.studies.store import Store
from verify.studies.study import Finding, Judgement, Row
from verify.studies.tasks import Task, find_study, one_line
from verify.studies.workers import Dask, Executor, Processes
from verify.systems.base import System, find_system
from verify.versions import versions

MOST_WORKERS = 1024
MOST_FAILURES_TOLD = 5


class StudyInterrupted(KeyboardInterrupt):
    """A study that was stopped; what had finished is stored."""


@dataclass(frozen=True, repr=False)
class StudyRun:
    """A study that was carried out.

    `rows` are the cells that were measured, `failures` those that failed, both in the order of the design;
    `notes` say what a reader must know of the store, beside the judgement's own.
    """

    system: System
    design: Design
    store: Path
    rows: Sequence[Row]
    failures: Sequence[Row]
    judgement: Judgement
    notes: Sequence[str] = ()

    @property
    def findings(self) -> list[Finding]:
        """What is said of the statements."""
        return [finding for finding in self.judgement.findings if not finding.control]

    @property
    def controls(self) -> list[Finding]:
        """What is said of the wrong variants, each of which must be refuted."""
        return [finding for finding in self.judgement.findings if finding.control]

    @property
    def exit_status(self) -> int:
        """1 if a statement is refuted, a wrong variant is supported, or no cell could be measured; 0 otherwise."""
        refuted = any(finding.verdict in (Verdict.REFUTED, Verdict.VIOLATED) for finding in self.findings)
        escaped = any(control.verdict in (Verdict.SUPPORTED, Verdict.CONSISTENT) for control in self.controls)
        return int(refuted or escaped or not self.rows)

    def settings(self) -> dict[str, Any]:
        """The values of the axes, the number of seeds, and the question."""
        cells = [cell.parameters.model_dump(mode="json") for cell in self.design.cells]
        return {
            "axes": {name: list(dict.fromkeys(cell[name] for cell in cells)) for name in self.design.axes},
            SEEDS: self.design.seeds,
            "question": self.design.question.model_dump(mode="json"),
        }

    def __repr__(self) -> str:
        found = ", ".join(f"{finding.statement}: {finding.verdict.value}" for finding in self.findings)
        cells = f"{len(self.design.cells):,} cells, {len(self.failures):,} failed"
        return f"StudyRun({self.system.name}, {self.design.study.name}, seed {self.design.seed}, {cells}; {found})"

    def _repr_html_(self) -> str:
        from verify.report.notebook import study_html

        return study_html(self)

    def record(self) -> dict[str, Any]:
        """The study as `--json` prints it."""
        provenance = _provenance(self.system) if self.judgement.findings else {}
        return {
            "system": self.system.name,
            "study": self.design.study.name,
            "cells": len(self.design.cells),
            "failed": len(self.failures),
            "results": dict(self.judgement.results),
            "verdicts": [self._finding(finding, provenance) for finding in self.findings],
            "controls": [self._finding(finding, provenance) for finding in self.controls],
            "seed": self.design.seed,
            "settings": self.settings(),
            "versions": versions(),
            "store": str(self.store),
            "failures": [
                {"parameters": dict(row.parameters), "replicate": row.replicate, "seed": row.seed, "error": row.error}
                for row in self.failures[:MOST_FAILURES_TOLD]
            ],
            "notes": [*self.notes, *self.judgement.notes],
        }

    def _finding(self, finding: Finding, provenance: Mapping[str, str]) -> dict[str, Any]:
        decided = finding.verdict in (Verdict.SUPPORTED, Verdict.CONSISTENT, Verdict.REFUTED)
        return {
            "lemma": f"{self.system.name}/{finding.statement}",
            "kind": finding.kind,
            "verdict": finding.verdict.value,
            "evidence": (Evidence.SAMPLED if decided else Evidence.NONE).value,
            "about": finding.about,
            "estimate": finding.estimate,
            "interval": None if finding.interval is None else list(finding.interval),
            "rule": finding.rule,
            "words": finding.words,
            "reason": finding.reason,
            "provenance": provenance.get(finding.statement, "derived"),
        }


def study(
    system: str,
    name: str,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    store: Path | str | None = None,
) -> StudyRun:
    """Carry out a study of a system, or go on with it where its store has finished cells already.

    `settings` are the axes, the number of `seeds` and the question: `{"N": [4, 8], "SNR": "1..16:20", "seeds": 3}`.
    `workers` is the number of processes (as many as there are CPUs), `scheduler` the address of a Dask
    scheduler to use in their place, `store` the file of the cells (`results/SYSTEM-....db`).

    Raises:
        RequestError: if the study cannot be carried out.

    Examples:
        >>> import tempfile
        >>> tiny = {"N": 4, "SNR": [1, 8], "d": 1e6, "d_h": 1e6, "seeds": 1, "max_steps": 20}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     finished = study("benign-vit", "phase-diagram", tiny, workers=1, store=f"{folder}/cells.db")
        >>> len(finished.rows), len(finished.failures)
        (2, 0)
    """
    words = {field: _word(value) for field, value in (settings or {}).items()}
    return carry_out_study(system, name, words, seed, workers, scheduler, None if store is None else Path(store))


def carry_out_study(
    system: str,
    name: str,
    settings: Mapping[str, str],
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    store: Path | None = None,
    show_progress: bool = False,
    interrupted: Callable[[], bool] = lambda: False,
) -> StudyRun:
    """Measure the cells that the store does not have, and judge all of the design.

    Raises:
        RequestError: if the study cannot be carried out.
        StudyInterrupted: once `interrupted` says so; what had finished is stored.
    """
    found = find_system(system)
    asked = find_study(found, name)
    workers = whole_number("--workers", usable_cpus() if workers is None else workers, 1, MOST_WORKERS)
    code = code_fingerprint(found)
    designed = design(asked, settings, whole_number("--seed", seed, 0, LARGEST_SEED), code)
    path = store or Path("results") / f"{system}-{asked.measured_as}.db"
    with ExitStack() as opened:
        # A cluster that cannot be reached is told before a store is made.
        cluster = None if scheduler is None else opened.enter_context(closing(Dask(scheduler, system, code)))
        kept = opened.enter_context(Store(path, system, asked.measured_as, code))
        # By their keys, as good as shuffled: long cells and short ones mix, and the time left can be told.
        missing = sorted(kept.missing(designed.cells), key=lambda cell: cell.key)
        if show_progress and store is None:
            print(f"cells are kept in {path}", file=sys.stderr)
        if missing:
            executor: Executor = cluster or opened.enter_context(closing(Processes(min(workers, len(missing)))))
            tasks = [_task(cell, system, name, code) for cell in missing]
            progress = StudyProgress(len(designed.cells), len(designed.cells) - len(missing))
            cells = {cell.key: cell for cell in missing}
            try:
                for outcome in executor.run(tasks):
                    if outcome is not None:
                        kept.put(cells[outcome.key], outcome)
                        progress.count(failed=outcome.result is None)
                    if show_progress:
                        progress.tell()
                    if interrupted():
                        left = len(kept.missing(designed.cells))
                        raise StudyInterrupted(_how_to_go_on(len(designed.cells), left, path))
            finally:
                progress.close()
        rows = kept.rows(designed.cells)
        outdated = kept.outdated()
    finished = [row for row in rows if row.result is not None]
    failures = [row for row in rows if row.result is None]
    notes = []
    if outdated:
        notes.append(f"{outdated:,} cells of the store were measured by other code and are not used")
    if not finished:
        notes.append("nothing is judged: no cell could be measured")
    try:
        judgement = asked.judge(finished, designed.question) if finished else Judgement({})
    except (KeyError, TypeError, AttributeError) as error:
        if len(missing) == len(designed.cells):
            raise
        told = f"--store: {path} holds results that {name} cannot judge ({one_line(error)})"
        raise RequestError(told) from error
    return StudyRun(found, designed, path, finished, failures, judgement, notes)


def usable_cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _task(cell: Cell, system: str, study_name: str, code: str) -> Task:
    return Task(cell.key, system, study_name, cell.parameters.model_dump(mode="json"), cell.seed, code)


def _how_to_go_on(total: int, left: int, path: Path) -> str:
    return f"{total - left:,} of {total:,} cells are stored in {path}; the same command goes on from there"


def _word(value: Any) -> str:
    """A setting from Python as the word of the command line."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _provenance(system: System) -> dict[str, str]:
    """Statement or headline claim -> whether the paper makes it or it was derived here."""
    from proofs.language.statements import Paper

    return {
        **dict.fromkeys(system.ledger(), "paper"),
        **{
            name: "paper" if isinstance(statement.source, Paper) else "derived"
            for name, statement in system.statements().items()
        },
    }
