"""One trajectory, whatever represents the weights: patterns, products, weights, and no collapse of tokens at all."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.io.settings import validated
from verify.systems.base import find_system
from verify.systems.shallow_vit.draw import draw
from verify.systems.shallow_vit.instance import Instance, pattern_places, samples_of_tokens
from verify.systems.shallow_vit.problem import ArraysGiven

from .conftest import small

pytestmark = pytest.mark.kernels

SYSTEM = find_system("shallow-vit")
AGREE = 1e-11
STEPS = 12


def trajectory(instance: Instance, engine: str, seed: int = 0, steps: int = STEPS) -> dict[str, np.ndarray]:
    given_beside = validated(ArraysGiven, {"B": 4, "loss_every": 1, "test_samples": 0})
    dynamics = SYSTEM.prepare_arrays(instance, given_beside, seed, engine).dynamics
    stretch = dynamics.advance(steps, -1.0, [])
    end = dynamics.instance()
    return {
        **{name: np.array(stretch.arrays[name]) for name in ("batch_loss", "loss", "output", "relevant_attention")},
        "P": end.W_K.T @ end.W_Q,
        "R": end.W_O @ end.W_V,
    }


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], within: float = AGREE) -> None:
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, atol=within, err_msg=name)


@pytest.mark.parametrize("engine", ["patterns", "gram", "reduced", "auto"])
def test_engines_agree_on_patterns(engine: str, patterns: Instance) -> None:
    assert_same(trajectory(patterns, engine), trajectory(patterns, "weights"))


@pytest.mark.parametrize("engine", ["gram", "reduced", "auto"])
def test_engines_agree_with_noise(engine: str, noisy: Instance) -> None:
    assert_same(trajectory(noisy, engine), trajectory(noisy, "weights"))


def test_patterns_in_a_rotated_frame(patterns: Instance) -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((7, 7)))[0]
    assert patterns.patterns is not None
    turned = replace(
        patterns,
        X=patterns.X @ rotation.T,
        W_V=patterns.W_V @ rotation.T,
        W_K=patterns.W_K @ rotation.T,
        W_Q=patterns.W_Q @ rotation.T,
        patterns=patterns.patterns @ rotation.T,
    )
    assert pattern_places(turned) is not None
    found, wanted = trajectory(turned, "patterns"), trajectory(patterns, "weights")
    for name in ("batch_loss", "loss", "output", "relevant_attention"):
        np.testing.assert_allclose(found[name], wanted[name], atol=AGREE, err_msg=name)
    np.testing.assert_allclose(rotation.T @ found["P"] @ rotation, wanted["P"], atol=AGREE)


def test_collapsed_tokens_are_those_kept_apart(patterns: Instance) -> None:
    """Tokens that differ in the last bit are slots of their own; the trajectory hardly notices."""
    rng = np.random.default_rng(1)
    apart = replace(patterns, X=patterns.X + 1e-14 * rng.standard_normal(patterns.X.shape))
    assert samples_of_tokens(apart)[0].tokens.shape[1] == patterns.X.shape[1]
    assert samples_of_tokens(patterns)[0].tokens.shape[1] <= 4
    assert_same(trajectory(apart, "weights"), trajectory(patterns, "weights"))


@pytest.mark.parametrize("engine", ["patterns", "gram", "weights"])
def test_signs_of_labels_and_readout(engine: str, patterns: Instance) -> None:
    turned = trajectory(replace(patterns, y=-patterns.y, a=-patterns.a), engine)
    wanted = trajectory(patterns, engine)
    if engine == "weights":
        for name in ("batch_loss", "loss", "P", "R"):
            np.testing.assert_array_equal(turned[name], wanted[name])
        np.testing.assert_array_equal(turned["output"], -wanted["output"])
    else:  # rows of equal samples come in another order
        np.testing.assert_allclose(turned["P"], wanted["P"], atol=AGREE)


@pytest.mark.parametrize("engine", ["patterns", "weights"])
def test_order_of_tokens(engine: str, noisy: Instance, patterns: Instance) -> None:
    instance = patterns if engine == "patterns" else noisy
    order = np.random.default_rng(2).permutation(instance.X.shape[1])
    assert_same(trajectory(replace(instance, X=instance.X[:, order]), engine), trajectory(instance, engine))


@pytest.mark.parametrize("orthogonal", [True, False])
def test_bases_between_factors(orthogonal: bool, noisy: Instance) -> None:
    """Any change of basis leaves outputs; only orthogonal ones leave whole trajectories."""
    rng = np.random.default_rng(3)
    G, S = (rng.standard_normal((width, width)) for width in (8, 5))
    if orthogonal:
        G, S = np.linalg.qr(G)[0], np.linalg.qr(S)[0]
    changed = replace(
        noisy,
        W_K=G @ noisy.W_K,
        W_Q=np.linalg.inv(G).T @ noisy.W_Q,
        W_V=S @ noisy.W_V,
        W_O=noisy.W_O @ np.linalg.inv(S),
    )
    found, wanted = trajectory(changed, "weights"), trajectory(noisy, "weights")
    np.testing.assert_allclose(found["output"][0], wanted["output"][0], atol=1e-9)
    if orthogonal:
        assert_same(found, wanted)
    else:
        assert np.abs(found["P"] - wanted["P"]).max() > 1e-3


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), samples=st.integers(1, 5), tokens=st.integers(3, 6), batch=st.integers(1, 7))
def test_engines_agree_on_any_draw(seed: int, samples: int, tokens: int, batch: int) -> None:
    problem = small(N=samples, L=tokens, n_star=2, n_sharp=1, B=batch)
    states = {}
    for engine in ("patterns", "gram", "weights"):
        dynamics = SYSTEM.prepare(problem, seed, engine).dynamics
        states[engine] = np.array(dynamics.advance(6, -1.0, []).arrays["batch_loss"])
    for engine in ("patterns", "gram"):
        np.testing.assert_allclose(states[engine], states["weights"], atol=1e-9)


def test_population_is_what_every_possible_sample_once_would_be() -> None:
    """A training set that is the data law itself, each sample as often as its probability says."""
    problem = small(N=2, L=4, n_star=2, n_sharp=0, dirichlet=0.0, population=True)
    dynamics = SYSTEM.prepare(problem, 0, "patterns").dynamics
    losses = np.array(dynamics.advance(5, -1.0, []).arrays["batch_loss"])
    instance = draw(problem, 0)
    assert instance.patterns is not None
    # Two other tokens, two patterns: (2, 0), (1, 1), (0, 2) with probabilities 1/4, 1/2, 1/4.
    places = [[own, own, *others] for own in (0, 1) for others in ([2, 2], [2, 3], [2, 3], [3, 3])]
    law = replace(instance, X=instance.patterns[np.array(places)], y=np.repeat([1.0, -1.0], 4))
    given_beside = validated(ArraysGiven, {"B": 8})
    full = SYSTEM.prepare_arrays(law, given_beside, 0, "weights").dynamics
    np.testing.assert_allclose(losses, np.array(full.advance(5, -1.0, []).arrays["batch_loss"]), atol=1e-12)
