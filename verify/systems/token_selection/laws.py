"""The law of drawn problems and of test samples, held against full draws made here in plain NumPy."""

import math
from collections.abc import Mapping
from functools import cache
from statistics import NormalDist

import numpy as np
from scipy.stats import binomtest

from verify.controls import Finding
from verify.statistics import LEVEL, kolmogorov_smirnov
from verify.systems.token_selection import draw, testing
from verify.systems.token_selection.dynamics import Geometry
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.problem import Problem

REDUCED_DRAWS, FULL_DRAWS = 1000, 4000
TESTED = 4000
"""Test samples of each class."""

PROBLEM = Problem.model_validate(
    {"n": 2, "T": 3, "d": 10, "m": 3.0, "sigma": 0.8, "rho": 0.6, "eta_f": 0.0, "s_0": 0.5, "drawn": "reduced"}
)
"""So small that a degree of freedom shows, and yet the span of the tokens and what is outside are Bartlett factors."""


def look_at_laws() -> dict[str, Finding]:
    """Compare reduced draws with full ones in law, and test samples with real ones."""
    reduced = _statistics(*_reduced_draws(REDUCED_DRAWS))
    return {
        "draw-law": _compared(reduced, _statistics(*_full_draws(FULL_DRAWS))),
        "test-law": _compared(_test_samples(), _real_test_samples()),
        "accuracy-at-the-start": _accuracy_at_the_start(),
    }


def _accuracy_at_the_start() -> Finding:
    """Test accuracy where u = 0, against its closed form."""
    problem = PROBLEM
    labels, outputs, _, _ = _drawn_test_samples().seen(np.zeros(problem.d))
    right = int(np.count_nonzero(labels * outputs > 0.0))
    mean = problem.m * (1.0 + problem.rho * (problem.k_w - problem.k_c))
    expected = NormalDist().cdf(mean / (problem.sigma * math.sqrt(2.0 * problem.T)))
    level = float(binomtest(right, len(labels), expected).pvalue)
    return Finding(level >= LEVEL, "consistent" if level >= LEVEL else f"refuted (p = {level:.0e})")


def _reduced_draws(count: int) -> tuple[Array, Array, Array, Array]:
    """Inner products of tokens, the same through W, and through `W^T W`; values (draws, tokens, tokens)."""
    rows = []
    for seed in range(count):
        instance = draw.draw(PROBLEM, seed)
        geometry = Geometry(instance)
        rows.append((geometry.gram, geometry.start_map, geometry.mapped @ geometry.mapped.T, instance.value.ravel()))
    gram, start_map, mapped, value = (np.stack(column) for column in zip(*rows, strict=True))
    return gram, start_map, mapped, value


@cache
def _full_draws(count: int) -> tuple[Array, Array, Array, Array]:
    """Every token and every weight at its full size, from the data law as it is stated."""
    rng, problem = np.random.Generator(np.random.PCG64(0)), PROBLEM
    X = problem.sigma * rng.standard_normal((count, problem.n, problem.T, problem.d))
    X[:, 0, 0, 0] += problem.m
    X[:, 0, 1, 0] += problem.rho * problem.m
    X[:, 0, 2, 1] += problem.rho * problem.m
    X[:, 1, 0, 1] += problem.m
    X[:, 1, 1, 1] += problem.rho * problem.m
    X[:, 1, 2, 0] += problem.rho * problem.m
    Z = X.reshape(count, -1, problem.d)
    W = np.sqrt(problem.s_0 / problem.d) * rng.standard_normal((count, problem.d, problem.d))
    images = Z @ W.transpose(0, 2, 1)
    mapped = images @ W
    value = (Z[..., 0] - Z[..., 1]) / (np.sqrt(2.0) * problem.m)

    def gram(rows: Array) -> Array:
        return rows @ rows.transpose(0, 2, 1)

    return gram(Z), gram(images), gram(mapped), value


def _statistics(gram: Array, start_map: Array, mapped: Array, value: Array) -> dict[str, Array]:
    """Of the first sample, token 0 carries its signal, 1 the same weakly, 2 the other one; 3 to 5 are the second's."""
    return {
        "norms of tokens": np.einsum("kii->k", gram),
        "tokens of one signal": gram[:, 0, 5],
        "tokens of different signals": gram[:, 0, 3],
        "value of a signal": value[:, 0],
        "value of the other class's signal": value[:, 2],
        "norms through W": np.einsum("kii->k", start_map),
        "two tokens through W": start_map[:, 1, 4],
        "determinant through W": np.linalg.slogdet(start_map)[1],
        "norms through W^T W": np.einsum("kii->k", mapped),
        "two tokens through W^T W": mapped[:, 1, 4],
        "weight of what is outside": np.einsum("kii->k", mapped) / np.einsum("kii->k", start_map),
    }


def _drawn_test_samples() -> testing.TestSamples:
    shares = draw.signal_shares(PROBLEM.T, PROBLEM.rho, PROBLEM.k_w, PROBLEM.k_c)
    rng = np.random.Generator(np.random.PCG64(1))
    head = draw.head(PROBLEM, PROBLEM.d)
    return testing.draw_test_samples(head, PROBLEM.m, PROBLEM.sigma, shares, TESTED, rng)


def _test_samples() -> dict[str, Array]:
    labels, outputs, attention, _ = _drawn_test_samples().seen(_direction())
    return {
        f"{name} of {label:+g}": array[labels == label]
        for label in (1.0, -1.0)
        for name, array in {"outputs": outputs, "attention": attention}.items()
    }


@cache
def _real_test_samples() -> dict[str, Array]:
    """Samples in the full space, classified by the network with `u = W^T p`."""
    rng, problem = np.random.Generator(np.random.PCG64(2)), PROBLEM
    found = {}
    for label, own, other in ((1.0, 0, 1), (-1.0, 1, 0)):
        X = problem.sigma * rng.standard_normal((TESTED, problem.T, problem.d))
        X[:, 0, own] += problem.m
        X[:, 1, own] += problem.rho * problem.m
        X[:, 2, other] += problem.rho * problem.m
        attention = np.exp(X @ _direction())
        attention /= attention.sum(axis=1, keepdims=True)
        value = (X[..., 0] - X[..., 1]) / (np.sqrt(2.0) * problem.m)
        found[f"outputs of {label:+g}"] = (attention * value).sum(axis=1)
        found[f"attention of {label:+g}"] = attention[:, 0]
    return found


def _direction() -> Array:
    """Some `u = W^T p` that tells the signals apart from each other and from noise."""
    return np.concatenate([[0.9, 0.1], np.full(PROBLEM.d - 2, 0.2)])


def _compared(left: Mapping[str, Array], right: Mapping[str, Array]) -> Finding:
    smallest = min(kolmogorov_smirnov(left[name], right[name]) for name in left)
    passed = smallest >= LEVEL / len(left)
    return Finding(passed, "consistent" if passed else f"refuted (p = {smallest:.0e})")
