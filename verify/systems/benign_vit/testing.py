"""Fresh test samples, exact in law at any dimension.

A test token is its part in the span of the training basis plus a part orthogonal to it. Gradient descent
moves the weights on the span only, so what the orthogonal part contributes to queries, keys and values is
constant in time and is drawn once (`docs/reduction.md`).
"""

from dataclasses import dataclass

import numpy as np

from verify.systems.benign_vit.draw import noise_scales
from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.problem import Problem
from verify.systems.draws import gaussian_factor


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
        beyond.draw(problem, 1 if problem.test_law == "joint" else len(y), rng)
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

    def draw(self, problem: Problem, worlds: int, rng: np.random.Generator) -> None:
        """Draw the orthogonal parts of all samples, shared out evenly among independent sets of weights."""
        noise, heads = problem.M - 1, self.queries.shape[2]
        count = len(self.value) // worlds
        span = 2 + min(problem.N * noise, problem.d - 2)
        parts = gaussian_factor(rng, count * noise, problem.d - span, (worlds,)).reshape(worlds, count, noise, -1)
        parts *= noise_scales(problem.M, problem.sigma_p, problem.C_p)[:, None]
        directions = parts.shape[3]
        known = problem.sigma_h * rng.standard_normal((worlds, 2, directions, heads))
        unseen = problem.sigma_h * gaussian_factor(rng, 2 * directions, problem.d_h - heads, (worlds,))
        unseen = unseen.reshape(worlds, 2, directions, -1)
        value_map = problem.sigma_V * problem.w_O_norm * rng.standard_normal((worlds, directions, 1))
        unseen_queries, unseen_keys = parts @ unseen[:, None, 0], parts @ unseen[:, None, 1]
        self.queries[:, 1:] = (parts @ known[:, None, 0]).reshape(-1, noise, heads)
        self.keys[:, 1:] = (parts @ known[:, None, 1]).reshape(-1, noise, heads)
        self.score[:, 1:, 1:] = (unseen_queries @ unseen_keys.swapaxes(2, 3)).reshape(-1, noise, noise)
        self.value[:, 1:] = (parts @ value_map[:, None]).reshape(-1, noise)
