"""The shortest separating direction: feasible, shorter than every other, and what another solver finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.optimize import minimize

from verify.systems.token_selection.studies.margin import max_margin


def some_tokens(seed: int, samples: int, tokens: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((samples, tokens, dimension)), rng.integers(0, tokens, samples)


def leads(X: np.ndarray, selected: np.ndarray, direction: np.ndarray) -> np.ndarray:
    score = X @ direction
    own = np.take_along_axis(score, selected[:, None], axis=1)
    return np.asarray((own - score)[np.arange(X.shape[1]) != selected[:, None]])


problems = some.tuples(some.integers(0, 2**32), some.integers(1, 4), some.integers(2, 4), some.integers(14, 30))


@settings(max_examples=30)
@given(problems, some.floats(1e-3, 1e3))
def test_it_separates_and_is_the_shortest(problem: tuple[int, int, int, int], size: float) -> None:
    X, selected = some_tokens(*problem)
    found = max_margin(size * X, selected)
    assert leads(size * X, selected, found.direction).min() == pytest.approx(1.0, abs=1e-7)
    assert np.all(found.multipliers >= 0.0)
    # Strong duality: the squared length is the sum of the multipliers, which bounds every feasible one from below.
    assert found.direction @ found.direction == pytest.approx(found.multipliers.sum(), rel=1e-7)
    assert np.all(found.multipliers[np.arange(len(selected)), selected] == 0.0)


def test_another_solver_finds_the_same() -> None:
    X, selected = some_tokens(7, 3, 3, 12)
    found = max_margin(X, selected).direction
    constraint = {"type": "ineq", "fun": lambda u: leads(X, selected, u) - 1.0}
    other = minimize(lambda u: u @ u / 2, 1.3 * found + 0.05, jac=lambda u: u, constraints=constraint, method="SLSQP")
    assert other.success
    assert found == pytest.approx(other.x, abs=1e-5)


def test_tokens_that_no_direction_separates_are_refused() -> None:
    X = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
    with pytest.raises(ArithmeticError, match="separates"):
        max_margin(X, np.array([0, 0]))
