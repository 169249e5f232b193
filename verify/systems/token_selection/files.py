"""Instance files of `token-selection`."""

from pathlib import Path

import numpy as np

from verify.errors import RequestError
from verify.io.arrays import Expected, read_arrays
from verify.systems.token_selection.instance import Instance

EXPECTED = {
    "X": Expected(("n", "T", "d")),
    "y": Expected(("n",)),
    "y_clean": Expected(("n",)),
    "W": Expected(("r", "d")),
    "p": Expected(("r",)),
    "nu": Expected(("d",)),
    "step_size": Expected((), required=False),
}


def load_instance(path: Path) -> tuple[Instance, list[str]]:
    """Read an instance; the second item notes ignored arrays. W may have any number of rows, the length of p.

    Raises:
        RequestError: in one line, if the file is not such an instance.
    """
    arrays, ignored = read_arrays(path, EXPECTED)
    for name in ("y", "y_clean"):
        if not np.all(np.abs(arrays[name]) == 1.0):
            place = int(np.argmax(np.abs(arrays[name]) != 1.0))
            raise RequestError(f"--instance: {name}[{place}] in {path} is {arrays[name][place]:g} (labels are -1 or 1)")
    if arrays["X"].shape[1] < 2:
        raise RequestError(f"--instance: X in {path} has T = 1 tokens a sample (T must be at least 2)")
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
