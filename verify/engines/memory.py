"""Memory is bounded before it is taken."""

import os
import resource
from contextlib import suppress
from pathlib import Path

from verify.errors import RequestError

SHARE = 0.75
"""Share of the machine's memory that one request may plan for."""


CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how much memory a container has; a word in place of a number means no limit."""


def available_memory() -> int:
    """Bytes that one request may plan for, of what the machine has and this process may use."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY:
        limits.append(allowed)
    with suppress(OSError, ValueError):
        limits.append(int(CONTAINER_LIMIT.read_text()))
    return int(SHARE * min(limits))


def require_memory(wanted: float, what: str) -> None:
    """Refuse a request whose arrays cannot fit.

    Raises:
        RequestError: with both numbers.
    """
    limit = available_memory()
    if wanted > limit:
        raise RequestError(f"{what} needs {_gigabytes(wanted)} of memory ({_gigabytes(limit)} can be used here)")


def _gigabytes(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
