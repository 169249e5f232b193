"""Selection probabilities: identities, closed forms, and the share of test samples that select their signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from mpmath import erfc, mp, ncdf, npdf, quad

from verify.statistics import clopper_pearson
from verify.systems.token_selection import selection
from verify.systems.token_selection.draw import head, signal_shares
from verify.systems.token_selection.problem import Problem
from verify.systems.token_selection.testing import draw_test_samples

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


def share(lead: float, tokens: int, rho: float) -> float:
    """How often a normal number is the largest that leads two others by `(1 - rho)` of its lead over the rest."""
    with mp.workdps(25):

        def density(z: object) -> object:
            weaker = ncdf(z + lead * (1 - mp.mpf(rho))) ** 2
            return npdf(z) * weaker * ncdf(z + lead) ** (tokens - 3)

        return float(quad(density, [-12, -5, -2, 0, 2, 5, 12]))


@pytest.mark.parametrize("tokens", [4, 8, 16])
def test_at_the_half_lead_another_is_largest_half_the_time(tokens: int) -> None:
    assert share(selection.half_lead(tokens), tokens, 0.0) == pytest.approx(0.5, abs=1e-10)


@pytest.mark.parametrize(
    ("rho", "leads"),
    [(0.0, {4: 0.836775, 8: 1.341838, 16: 1.726280}), (0.1, {4: 0.897714, 8: 1.384486, 16: 1.753116})],
)
def test_weak_signals_ask_for_a_larger_lead(rho: float, leads: dict[int, float]) -> None:
    """The numbers of the docs, by another quadrature; with weak signals they are leads over tokens without any."""
    for tokens, lead in leads.items():
        assert share(lead, tokens, rho) == pytest.approx(0.5, abs=1e-6)
        assert (selection.half_lead(tokens) == pytest.approx(lead, abs=1e-6)) is (rho == 0.0)


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
