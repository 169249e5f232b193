"""Ranges of products and sums are those of their corners, whatever the signs."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from verify.checking.ranges import EVERYTHING, Range, plus, times

NUMBERS = st.floats(-1e100, 1e100)


def ranges_of(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Range]:
    return st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends)))


@given(ranges_of(NUMBERS), ranges_of(NUMBERS))
def test_a_product_is_between_its_corners(one: Range, other: Range) -> None:
    corners = [a * b for a in one for b in other]
    assert times(one, other) == (min(corners), max(corners))


@given(ranges_of(NUMBERS), ranges_of(NUMBERS))
def test_a_sum_is_between_the_sums_of_the_ends(one: Range, other: Range) -> None:
    assert plus(one, other) == (one[0] + other[0], one[1] + other[1])


def test_what_is_no_number_may_be_everything() -> None:
    assert times((0.0, 1.0), (inf, inf)) == EVERYTHING
    assert times((-1.0, 0.0), (-inf, -inf)) == EVERYTHING
    assert plus((-inf, 0.0), (inf, inf)) == EVERYTHING
