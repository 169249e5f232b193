"""Reading arrays that anyone may have written; `benign-vit`'s own files test the refusals one by one."""

from pathlib import Path

import numpy as np
import pytest

from verify.engines import memory
from verify.errors import RequestError
from verify.io.arrays import Expected, read_arrays

EXPECTED = {
    "A": Expected(("rows", "columns")),
    "b": Expected(("rows",)),
    "scale": Expected((), required=False),
}


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_arrays_come_back_with_the_names_of_those_ignored(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.npz",
        A=np.eye(2),
        b=np.arange(2),
        scale=np.float32(0.5),
        extra=np.ones(9),
        also=np.ones(1),
    )
    arrays, ignored = read_arrays(path, EXPECTED)
    assert ignored == ["also", "extra"]
    assert set(arrays) == {"A", "b", "scale"}
    assert arrays["scale"].shape == ()
    assert all(array.dtype == np.float64 for array in arrays.values())


def test_what_is_not_required_may_be_missing(tmp_path: Path) -> None:
    arrays, _ = read_arrays(write(tmp_path / "a.npz", A=np.eye(2), b=np.ones(2)), EXPECTED)
    assert set(arrays) == {"A", "b"}


def test_axes_of_one_name_have_one_length(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"array b .* has shape \(3,\) \(\(2\) is needed, to match A\)"):
        read_arrays(write(tmp_path / "a.npz", A=np.eye(2), b=np.ones(3)), EXPECTED)


def test_arrays_larger_than_memory_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.npz", A=np.ones((100, 100)), b=np.ones(100))
    monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    with pytest.raises(RequestError, match="GiB of memory"):
        read_arrays(path, EXPECTED)


def test_ignored_arrays_are_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.npz", A=np.eye(2), b=np.ones(2), huge=np.ones(10_000))
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    assert read_arrays(path, EXPECTED)[1] == ["huge"]
