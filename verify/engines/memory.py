"""Memory is bounded before it is taken."""

import os

from verify.errors import RequestError

SHARE = 0.75
"""Share of the machine's memory that one request may plan for."""


def available_memory() -> int:
    """Bytes that one request may plan for."""
    return int(SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


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
