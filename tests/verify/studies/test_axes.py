"""Values of an axis as users write them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import RequestError
from verify.studies.axes import axis_values, spaced, spaced_counts, written


def test_lists_and_ranges_can_be_mixed() -> None:
    assert axis_values("N", "4,8..32:3") == ["4", "8", "16", "32"]


def test_a_value_written_twice_is_one_value() -> None:
    assert axis_values("N", "4,4,8") == ["4", "8"]


@pytest.mark.parametrize("text", ["1..16", "16..1:3", "0..4:3", "1..4:1", "1..x:3", "1..inf:3"])
def test_ranges_that_are_none_are_refused_with_the_field_and_its_value(text: str) -> None:
    with pytest.raises(RequestError, match=r"^SNR: '.*' is not allowed \(LOW\.\.HIGH:COUNT"):
        axis_values("SNR", text)


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.integers(2, 60))
def test_spaced_values_ascend_in_equal_ratios(low: float, factor: float, count: int) -> None:
    values = spaced(low, low * factor, count)
    assert len(values) == count
    # Values are rounded to six digits.
    assert values[0] == pytest.approx(low, rel=1e-5)
    assert values[-1] == pytest.approx(low * factor, rel=1e-5)
    ratios = [after / before for before, after in itertools.pairwise(values)]
    assert max(ratios) / min(ratios) < 1 + 4e-5


@given(st.integers(1, 1000), st.integers(2, 50), st.integers(2, 30))
def test_counts_are_whole_distinct_and_keep_their_ends(low: int, factor: int, count: int) -> None:
    values = spaced_counts(low, low * factor, count)
    assert values == sorted(set(values))
    assert (values[0], values[-1]) == (low, low * factor)


@given(st.lists(st.integers(1, 10**9).map(float) | st.sampled_from([0.25, 1e12]), min_size=1, unique=True))
def test_what_is_written_is_read_again(values: list[float]) -> None:
    assert [float(text) for text in axis_values("N", written(values))] == values
