"""A numerical verifier for proofs about how attention is trained.

Examples:
    >>> import verify
    >>> finished = verify.run("benign-vit", settings={"N": 4, "d": 1e9, "d_h": 1e9}, steps=5)
    >>> finished.steps
    5
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "run": "verify.runs",
    "Run": "verify.runs",
    "study": "verify.studies.run",
    "StudyRun": "verify.studies.run",
    "LemmaViolation": "verify.checking.judge",
    "RequestError": "verify.errors",
    "load_instance": "verify.api",
    "simulate": "verify.api",
    "loss_and_gradients": "verify.api",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # Imported when first used: the command line must answer --help without numba or sympy.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "strategies":
        return import_module("verify.strategies")
    raise AttributeError(f"module 'verify' has no attribute {name!r}")
