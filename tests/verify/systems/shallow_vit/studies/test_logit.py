"""The fit of a logit in two variables against independent optimisation; its interval on families of known truth."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from verify.systems.shallow_vit.studies.logit import Logit, fit_logit

SHARES = np.array([0.05, 0.075, 0.1, 0.15, 0.2])


def drawn(
    slope: float, steepness: float, seeds: int, rng: np.random.Generator, bend: float = 0.0
) -> tuple[np.ndarray, ...]:
    """Trials at three sizes about one half for every share; `bend` moves one half away from the power law."""
    half = 60.0 * (SHARES / 0.1) ** slope
    x = np.repeat(SHARES, 3 * seeds)
    size = np.repeat((half[:, None] * np.array([1 / 3, 1.0, 3.0])).ravel(), seeds)
    true_half = 60.0 * (x / 0.1) ** slope * np.exp(bend * np.cos(17.0 * np.log(x)))
    return size, x, rng.random(len(x)) < expit(steepness * np.log(size / true_half))


def fit(*trials: np.ndarray, confidence: float = 0.95) -> Logit:
    size, x, won = trials
    return fit_logit(list(size), list(x), list(won), confidence)


def test_it_is_the_maximum_of_the_likelihood() -> None:
    size, x, won = drawn(-1.3, 1.5, 30, np.random.default_rng(1))

    def minus_log_likelihood(b: np.ndarray) -> float:
        logit = b[0] + b[1] * np.log(size) + b[2] * np.log(x)
        return float(np.logaddexp(0.0, np.where(won, -logit, logit)).sum())

    best = minimize(minus_log_likelihood, np.zeros(3), method="BFGS", options={"gtol": 1e-8})
    found = fit(size, x, won)
    assert found.coefficients == pytest.approx(best.x, rel=1e-4)
    assert found.covariance == pytest.approx(np.linalg.inv(_hessian(size, x, found.coefficients)), rel=1e-6)
    assert minus_log_likelihood(found.coefficients) <= best.fun + 1e-9


def _hessian(size: np.ndarray, x: np.ndarray, b: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(x)), np.log(size), np.log(x)])
    p = expit(design @ b)
    return np.asarray(design.T @ (design * (p * (1 - p))[:, None]))


@pytest.mark.parametrize(("slope", "steepness"), [(-2.0, 1.2), (-0.7, 1.2), (0.5, 2.0)])
def test_the_interval_covers_the_truth(slope: float, steepness: float) -> None:
    rng = np.random.default_rng(2)
    trials, covered, significant = 400, 0, 0
    for _ in range(trials):
        found = fit(*drawn(slope, steepness, 30, rng))
        low, high = found.interval
        covered += low <= slope <= high
        significant += found.misfits
    # A covered share of 0.95 would be below 0.917 with probability 0.003; tests/calibration counts more closely.
    assert covered / trials >= 0.917
    assert significant / trials <= 0.09, "five in a hundred true families seem to misfit"


def test_an_interval_of_the_wrong_width_would_be_noticed() -> None:
    rng = np.random.default_rng(3)
    intervals = [fit(*drawn(-2.0, 1.2, 30, rng), confidence=0.8).interval for _ in range(300)]
    assert np.mean([low <= -2.0 <= high for low, high in intervals]) < 0.9


def test_a_bent_law_is_a_misfit_and_widens_the_interval() -> None:
    straight = fit(*drawn(-2.0, 1.2, 100, np.random.default_rng(4)))
    bent = fit(*drawn(-2.0, 1.2, 100, np.random.default_rng(4), bend=1.0))
    assert not straight.misfits
    assert bent.misfits
    assert np.ptp(bent.interval) > 2.0 * np.ptp(straight.interval)


def test_where_size_does_not_matter_nothing_is_known() -> None:
    rng = np.random.default_rng(5)
    size, x, _ = drawn(-2.0, 1.2, 10, rng)
    found = fit(size, x, rng.random(len(x)) < 0.5)
    assert found.interval == (-np.inf, np.inf)


@pytest.mark.parametrize("steepness", [1e3, 0.0])
def test_what_determines_no_fit_is_refused(steepness: float) -> None:
    size, x, won = drawn(-1.0, steepness, 20, np.random.default_rng(6))
    if steepness:
        with pytest.raises(ValueError, match="separates"):
            fit(size, x, size > 60.1 * (x / 0.1) ** -1.0)
    else:
        with pytest.raises(ValueError, match="a fit needs 4"):
            fit(size[x == 0.1], x[x == 0.1], won[x == 0.1])
