"""Memory is bounded before it is taken."""

from pathlib import Path

import pytest

from verify.engines import memory
from verify.engines.memory import available_memory, require_memory
from verify.errors import RequestError


def test_no_request_may_plan_for_all_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", tmp_path / "none")
    with open("/proc/meminfo") as stream:
        total = int(stream.readline().split()[1]) * 1024
    assert 0.5 * total < available_memory() < total


def test_what_fits_passes_and_what_does_not_is_refused_with_both_numbers() -> None:
    require_memory(available_memory(), "this")
    with pytest.raises(RequestError, match=r"^this needs 2e\+03 GiB of memory \([\d.]+ GiB can be used here\)$"):
        require_memory(2000 * 2**30, "this")
    with pytest.raises(RequestError, match="needs inf GiB"):
        require_memory(float("inf"), "this")


def test_a_limit_of_the_process_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.resource, "getrlimit", lambda which: (2**30, 2**30))
    assert available_memory() == 0.75 * 2**30


@pytest.mark.parametrize(("says", "limit"), [("1073741824\n", 0.75 * 2**30), ("max\n", None)])
def test_a_limit_of_the_container_is_known(
    says: str, limit: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", tmp_path / "memory.max")
    without = available_memory()
    (tmp_path / "memory.max").write_text(says)
    assert available_memory() == (without if limit is None else limit)
