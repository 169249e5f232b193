"""The drift of `W_Q^T W_Q - W_K^T W_K` in full, as matrices; runs follow it along probe directions at every step, and
along a complete set of directions at snapshots.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.dynamics import FullWeights, Reduced, complete_directions
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


@given(st.integers(1, 9).flatmap(lambda rank: arrays(np.int64, (rank, rank), elements=st.integers(-50, 50))))
def test_complete_directions_determine_a_symmetric_matrix(entries: np.ndarray) -> None:
    matrix = np.tril(entries) + np.tril(entries, -1).T
    rank = len(matrix)
    directions = complete_directions(rank)
    assert directions.shape == (rank, rank * (rank + 1) // 2)
    forms = np.einsum("rz,rs,sz->z", directions, matrix, directions)
    products = np.einsum("rz,sz->zrs", directions, directions)
    rows, columns = np.tril_indices(rank)
    of_entries = products[:, rows, columns] * np.where(rows == columns, 1.0, 2.0)
    found = np.linalg.solve(of_entries, forms)
    np.testing.assert_allclose(found, matrix[rows, columns], atol=1e-9)


@pytest.mark.parametrize("engine", [Reduced, FullWeights])
def test_in_full_the_balance_is_the_matrix_that_the_weights_make(engine: type[Reduced] | type[FullWeights]) -> None:
    instance = draw(Problem(N=6, M=3, d=60, d_h=12, r=8.0, test_samples=0), 3)
    dynamics = engine(instance, TokenTable.of(instance), None, norms=True)
    dynamics.advance(7, -1.0, [])
    whole = dynamics.in_full()
    whole.restore(dynamics.save())
    stretch = whole.advance(1, -1.0, [])
    for states, offset in ((dynamics, 0), (whole, 1)):
        moved = balance(states.instance()) - balance(instance)
        wanted = np.einsum("rz,rs,sz->z", whole.directions, moved, whole.directions)
        rounding = 200 * EPSILON * np.abs(balance(instance)).max()
        np.testing.assert_allclose(stretch.arrays["balance"][offset], wanted, rtol=1e-9, atol=rounding)
    assert dynamics.step == 7


def test_in_full_nothing_is_shared_with_the_run() -> None:
    instance = draw(Problem(N=6, M=3, d=60, d_h=12, r=8.0, test_samples=0), 3)
    for engine in (Reduced, FullWeights):
        dynamics, undisturbed = (engine(instance, TokenTable.of(instance), None, norms=True) for _ in range(2))
        dynamics.in_full().advance(3, -1.0, [])
        found, wanted = (each.advance(5, -1.0, []).arrays for each in (dynamics, undisturbed))
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])
