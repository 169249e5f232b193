"""The law of drawn problems and of their test samples, held against full draws made here in plain NumPy."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from verify.controls import Finding
from verify.statistics import LEVEL, kolmogorov_smirnov
from verify.systems.benign_vit import draw, testing
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.problem import Problem
from verify.systems.draws import Stream, stream

REDUCED_DRAWS, FULL_DRAWS = 1000, 4000

PROBLEM = Problem.model_validate(
    {"N": 2, "M": 3, "d": 16, "d_h": 16, "SNR": 2.0, "C_p": 2.0, "w_O_norm": 2.0, "test_samples": 1}
    | {"sigma_h": 0.3, "sigma_V": 0.5}
)
"""So small that a degree of freedom shows, and yet every part of a draw is a Bartlett factor."""


class Drawn(NamedTuple):
    """What is seen of many draws; the leading axis counts them.

    Of the training samples: inner products of tokens, scores of every key for every query (N, M, N, M), and
    values (N, M). Of a test sample: inner products with their tokens, scores of their keys (M, N, M), its own
    scores (M, M) and values (M,).
    """

    inner: Array
    score: Array
    value: Array
    test_inner: Array
    test_meets: Array
    test_score: Array
    test_value: Array


def look_at_laws() -> dict[str, Finding]:
    """Compare reduced draws with full ones in law: the problems, and their test samples."""
    reduced, full = _reduced_draws(REDUCED_DRAWS), _full_draws(FULL_DRAWS)
    return {
        "draw-law": _compared(_problem_statistics(reduced), _problem_statistics(full)),
        "test-law": _compared(_test_statistics(reduced), _test_statistics(full)),
    }


def _reduced_draws(count: int) -> Drawn:
    rows = []
    for seed in range(count):
        instance = draw.draw(PROBLEM, seed, full=False)
        test = testing.draw_test_samples(PROBLEM, instance, stream(seed, Stream.TEST))
        X, x = instance.X, test.tokens[0]
        keys, value_map = X @ instance.W_K, instance.W_V @ instance.w_O
        test_queries = x @ instance.W_Q + test.queries_beyond[0]
        test_keys = x @ instance.W_K + test.keys_beyond[0]
        rows.append(
            Drawn(
                inner=np.tensordot(X, X, (2, 2)),
                score=np.tensordot(X @ instance.W_Q, keys, (2, 2)),
                value=X @ value_map,
                test_inner=np.tensordot(x, X, (1, 2)),
                test_meets=np.tensordot(test_queries, keys, (1, 2)),
                test_score=test_queries @ test_keys.T + test.score_beyond[0],
                test_value=x @ value_map + test.value_beyond[0],
            )
        )
    return Drawn(*(np.stack(column) for column in zip(*rows, strict=True)))


@cache
def _full_draws(count: int) -> Drawn:
    """Every token and every weight at its full size, from the data law as the paper states it."""
    rng = np.random.Generator(np.random.PCG64(0))
    problem = PROBLEM
    X = np.zeros((count, problem.N + 1, problem.M, problem.d))
    X[:, :, 1:, 2:] = problem.sigma_p * rng.standard_normal((count, problem.N + 1, problem.M - 1, problem.d - 2))
    X[:, :, 1] *= problem.C_p
    signal = problem.SNR * problem.sigma_p * np.sqrt(problem.d)
    test_class = rng.integers(2, size=count)
    X[:, 0, 0, 0] = X[:, 1, 0, 1] = signal
    X[np.arange(count), 2, 0, test_class] = signal
    shape = (count, problem.d, problem.d_h)
    queries = np.einsum("snid,sdr->snir", X, problem.sigma_h * rng.standard_normal(shape), optimize=True)
    keys = np.einsum("snid,sdr->snir", X, problem.sigma_h * rng.standard_normal(shape), optimize=True)
    value_map = problem.sigma_V * problem.w_O_norm * rng.standard_normal((count, problem.d))
    value = np.einsum("snid,sd->sni", X, value_map)
    inner = np.einsum("snid,smjd->snimj", X, X, optimize=True)
    score = np.einsum("snir,smjr->snimj", queries, keys, optimize=True)
    return Drawn(
        inner=inner[:, :2, :, :2],
        score=score[:, :2, :, :2],
        value=value[:, :2],
        test_inner=inner[:, 2, :, :2],
        test_meets=score[:, 2, :, :2],
        test_score=score[:, 2, :, 2],
        test_value=value[:, 2],
    )


def _problem_statistics(drawn: Drawn) -> dict[str, Array]:
    """Sample 0 has label +1, sample 1 has -1; token 0 is the signal, 1 the large noise."""
    inner, score, value = drawn.inner, drawn.score, drawn.value
    large = inner[:, 0, 1, 0, 1] + inner[:, 1, 1, 1, 1]
    return {
        "large noise norms": large,
        "noise norms": large / PROBLEM.C_p**2 + inner[:, 0, 2, 0, 2] + inner[:, 1, 2, 1, 2],
        "noise overlap": inner[:, 0, 1, 1, 1],
        "signal score": score[:, 0, 0, 0, 0],
        "score between the signals": score[:, 0, 0, 1, 0],
        "noise score": score[:, 0, 1, 0, 2],
        "scores squared": np.mean(score**2, axis=(1, 2, 3, 4)),
        "signal value": value[:, 0, 0],
        "noise value": value[:, 0, 1],
    }


def _test_statistics(drawn: Drawn) -> dict[str, Array]:
    meets, own = drawn.test_meets, drawn.test_score
    return {
        "overlap of large noise with training": drawn.test_inner[:, 1, 0, 1],
        "overlap of small noise with training": drawn.test_inner[:, 2, 0, 2],
        "scores of training keys, noise": np.mean(meets[:, 1:, :, 1:] ** 2, axis=(1, 2, 3)),
        "score of the signal": own[:, 1, 0],
        "scores of noise": np.mean(own[:, 1:, 1:] ** 2, axis=(1, 2)),
        "large noise value": drawn.test_value[:, 1],
        "small noise value": drawn.test_value[:, 2],
    }


def _compared(left: Mapping[str, Array], right: Mapping[str, Array]) -> Finding:
    smallest = min(kolmogorov_smirnov(left[name], right[name]) for name in left)
    passed = smallest >= LEVEL / len(left)
    return Finding(passed, "consistent" if passed else f"refuted (p = {smallest:.0e})")
