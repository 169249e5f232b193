"""What determines a cell's result besides its parameters and its seed: the code that measures it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from verify.systems.base import System
from verify.versions import VERSIONED, versions

MEASURING = (
    "proofs.language",
    "proofs.shared",
    "verify.systems.draws",
    "verify.systems.sampled",
    "verify.checking",
    "verify.engines",
    "verify.statistics",
)
"""Packages and modules that measuring may run, besides the system's own folder in `verify` and in `proofs`."""

DIGITS = 16


def code_fingerprint(system: System) -> str:
    """A short hash of the sources that measure a system's cells, and of the versions of the libraries below them.

    Examples:
        >>> from verify.systems.base import find_system
        >>> len(code_fingerprint(find_system("benign-vit")))
        16
    """
    digest = hashlib.sha256()
    for library, number in versions().items():
        if library in VERSIONED:
            digest.update(f"{library} {number}\n".encode())
    home = sys.modules[type(system).__module__]
    own = home.__package__ or home.__name__
    for name in (own, f"proofs.{own.rpartition('.')[2]}", *MEASURING):
        for source, content in _sources(name):
            digest.update(f"{source} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:DIGITS]


def _sources(name: str) -> Iterator[tuple[str, bytes]]:
    """The Python files of a module or package: each one's name below it, and what it holds."""
    spec = find_spec(name)
    if spec is None:
        return
    if not spec.submodule_search_locations:
        yield name, Path(spec.origin or "").read_bytes()
        return
    for folder in spec.submodule_search_locations:
        root = Path(folder)
        for path in sorted(root.rglob("*.py")):
            yield f"{name}/{path.relative_to(root).as_posix()}", path.read_bytes()
