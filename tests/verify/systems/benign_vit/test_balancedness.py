"""The drift of `W_Q^T W_Q - W_K^T W_K` in full, as matrices; runs follow it along probe directions at every step."""

import numpy as np
import pytest

from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.dynamics import FullWeights
from verify.systems.benign_vit.gradients import loss_and_gradients
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.problem import Problem

EPSILON = float(np.finfo(float).eps)
STEPS = (0, 1, 7, 40, 90)


def balance(instance: Instance) -> np.ndarray:
    return instance.W_Q.T @ instance.W_Q - instance.W_K.T @ instance.W_K


def residual_and_tolerance(instance: Instance, after: Instance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the drift in one step: the residual, what rounding allows, and the drift itself."""
    assert instance.step_size is not None
    _, gradient = loss_and_gradients(instance)
    steps = [instance.step_size * gradient[name] for name in ("W_Q", "W_K")]
    drift = steps[0].T @ steps[0] - steps[1].T @ steps[1]
    sizes = [np.abs(weight).T @ np.abs(weight) for weight in (after.W_Q, after.W_K, instance.W_Q, instance.W_K)]
    terms = 2 * (len(instance.W_Q) + 2)
    return np.abs(balance(after) - balance(instance) - drift), terms * EPSILON * sum(sizes), drift


@pytest.fixture(scope="module")
def states() -> list[tuple[Instance, Instance]]:
    instance = draw(Problem(N=6, M=3, d=60, d_h=12, r=8.0, test_samples=0), 3)
    dynamics = FullWeights(instance, TokenTable.of(instance), None)
    pairs = []
    for step in STEPS:
        dynamics.advance(step - dynamics.step, -1.0, [])
        here = dynamics.instance()
        dynamics.advance(1, -1.0, [])
        pairs.append((here, dynamics.instance()))
    return pairs


def test_every_entry_drifts_by_the_squared_gradients(states: list[tuple[Instance, Instance]]) -> None:
    for here, after in states:
        residual, tolerance, _ = residual_and_tolerance(here, after)
        assert np.all(residual <= tolerance)


def test_the_drift_is_far_larger_than_what_rounding_allows(states: list[tuple[Instance, Instance]]) -> None:
    for here, after in states:
        _, tolerance, drift = residual_and_tolerance(here, after)
        assert tolerance.max() < 1e-3 * np.abs(drift).max()


def test_keys_updated_with_the_new_queries_are_seen(states: list[tuple[Instance, Instance]]) -> None:
    here, after = states[2]
    assert here.step_size is not None
    half_way = Instance(here.X, here.y, after.W_Q, here.W_K, here.W_V, here.w_O, here.step_size)
    _, gradient = loss_and_gradients(half_way)
    W_K = here.W_K - here.step_size * gradient["W_K"]
    sequential = Instance(here.X, here.y, after.W_Q, W_K, after.W_V, here.w_O, here.step_size)
    residual, tolerance, _ = residual_and_tolerance(here, sequential)
    assert residual.max() > 100 * tolerance.max()
