"""Instance files of `shallow-vit`."""

from pathlib import Path

import numpy as np

from verify.errors import RequestError
from verify.io.arrays import Expected, ignored_note, read_arrays, require_labels, take_step_size, write_arrays
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.kernels import Array, Integers

EXPECTED = {
    "X": Expected(("N", "L", "d")),
    "y": Expected(("N",)),
    "a": Expected(("m",)),
    "W_O": Expected(("m", "m_a")),
    "W_V": Expected(("m_a", "d")),
    "W_K": Expected(("m_b", "d")),
    "W_Q": Expected(("m_b", "d")),
    "batches": Expected(("steps", "B"), required=False),
    "patterns": Expected(("M", "d"), required=False),
    "step_size": Expected((), required=False),
}


def load_instance(path: Path) -> tuple[Instance, list[str]]:
    """Read an instance; the second item notes ignored arrays.

    Raises:
        RequestError: in one line, if the file is not such an instance.
    """
    arrays, ignored = read_arrays(path, EXPECTED)
    require_labels(path, "y", arrays["y"])
    batches = _batches(path, arrays.pop("batches"), len(arrays["y"])) if "batches" in arrays else None
    step_size = take_step_size(path, arrays)
    notes = ignored_note(path, ignored)
    if "patterns" in arrays and not _orthonormal(arrays["patterns"]):
        del arrays["patterns"]
        notes.append(f"{path.name}: patterns are not two orthonormal rows or more, and left out")
    return Instance(**arrays, batches=batches, step_size=step_size), notes


def _orthonormal(patterns: Array) -> bool:
    several = len(patterns) > 1
    return several and bool(np.abs(patterns @ patterns.T - np.eye(len(patterns))).max() <= 1e-12 * patterns.shape[1])


def _batches(path: Path, batches: Array, samples: int) -> Integers:
    wrong = (batches != np.floor(batches)) | (batches < 0) | (batches >= samples)
    if not batches.size:
        raise RequestError(f"--instance: batches in {path} is empty (one row a step, one sample or more)")
    if np.any(wrong):
        step, place = (int(i) for i in np.argwhere(wrong)[0])
        entry = f"batches[{step}, {place}] in {path} is {batches[step, place]:g}"
        raise RequestError(f"--instance: {entry} (whole numbers from 0 to {samples - 1} are allowed)")
    return batches.astype(np.int64)


def save_instance(instance: Instance, path: Path) -> None:
    """Write an instance so that `load_instance` reads the same bits."""
    write_arrays(path, {name: getattr(instance, name) for name in EXPECTED})
