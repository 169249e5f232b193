"""Instance files of `benign-vit`."""

from pathlib import Path

from verify.errors import RequestError
from verify.io.arrays import Expected, ignored_note, read_arrays, require_labels, take_step_size, write_arrays
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
    require_labels(path, "y", arrays["y"])
    if arrays["X"].shape[1] < 2:
        raise RequestError(f"--instance: X in {path} has M = 1 tokens a sample (M must be at least 2)")
    step_size = take_step_size(path, arrays)
    return Instance(**arrays, step_size=step_size), ignored_note(path, ignored)


def save_instance(instance: Instance, path: Path) -> None:
    """Write an instance so that `load_instance` reads the same bits."""
    write_arrays(path, {name: getattr(instance, name) for name in EXPECTED})
