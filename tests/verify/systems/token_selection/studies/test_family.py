"""Statements are evaluated as they stand, and limits are told from distances that stay."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from proofs.token_selection.order import (
    selection_boundary,
    signal_grows_like_the_margin,
    signal_slope_in_closed_form,
    window_without_overfitting,
)
from verify.checking.verdicts import Verdict
from verify.systems.token_selection.studies.family import (
    Family,
    band,
    in_every_cell,
    mean_in_range,
    rhs,
    sides,
    tends_to_one,
)


@pytest.mark.parametrize(("start", "spread"), [("orthogonal", 1.0), ("gaussian", 2.0)])
def test_the_predicted_crossing(start: str, spread: float) -> None:
    found = rhs(selection_boundary.claims[0], Family(start=start).problem())
    # Of 8 normal numbers one that leads by 1.3418 is the largest half the time.
    assert found == pytest.approx(2 * 1.3418 * math.sqrt(spread * 8 / 7) / (0.8 - 0.2 / 7), rel=1e-4)


def test_the_predicted_rate_of_the_window_is_a_divergence() -> None:
    untouched = 1.0 / (1.0 + math.exp(math.sqrt(0.5)))
    expected = 7 / 16 * (0.1 * math.log(0.1 / untouched) + 0.9 * math.log(0.9 / (1.0 - untouched)))
    assert rhs(window_without_overfitting.claims[0], Family(eta_f=0.1).problem()) == pytest.approx(expected)


@given(some.sampled_from([2, 10, 20]), some.floats(0.01, 2.0), some.sampled_from([0.0, 0.2, 0.4]))
def test_the_closed_form_uses_the_flips_there_are(n: int, ratio: float, flips: float) -> None:
    problem = Family(n=n, SNR=ratio, eta_f=flips).problem()
    strength = n * ratio**2 * (1.0 - 2.0 * (math.ceil(round(n * flips, 9)) // 2) / n) / 2.0
    low, high = band(signal_slope_in_closed_form, problem)
    assert low < strength / (strength + 8 / 7) < high


def test_what_a_claim_needs_must_be_given() -> None:
    with pytest.raises(ValueError, match="not determined"):
        sides(signal_grows_like_the_margin.claims[0], Family().problem(), {"signal_slope": 1.0})


@given(some.floats(-1.0, -0.1), some.integers(0, 100))
def test_a_distance_that_falls_is_a_limit(exponent: float, seed: int) -> None:
    sizes = np.repeat(10.0 ** np.arange(4, 13, 2), 3)
    ratios = 1.0 + sizes**exponent * np.random.default_rng(seed).uniform(0.99, 1.01, len(sizes))
    assert tends_to_one(selection_boundary, sizes, ratios, "", "d").verdict is Verdict.SUPPORTED


@given(some.floats(0.01, 0.9), some.sampled_from([-1.0, 1.0]), some.integers(0, 100))
def test_a_distance_that_stays_is_refuted(distance: float, sign: float, seed: int) -> None:
    sizes = np.repeat(10.0 ** np.arange(4, 13, 2), 3)
    ratios = 1.0 + sign * distance * np.random.default_rng(seed).uniform(0.95, 1.05, len(sizes))
    assert tends_to_one(selection_boundary, sizes, ratios, "", "d").verdict is Verdict.REFUTED


def test_too_few_cells_support_nothing() -> None:
    assert tends_to_one(selection_boundary, [10.0], [1.1], "", "d").verdict is Verdict.INCONCLUSIVE
    assert mean_in_range(selection_boundary, [1.0], (0.0, 2.0), "").verdict is Verdict.INCONCLUSIVE
    assert in_every_cell(selection_boundary, [], "").verdict is Verdict.HYPOTHESIS_NOT_MET


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [([True] * 3, Verdict.SUPPORTED), ([True, False], Verdict.INCONCLUSIVE), ([False] * 3, Verdict.REFUTED)],
)
def test_every_cell_counts(holds: list[bool], verdict: Verdict) -> None:
    assert in_every_cell(selection_boundary, holds, "").verdict is verdict
