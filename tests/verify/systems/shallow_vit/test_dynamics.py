"""Rest, kinks, batches, stretches and snapshots."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from verify.io.settings import validated
from verify.systems.base import find_system
from verify.systems.shallow_vit.draw import Batches, draw
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.problem import ArraysGiven

from .conftest import small

pytestmark = pytest.mark.kernels

SYSTEM = find_system("shallow-vit")
SPAN = 1e-11
"""What rounding leaves beyond a span."""


def dynamics_of(instance: Instance, engine: str = "weights", **given: object):
    return SYSTEM.prepare_arrays(instance, validated(ArraysGiven, {"loss_every": 1, **given}), 0, engine).dynamics


@pytest.mark.parametrize("engine", ["patterns", "gram", "weights"])
def test_nothing_moves_where_all_margins_are_met(engine: str, patterns: Instance) -> None:
    at_start = dynamics_of(patterns, engine)
    before = at_start.save()[1]
    outputs = np.array(at_start.advance(0, -1.0, []).arrays["output"][0])
    fitted = replace(patterns, y=np.sign(outputs), W_O=patterns.W_O * (1.5 / np.abs(outputs).min()))
    resting = dynamics_of(fitted, engine)
    before = resting.save()[1]
    assert float(resting.advance(5, -1.0, []).arrays["batch_loss"][0]) == 0.0
    for old, new in zip(before, resting.save()[1], strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("engine", ["patterns", "gram", "weights"])
def test_no_readout_is_a_fixed_point(engine: str, patterns: Instance) -> None:
    resting = dynamics_of(replace(patterns, W_O=np.zeros_like(patterns.W_O)), engine)
    before = resting.save()[1]
    arrays = resting.advance(5, -1.0, []).arrays
    assert float(arrays["batch_loss"][-1]) == pytest.approx(1.0)
    for old, new in zip(before, resting.save()[1], strict=True):
        np.testing.assert_array_equal(old, new)


def test_unit_margin_does_not_push() -> None:
    one, first = np.ones((1, 1)), np.eye(1, 2)
    kink = Instance(X=first[None], y=np.ones(1), a=np.ones(1), W_O=one, W_V=first, W_K=first, W_Q=first, step_size=0.5)
    arrays = dynamics_of(kink).advance(2, -1.0, []).arrays
    np.testing.assert_array_equal(arrays["output"], 1.0)
    np.testing.assert_array_equal(arrays["batch_active"], 0.0)


@pytest.mark.parametrize("engine", ["patterns", "gram", "weights"])
def test_stretches_can_be_cut_anywhere_and_run_again(engine: str, patterns: Instance) -> None:
    whole = dynamics_of(patterns, engine, B=2)
    stretch = whole.advance(9, -1.0, [4])
    cut = dynamics_of(patterns, engine, B=2)
    cut.advance(4, -1.0, [])
    later = cut.twin().advance(5, -1.0, [])
    np.testing.assert_array_equal(later.arrays["batch_loss"], stretch.arrays["batch_loss"][4:])
    assert later.first == 4
    for kept, now in zip(stretch.kept[4], cut.save()[1], strict=True):
        np.testing.assert_array_equal(kept, now)
    whole.restore(stretch.start)
    np.testing.assert_array_equal(whole.advance(9, -1.0, []).arrays["batch_loss"], stretch.arrays["batch_loss"])


def test_every_epoch_uses_a_sample_once_at_most() -> None:
    batches = Batches(samples=11, size=3, seed=5)
    epochs = batches.of(0, 9).reshape(3, 9)
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    np.testing.assert_array_equal(batches.of(4, 2), batches.of(0, 9)[4:6])
    assert not np.array_equal(Batches(11, 3, 6).of(0, 3), batches.of(0, 3))


def test_given_batches_begin_anew() -> None:
    rows = np.array([[0, 1], [1, 1]])
    np.testing.assert_array_equal(Batches(2, 2, 0, rows).of(1, 3), rows[[1, 0, 1]])


def test_loss_is_looked_at_as_often_as_asked(patterns: Instance) -> None:
    arrays = dynamics_of(patterns, "patterns", B=2, loss_every=3).advance(7, -1.0, [4]).arrays
    looked = ~np.isnan(np.array(arrays["loss"]))
    np.testing.assert_array_equal(np.flatnonzero(looked), [0, 3, 4, 6, 7])
    np.testing.assert_array_equal(np.isnan(arrays["output"]).any(axis=1), ~looked)


def test_full_batch_loss_is_the_loss(noisy: Instance) -> None:
    arrays = dynamics_of(noisy, "weights", B=100).advance(6, -1.0, []).arrays
    np.testing.assert_allclose(arrays["batch_loss"], arrays["loss"], atol=1e-14)


def test_frozen_attention_stays() -> None:
    dynamics = SYSTEM.prepare(small(attention_step=0.0), 0, "weights").dynamics
    before = dynamics.instance()
    dynamics.advance(5, -1.0, [])
    after = dynamics.instance()
    np.testing.assert_array_equal(before.W_K, after.W_K)
    assert np.abs(before.W_O - after.W_O).max() > 1e-3


def beyond(columns: np.ndarray, *spans: np.ndarray) -> float:
    """How far columns are from the span of others, over their size."""
    basis = np.linalg.svd(np.hstack(spans), full_matrices=False)
    kept = basis.U[:, basis.S / basis.S[0] > 1e-9]
    assert kept.shape[1] < len(kept)  # else everything is in the span
    return float(np.linalg.norm(columns - kept @ (kept.T @ columns)) / np.linalg.norm(columns))


def test_columns_of_moves_are_queries_and_keys_of_tokens() -> None:
    """A step of W_K has its columns among the queries of tokens, one of W_Q among differences of keys."""
    instance = draw(small(N=2, L=3, n_star=2, n_sharp=0, tau=0.5, d=9, B=2, m_b=11), 4)
    weights = [(instance.W_K, instance.W_Q)]
    dynamics = dynamics_of(instance, B=2)
    for _ in range(4):
        dynamics.advance(1, -1.0, [])
        weights.append((dynamics.instance().W_K, dynamics.instance().W_Q))
    tokens = instance.X.reshape(-1, instance.X.shape[2]).T
    differences = (instance.X[:, 1:] - instance.X[:, :1]).reshape(-1, instance.X.shape[2]).T
    for (W_K, W_Q), (next_K, next_Q) in itertools.pairwise(weights):
        assert beyond(next_K - W_K, W_Q @ tokens) < SPAN
        assert beyond(next_Q - W_Q, W_K @ differences) < SPAN
        assert beyond(next_Q - W_Q, W_Q @ tokens) > 1e-3  # keys are not queries
    (first_K, first_Q), (W_K, W_Q) = weights[0], weights[-1]
    assert beyond(W_K - first_K, first_Q @ tokens) > 1e-3  # cumulatively, keys come in
    for moved in (W_K - first_K, W_Q - first_Q):
        assert beyond(moved, first_Q @ tokens, first_K @ differences) < SPAN


def test_draws_repeat_and_seeds_differ() -> None:
    one, same, other = (draw(small(tau=0.2), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.X, same.X)
    assert not np.array_equal(one.X, other.X)
    assert not np.array_equal(one.W_O, other.W_O)
