"""The reader's own numbers: what the paper in the reader's hands calls the statements of a system.

A small TOML file maps them to names:

    paper = "arXiv:2409.19345v2"

    [lemmas]
    "Lemma 1" = "loss-derivative-near-half"
    "Lemma 2" = ["stage-one-values", "stage-one-queries-and-keys"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verify.errors import RequestError
from verify.io.files import bounded_text
from verify.io.folder import NUMBERING
from verify.io.nearest import unknown_name
from verify.io.results import toml_text

KEYS = ("paper", "lemmas")
LARGEST = 2**20
LONGEST_NUMBER = 80


@dataclass(frozen=True)
class Numbering:
    """The numbers of one version of a paper, each with the names of the statements that it stands for.

    Examples:
        >>> numbering = Numbering("arXiv v2", {"Lemma 1": ("near-half",), "Theorem 2": ("near-half", "bound")})
        >>> numbering.number("near-half"), numbering.number("loss")
        ('Lemma 1, Theorem 2', '')
        >>> numbering.both("bound"), numbering.both("loss")
        ('bound (Theorem 2)', 'loss')
    """

    paper: str = ""
    lemmas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.lemmas)

    def number(self, name: str) -> str:
        """What the paper calls the statement of that name; nothing, if it has no number."""
        return ", ".join(number for number, names in self.lemmas.items() if name in names)

    def both(self, name: str) -> str:
        """The statement's name with its number."""
        return f"{name} ({self.number(name)})" if self.number(name) else name

    def text(self) -> str:
        """The file's contents."""
        lemmas = {number: names[0] if len(names) == 1 else list(names) for number, names in self.lemmas.items()}
        return toml_text({"paper": self.paper, "lemmas": lemmas})


UNNUMBERED = Numbering()


def read_numbering(path: Path, known: Collection[str] | None, holder: str) -> Numbering:
    """The numbering of a file, all of whose names are `known`; without these, whatever they are.

    Raises:
        RequestError: if it cannot be read, or names what `holder` does not have.
    """
    contents = _contents(path)
    unknown = [key for key in contents if key not in KEYS]
    if unknown:
        raise RequestError(f"--numbering: {path}: unknown key {unknown[0]!r} (keys: {' '.join(KEYS)})")
    paper, lemmas = contents.get("paper", ""), contents.get("lemmas", {})
    if not isinstance(paper, str):
        raise RequestError(f"--numbering: {path}: paper is {paper!r} (a text is allowed)")
    if not isinstance(lemmas, dict) or not lemmas:
        raise RequestError(f'--numbering: {path} has no table [lemmas] of lines like "Lemma 1" = "NAME"')
    found = {number: _names(path, number, names) for number, names in lemmas.items()}
    for number, names in found.items():
        for name in names:
            if known is not None and name not in known:
                raise RequestError(f"--numbering: {path}: {number}: {unknown_name(name, known, holder)}")
    return Numbering(paper, found)


def saved_numbering(folder: Path) -> Numbering:
    """The numbering that a run's folder keeps, if it keeps one."""
    path = folder / NUMBERING
    return read_numbering(path, None, "") if path.exists() else UNNUMBERED


def _contents(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(bounded_text("--numbering", path, LARGEST))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--numbering: {path} is not valid TOML ({error})") from None


def _names(path: Path, number: str, names: Any) -> tuple[str, ...]:
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        raise RequestError(f"--numbering: {path}: {number!r} is {names!r} (a name or a list of names is allowed)")
    if not number.strip() or len(number) > LONGEST_NUMBER or not number.isprintable():
        raise RequestError(f"--numbering: {path}: {number!r} is no number (1 to {LONGEST_NUMBER} letters in a line)")
    return tuple(name.rpartition("/")[2] for name in listed)
