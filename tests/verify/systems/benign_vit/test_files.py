"""Instance files: what is read, and everything that is refused in one line."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from verify.errors import RequestError
from verify.systems.benign_vit.files import load_instance, save_instance
from verify.systems.benign_vit.instance import Instance

Arrays = dict[str, Any]
Refusal = Callable[..., str]


def good() -> Arrays:
    rng = np.random.default_rng(0)
    shapes = {"X": (2, 3, 4), "W_Q": (4, 2), "W_K": (4, 2), "W_V": (4, 1), "w_O": (1,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return {**arrays, "y": np.array([1.0, -1.0]), "step_size": np.array(0.1)}


def write(path: Path, arrays: Arrays) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    return path


@given(instance=st.from_type(Instance))
def test_a_saved_instance_is_read_bit_for_bit(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "instance.npz"
    save_instance(instance, path)
    found, notes = load_instance(path)
    assert notes == []
    assert found.step_size == instance.step_size
    for name in ("X", "y", "W_Q", "W_K", "W_V", "w_O"):
        np.testing.assert_array_equal(getattr(found, name), getattr(instance, name))


def test_a_step_size_is_not_needed(tmp_path: Path) -> None:
    arrays = good()
    del arrays["step_size"]
    instance, _ = load_instance(write(tmp_path / "i.npz", arrays))
    assert instance.step_size is None


def test_other_arrays_are_ignored_with_a_note_whatever_they_hold(tmp_path: Path) -> None:
    arrays = {**good(), "gradient_W_Q": np.zeros(3), "junk": np.array([{}], dtype=object)}
    _, notes = load_instance(write(tmp_path / "mine.npz", arrays))
    assert notes == ["mine.npz: ignored array(s) gradient_W_Q, junk"]


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", "u1"])
def test_any_real_dtype_up_to_64_bits_becomes_float64(dtype: str, tmp_path: Path) -> None:
    arrays = {**good(), "X": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4).astype(dtype))}
    instance, _ = load_instance(write(tmp_path / "i.npz", arrays))
    assert instance.X.dtype == np.float64
    assert instance.X.flags.c_contiguous
    np.testing.assert_array_equal(instance.X, np.arange(24.0).reshape(2, 3, 4))


def put(name: str, place: Any, value: float) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


def become(name: str, array: Any) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({name: array})


WRONG: dict[str, tuple[Callable[[Arrays], None], str]] = {
    **{
        f"no {name}": (lambda a, name=name: a.pop(name), f"has no array {name}")
        for name in good()
        if name != "step_size"
    },
    "NaN in X": (put("X", (1, 2, 3), np.nan), "X[1, 2, 3] in"),
    "infinity in W_Q": (put("W_Q", (0, 1), np.inf), "W_Q[0, 1] in"),
    "minus infinity in w_O": (put("w_O", 0, -np.inf), "w_O[0] in"),
    "NaN in y": (put("y", 1, np.nan), "y[1] in"),
    "NaN as step_size": (become("step_size", np.array(np.nan)), "step_size in"),
    "label 0": (put("y", 0, 0.0), "is 0 (labels are -1 or 1)"),
    "label 2": (put("y", 1, 2.0), "y[1] in"),
    "label 0.5": (put("y", 1, 0.5), "is 0.5 (labels are -1 or 1)"),
    "complex X": (become("X", np.zeros((2, 3, 4), complex)), "dtype complex128"),
    "objects in X": (become("X", np.full((2, 3, 4), None)), "holds pickled objects"),
    "strings in y": (become("y", np.array(["+", "-"])), "dtype <U1"),
    "truth values in y": (become("y", np.array([True, True])), "dtype bool"),
    "dates in y": (become("y", np.array(["2024", "2025"], "M8[Y]")), "dtype datetime64[Y]"),
    "records in y": (become("y", np.zeros(2, [("a", "f8")])), "dtype [('a', '<f8')]"),
    "X of two axes": (become("X", np.ones((2, 4))), "shape (2, 4) ((N, M, d) is needed)"),
    "y of two axes": (become("y", np.ones((2, 1))), "array y"),
    "y too long": (become("y", np.ones(3)), "shape (3,) ((2) is needed, to match X)"),
    "W_Q of another d": (become("W_Q", np.ones((5, 2))), "array W_Q"),
    "W_K of another d_h": (become("W_K", np.ones((4, 3))), "to match W_Q"),
    "w_O of another d_v": (become("w_O", np.ones(2)), "to match W_V"),
    "no samples": (lambda a: a.update(X=np.ones((0, 3, 4)), y=np.ones(0)), "N must be at least 1"),
    "no dimensions": (lambda a: a.update(X=np.ones((2, 3, 0)), W_Q=np.ones((0, 2))), "d must be at least 1"),
    "one token": (become("X", np.ones((2, 1, 4))), "M = 1 tokens"),
    "step_size 0": (become("step_size", np.array(0.0)), "step_size in"),
    "negative step_size": (become("step_size", np.array(-0.1)), "it must be greater than 0"),
    "step_size of one axis": (become("step_size", np.array([0.1])), "array step_size"),
    "scores beyond float64": (lambda a: a.update(X=1e200 * a["X"], W_Q=1e200 * a["W_Q"]), "not finite"),
}


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("subcommand", ["run", "gradients"])
def test_wrong_arrays_are_refused(fault: str, subcommand: str, refusal: Refusal, tmp_path: Path) -> None:
    change, expected = WRONG[fault]
    arrays = good()
    change(arrays)
    path = write(tmp_path / "instance.npz", arrays)
    assert expected in refusal(subcommand, "benign-vit", "--instance", path, "--out", "results")


def test_the_arrays_that_are_spoilt_above_are_accepted_as_they_are(tmp_path: Path) -> None:
    instance, _ = load_instance(write(tmp_path / "instance.npz", good()))
    assert instance.shape == (2, 3, 4, 2)


def declared(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """An array file whose header promises more than follows."""
    stream = io.BytesIO()
    npy.write_array_header_2_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(64)


def packed(compression: int, **replaced: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as target:
        for name, array in good().items():
            member = io.BytesIO()
            npy.write_array(member, np.asarray(array))
            target.writestr(f"{name}.npy", replaced.get(name, member.getvalue()))
    return stream.getvalue()


def archive(path: Path, **replaced: bytes) -> Path:
    """A good instance file, with some members replaced by other bytes."""
    path.write_bytes(packed(zipfile.ZIP_STORED, **replaced))
    return path


def truncated(path: Path) -> Path:
    whole = write(path, good()).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def one_bit_flipped(path: Path) -> Path:
    """In the middle of the stored X: only the checksum can tell."""
    data = bytearray(write(path, good()).read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    return path


def plain_text(path: Path) -> Path:
    path.write_text("X = 1\n")
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def one_array(path: Path) -> Path:
    with path.open("wb") as stream:
        np.save(stream, np.ones(3))
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path, "cannot be read (No such file or directory)"),
    "a folder": (folder, "is not a file"),
    "a device": (lambda path: Path(os.devnull), "is not a file"),
    "empty": (empty, "not an .npz file, or is truncated"),
    "text": (plain_text, "not an .npz file, or is truncated"),
    "one array, not an archive": (one_array, "not an .npz file, or is truncated"),
    "truncated": (truncated, "not an .npz file, or is truncated"),
    "one bit flipped": (one_bit_flipped, "X of"),
    "no header": (lambda path: archive(path, X=b"zeros"), "array X of"),
    "a header that is code": (
        lambda path: archive(path, X=b"\x93NUMPY\x01\x00\x10\x00__import__('os')"),
        "array X of",
    ),
    "a header cut short": (lambda path: archive(path, X=declared((2, 3, 4))[:40]), "array X of"),
    "less data than declared": (lambda path: archive(path, X=declared((2, 3, 4))), "array X of"),
    "a terabyte declared": (lambda path: archive(path, X=declared((10**6, 10**3, 10**3))), "GiB of memory"),
    "more than memory addresses": (
        lambda path: archive(path, X=declared((2**62, 2**62, 2**62))),
        "GiB of memory",
    ),
    "more than an index holds": (lambda path: archive(path, X=declared((10**30, 3, 4))), "array X of"),
    "many huge axes": (lambda path: archive(path, X=declared((2**62,) * 30)), "GiB of memory"),
    "a negative length": (lambda path: archive(path, X=declared((-2, 3, 4))), "array X of"),
    "pickled objects": (lambda path: archive(path, y=declared((2,), "|O")), "holds pickled objects"),
}


@pytest.mark.parametrize("fault", FILES)
@pytest.mark.parametrize("subcommand", ["run", "gradients"])
def test_files_that_are_no_instance_are_refused(fault: str, subcommand: str, refusal: Refusal, tmp_path: Path) -> None:
    make, expected = FILES[fault]
    path = make(tmp_path / "instance.npz")
    line = refusal(subcommand, "benign-vit", "--instance", path, "--out", "results")
    assert expected in line
    assert str(path) in line


PACKED = [packed(way) for way in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)]


@settings(max_examples=300)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:.*")
def test_no_damage_does_worse_than_a_refusal(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    damaged = bytearray(data.draw(st.sampled_from(PACKED)))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    if data.draw(st.booleans()):
        del damaged[cut:]
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(damaged)
    try:
        instance, _ = load_instance(path)
    except RequestError:
        return
    assert instance.shape == (2, 3, 4, 2)
    assert np.all(np.isfinite(instance.X))
