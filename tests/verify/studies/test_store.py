"""The file that keeps cells."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from verify.errors import RequestError
from verify.studies.design import Cell
from verify.studies.store import LOCK_SUFFIX, SCHEMA, Store
from verify.studies.tasks import Outcome


class Parameters(BaseModel):
    N: int = 4


CELLS = [Cell(f"key{place}", Parameters(N=place), replicate=place, seed=2**128 - 1 - place) for place in range(3)]


def opened(path: Path, system: str = "system", measured_as: str = "cells", code: str = "c0de") -> Store:
    return Store(path, system, measured_as, code)


def filled(path: Path) -> Path:
    with opened(path) as store:
        store.put(CELLS[0], Outcome("key0", '{"loss":0.1}', seconds=0.25))
        store.put(CELLS[2], Outcome("key2", None, "ValueError: no", attempts=2))
    return path


def change_meta(path: Path, name: str, value: object) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))
    database.close()


def test_rows_come_back_in_the_order_of_the_design(tmp_path: Path) -> None:
    with opened(filled(tmp_path / "a" / "b" / "cells.db")) as store:
        first, last = store.rows(CELLS)
        backwards = store.rows(CELLS[::-1])
    assert (first.parameters, first.replicate, first.seed) == ({"N": 0}, 0, 2**128 - 1)
    assert (first.result, first.error, first.attempts, first.seconds) == ({"loss": 0.1}, "", 1, 0.25)
    assert (last.result, last.error, last.attempts) == (None, "ValueError: no", 2)
    assert backwards == [last, first]


def test_cells_that_failed_are_missing_and_their_attempts_add_up(tmp_path: Path) -> None:
    with opened(filled(tmp_path / "cells.db")) as store:
        assert store.missing(CELLS) == CELLS[1:]
        store.put(CELLS[2], Outcome("key2", '{"loss":0.2}', attempts=1))
        assert store.missing(CELLS) == [CELLS[1]]
        assert store.rows(CELLS[2:])[0].attempts == 3
        assert store.rows(CELLS[2:])[0].error == ""


def test_cells_of_other_code_are_counted(tmp_path: Path) -> None:
    path = filled(tmp_path / "cells.db")
    with opened(path) as store:
        assert store.outdated() == 0
    with opened(path, code="0ther") as store:
        assert store.outdated() == 2


def test_a_closed_store_is_one_file(tmp_path: Path) -> None:
    filled(tmp_path / "cells.db")
    assert [path.name for path in tmp_path.iterdir()] == ["cells.db"]


def test_a_new_store_writes_ahead_and_syncs(tmp_path: Path) -> None:
    with opened(tmp_path / "cells.db") as store:
        database = store._database
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def no_database(path: Path) -> None:
    path.write_text("N,loss\n4,0.5\n" * 100)


def truncated(path: Path) -> None:
    path.write_bytes(filled(path).read_bytes()[:5000])


def overwritten(path: Path) -> None:
    content = bytearray(filled(path).read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


def other_database(path: Path) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE mine (x)")
    database.close()


def newer_schema(path: Path) -> None:
    change_meta(filled(path), "schema", SCHEMA + 1)
    change_meta(path, "verify_version", "9.0")


REFUSED = [
    (no_database, "is not a store, or is damaged"),
    (truncated, "is not a store, or is damaged"),
    (overwritten, "is not a store, or is damaged"),
    (other_database, "is an SQLite file of something else"),
    (newer_schema, f"has schema {SCHEMA + 1}, written by verify 9.0 (this verify reads schema {SCHEMA})"),
    (lambda path: change_meta(filled(path), "system", "theirs"), "holds cells of theirs, cells, not of system, cells"),
    (lambda path: change_meta(filled(path), "measured_as", "x"), "holds cells of system, x, not of system, cells"),
    (lambda path: path.mkdir(), "is not a file"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_other_files_are_refused_and_left_alone(make: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(RequestError) as refused:
        opened(path)
    assert str(refused.value).startswith(f"--store: {path} ")
    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert [each.name for each in tmp_path.iterdir()] == ["cells.db"]


@pytest.mark.parametrize("name", ["a/b/" + "x" * 300, f"{os.devnull}/cells.db", "file/cells.db"])
def test_places_that_cannot_be_written_are_refused_without_a_trace(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="cannot be used"):
        opened(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """A process that is killed while it makes a store leaves one."""
    (tmp_path / "cells.db").touch()
    with opened(filled(tmp_path / "cells.db")) as store:
        assert len(store.rows(CELLS)) == 2


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with opened(filled(tmp_path / "cells.db")) as store:
        pages = store._database.execute("PRAGMA page_count").fetchone()[0]
        store._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(RequestError, match=r"cannot be used \(database or disk is full\)"):
            store.put(CELLS[1], Outcome("key1", '{"text":"' + "x" * 10**5 + '"}'))
        assert store.missing(CELLS) == CELLS[1:]


def test_a_second_opening_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "cells.db"
    with opened(path), pytest.raises(RequestError, match=rf"in use by another process \({os.getpid()}\)"):
        opened(path)
    opened(path).close()


HOLD = """
import os, sys
from pathlib import Path
from verify.studies.store import Store
Store(Path(sys.argv[1]), "system", "cells", "c0de")
print("open", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_gone_with_it(tmp_path: Path) -> None:
    path = filled(tmp_path / "cells.db")
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(RequestError, match=rf"in use by another process \({holder.pid}\)"):
            opened(path)
        holder.kill()
    assert path.with_name(path.name + LOCK_SUFFIX).exists()
    with opened(path) as store:
        assert len(store.rows(CELLS)) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["cells.db"]


def test_cells_are_safe_before_the_store_is_closed(tmp_path: Path) -> None:
    """A copy of the files of an open store is what a crash would leave."""
    path, crashed = tmp_path / "cells.db", tmp_path / "crashed"
    crashed.mkdir()
    with opened(path) as store:
        store.put(CELLS[0], Outcome("key0", "{}"))
        for file in tmp_path.glob("cells.db*"):
            shutil.copy(file, crashed)
    with opened(crashed / "cells.db") as store:
        assert store.missing(CELLS) == CELLS[1:]
