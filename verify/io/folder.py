"""The folder of a run: checked before the run, written whole or not at all."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from verify.errors import RequestError

MARK = "verdicts.json"
"""The file by which a folder is known to hold a run; written last."""

PROBLEM = "problem.toml"
"""The configuration that repeats the run."""

TRAJECTORY = "trajectory.nc"
"""The recorded states."""

SIDES = "sides.nc"
"""Both sides of claims, and of laws in time, at recorded steps."""

PAGE = "report.html"
"""The page for readers."""

NUMBERING = "numbering.toml"
"""The reader's own numbers of the statements, if the run was given any."""

REPLAY = "replay.npz"
"""The instance at the step of the violation that ended a strict run."""

SCRATCH = ".verify-"
"""How the names of temporary folders begin; a killed process leaves its own."""

NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.ENOTSUP)
"""Some network file systems have no lock for a folder; a run goes on without."""

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
            os.rmdir(tempfile.mkdtemp(prefix=SCRATCH, dir=path))
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


@contextmanager
def hold_folder(path: Path, force: bool) -> Iterator[None]:
    """Keep a folder for one run, from before it begins until its files are written: two would mix their files.

    The lock is on the folder itself, so that the kernel releases it when its process ends, however it does; it ends
    with this. A folder that was made for it and stays empty is removed.

    Raises:
        RequestError: as `check_folder`, or if another process holds it.
    """
    check_folder(path, force)
    made = _missing(path)
    with ExitStack() as held:
        try:
            path.mkdir(parents=True, exist_ok=True)
            held.enter_context(_locked(path))
        except OSError as error:
            raise RequestError(f"--out: {path} cannot be written ({error.strerror})") from None
        try:
            yield
        finally:
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()


_held: set[Path] = set()
"""The folders that this process holds, in which it may write."""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder; what is left there of runs that were killed is removed."""
    folder = path.resolve()
    if folder in _held:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(f"--out: {path} is in use by another run (choose another folder)") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        _held.add(folder)
        for left in folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        _held.discard(folder)
        os.close(descriptor)


def write_folder(path: Path, files: Mapping[str, Writer]) -> None:
    """Write all files, or none: into a temporary folder first, then moved into place.

    They are on the disk before they are moved. Files of the run that the folder held are replaced, or removed.

    Raises:
        RequestError: if the disk refuses, or another process is writing there.
    """
    made = _missing(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with _locked(path), tempfile.TemporaryDirectory(prefix=SCRATCH, dir=path) as scratch:
            for name, write in files.items():
                write(Path(scratch) / name)
                _to_the_disk(Path(scratch) / name)
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


def _to_the_disk(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
