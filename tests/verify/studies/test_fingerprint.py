"""The code that a cell's key names."""

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify.studies import fingerprint
from verify.studies.fingerprint import MEASURING, code_fingerprint

PACKAGE = "somebodys_system"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / PACKAGE
    (folder / "studies").mkdir(parents=True)
    for name in ("__init__.py", "studies/__init__.py", "studies/one.py"):
        (folder / name).touch()
    (folder / "system.py").write_text("class System:\n    name = 'somebodys'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def somebodys() -> Any:
    invalidate_caches()
    return import_module(f"{PACKAGE}.system").System()


def test_every_source_of_the_system_counts(home: Path) -> None:
    system = somebodys()
    found = {code_fingerprint(system)}
    (home / "studies" / "one.py").write_text("x = 1\n")
    found.add(code_fingerprint(system))
    (home / "studies" / "one.py").rename(home / "studies" / "two.py")
    found.add(code_fingerprint(system))
    (home / "studies" / "two.py").write_text("x = 2\n")
    found.add(code_fingerprint(system))
    assert len(found) == 4


def test_what_is_no_source_does_not_count(home: Path) -> None:
    system = somebodys()
    before = code_fingerprint(system)
    (home / "__pycache__").mkdir(exist_ok=True)
    (home / "__pycache__" / "one.nbi").touch()
    (home / "notes.txt").touch()
    assert code_fingerprint(system) == before


def test_it_does_not_depend_on_where_the_package_lies(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_fingerprint(somebodys())
    shutil.copytree(home, tmp_path / "elsewhere" / PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    system = somebodys()
    assert "elsewhere" in str(sys.modules[type(system).__module__].__file__)
    assert code_fingerprint(system) == before


def test_libraries_count(monkeypatch: pytest.MonkeyPatch) -> None:
    system = SimpleNamespace()
    before: str = code_fingerprint(system)  # type: ignore[arg-type]
    newer = {**fingerprint.versions(), "numba": "99"}
    monkeypatch.setattr(fingerprint, "versions", lambda: newer)
    assert code_fingerprint(system) != before  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MEASURING)
def test_what_measuring_runs_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import verify.studies.fingerprint as module

    system = SimpleNamespace()
    before: str = code_fingerprint(system)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "MEASURING", tuple(other for other in MEASURING if other != name))
    assert code_fingerprint(system) != before  # type: ignore[arg-type]
