"""Fresh test samples, exact in law at any dimension.

A test token is its part in the span of the training basis plus a part orthogonal to it. Gradient descent
moves the weights on the span only, so what the orthogonal part contributes to queries, keys and values is
constant in time and is drawn once (`docs/reduction.md`).
"""

from dataclasses import dataclass

import numpy as np

from verify.systems.benign_vit.draw import gaussian_factor, noise_scales
from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.problem import Problem


@dataclass(frozen=True)
class TestSamples:
    """`S` test samples in the coordinates of an instance.

    Shapes: `y` (S,); `tokens` (S, M, d) coordinates in the instance's token space; and what the parts beyond it
    add: `queries_beyond`, `keys_beyond` (S, M, d_h), `score_beyond` (S, M, M), `value_beyond` (S, M).
    """

    __test__ = False  # not a test class, whatever its name begins with

    y: Array
    tokens: Array
    queries_beyond: Array
    keys_beyond: Array
    score_beyond: Array
    value_beyond: Array

    def __len__(self) -> int:
        return len(self.y)


def draw_test_samples(problem: Problem, instance: Instance, rng: np.random.Generator) -> TestSamples:
    """Fresh samples of a drawn problem: real ones where its arrays were drawn in full, else exact in law.

    With `test_law="fresh"` the orthogonal parts of different samples meet independent parts of the weights; with
    `"joint"` all meet one set of weights, as real samples do.
    """
    _, _, dimension, heads = instance.shape
    signals = problem.signal_norm * np.eye(2, dimension)
    y, tokens = _samples(signals, noise_scales(problem.M, problem.sigma_p, problem.C_p), problem.test_samples, rng)
    beyond = _Beyond.empty(len(y), problem.M, heads)
    if dimension < problem.d:
        size = len(y) if problem.test_law == "joint" else 1
        for start in range(0, len(y), size):
            beyond.draw(problem, slice(start, start + size), rng)
    return TestSamples(y, tokens, beyond.queries, beyond.keys, beyond.score, beyond.value)


def draw_test_samples_of_arrays(
    instance: Instance, signals: Array, scales: Array, count: int, rng: np.random.Generator
) -> TestSamples:
    """Fresh real samples beside given arrays: `signals` (2, d), and noise of the given scales orthogonal to them."""
    _, width, _, heads = instance.shape
    y, tokens = _samples(signals, scales, count, rng)
    beyond = _Beyond.empty(count, width, heads)
    return TestSamples(y, tokens, beyond.queries, beyond.keys, beyond.score, beyond.value)


def _samples(signals: Array, scales: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    y = np.asarray(rng.choice([-1.0, 1.0], size=count))
    noise = scales[:, None] * rng.standard_normal((count, len(scales), signals.shape[1]))
    directions, sizes, _ = np.linalg.svd(signals.T, full_matrices=False)
    span = directions[:, sizes > sizes.max() * signals.shape[1] * np.finfo(float).eps]
    noise -= (noise @ span) @ span.T
    signal = signals[np.where(y > 0, 0, 1)][:, None]
    return y, np.concatenate([signal, noise], axis=1)


@dataclass(frozen=True)
class _Beyond:
    queries: Array
    keys: Array
    score: Array
    value: Array

    @classmethod
    def empty(cls, count: int, tokens: int, heads: int) -> "_Beyond":
        shape = (count, tokens, heads)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros((count, tokens, tokens)), np.zeros((count, tokens)))

    def draw(self, problem: Problem, samples: slice, rng: np.random.Generator) -> None:
        """Draw the orthogonal parts of these samples, all under one set of weights."""
        noise, heads = problem.M - 1, self.queries.shape[2]
        count = samples.stop - samples.start
        span = 2 + min(problem.N * noise, problem.d - 2)
        parts = gaussian_factor(rng, count * noise, problem.d - span).reshape(count, noise, -1)
        parts *= noise_scales(problem.M, problem.sigma_p, problem.C_p)[:, None]
        directions = parts.shape[2]
        known = problem.sigma_h * rng.standard_normal((2, directions, heads))
        unseen = problem.sigma_h * gaussian_factor(rng, 2 * directions, problem.d_h - heads)
        self.queries[samples, 1:] = parts @ known[0]
        self.keys[samples, 1:] = parts @ known[1]
        self.score[samples, 1:, 1:] = (parts @ unseen[:directions]) @ (parts @ unseen[directions:]).transpose(0, 2, 1)
        self.value[samples, 1:] = parts @ (problem.sigma_V * problem.w_O_norm * rng.standard_normal(directions))
