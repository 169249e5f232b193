"""The versions that results depend on."""

import os
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


def machine() -> dict[str, str]:
    """The machine that a run was made on.

    Examples:
        >>> sorted(machine())
        ['CPUs', 'processor', 'system']
    """
    return {"system": platform.platform(), "processor": _processor(), "CPUs": str(os.cpu_count())}


def _processor() -> str:
    """The name of the processor, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
