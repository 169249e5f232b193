"""Instance files of `benign-vit`."""

from pathlib import Path

import numpy as np

from verify.errors import RequestError
from verify.io.arrays import Expected, read_arrays
from verify.systems.benign_vit.instance import Instance

EXPECTED = {
    "X": Expected(("N", "M", "d")),
    "y": Expected(("N",)),
    "W_Q": Expected(("d", "d_h")),
    "W_K": Expected(("d", "d_h")),
    "W_V": Expected(("d", "d_v")),
    "w_O": Expected(("d_v",)),
    "step_size": Expected((), required=False),
}


def load_instance(path: Path) -> tuple[Instance, list[str]]:
    """Read an instance; the second item notes ignored arrays.

    Raises:
        RequestError: in one line, if the file is not such an instance.
    """
    arrays, ignored = read_arrays(path, EXPECTED)
    y = arrays["y"]
    if not np.all(np.abs(y) == 1.0):
        place = int(np.argmax(np.abs(y) != 1.0))
        raise RequestError(f"--instance: y[{place}] in {path} is {y[place]:g} (labels are -1 or 1)")
    if arrays["X"].shape[1] < 2:
        raise RequestError(f"--instance: X in {path} has M = 1 tokens a sample (M must be at least 2)")
    step_size = float(arrays.pop("step_size")) if "step_size" in arrays else None
    if step_size is not None and step_size <= 0.0:
        raise RequestError(f"--instance: step_size in {path} is {step_size:g} (it must be greater than 0)")
    notes = [f"{path.name}: ignored array(s) {', '.join(ignored)}"] if ignored else []
    return Instance(**arrays, step_size=step_size), notes


def save_instance(instance: Instance, path: Path) -> None:
    """Write an instance so that `load_instance` reads the same bits."""
    arrays = {name: getattr(instance, name) for name in EXPECTED if getattr(instance, name) is not None}
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
