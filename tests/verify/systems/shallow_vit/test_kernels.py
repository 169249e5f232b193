"""The exponential of the kernels against mpmath, and attention by columns against attention by rows."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from verify.systems.shallow_vit import kernels

pytestmark = pytest.mark.kernels

UNITS_IN_THE_LAST_PLACE = 2.0

jitted = njit(error_model="numpy")(kernels.exponential)


@given(x=st.floats(kernels.SMALLEST_EXPONENT, 0.0))
def test_exponential(x: float) -> None:
    exact = mpmath.exp(mpmath.mpf(x))
    for found in (jitted(x), kernels.exponential(x)):
        assert abs(mpmath.mpf(found) - exact) <= UNITS_IN_THE_LAST_PLACE * math.ulp(float(exact))


@pytest.mark.parametrize("exponential", [jitted, kernels.exponential])
def test_exponential_at_its_ends(exponential: object) -> None:
    assert callable(exponential)
    assert exponential(0.0) == 1.0
    assert exponential(-1e300) == exponential(-math.inf) == exponential(kernels.SMALLEST_EXPONENT) > 0.0
    assert math.isnan(exponential(math.nan))


@given(seed=st.integers(0, 10**6), size=st.integers(1, 7), scale=st.sampled_from([1.0, 30.0, 900.0]))
def test_attention_by_columns_is_that_by_rows(seed: int, size: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    score, count = scale * rng.standard_normal((size, size)), rng.integers(0, 3, size).astype(float)
    count[0] = 1.0
    by_rows, by_columns = np.empty((size, size)), np.empty((size, size))
    kernels.attend(score, count, by_rows)
    kernels.attend_down(score.T, count, by_columns, np.empty(size), np.empty(size))
    np.testing.assert_allclose(by_columns.T, by_rows, rtol=4e-15, atol=1e-300)
