"""The cells of studies, kept in one SQLite file as they finish."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verify.errors import RequestError
from verify.studies.design import Cell, canonical
from verify.studies.study import Row
from verify.studies.tasks import Outcome

SCHEMA = 2
DONE, FAILED = "done", "failed"
LOCK_SUFFIX = ".lock"

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cells (
    key TEXT PRIMARY KEY,
    parameters TEXT NOT NULL,
    replicate INTEGER NOT NULL,
    seed TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'failed')),
    result TEXT,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    seconds REAL NOT NULL,
    version TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    checksum TEXT NOT NULL
);
"""

PUT = """
INSERT INTO cells VALUES (:key, :parameters, :replicate, :seed, :status, :result, :error, :attempts, :seconds,
    :version, :finished_at, :checksum)
ON CONFLICT (key) DO UPDATE SET status = excluded.status, result = excluded.result, error = excluded.error,
    attempts = cells.attempts + excluded.attempts, seconds = excluded.seconds, version = excluded.version,
    finished_at = excluded.finished_at, checksum = excluded.checksum
"""


class Store:
    """An open store; nobody else can open it until it is closed or its process ends.

    Raises:
        RequestError: if the file is no store, or one of other cells or of a newer `verify`, if another process
            has it open, or if the disk refuses.

    Examples:
        >>> import tempfile
        >>> from pydantic import BaseModel
        >>> class Parameters(BaseModel):
        ...     N: int = 4
        >>> cell = Cell("a1", Parameters(), replicate=0, seed=7)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Store(Path(folder) / "cells.db", "my-system", "training", code="c0de") as store:
        ...         store.put(cell, Outcome("a1", '{"loss":0.5}', "", attempts=1, seconds=0.1))
        ...         [row.result for row in store.rows([cell])]
        [{'loss': 0.5}]
    """

    def __init__(self, path: Path, system: str, measured_as: str, code: str) -> None:
        self.path = path
        self._version = f"{version('verify')}+{code}"
        with _disk_errors(path):
            if path.exists() and not path.is_file():
                raise RequestError(f"--store: {path} is not a file")
            made = _missing_folders(path.parent)
        try:
            with _disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = _Lock(path)
                try:
                    self._database = _opened(path, system, measured_as)
                except BaseException:
                    self._lock.release()
                    raise
        except BaseException:
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others open it."""
        with _disk_errors(self.path):
            try:
                self._database.close()
            finally:
                self._lock.release()

    def put(self, cell: Cell, outcome: Outcome) -> None:
        """Keep what became of a cell; it is on the disk when this returns."""
        row = {
            "key": cell.key,
            "parameters": canonical(cell.parameters.model_dump(mode="json")),
            "replicate": cell.replicate,
            "seed": str(cell.seed),
            "status": FAILED if outcome.result is None else DONE,
            "result": outcome.result,
            "error": outcome.error,
            "attempts": outcome.attempts,
            "seconds": outcome.seconds,
            "version": self._version,
            "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        row["checksum"] = _checksum(cell.key, row["status"], outcome.result, outcome.error)
        with _disk_errors(self.path):
            self._database.execute(PUT, row)

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells that have no result yet, in the order given: those that failed as well."""
        with _disk_errors(self.path):
            done = {key for (key,) in self._database.execute("SELECT key FROM cells WHERE status = ?", (DONE,))}
        return [cell for cell in cells if cell.key not in done]

    def rows(self, cells: Sequence[Cell]) -> list[Row]:
        """Those of the cells that are stored, finished or failed, in the order given."""
        wanted = {cell.key: place for place, cell in enumerate(cells)}
        found: dict[int, Row] = {}
        columns = "key, status, result, error, checksum, attempts, seconds"
        with _disk_errors(self.path):
            for key, status, result, error, checksum, *rest in self._database.execute(f"SELECT {columns} FROM cells"):
                if key not in wanted:
                    continue
                cell = cells[wanted[key]]
                if checksum != _checksum(key, status, result, error):
                    raise sqlite3.DatabaseError(f"the cell {key} was changed after it was measured")
                parameters = cell.parameters.model_dump(mode="json")
                try:
                    measured = None if result is None else dict(json.loads(result))
                except (ValueError, TypeError, RecursionError):
                    raise sqlite3.DatabaseError(f"the result of the cell {key} is none") from None
                found[wanted[key]] = Row(parameters, cell.replicate, cell.seed, measured, error, *rest)
        return [found[place] for place in sorted(found)]

    def outdated(self) -> int:
        """How many cells other code has measured: they stay, and are not used."""
        with _disk_errors(self.path):
            count: int = self._database.execute(
                "SELECT count(*) FROM cells WHERE version <> ?", (self._version,)
            ).fetchone()[0]
        return count


def _checksum(*what: object) -> str:
    """Of what was kept of a cell: the pages of the file have none, and a flipped bit is another number."""
    return hashlib.sha256(json.dumps(what, default=repr).encode()).hexdigest()


def _opened(path: Path, system: str, measured_as: str) -> sqlite3.Connection:
    """A connection to the store, which is made if there is none; a file that is refused stays as it is."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        # Whoever wrote the file, nothing that it defines is carried out.
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        made_for = _meta(database, path)
        if made_for:
            _check(path, made_for, system, measured_as)
        database.execute("PRAGMA journal_mode = WAL")
        # A cell takes far longer than the half millisecond that it costs to have it safe on the disk.
        database.execute("PRAGMA synchronous = FULL")
        if not made_for:
            _create(database, system, measured_as)
    except BaseException:
        database.close()
        raise
    return database


def _meta(database: sqlite3.Connection, path: Path) -> dict[str, str]:
    """What the store says of itself; nothing, if the file has no tables yet."""
    defined = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE sql <> ''").fetchall())
    if not defined:
        return {}
    if set(defined) != {"meta", "cells"}:
        raise RequestError(f"--store: {path} is an SQLite file of something else, not of a study")
    damage = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise sqlite3.DatabaseError(damage.splitlines()[-1])
    if defined["meta"] != _tables()["meta"]:
        raise RequestError(f"--store: {path} is an SQLite file of something else, not of a study")
    meta = dict(database.execute("SELECT name, value FROM meta"))
    if meta.get("schema") == str(SCHEMA) and defined != _tables():
        raise RequestError(f"--store: {path} is an SQLite file of something else, not of a study")
    return meta


def _tables() -> dict[str, str]:
    """The definition of each table, as SQLite keeps it."""
    statements = [statement.strip() for statement in TABLES.split(";") if statement.strip()]
    return {statement.split()[2]: statement for statement in statements}


def _check(path: Path, made_for: Mapping[str, str], system: str, measured_as: str) -> None:
    schema = made_for.get("schema", "unknown")
    if schema != str(SCHEMA):
        written_by = made_for.get("verify_version", "unknown")
        raise RequestError(
            f"--store: {path} has schema {schema}, written by verify {written_by} (this verify reads schema {SCHEMA})"
        )
    found = (made_for.get("system"), made_for.get("measured_as"))
    if found != (system, measured_as):
        raise RequestError(
            f"--store: {path} holds cells of {found[0]}, {found[1]}, not of {system}, {measured_as} "
            "(choose another file)"
        )


def _create(database: sqlite3.Connection, system: str, measured_as: str) -> None:
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "system": system,
        "measured_as": measured_as,
        "verify_version": version("verify"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # In one transaction: a process that is killed here leaves a file without tables, which is a new store again.
    database.execute("BEGIN IMMEDIATE")
    for statement in _tables().values():
        database.execute(statement)
    database.executemany("INSERT INTO meta VALUES (?, ?)", [(name, str(value)) for name, value in meta.items()])
    database.execute("COMMIT")


class _Lock:
    """A lock that the kernel releases when its process ends, however it ends.

    It is not on the database file: closing a second descriptor of that would drop the locks of SQLite itself.
    """

    def __init__(self, path: Path) -> None:
        # Behind links, so that a store of two names has one lock.
        whole = path.resolve()
        self._path = whole.with_name(whole.name + LOCK_SUFFIX)
        while True:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current():
                    break
            except BlockingIOError:
                holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
                os.close(self._descriptor)
                raise RequestError(
                    f"--store: {path} is in use by another process{f' ({holder})' if holder else ''}; "
                    "wait for it, or choose another file"
                ) from None
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def _is_current(self) -> bool:
        """Whether the locked file is still the one of that name: a holder removes it before it lets go."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        with suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Tell in one line what the file or the disk refuses."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise RequestError(f"--store: {path} cannot be used ({error})") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes damaged names as they are
        raise RequestError(f"--store: {path} is not a store, or is damaged ({error})") from None
    except OSError as error:
        raise RequestError(f"--store: {path} cannot be used ({error.strerror})") from None


def _missing_folders(folder: Path) -> list[Path]:
    """A folder and those of its parents that do not exist, the innermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing
