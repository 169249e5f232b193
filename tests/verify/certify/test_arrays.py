"""Functions on arrays of balls: they hold what mpmath computes, and decide nothing that is open."""

from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.certify.arrays import (
    balls,
    entries,
    extreme,
    larger,
    logistic,
    matrix,
    radius_in_bits,
    root,
    smaller,
    softmax,
    softplus,
)
from verify.certify.storage import exported, imported
from verify.checking.balls import working_precision

NUMBERS = st.floats(-50, 50)
ROWS = arrays(float, (2, 3), elements=NUMBERS)


def holds(ball: arb, exact: Any) -> bool:
    """Whether a ball holds a number known to 60 digits, up to its last digits."""
    text = mpmath.nstr(exact, 55, strip_zeros=False)
    return bool(ball.overlaps(arb(text)))


@pytest.fixture(autouse=True)
def _digits() -> Any:
    with mpmath.workdps(60), working_precision(150):
        yield


@given(ROWS)
def test_softmax_holds_the_exact_one(scores: np.ndarray) -> None:
    with mpmath.workdps(60), working_precision(150):
        found = softmax(balls(scores), 1)
        for n in range(2):
            powers = [mpmath.exp(mpmath.mpf(float(score))) for score in scores[n]]
            assert all(holds(found[n, t], powers[t] / mpmath.fsum(powers)) for t in range(3))


@given(NUMBERS)
def test_functions_of_one_number_hold_the_exact_value(x: float) -> None:
    with mpmath.workdps(60), working_precision(150):
        exact = mpmath.mpf(x)
        assert holds(logistic(balls([x]))[0], 1 / (1 + mpmath.exp(-exact)))
        assert holds(softplus(balls([x]))[0], mpmath.log1p(mpmath.exp(exact)))
        assert holds(root(arb(abs(x))), mpmath.sqrt(abs(exact)))


def test_numbers_are_taken_as_they_are() -> None:
    assert balls([0.1])[0] == arb(3602879701896397) / 2**55
    assert all(each.is_exact() for each in balls(np.arange(3)))


def test_the_root_of_a_ball_around_zero_reaches_from_zero_up() -> None:
    ball = root(arb(0, 4))
    assert ball.contains(0)
    assert ball.contains(2)
    assert not ball.contains(3)


@given(ROWS, arrays(bool, (1, 3)))
def test_extremes_are_those_of_the_elements_picked(body: np.ndarray, mask: np.ndarray) -> None:
    for pick, of in ((larger, max), (smaller, min)):
        found = extreme(pick, balls(body), (1,), (mask, arb(7)))
        for n in range(2):
            picked = [x for x, taken in zip(body[n], mask[0], strict=True) if taken]
            assert found[n, 0] == (of(picked) if picked else 7)


def test_the_extreme_of_overlapping_balls_holds_both() -> None:
    found = extreme(larger, np.array([arb(1, 2), arb(2, 0.5)], dtype=object), (0,), ())[0]
    assert found.contains(arb(2.5))
    assert found.contains(arb(3))
    assert not found.contains(arb(1))


def test_a_matrix_keeps_its_entries() -> None:
    array = balls(np.arange(6.0).reshape(2, 3))
    assert np.all(entries(matrix(array)) == array)


def test_radii_are_measured_beyond_float64() -> None:
    with working_precision(3000):
        assert -3003 < radius_in_bits(np.array([arb(1) / 3], dtype=object)) < -2995
    assert radius_in_bits(np.array([arb("nan")], dtype=object)) == np.inf


@given(st.floats(-1e300, 1e300), st.integers(1, 10**9), st.floats(0, 1e300))
def test_balls_are_stored_to_the_last_bit(x: float, q: int, radius: float) -> None:
    for ball in (arb(x) / q, arb(x, radius), arb(x)):
        again = imported(exported({"a": [ball]}))["a"][0]
        assert again.mid() == ball.mid()
        assert again.rad() == ball.rad()
    assert not imported(exported(arb("nan"))).is_finite()
