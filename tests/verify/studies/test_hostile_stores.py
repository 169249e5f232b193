"""Stores that were truncated, bent or made to do harm: the same cells come back, or the file is refused as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from pydantic import BaseModel

import verify
from verify.errors import RequestError, terminal_line
from verify.studies import store as stores
from verify.studies.design import Cell
from verify.studies.store import Store
from verify.studies.study import Row
from verify.studies.tasks import Outcome

QUICK, MANY = 200, 4000


class Parameters(BaseModel):
    N: int = 4


CELLS = [Cell(f"key{place}", Parameters(N=place), replicate=place, seed=place) for place in range(40)]


def opened(path: Path) -> Store:
    return Store(path, "system", "cells", "c0de")


def rows(path: Path) -> list[Row]:
    with opened(path) as store:
        return store.rows(CELLS)


class Whole:
    """A file and what it holds; Hypothesis would print the fields of a dataclass, which are too long."""

    def __init__(self, content: bytes, results: dict[int, object]) -> None:
        self.content, self.results = content, results


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A store of several pages, and the results that it holds."""
    path = tmp_path_factory.mktemp("whole") / "cells.db"
    with opened(path) as store:
        for cell in CELLS:
            store.put(cell, Outcome(cell.key, f'{{"loss":{cell.seed}.125,"more":"{"x" * 300}"}}'))
    return Whole(path.read_bytes(), {row.seed: row.result for row in rows(path)})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bent") / "cells.db"


def checked(path: Path, content: bytes, right: dict[int, object]) -> bool:
    """Whether it is read; a cell that comes back is the one that was kept, and what is refused stays as it is."""
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(content)
    found, told = None, ""
    try:
        found = rows(path)
    except RequestError as error:
        told = terminal_line(str(error))
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    if found is None:
        assert told.startswith(f"--store: {path} ")
        assert path.read_bytes() == content
        return False
    for row in found:
        assert row.result == right[row.seed]
    return True


places = some.floats(0, 1, exclude_max=True)
flips = some.lists(some.tuples(places, some.integers(0, 7)), min_size=1, max_size=3)


def flipped(path: Path, whole: Whole, bits: Sequence[tuple[float, int]]) -> None:
    content = bytearray(whole.content)
    for place, bit in bits:
        content[int(place * len(content))] ^= 1 << bit
    checked(path, bytes(content), whole.results)


@settings(max_examples=QUICK)
@example(bits=[(0.09746149951188544, 7)])  # in the definition of a table, where it is no text any more
@given(bits=flips)
def test_flipped_bits(path: Path, whole: Whole, bits: Sequence[tuple[float, int]]) -> None:
    flipped(path, whole, bits)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(bits=flips)
def test_many_flipped_bits(path: Path, whole: Whole, bits: Sequence[tuple[float, int]]) -> None:
    flipped(path, whole, bits)


@settings(max_examples=QUICK)
@given(place=places)
def test_truncated_stores(path: Path, whole: Whole, place: float) -> None:
    length = int(place * len(whole.content))
    assert checked(path, whole.content[:length], whole.results) == (length == 0)


def test_a_flip_in_a_number_is_seen_by_the_checksum_alone(path: Path, whole: Whole) -> None:
    content = whole.content.replace(b'"loss":7.125', b'"loss":6.125')
    assert content != whole.content
    assert not checked(path, content, whole.results)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def executed(*statements: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        database = sqlite3.connect(path)
        with database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return run


def resulting(text: str) -> Callable[[Path], None]:
    """A result with the checksum that goes with it."""

    def run(path: Path) -> None:
        database = sqlite3.connect(path)
        with database:
            checksum = stores._checksum("key0", "done", text, "")
            database.execute("UPDATE cells SET result = ?, checksum = ? WHERE key = 'key0'", (text, checksum))
        database.close()

    return run


@pytest.mark.parametrize(
    "change",
    [
        executed("CREATE TRIGGER gone AFTER INSERT ON cells BEGIN DELETE FROM cells; END"),
        executed("CREATE VIEW more AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"),
        executed("CREATE TABLE mine (x)"),
        executed("CREATE INDEX mine ON cells (seed)"),
        executed("ALTER TABLE cells ADD COLUMN more TEXT DEFAULT 'x'"),
        executed("ALTER TABLE cells RENAME COLUMN result TO results"),
        executed("ALTER TABLE meta ADD COLUMN more TEXT GENERATED ALWAYS AS (zeroblob(1000000000))"),
        executed("DROP TABLE cells", "CREATE VIEW cells AS SELECT * FROM meta"),
        executed("UPDATE cells SET result = CAST(x'fffe' AS TEXT)"),
        executed("UPDATE cells SET result = x'00'"),
        executed("UPDATE cells SET checksum = 1"),
        executed("UPDATE cells SET status = 'failed' WHERE key = 'key0'"),
        resulting("NaN"),
        resulting("3"),
        resulting("{"),
        resulting("[" * 100_000),
        resulting('{"x":' * 100_000),
    ],
)
def test_stores_made_to_do_harm(change: Callable[[Path], None], path: Path, whole: Whole) -> None:
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(whole.content)
    change(path)
    assert not checked(path, path.read_bytes(), whole.results)


def test_two_names_of_a_store_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("cells.db")
    with opened(tmp_path / "cells.db"), pytest.raises(RequestError, match="in use by another process"):
        opened(tmp_path / "link.db")


@pytest.mark.usefixtures("here")
def test_results_that_a_study_cannot_judge_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.db"
    verify.study("tiny", "line", {"x": 1, "seeds": 1}, workers=1, store=path)
    database = sqlite3.connect(path)
    with database:
        ((key,),) = database.execute("SELECT key FROM cells").fetchall()
        new = ('{"z":1}', stores._checksum(key, "done", '{"z":1}', ""))
        database.execute("UPDATE cells SET result = ?, checksum = ?", new)
    database.close()
    with pytest.raises(RequestError, match=r"holds results that line cannot judge \(KeyError: 'y'\)"):
        verify.study("tiny", "line", {"x": 1, "seeds": 1}, workers=1, store=path)
