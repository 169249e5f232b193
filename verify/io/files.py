"""Single files: texts of bounded size are read, and what is for readers is written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from verify.errors import RequestError


def bounded_text(option: str, path: Path, largest: int) -> str:
    """The text of a file of at most `largest` bytes.

    Raises:
        RequestError: if it is no file, is larger, or cannot be read.
        ValueError: if it is no text.
    """
    try:
        if path.exists() and not path.is_file():
            raise RequestError(f"{option}: {path} is not a file")
        if path.stat().st_size > largest:
            raise RequestError(f"{option}: {path} is larger than {largest} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{option}: {path} cannot be read ({error.strerror})") from None


def check_target(option: str, path: Path) -> None:
    """Make sure, before the work is done, that a file has a place.

    Raises:
        RequestError: if the file is a folder, or cannot be written where it is to be.
    """
    try:
        if path.is_dir():
            raise RequestError.of(option, str(path), "a file, not a folder")
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:
        raise RequestError(f"{option}: {path} cannot be written ({error.strerror})") from None
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise RequestError(f"{option}: {path} cannot be written ({nearest} is no folder that can be written to)")


def write_whole(option: str, path: Path, text: str) -> None:
    """Write a text whole or not at all, its folders as well.

    Raises:
        RequestError: if the disk refuses.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            scratch.write_text(text, encoding="utf-8", newline="")
            os.replace(scratch, path)
        finally:
            with suppress(OSError):
                scratch.unlink()
    except OSError as error:
        raise RequestError(f"{option}: {path} cannot be written ({error.strerror})") from None
