"""Test samples: every possible one with its probability where tokens have no noise, else fresh ones."""

from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.special import gammaln

from verify.systems.shallow_vit import compiled
from verify.systems.shallow_vit.buffers import pattern_workspace, products_as_weights, token_workspace
from verify.systems.shallow_vit.draw import Stream, balanced_labels, draw_counts, places_of_counts, stream, test_noise
from verify.systems.shallow_vit.instance import EPSILON, samples_of_counts
from verify.systems.shallow_vit.kernels import Array, Integers, Samples
from verify.systems.shallow_vit.problem import Problem

MOST_STATES = 20_000
"""Possible samples that a test still sums over; beyond them it draws."""

Seen = tuple[Array, Array, Array, Array]
"""Labels, outputs, probabilities of the test samples, and by how much rounding can change an output (empty: drawn)."""


def law_states(problem: Problem) -> int:
    """How many possible samples the law has, spurious tokens and labels included."""
    places = problem.M - problem.first_other
    ways = comb(problem.others + places - 1, places - 1) if places else 1
    return 2 * ways * (2 if problem.n_spurious else 1)


def _compositions(total: int, parts: int) -> Integers:
    """All ways to write a number as an ordered sum of so many numbers, (ways, parts).

    Examples:
        >>> _compositions(2, 2)
        array([[0, 2],
               [1, 1],
               [2, 0]])
    """
    if parts == 0:
        return np.zeros((1, 0), dtype=np.int64)
    if parts == 1:
        return np.array([[total]])
    return np.concatenate(
        [
            np.column_stack([np.full(len(rest), first), rest])
            for first in range(total + 1)
            for rest in [_compositions(total - first, parts - 1)]
        ]
    )


def enumerate_law(problem: Problem) -> tuple[Array, Integers, Array]:
    """Labels, counts of patterns and probabilities of all possible test samples (tau = 0).

    Counts of other patterns are multinomial with equal shares, or Dirichlet-multinomial.

    Examples:
        >>> labels, counts, probability = enumerate_law(Problem(L=4, n_star=1, M=4))
        >>> len(labels), law_states(Problem(L=4, n_star=1, M=4)), round(float(probability.sum()), 12)
        (8, 8, 1.0)
    """
    parts = problem.M - problem.first_other
    others = _compositions(problem.others, parts)
    if parts:
        log_probability = gammaln(problem.others + 1.0) - gammaln(others + 1.0).sum(axis=1)
        if problem.dirichlet:
            c = problem.dirichlet
            log_probability += gammaln(parts * c) - gammaln(problem.others + parts * c)
            log_probability += (gammaln(others + c) - gammaln(c)).sum(axis=1)
        else:
            log_probability -= problem.others * np.log(parts)
    else:
        log_probability = np.zeros(1)
    probability = np.exp(log_probability)
    labels, counts, weights = [], [], []
    spurious = (2, 3) if problem.n_spurious else (None,)
    for label, own in ((1.0, 0), (-1.0, 1)):
        for pattern in spurious:
            rows = np.zeros((len(others), problem.M), dtype=np.int64)
            rows[:, own], rows[:, 1 - own] = problem.n_star, problem.n_sharp
            rows[:, problem.first_other :] = others
            if pattern is not None:
                rows[:, pattern] = problem.n_spurious
            labels.append(np.full(len(rows), label))
            counts.append(rows)
            weights.append(probability / (2.0 * len(spurious)))
    total = np.concatenate(weights)
    return np.concatenate(labels), np.concatenate(counts), total / total.sum()


@dataclass(frozen=True)
class TestLaw:
    """Test samples in the coordinates of a run.

    `frame` (M, D) are the patterns there: where tokens are patterns, slots see P and R through them; it is empty where
    the samples have tokens of their own. `exact` says that the samples are all possible ones.
    """

    __test__ = False  # not a test class, whatever its name begins with

    samples: Samples
    frame: Array
    exact: bool

    def __len__(self) -> int:
        return len(self.samples.label)

    def seen(self, readout: Array, score_map: Array, effect_map: Array, doubt: float) -> Seen:
        """What the network of these maps makes of them; `doubt` is the rounding error of an output."""
        if self.frame.size:
            score_map, effect_map = self.frame @ score_map @ self.frame.T, self.frame @ effect_map
        dimension, neurons = effect_map.shape
        weights = products_as_weights(dimension, neurons)
        weights.W_Q[...], weights.W_V[...] = score_map, effect_map.T
        if self.frame.size:
            work = pattern_workspace(dimension, neurons, min(len(self), AT_ONCE))
            work.score_map[...], work.effect_map[...] = score_map, effect_map
        else:
            work = token_workspace(weights, neurons, self.samples.key_count.shape[1], 1)
        outputs = np.empty(len(self))
        everything = np.arange(len(self))
        relevant = np.zeros_like(self.samples.key_count)
        compiled.look(self.samples, self.samples.own_tokens, relevant, weights, readout, work, everything, outputs)
        doubts = np.full(len(self), doubt) if self.exact else np.empty(0)
        return self.samples.label, outputs, self.samples.weight, doubts


AT_ONCE = 256
"""Samples that are looked at together where they share their tokens."""


def test_law(problem: Problem, frame: Array, seed: int) -> TestLaw | None:
    """The test samples of a drawn problem; `frame` (M, D) are its patterns in the coordinates of the run.

    `None` where none are wanted.
    """
    if not problem.test_samples:
        return None
    if not problem.tau and law_states(problem) <= MOST_STATES:
        labels, counts, probability = enumerate_law(problem)
        samples, _ = samples_of_counts(labels, counts, probability)
        return TestLaw(samples, frame, exact=True)
    rng = stream(seed, Stream.TEST)
    labels = balanced_labels(problem.test_samples)
    counts = draw_counts(problem, labels, 0.5, rng)
    weight = np.full(len(labels), 1.0 / len(labels))
    if not problem.tau:
        rows = Samples(labels, weight, counts.astype(float), counts / counts.sum(axis=1, keepdims=True), _NO_TOKENS)
        return TestLaw(rows, frame, exact=False)
    tokens = frame[places_of_counts(counts)]
    tokens += test_noise(problem, frame.shape[1], len(labels), rng)
    ones = np.ones(tokens.shape[:2])
    return TestLaw(Samples(labels, weight, ones, ones / problem.L, tokens), np.empty((0, 0)), exact=False)


_NO_TOKENS = np.empty((0, 0, 0))


def output_doubt(readout: Array, norms: tuple[float, float, float, float], radius: float, terms: int) -> float:
    """By how much rounding can change an output, from the Frobenius norms of W_O, W_V, W_K, W_Q and of a token."""
    W_O, W_V, W_K, W_Q = norms
    length = float(np.linalg.norm(readout))
    return terms * EPSILON * (1.0 + radius**2 * W_K * W_Q) * radius * W_O * W_V * length
