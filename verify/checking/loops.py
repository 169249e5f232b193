"""Generated loops, compiled, and kept in a cache folder so that the next process finds them compiled."""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Iterate = Callable[[NDArray[np.intp], Array, Array, Array, Array], None]

_HELPERS = ("power", "logistic", "softplus")


@cache
def compiled_loop(source: str) -> Iterate:
    """The jitted `iterate` of a generated source."""
    module = _module_in(_cache_folder(), source)
    kept = module is not None
    if module is None:
        module = ModuleType("generated_loop")
        exec(compile(source, "<generated loop>", "exec"), module.__dict__)
    return _jitted(module, kept)


def _jitted(module: ModuleType, kept: bool) -> Iterate:
    from numba import njit

    for helper in _HELPERS:
        setattr(module, helper, njit(getattr(module, helper)))
    iterate: Iterate = njit(module.iterate, cache=kept, error_model="numpy")
    return iterate


def _cache_folder() -> Path:
    """The folder for generated sources: `verify/loops` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "verify" / "loops"


def _module_in(folder: Path, source: str) -> Any:
    """The source as a module kept in the folder, or None if the folder cannot be used."""
    name = f"loop_{sha256(source.encode()).hexdigest()[:24]}"
    path = folder / f"{name}.py"
    try:
        if not path.exists() or path.read_text() != source:
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(path, source)
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            return None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    except OSError:
        return None
    return module


def _write_whole(path: Path, text: str) -> None:
    """Write a file in one piece: another process may be writing the same one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(temporary, path)
