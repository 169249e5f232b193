"""The folder of a run: checked before the run, written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from verify.errors import RequestError

MARK = "verdicts.json"
"""The file by which a folder is known to hold a run; written last."""

PROBLEM = "problem.toml"
"""The configuration that repeats the run."""

TRAJECTORY = "trajectory.nc"
"""The recorded states."""

NUMBERING = "numbering.toml"
"""The reader's own numbers of the statements, if the run was given any."""

REPLAY = "replay.npz"
"""The instance at the step of the violation that ended a strict run."""

Writer = Callable[[Path], None]


def check_folder(path: Path, force: bool) -> None:
    """Make sure that results can be written to `path`; nothing is left behind.

    Raises:
        RequestError: if it is no folder, cannot be written, or holds a run and `force` is not set.
    """
    try:
        if path.exists() and not path.is_dir():
            raise RequestError.of("--out", str(path), "a folder, not a file")
        if (path / MARK).exists() and not force:
            raise RequestError(f"--out: {path} holds another run (choose another folder, or --force to replace it)")
        made = _missing(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            os.rmdir(tempfile.mkdtemp(prefix=".verify-", dir=path))
        finally:
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()
    except OSError as error:
        raise RequestError(f"--out: {path} cannot be written ({error.strerror})") from None


def _missing(path: Path) -> list[Path]:
    """`path` and those of its parents that do not exist, the outermost last."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    return missing


def write_folder(path: Path, files: Mapping[str, Writer]) -> None:
    """Write all files, or none: into a temporary folder first, then moved into place.

    Raises:
        RequestError: if the disk refuses.
    """
    made = _missing(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".verify-", dir=path) as scratch:
            for name, write in files.items():
                write(Path(scratch) / name)
            for name in (MARK, *({NUMBERING, REPLAY} - set(files))):  # what another run has left
                (path / name).unlink(missing_ok=True)
            for name in sorted(files, key=lambda name: name == MARK):
                os.replace(Path(scratch) / name, path / name)
    except BaseException as error:
        if made:
            shutil.rmtree(made[-1], ignore_errors=True)
        if isinstance(error, OSError):
            raise RequestError(f"--out: {path} cannot be written ({error.strerror})") from None
        raise
