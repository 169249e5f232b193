"""What leaves a trajectory unchanged: properties of both engines, from any arrays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.systems.benign_vit import compiled
from verify.systems.benign_vit.dynamics import FullWeights, Reduced, workspace
from verify.systems.benign_vit.instance import Instance, TokenTable

pytestmark = pytest.mark.kernels

STEPS = 5
BY_SAMPLE = ("output", "loss_derivative", "attention", "attention_gradient", "score", "token_value")
AGREEMENT = 1e-11
"""Rounding (1e-16) times the terms of a score (up to 600) times what five steps amplify."""

both_engines = pytest.mark.parametrize("engine", [Reduced, FullWeights])
few = settings(max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def trajectory(engine: Any, instance: Instance) -> dict[str, np.ndarray]:
    """The states of a few steps, values by place: distinct tokens may be numbered differently."""
    table = TokenTable.of(instance)
    arrays = dict(engine(instance, table, None).advance(STEPS, -1.0, []).arrays)
    arrays["token_value"] = arrays.pop("value")[:, table.token_at]
    return arrays


def assert_same(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=AGREEMENT, atol=AGREEMENT, err_msg=name)


def rotation(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


@both_engines
@few
@given(instance=st.from_type(Instance), seed=seeds)
def test_rotating_token_space(engine: Any, instance: Instance, seed: int) -> None:
    turn = rotation(instance.X.shape[2], seed)
    weights = {name: turn.T @ getattr(instance, name) for name in ("W_Q", "W_K", "W_V")}
    turned = replace(instance, X=instance.X @ turn, **weights)
    assert_same(trajectory(engine, turned), trajectory(engine, instance))


@both_engines
@few
@given(instance=st.from_type(Instance), seed=seeds)
def test_rotating_the_heads(engine: Any, instance: Instance, seed: int) -> None:
    turn = rotation(instance.W_Q.shape[1], seed)
    turned = replace(instance, W_Q=instance.W_Q @ turn, W_K=instance.W_K @ turn)
    assert_same(trajectory(engine, turned), trajectory(engine, instance))


@both_engines
@few
@given(instance=st.from_type(Instance), data=st.data())
def test_permuting_samples(engine: Any, instance: Instance, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(instance.y)))))
    wanted = trajectory(engine, instance)
    found = trajectory(engine, replace(instance, X=instance.X[order], y=instance.y[order]))
    assert_same(found, {"loss": wanted["loss"], **{name: wanted[name][:, order] for name in BY_SAMPLE}})


@both_engines
@few
@given(instance=st.from_type(Instance), data=st.data())
def test_permuting_any_tokens_of_a_sample(engine: Any, instance: Instance, data: st.DataObject) -> None:
    """No token is special to the network, the signal included."""
    n = data.draw(st.integers(0, len(instance.y) - 1))
    order = np.array(data.draw(st.permutations(range(instance.X.shape[1]))))
    X = instance.X.copy()
    X[n] = X[n, order]
    wanted = {name: array.copy() for name, array in trajectory(engine, instance).items()}
    wanted["token_value"][:, n] = wanted["token_value"][:, n][:, order]
    for name in ("score", "attention", "attention_gradient"):
        wanted[name][:, n] = wanted[name][:, n][:, order][:, :, order]
    assert_same(trajectory(engine, replace(instance, X=X)), wanted)


@both_engines
@few
@given(instance=st.from_type(Instance))
def test_flipping_all_labels_and_the_values(engine: Any, instance: Instance) -> None:
    wanted = trajectory(engine, instance)
    wanted["output"], wanted["token_value"] = -wanted["output"], -wanted["token_value"]
    wanted["attention_gradient"] = -wanted["attention_gradient"]
    assert_same(trajectory(engine, replace(instance, y=-instance.y, W_V=-instance.W_V)), wanted)


def scaled(instance: Instance, c: float) -> Instance:
    assert instance.step_size is not None
    weights = {name: getattr(instance, name) / c for name in ("W_Q", "W_K", "W_V")}
    return replace(instance, X=c * instance.X, **weights, step_size=instance.step_size / c**2)


@both_engines
@few
@given(instance=st.from_type(Instance), c=st.floats(0.2, 5.0))
def test_scaling_tokens_against_weights_and_step(engine: Any, instance: Instance, c: float) -> None:
    assert_same(trajectory(engine, scaled(instance, c)), trajectory(engine, instance))


@both_engines
@few
@given(instance=st.from_type(Instance), power=st.integers(-20, 20))
def test_scaling_by_a_power_of_two_changes_no_bit(engine: Any, instance: Instance, power: int) -> None:
    wanted = trajectory(engine, instance)
    for name, array in trajectory(engine, scaled(instance, 2.0**power)).items():
        # Attention of e^-700 can leave increments in the subnormal range, where bits are lost.
        np.testing.assert_allclose(array, wanted[name], rtol=0.0, atol=1e-280, err_msg=name)


@few
@given(instance=st.from_type(Instance), shift=st.floats(-10.0, 10.0))
def test_shifting_the_values_shifts_the_output_alone(instance: Instance, shift: float) -> None:
    table = TokenTable.of(instance)
    states = np.ascontiguousarray(table.tokens @ np.hstack([instance.W_Q, instance.W_K]))
    values = table.tokens @ instance.W_V @ instance.w_O
    works = []
    for moved in (values, values + shift):
        works.append(workspace(*table.token_at.shape, len(values), instance.W_Q.shape[1]))
        compiled.forward(states, moved, table.token_at, instance.y, works[-1])
    before, after = works
    np.testing.assert_array_equal(after.attention, before.attention)
    np.testing.assert_allclose(after.output, before.output + shift, rtol=AGREEMENT, atol=AGREEMENT)
    np.testing.assert_allclose(after.pull, before.pull, rtol=AGREEMENT, atol=AGREEMENT)


@few
@given(instance=st.from_type(Instance))
def test_the_two_engines_agree(instance: Instance) -> None:
    assert_same(trajectory(Reduced, instance), trajectory(FullWeights, instance))


def generic() -> Instance:
    rng = np.random.default_rng(1)
    shapes = {"X": (3, 3, 5), "W_Q": (5, 4), "W_K": (5, 4), "W_V": (5, 2), "w_O": (2,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return Instance(**arrays, y=np.array([1.0, -1.0, -1.0]), step_size=0.1)


@both_engines
@pytest.mark.parametrize(
    "broken",
    [
        lambda i: replace(i, X=i.X @ rotation(5, 0)),
        lambda i: replace(i, W_Q=i.W_Q @ rotation(4, 0)),
        lambda i: replace(i, y=-i.y),
        lambda i: replace(scaled(i, 2.0), step_size=i.step_size),
        lambda i: replace(i, X=i.X[[1, 0, 2]]),
    ],
    ids=[
        "weights not rotated",
        "keys not rotated",
        "values not flipped",
        "step not scaled",
        "labels not permuted",
    ],
)
def test_half_a_symmetry_is_noticed(engine: Any, broken: Any) -> None:
    with pytest.raises(AssertionError):
        assert_same(trajectory(engine, broken(generic())), trajectory(engine, generic()))
