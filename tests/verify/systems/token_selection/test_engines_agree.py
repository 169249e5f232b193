"""Both engines make the same trajectory from any arrays, and go on from any state."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.systems.token_selection.dynamics import FullWeights, Reduced
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.testing import TestSamples, draw_test_samples

pytestmark = pytest.mark.kernels

STEPS = 6
AGREEMENT = 1e-10
"""Rounding (1e-16) times the terms of a score (some hundred) times what six steps amplify."""

few = settings(max_examples=60)
both_engines = pytest.mark.parametrize("engine", [Reduced, FullWeights])


def samples(instance: Instance) -> TestSamples | None:
    if instance.shape[2] < 2:
        return None
    shares = np.eye(2, instance.shape[1])
    return draw_test_samples(instance.nu, 0.7, 0.4, shares, 5, np.random.default_rng(0))


def close(found: Any, wanted: Any, name: str) -> None:
    np.testing.assert_allclose(found, wanted, rtol=AGREEMENT, atol=AGREEMENT, err_msg=name)


@few
@given(instance=st.from_type(Instance))
def test_engines_agree(instance: Instance) -> None:
    test = samples(instance)
    reduced, weights = Reduced(instance, test, True), FullWeights(instance, test, True)
    keep = [0, 3, STEPS]
    found, wanted = (each.advance(STEPS, -1.0, keep) for each in (reduced, weights))
    apart = {"map_size", "score_rounding", "balance_scale"}  # each engine's own bounds on its own roundings
    for name in set(wanted.arrays) - apart:
        close(found.arrays[name], wanted.arrays[name], name)
    for name in ("W", "p"):
        close(getattr(reduced.instance(), name), getattr(weights.instance(), name), name)
    for name, array in weights.vectors().items():
        close(reduced.vectors()[name], array, name)
    for step in keep:
        left, right = reduced.test_outputs(found.kept[step]), weights.test_outputs(wanted.kept[step])
        assert (left is None) == (right is None)
        if left is not None and right is not None:
            close(left[1], right[1], "test outputs")
            close(left[2], right[2], "test attention")


@both_engines
@few
@given(instance=st.from_type(Instance))
def test_a_run_can_be_taken_up_anywhere(engine: Any, instance: Instance) -> None:
    """From the weights that it has reached, and, bit for bit, from a saved state."""
    dynamics = engine(instance, None, True)
    dynamics.advance(2, -1.0, [])
    saved, resumed = dynamics.save(), engine(dynamics.instance(), None, False)
    wanted = {name: array.copy() for name, array in dynamics.advance(3, -1.0, []).arrays.items()}
    found = resumed.advance(3, -1.0, []).arrays
    for name in ("score", "output", "loss"):
        close(found[name], wanted[name], name)
    twin = dynamics.twin()
    twin.restore(saved)
    for name, array in twin.advance(3, -1.0, []).arrays.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


@both_engines
def test_runs_stop_at_their_target(engine: Any) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2, 3, 4)), np.array([1.0, -1.0])
    instance = Instance(X, y, y, rng.standard_normal((4, 4)), np.zeros(4), rng.standard_normal(4), 0.05)
    losses = engine(instance, None).advance(50, -1.0, []).arrays["loss"].copy()
    assert losses[20] < losses[0]
    stopped = engine(instance, None).advance(50, float(losses[20]), [])
    assert stopped.steps == int(np.argmax(losses <= losses[20]))
