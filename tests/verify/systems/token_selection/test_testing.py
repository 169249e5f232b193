"""Test samples: two numbers a token in place of d."""

import numpy as np
import pytest
from scipy.stats import norm

from verify.systems.token_selection import SYSTEM
from verify.systems.token_selection.draw import head, signal_shares
from verify.systems.token_selection.problem import Problem
from verify.systems.token_selection.testing import draw_test_samples


def quantities(problem: Problem, direction: np.ndarray, count: int) -> dict[str, float]:
    shares = signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
    rng = np.random.default_rng(0)
    samples = draw_test_samples(head(problem, len(direction)), problem.m, problem.sigma, shares, count, rng)
    return SYSTEM.test_quantities(*samples.seen(direction))


@pytest.mark.parametrize("k_c", [1, 2, 4])
def test_accuracy_at_the_start(k_c: int) -> None:
    """At p = 0 accuracy is Phi(m (1 + rho (k_w - k_c)) / (sigma sqrt(2 T)))."""
    problem = Problem(T=8, m=5.0, rho=0.3, k_c=k_c)
    found = quantities(problem, np.zeros(10), 40_000)
    expected = norm.cdf(problem.m * (1 + problem.rho * (1 - k_c)) / (problem.sigma * np.sqrt(2 * problem.T)))
    assert 1 - found["test_error"] == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 80_000))
    assert found["test_attention"] == pytest.approx(1 / 8)
    assert found["test_selection"] == 0.0, "all scores are equal: none is selected"


def test_selection_lies_between_the_bounds_of_slepian() -> None:
    """`prod Phi(z_t) <= P(token 0 selected) <= min Phi(z_t)`, z_t the gap of mean scores in standard deviations."""
    problem, direction = Problem(T=4, m=3.0, rho=0.5), np.array([0.5, 0.3, 0.4, -0.6])
    found = quantities(problem, direction, 40_000)["test_selection"]
    low, high = 0.0, 0.0
    for own, other in ((direction[0], direction[1]), (direction[1], direction[0])):
        means = problem.m * np.array([own, problem.rho * own, problem.rho * other, 0.0])
        z = norm.cdf((means[0] - means[1:]) / (np.sqrt(2) * problem.sigma * np.linalg.norm(direction)))
        low, high = low + np.prod(z) / 2, high + z.min() / 2
    noise = 4 * np.sqrt(0.25 / 80_000)
    assert low - noise <= found <= high + noise
    assert high - low < 0.35, "bounds this wide would say nothing"


def test_outputs_far_along_a_signal_are_its_values() -> None:
    problem = Problem(T=4, m=3.0, sigma=0.01)
    found = quantities(problem, np.array([50.0, 50.0, 0.0]), 50)
    assert found["test_selection"] == 1.0
    assert found["test_attention"] == pytest.approx(1.0)
    assert found["test_error"] == 0.0
    assert found["test_loss"] == pytest.approx(np.log1p(np.exp(-1 / np.sqrt(2))), rel=0.01)


def test_a_head_that_vanishes_gives_outputs_that_vanish() -> None:
    samples = draw_test_samples(np.zeros(3), 1.0, 1.0, signal_shares(3, 0.1, 1, 1), 5, np.random.default_rng(0))
    _, outputs, attention, _ = samples.seen(np.ones(3))
    np.testing.assert_array_equal(outputs, 0.0)
    assert np.all((attention > 0) & (attention < 1))
