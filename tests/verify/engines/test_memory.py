"""Memory is bounded before it is taken."""

import pytest

from verify.engines.memory import available_memory, require_memory
from verify.errors import RequestError


def test_no_request_may_plan_for_all_of_the_machine() -> None:
    with open("/proc/meminfo") as stream:
        total = int(stream.readline().split()[1]) * 1024
    assert 0.5 * total < available_memory() < total


def test_what_fits_passes_and_what_does_not_is_refused_with_both_numbers() -> None:
    require_memory(available_memory(), "this")
    with pytest.raises(RequestError, match=r"^this needs 2e\+03 GiB of memory \([\d.]+ GiB can be used here\)$"):
        require_memory(2000 * 2**30, "this")
    with pytest.raises(RequestError, match="needs inf GiB"):
        require_memory(float("inf"), "this")
