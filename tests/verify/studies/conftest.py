"""A tiny system, installed as somebody else's package would be, so that workers find it as well."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from verify.studies.tasks import Outcome, Task, measure_cell

HOME = Path(__file__).parent / "tiny"


@pytest.fixture
def tiny(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the system `tiny` here and in every process started from here; returns the folder of its traces."""
    site, trace = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("trace")
    info = site / "tiny_system-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-system\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[verify.systems]\ntiny = tiny_system:SYSTEM\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(HOME))
    paths = [str(HOME), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("TINY_TRACE", str(trace))
    return trace


class Here:
    """Measures in this process, one cell after the other: for tests that are about something else."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        for task in tasks:
            with redirect_stdout(sys.stderr):
                outcome = measure_cell(task)
            yield outcome

    def close(self) -> None:
        pass


@pytest.fixture
def here(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes are started."""
    monkeypatch.setattr("verify.studies.run.Processes", Here)


Contents = Callable[[Path], list[tuple[Any, ...]]]


@pytest.fixture
def contents() -> Contents:
    """What a store holds, without the times."""

    def read(path: Path) -> list[tuple[Any, ...]]:
        database = sqlite3.connect(path)
        try:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            columns = "key, parameters, replicate, seed, status, result, error, attempts, version"
            return database.execute(f"SELECT {columns} FROM cells ORDER BY key").fetchall()
        finally:
            database.close()

    return read


@pytest.fixture
def measured(tiny: Path) -> Callable[[], Sequence[str]]:
    """One line for every measuring so far: process, x, seed."""

    def read() -> list[str]:
        trace = tiny / "measured"
        return trace.read_text().splitlines() if trace.exists() else []

    return read
