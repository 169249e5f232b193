"""Counterexamples as files: found ones are kept, repeat with one command, and are tried first next time."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verify.errors import RequestError
from verify.falsify.search import Found
from verify.falsify.trial import ArraysTrial, Trial
from verify.io.folder import Writer
from verify.io.results import toml_text
from verify.systems.base import System

FOLDER = Path("results") / "falsify"
"""Where counterexamples are kept if no folder is named: beside the results of runs and studies."""

STEPS = "-steps-"
"""Stands in the name of an instance file before the steps that it is to be trained for."""

MOST_KEPT = 50


@dataclass(frozen=True)
class Kept:
    """A counterexample on the disk, and the command that repeats it."""

    file: Path
    command: str


def check_folder(folder: Path) -> None:
    """Make sure that counterexamples can be kept in a folder.

    Raises:
        RequestError: if it is no folder or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise RequestError.of("--out", str(folder), "a folder, not a file")
    parent = next(each for each in (folder, *folder.resolve().parents) if each.exists())
    if not os.access(parent, os.W_OK):
        raise RequestError(f"--out: {folder} cannot be written")


def keep(folder: Path, system: System, name: str, found: Found, lemmas: Path | None, source: str | None) -> Kept:
    """Write a counterexample of the statement called `name`, in place of an earlier one.

    `lemmas` is the user's file that states it, `source` what such a file has to hold, written beside the instance.

    Raises:
        RequestError: if the disk refuses.
    """
    stem = f"{system.name}-{name}"
    trial = found.trial
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in _files(folder, stem):
            file.unlink()
        words = ["verify", "run", system.name]
        if isinstance(trial, ArraysTrial):
            file = folder / f"{stem}{STEPS}{trial.steps}.npz"
            _write(file, lambda path: system.save_instance(trial.instance, path))
            words += ["--instance", str(file), "--steps", str(trial.steps)]
        else:
            file = folder / f"{stem}.toml"
            config = toml_text(trial.request(system).config("auto"))
            _write(file, lambda path: _write_text(path, config))
            words += ["--config", str(file)]
        if source is not None:
            lemmas = folder / f"{stem}.py"
            _write(lemmas, lambda path: _write_text(path, source))
    except OSError as error:
        raise RequestError(f"--out: {folder} cannot be written ({error.strerror})") from None
    return Kept(file, shlex.join([*words, *(["--lemmas", str(lemmas)] if lemmas is not None else [])]))


def kept_before(folder: Path, system: System, name: str) -> Iterator[Trial]:
    """Instances kept of a system, those of the statement first; a file that is none any more is passed over."""
    own = _files(folder, f"{system.name}-{name}")
    others = sorted(folder.glob(f"{system.name}-*{STEPS}*.npz"))
    for file in dict.fromkeys([*own, *others[:MOST_KEPT]]):
        steps = file.stem.rpartition(STEPS)[2]
        if file.suffix == ".npz" and steps.isdecimal():
            with suppress(RequestError):
                instance, _ = system.load_instance(file)
                yield ArraysTrial(instance, int(steps))


def _files(folder: Path, stem: str) -> list[Path]:
    there = sorted(folder.glob(f"{stem}*")) if folder.is_dir() else []
    names = {f"{stem}.py", f"{stem}.toml"}
    return [each for each in there if each.name in names or each.name.rpartition(STEPS)[0] == stem]


def _write(file: Path, write: Writer) -> None:
    """Whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=file.parent) as scratch:
        write(Path(scratch) / file.name)
        os.replace(Path(scratch) / file.name, file)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
