"""The versions that results depend on."""

import platform
from importlib.metadata import version

VERSIONED = ("verify", "numpy", "numba", "scipy", "sympy", "python-flint")


def versions() -> dict[str, str]:
    """The versions that a run's bits depend on.

    Examples:
        >>> sorted(versions())
        ['numba', 'numpy', 'python', 'python-flint', 'scipy', 'sympy', 'verify']
    """
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONED}}
