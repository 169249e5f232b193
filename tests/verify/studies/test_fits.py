"""Fits against SciPy's regression, and their intervals against families with a known truth."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from verify.studies import fits
from verify.studies.fits import PowerLaw, power_law

SIZES = np.array([1e4, 1e4, 1e5, 1e6, 1e8])
EXPONENT, CONSTANT, SCATTER = -0.25, 3.0, 0.2
CONFIDENCE, FAMILIES = 0.9, 2000
LEVEL = 1e-4
"""Probability that a right interval fails a test of its coverage."""

positive = st.floats(1e-6, 1e6)


def family(rng: np.random.Generator) -> PowerLaw:
    y = CONSTANT * SIZES**EXPONENT * np.exp(SCATTER * rng.standard_normal(len(SIZES)))
    return power_law(SIZES.tolist(), y.tolist(), CONFIDENCE)


def coverage_is_right(covered: Sequence[bool]) -> bool:
    low, high = stats.binom.interval(1.0 - LEVEL, len(covered), CONFIDENCE)
    return bool(low <= sum(covered) <= high)


def exponents_covered() -> list[bool]:
    rng = np.random.default_rng(0)
    return [low <= EXPONENT <= high for low, high in (family(rng).exponent_interval for _ in range(FAMILIES))]


@settings(max_examples=50)
@given(st.lists(st.tuples(positive, positive), min_size=3, max_size=20), st.floats(0.5, 0.999))
def test_a_fit_is_the_regression_of_the_logarithms(points: list[tuple[float, float]], confidence: float) -> None:
    x, y = (list(side) for side in zip(*points, strict=True))
    assume(np.std(np.log(x)) > 0.1)
    assume(np.std(np.log(y)) > 0.01)  # SciPy has no error of a constant
    fit = power_law(x, y, confidence)
    wanted = stats.linregress(np.log(x), np.log(y))
    quantile = stats.t.ppf(0.5 + confidence / 2, len(x) - 2)
    size = 1.0 + float(np.abs(np.log(y)).max())
    assert fit.exponent == pytest.approx(wanted.slope, rel=1e-9, abs=1e-9 * size)
    assert fit.log_constant == pytest.approx(wanted.intercept, rel=1e-9, abs=1e-8 * size)
    half = (fit.exponent_interval[1] - fit.exponent_interval[0]) / 2
    assert half == pytest.approx(quantile * wanted.stderr, rel=1e-5, abs=1e-6 * quantile * size)
    log_constant = [math.log(end) for end in fit.constant_interval if 0 < end < math.inf]
    for end in log_constant:
        distance = abs(end - wanted.intercept)
        assert distance == pytest.approx(quantile * wanted.intercept_stderr, rel=1e-5, abs=1e-6 * quantile * size)


@given(st.floats(-3, 3), positive, st.lists(positive, min_size=3, max_size=10))
def test_an_exact_power_law_is_found(exponent: float, constant: float, x: list[float]) -> None:
    assume(np.std(np.log(x)) > 0.1)
    fit = power_law(x, [constant * each**exponent for each in x])
    assert fit.exponent == pytest.approx(exponent, abs=1e-9)
    assert fit.predict(x[0])[0] == pytest.approx(constant * x[0] ** exponent, rel=1e-9)


@given(positive, positive)
def test_units_move_the_constant_alone(of_x: float, of_y: float) -> None:
    x, y = np.array([1.0, 2.0, 5.0, 9.0]), np.array([3.0, 2.0, 1.5, 0.7])
    fit, scaled = power_law(x.tolist(), y.tolist()), power_law((of_x * x).tolist(), (of_y * y).tolist())
    assert scaled.exponent == pytest.approx(fit.exponent)
    assert scaled.exponent_interval == pytest.approx(fit.exponent_interval)
    assert scaled.predict(of_x * 4.0)[1] == pytest.approx([of_y * end for end in fit.predict(4.0)[1]], rel=1e-6)


def test_intervals_cover_as_often_as_they_promise() -> None:
    rng = np.random.default_rng(1)
    constants, predictions = [], []
    for _ in range(FAMILIES):
        fit = family(rng)
        constants.append(fit.constant_interval[0] <= CONSTANT <= fit.constant_interval[1])
        _, (low, high) = fit.predict(1e12)
        observation = CONSTANT * 1e12**EXPONENT * math.exp(SCATTER * rng.standard_normal())
        predictions.append(low <= observation <= high)
    assert coverage_is_right(exponents_covered())
    assert coverage_is_right(constants)
    assert coverage_is_right(predictions)


def test_intervals_of_the_normal_law_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "stdtrit", lambda freedom, probability: ndtri(probability))
    assert not coverage_is_right(exponents_covered())


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        ([1, 2], [1, 2], "needs 3"),
        ([2, 2, 2], [1, 2, 3], "2 different"),
        ([1, 2, 3], [1, 0, 3], "some y is not"),
        ([1, -2, 3], [1, 2, 3], "some x is not"),
        ([1, 2, 3], [1, 2, math.inf], "some y is not"),
        ([1, 2, 3], [1, 2], "not as many"),
    ],
)
def test_what_no_power_law_fits_is_refused(x: list[float], y: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        power_law(x, y)


def test_no_prediction_where_x_is_not_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        power_law([1, 2, 3], [1, 2, 3]).predict(0.0)


def test_an_interval_too_wide_for_floats_ends_at_infinity() -> None:
    fit = power_law([1e300, 1.1e300, 1.2e300], [1.0, 1e300, 1e-300])
    low, high = fit.constant_interval
    assert (low, high) == (0.0, math.inf)
