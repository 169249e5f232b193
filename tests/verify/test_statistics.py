"""Intervals against those of SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.statistics import clopper_pearson, mean_interval

confidences = st.floats(0.5, 0.9999)


@given(data=st.data(), trials=st.integers(1, 10**6), confidence=confidences)
def test_clopper_pearson_is_the_exact_binomial_interval(data: st.DataObject, trials: int, confidence: float) -> None:
    from scipy.stats import binomtest

    successes = data.draw(st.integers(0, trials))
    wanted = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(successes, trials, confidence) == pytest.approx(
        (wanted.low, wanted.high), rel=1e-7, abs=1e-12
    )


@settings(max_examples=20)
@given(trials=st.integers(1, 60), truth=st.floats(0.001, 0.999), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_clopper_pearson_covers_the_truth_as_often_as_it_promises(trials: int, truth: float, confidence: float) -> None:
    from scipy.stats import binom

    covered = 0.0
    for successes in range(trials + 1):
        low, high = clopper_pearson(successes, trials, confidence)
        if low <= truth <= high:
            covered += float(binom.pmf(successes, trials, truth))
    assert covered >= confidence - 1e-9


@given(
    sample=arrays(np.float64, st.integers(2, 30), elements=st.floats(-1e6, 1e6, allow_subnormal=False)),
    confidence=confidences,
)
def test_mean_interval_is_students(sample: np.ndarray, confidence: float) -> None:
    from scipy.stats import t

    low, high = mean_interval(sample, confidence)
    error = sample.std(ddof=1) / math.sqrt(len(sample))
    if error == 0.0:
        assert low == high == pytest.approx(sample.mean())
    else:
        wanted = t.interval(confidence, len(sample) - 1, loc=sample.mean(), scale=error)
        assert (low, high) == pytest.approx(wanted, rel=1e-9, abs=1e-9 * float(np.abs(sample).max()))


def test_one_number_says_nothing_of_its_mean() -> None:
    assert mean_interval(np.array([3.0])) == (-math.inf, math.inf)
