"""Instance files of `token-selection`."""

from pathlib import Path

from verify.errors import RequestError
from verify.io.arrays import Expected, ignored_note, read_arrays, require_labels, take_step_size, write_arrays
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
        require_labels(path, name, arrays[name])
    if arrays["X"].shape[1] < 2:
        raise RequestError(f"--instance: X in {path} has T = 1 tokens a sample (T must be at least 2)")
    step_size = take_step_size(path, arrays)
    return Instance(**arrays, step_size=step_size), ignored_note(path, ignored)


def save_instance(instance: Instance, path: Path) -> None:
    """Write an instance so that `load_instance` reads the same bits."""
    write_arrays(path, {name: getattr(instance, name) for name in EXPECTED})
