"""Selection probabilities: identities, closed forms, and the share of test samples that select their signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from mpmath import erfc, inf, mp, npdf, quad, sqrt

from verify.statistics import clopper_pearson
from verify.systems.token_selection.draw import head, signal_shares
from verify.systems.token_selection.problem import Problem
from verify.systems.token_selection.studies import selection
from verify.systems.token_selection.testing import draw_test_samples, half_lead

means = some.lists(some.floats(-6.0, 6.0), min_size=2, max_size=6).map(np.array)


@given(means)
def test_some_number_is_the_largest(mean: np.ndarray) -> None:
    total = sum(selection.first_is_largest(mean[i] - np.delete(mean, i)) for i in range(len(mean)))
    assert total == pytest.approx(1.0, abs=1e-9)


@given(some.floats(-8.0, 8.0))
def test_two_numbers_have_a_closed_form(lead: float) -> None:
    with mp.workdps(30):
        expected = float(erfc(-mp.mpf(lead) / 2) / 2)
    assert selection.first_is_largest(np.array([lead])) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("tokens", [3, 8, 32])
def test_at_the_half_lead_another_is_largest_half_the_time(tokens: int) -> None:
    lead = half_lead(tokens)
    with mp.workdps(20):
        found = quad(lambda z: npdf(z) * (erfc(-(z + lead) / sqrt(2)) / 2) ** (tokens - 1), [-inf, -2, 0, 2, inf])
    assert float(found) == pytest.approx(0.5, abs=1e-10)


@pytest.mark.parametrize("along", [0.3, 0.05])
def test_it_is_the_share_of_test_samples(along: float) -> None:
    problem = Problem(T=6, d=500, m=10.0, rho=0.4, k_c=2)
    rng = np.random.default_rng(0)
    direction = np.concatenate([[along, along / 2], 0.1 * rng.standard_normal(50)])
    shares = signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
    samples = draw_test_samples(head(problem, len(direction)), problem.m, problem.sigma, shares, 20_000, rng)
    seen = samples.seen(direction)[3]
    low, high = clopper_pearson(int(seen.sum()), len(seen), 0.9999)
    assert low < selection.test_selection(problem, direction) < high


def test_without_a_direction_every_token_is_alike() -> None:
    assert selection.test_selection(Problem(T=5), np.zeros(9)) == pytest.approx(0.2)
