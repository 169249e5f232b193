"""The data law, the initial models, and the law of draws in few coordinates."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from verify.systems.shallow_vit import testing
from verify.systems.shallow_vit.draw import draw
from verify.systems.shallow_vit.instance import counted, pattern_places
from verify.systems.shallow_vit.testing import enumerate_law, law_states

from .conftest import small

LEVEL = 1e-4


def test_counts_and_labels() -> None:
    problem = small(N=9, L=12, n_star=4, n_sharp=2)
    instance = draw(problem, 0)
    places = pattern_places(instance)
    assert places is not None
    counts = counted(places, 4)
    own = np.where(instance.y > 0, 0, 1)
    rows = np.arange(9)
    np.testing.assert_array_equal(counts[rows, own], 4)
    np.testing.assert_array_equal(counts[rows, 1 - own], 2)
    np.testing.assert_array_equal(counts.sum(axis=1), 12)
    assert abs(instance.y.sum()) == 1.0


@pytest.mark.parametrize("rho", [0.0, 1.0])
def test_spurious_tokens_follow_the_label(rho: float) -> None:
    instance = draw(small(M=5, m_b=10, d=9, n_spurious=3, rho=rho, N=20), 0)
    places = pattern_places(instance)
    assert places is not None
    agreeing = np.where(instance.y > 0, 2, 3)
    counts = counted(places, 5)[np.arange(20), agreeing]
    np.testing.assert_array_equal(counts, 3.0 * rho)


def test_initial_models() -> None:
    perp = draw(small(sigma=0.0, delta=0.0, kappa=3.0), 0)
    np.testing.assert_allclose(perp.W_K.T @ perp.W_Q, 0.0, atol=1e-14)
    np.testing.assert_allclose((perp.W_K.T @ perp.W_K)[:4, :4], 9.0 * np.eye(4), atol=1e-13)
    np.testing.assert_allclose((perp.W_V.T @ perp.W_V)[:4, :4], np.eye(4), atol=1e-14)
    assert np.all(perp.W_V[:, 4:] == 0.0)
    aligned = draw(small(sigma=0.0, delta=0.0, start="aligned"), 0)
    np.testing.assert_array_equal(aligned.W_K, aligned.W_Q)
    directed = draw(small(sigma=0.5, error="directed"), 0)
    values = directed.W_V[:, :4]
    np.testing.assert_allclose(np.linalg.norm(values, axis=0), 1.0)
    assert values[:, 0] @ values[:, 1] == pytest.approx(2 * 0.5 / (1 + 0.5**2))
    matched = draw(small(sigma=2.0, error="matched"), 0)
    np.testing.assert_allclose(np.linalg.norm(matched.W_V[:, :4], axis=0), 1.0)
    drifted = draw(small(sigma=0.2), 0)
    assert np.linalg.norm(drifted.W_V[:, 0] - draw(small(sigma=0.0), 0).W_V[:, 0]) == pytest.approx(0.2)


@pytest.mark.parametrize("noise", ["sphere", "orthogonal"])
@pytest.mark.parametrize("d", [9, 10**9])
def test_noise_has_its_norm(noise: str, d: int) -> None:
    instance = draw(small(N=2, L=4, n_star=2, tau=0.7, noise=noise, d=d), 0)
    assert instance.patterns is not None
    clean = instance.patterns[np.argmax(instance.X @ instance.patterns.T, axis=2)]
    np.testing.assert_allclose(np.linalg.norm(instance.X - clean, axis=2), 0.7)
    if noise == "orthogonal":
        np.testing.assert_allclose((instance.X - clean) @ instance.patterns.T, 0.0, atol=1e-15)


def test_reduced_draws_have_the_law_of_full_ones() -> None:
    """Inner products of tokens, and of test tokens with them, in 12 of 30 coordinates and in all 30."""
    problem = small(N=2, L=4, n_star=2, n_sharp=0, tau=1.5, d=30, test_samples=1)
    seen: dict[bool, list[list[float]]] = {True: [], False: []}
    for full in (True, False):
        for seed in range(400):
            instance = draw(problem, 2 * seed + full, full=full)
            assert instance.patterns is not None
            law = testing.test_law(problem, instance.patterns, 2 * seed + full)
            assert law is not None
            test = law.samples.tokens[0]
            X = instance.X
            seen[full].append([X[0, 2] @ X[1, 3], X[0, 0] @ instance.patterns[2], test[0] @ X[1, 0], test[0] @ test[1]])
    for left, right in zip(np.array(seen[True]).T, np.array(seen[False]).T, strict=True):
        assert ks_2samp(left, right).pvalue > LEVEL


@pytest.mark.parametrize("dirichlet", [0.0, 0.3])
def test_enumerated_law_is_the_drawn_one(dirichlet: float) -> None:
    problem = small(N=4000, L=6, M=4, n_star=2, n_sharp=1, dirichlet=dirichlet)
    labels, counts, probability = enumerate_law(problem)
    assert len(labels) == law_states(problem)
    places = pattern_places(draw(problem, 1))
    assert places is not None
    drawn = counted(places, 4)
    for row, expected in zip(counts, probability, strict=True):
        share = np.mean((drawn == row).all(axis=1))
        assert share == pytest.approx(expected, abs=5.0 * np.sqrt(0.25 / 4000))
