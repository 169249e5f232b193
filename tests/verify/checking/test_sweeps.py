"""A sweep finds what NumPy finds on whole arrays, whichever axes the arrays lack, jitted or not."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.checking import sweeps
from verify.checking.sweeps import SMALLEST, exceeds, largest, swept_equality, swept_inequality, takes

pytestmark = pytest.mark.kernels

PLAIN = sweeps._Jitted(sweeps.sweep_inequality, sweeps.all_exceed, sweeps.sweep_equality, sweeps.largest_applying)
VALUES = st.sampled_from([-3.0, -1.0, -0.25, 0.0, 1e-300, 0.5, 1.0, 2.0, 1e300])


@pytest.fixture(params=["plain", "jitted"], autouse=True, scope="module")
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        if request.param == "plain":
            patch.setattr(sweeps, "_jitted", lambda: PLAIN)
        yield


@st.composite
def elements(draw: st.DrawFn, number: int) -> tuple[tuple[int, ...], list[Any], Any]:
    """A shape, arrays that may lack some of its axes or lie otherwise in memory, and where a claim applies."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=5)))

    def lacking(kind: Any, values: st.SearchStrategy[Any]) -> Any:
        own = tuple(size if draw(st.booleans()) else 1 for size in shape)
        array = draw(arrays(kind, own, elements=values))
        return np.asfortranarray(array) if draw(st.booleans()) else array

    found = [lacking(np.float64, VALUES) for _ in range(number)]
    return shape, found, lacking(np.bool_, st.booleans()) if draw(st.booleans()) else None


def where(applying: Any, array: Any, otherwise: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(array if applying is None else np.where(applying, array, otherwise), shape)


def first_below(relative: Any, known: float) -> tuple[float, tuple[int, ...] | None]:
    place = np.unravel_index(np.argmin(relative), relative.shape)
    return (float(relative[place]), tuple(map(int, place))) if relative[place] < known else (known, None)


@given(elements(2), st.sampled_from([np.inf, 0.9, 0.0, -0.5]))
def test_an_inequality(given: Any, known: float) -> None:
    shape, (smaller, greater), applying = given
    margin = greater - smaller
    relative = where(applying, margin / (np.abs(smaller) + np.abs(greater) + SMALLEST), np.inf, shape)
    clear, least, best, place = swept_inequality(smaller, greater, applying, shape, known)
    assert clear
    assert least == where(applying, margin, np.inf, shape).min()
    assert (best, place) == first_below(relative, known)


@given(elements(3))
def test_whether_margins_exceed_their_bounds(given: Any) -> None:
    shape, (smaller, greater, bound), applying = given
    assert (
        exceeds(smaller, greater, bound, applying, shape)
        == where(applying, greater - smaller > bound, True, shape).all()
    )


@given(elements(5), st.sampled_from([0.0, 0.5, 10.0, 1e301]), st.sampled_from([np.inf, 0.9, 1e-3]))
def test_an_equality(given: Any, tolerance: float, known: float) -> None:
    shape, (lhs, rhs, *terms), applying = given
    terms = [np.abs(term) for term in terms]
    distance = np.abs(lhs - rhs)
    relative = where(applying, (tolerance - distance) / sum(terms, np.float64(SMALLEST)), np.inf, shape)
    holds = where(applying, distance <= tolerance, True, shape).all()
    clear, best, place, widest = swept_equality(lhs, rhs, terms, tolerance, applying, shape, known)
    assert clear == (holds and not np.isnan(relative).any())
    if clear:
        assert (best, place) == first_below(relative, known)
        assert widest == (tolerance if applying is None or applying.any() else 0.0)


@given(elements(1))
def test_the_largest(given: Any) -> None:
    shape, (array,), applying = given
    array = np.abs(array)
    assert largest(array, applying, shape) == where(applying, array, 0.0, shape).max()


def test_what_is_no_number_is_left_undecided_only_where_the_claim_applies() -> None:
    odd, ones, applying = np.array([1.0, np.nan]), np.ones(2), np.array([True, False])
    for smaller, greater in ((odd, ones), (ones, odd)):
        assert not swept_inequality(smaller, greater, None, (2,), np.inf).clear
        assert swept_inequality(smaller, greater, applying, (2,), np.inf).clear
        assert not exceeds(smaller, greater, -ones, None, (2,))
        assert exceeds(smaller, greater, -ones, applying, (2,))
        assert not swept_equality(smaller, greater, [ones], 1.0, None, (2,), np.inf).clear
        assert swept_equality(smaller, greater, [ones], 1.0, applying, (2,), np.inf).clear
    assert not swept_equality(ones, ones, [odd], 1.0, None, (2,), np.inf).clear
    assert not swept_equality(ones, ones, [ones], np.inf, None, (2,), np.inf).clear
    assert np.isnan(largest(odd, None, (2,)))
    assert largest(odd, applying, (2,)) == 1.0


def test_a_tolerance_may_differ_between_elements() -> None:
    allowed = np.array([0.5, 2.0])
    swept = swept_equality(np.zeros(2), np.array([0.25, 1.5]), [np.ones(2)], allowed, None, (2,), np.inf)
    assert swept == (True, 0.25, (0,), 2.0)


def test_more_axes_or_terms_are_left_to_numpy() -> None:
    assert takes((2,) * 5, 8)
    assert not takes((2,) * 6)
    assert not takes((2,), 9)
