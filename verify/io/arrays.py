"""Arrays from `.npz` files that nobody has to trust: sizes are known before memory is taken, nothing is unpickled."""

import io
import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from verify.engines.memory import require_memory
from verify.errors import RequestError

BROKEN = (
    *(ValueError, TypeError, KeyError, EOFError, RuntimeError, OverflowError, SyntaxError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What reading a broken archive or a broken array header can raise."""

LONGEST = 2**63 - 1
"""The longest axis that NumPy can index."""

LONGEST_HEADER = 2**16
"""Bytes that are read for an array's header, which may declare 4 GiB of itself; NumPy writes some hundred."""


@dataclass(frozen=True)
class Expected:
    """An array that a file must hold: its axes by name; equal names have equal lengths."""

    axes: tuple[str, ...]
    required: bool = True


def read_arrays(path: Path, expected: Mapping[str, Expected]) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """The expected arrays of an `.npz` file as float64, and the names of those that were ignored.

    Raises:
        RequestError: naming the file, the array and what is wrong with it.
    """
    try:
        if path.exists() and not path.is_file():
            raise RequestError(f"--instance: {path} is not a file")
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise RequestError(f"--instance: {path} cannot be read ({error.strerror})") from None
    except BROKEN:
        raise RequestError(f"--instance: {path} is not an .npz file, or is truncated") from None
    with archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        missing = [name for name, array in expected.items() if array.required and name not in members]
        if missing:
            needed = " ".join(name for name, array in expected.items() if array.required)
            raise RequestError(f"--instance: {path} has no array {missing[0]} (needed: {needed})")
        wanted = {name: members[name] for name in expected if name in members}
        headers = {name: _header(archive, path, name, member) for name, member in wanted.items()}
        require_memory(sum(16.0 * math.prod(map(float, shape)) for shape, _ in headers.values()), f"{path}")
        _agree(path, expected, {name: shape for name, (shape, _) in headers.items()})
        arrays = {name: _read(archive, path, name, member) for name, member in wanted.items()}
    return arrays, sorted(set(members) - set(expected))


def _header(
    archive: zipfile.ZipFile, path: Path, name: str, member: str
) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    try:
        with archive.open(member) as stream:
            head = io.BytesIO(stream.read(LONGEST_HEADER))
        version = npy.read_magic(head)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(head)
        if not all(0 <= length <= LONGEST for length in shape):
            raise ValueError(shape)
    except (*BROKEN, OSError):
        raise RequestError(f"--instance: array {name} of {path} is broken or truncated") from None
    if dtype.hasobject:
        raise RequestError(f"--instance: array {name} of {path} holds pickled objects (real numbers are allowed)")
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise RequestError(
            f"--instance: array {name} of {path} has dtype {dtype} (real numbers up to 64 bits are allowed)"
        )
    return shape, dtype


def _read(archive: zipfile.ZipFile, path: Path, name: str, member: str) -> NDArray[np.float64]:
    try:
        with archive.open(member) as stream:
            array = npy.read_array(stream, allow_pickle=False)
            # The end of the member is where its checksum is compared.
            if stream.read(1):
                raise ValueError("more bytes than its header says")
    except (*BROKEN, OSError):
        raise RequestError(f"--instance: array {name} of {path} is broken or truncated") from None
    result = np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)
    if not np.all(np.isfinite(result)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        entry = f"{name}{list(place)}" if place else name
        raise RequestError(f"--instance: {entry} in {path} is {result[place]} (finite numbers are allowed)")
    return result


def _agree(path: Path, expected: Mapping[str, Expected], shapes: Mapping[str, tuple[int, ...]]) -> None:
    sizes: dict[str, tuple[int, str]] = {}
    for name, shape in shapes.items():
        axes = expected[name].axes
        wanted = "(" + ", ".join(str(sizes[axis][0]) if axis in sizes else axis for axis in axes) + ")"
        if len(shape) != len(axes):
            raise RequestError(f"--instance: array {name} of {path} has shape {shape} ({wanted} is needed)")
        for axis, length in zip(axes, shape, strict=True):
            if sizes.setdefault(axis, (length, name))[0] != length:
                needed = f"{wanted} is needed, to match {sizes[axis][1]}"
                raise RequestError(f"--instance: array {name} of {path} has shape {shape} ({needed})")
            if length < 1:
                raise RequestError(f"--instance: array {name} of {path} has shape {shape} ({axis} must be at least 1)")


def write_arrays(path: Path, arrays: Mapping[str, object]) -> None:
    """Write those arrays that there are, so that `read_arrays` reads the same bits."""
    with path.open("wb") as stream:
        np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]


def require_labels(path: Path, name: str, labels: NDArray[np.float64]) -> None:
    """Refuse labels other than -1 and 1.

    Raises:
        RequestError: naming the first of them.
    """
    if not np.all(np.abs(labels) == 1.0):
        place = int(np.argmax(np.abs(labels) != 1.0))
        raise RequestError(f"--instance: {name}[{place}] in {path} is {labels[place]:g} (labels are -1 or 1)")


def take_step_size(path: Path, arrays: dict[str, NDArray[np.float64]]) -> float | None:
    """Take the step size out of the arrays, if they hold one.

    Raises:
        RequestError: if it is not positive.
    """
    if "step_size" not in arrays:
        return None
    step_size = float(arrays.pop("step_size"))
    if step_size <= 0.0:
        raise RequestError(f"--instance: step_size in {path} is {step_size:g} (it must be greater than 0)")
    return step_size


def ignored_note(path: Path, ignored: Sequence[str]) -> list[str]:
    """The note on arrays that were ignored, if any were."""
    return [f"{path.name}: ignored array(s) {', '.join(ignored)}"] if ignored else []
