"""What leaves a trajectory unchanged: properties of both engines, from any arrays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.systems.token_selection.dynamics import FullWeights, Reduced
from verify.systems.token_selection.instance import Instance

pytestmark = pytest.mark.kernels

STEPS = 5
AGREEMENT = 1e-11
"""Rounding (1e-16) times the terms of a score (some hundred) times what five steps amplify."""

both_engines = pytest.mark.parametrize("engine", [Reduced, FullWeights])
few = settings(max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def trajectory(engine: Any, instance: Instance) -> dict[str, np.ndarray]:
    return dict(engine(instance, None).advance(STEPS, -1.0, []).arrays)


def assert_same(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=AGREEMENT, atol=AGREEMENT, err_msg=name)


def rotation(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


@both_engines
@few
@given(instance=st.from_type(Instance), seed=seeds)
def test_rotating_tokens_and_p(engine: Any, instance: Instance, seed: int) -> None:
    Q, O = rotation(instance.shape[2], seed), rotation(instance.shape[3], seed + 1)
    turned = replace(instance, X=instance.X @ Q, W=O @ instance.W @ Q, nu=Q.T @ instance.nu, p=O @ instance.p)
    assert_same(trajectory(engine, turned), trajectory(engine, instance))


@both_engines
@few
@given(instance=st.from_type(Instance), seed=seeds)
def test_permuting_samples(engine: Any, instance: Instance, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(instance.y))
    turned = replace(instance, X=instance.X[order], y=instance.y[order], y_clean=instance.y_clean[order])
    wanted = {name: a[:, order] if a.ndim > 1 else a for name, a in trajectory(engine, instance).items()}
    assert_same(trajectory(engine, turned), wanted)


@both_engines
@few
@given(instance=st.from_type(Instance), seed=seeds)
def test_permuting_tokens(engine: Any, instance: Instance, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(instance.shape[1])
    wanted = {name: a[..., order] if a.ndim > 2 else a for name, a in trajectory(engine, instance).items()}
    assert_same(trajectory(engine, replace(instance, X=instance.X[:, order])), wanted)


@both_engines
@few
@given(instance=st.from_type(Instance))
def test_changing_the_sign_of_labels_and_head(engine: Any, instance: Instance) -> None:
    wanted = trajectory(engine, instance)
    wanted["output"] = -wanted["output"]
    assert_same(trajectory(engine, replace(instance, y=-instance.y, nu=-instance.nu)), wanted)


@few
@given(instance=st.from_type(Instance), seed=seeds)
def test_only_inner_products_matter_from_zero(instance: Instance, seed: int) -> None:
    """From p = 0 any W with the same inner products of tokens through W gives the same run, more rows or not."""
    taller = np.vstack([instance.W, np.zeros((2, instance.shape[2]))])
    turned = rotation(len(taller), seed) @ taller
    start = replace(instance, p=np.zeros_like(instance.p))
    other = replace(start, W=turned, p=np.zeros(len(taller)))
    assert_same(trajectory(FullWeights, other), trajectory(FullWeights, start))
