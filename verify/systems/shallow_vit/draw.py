"""Problems drawn from their data law: in full, or in the few coordinates that training can see.

Patterns lie along the first coordinates always. The law of the reduced draw is derived in `docs/shallow-vit.md`.
"""

from enum import IntEnum

import numpy as np

from verify.systems.draws import gaussian_factor
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.kernels import Array, Integers
from verify.systems.shallow_vit.problem import Problem

LARGEST_FULL_DRAW = 2**22


class Stream(IntEnum):
    """The independent random streams of one seed."""

    SAMPLES = 0
    NOISE = 1
    WEIGHTS = 2
    TEST = 3
    ORDER = 4


def stream(seed: int, purpose: Stream, part: int = 0) -> np.random.Generator:
    """A generator for one purpose, or for one part of it: drawing more for one leaves the others as they are."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(int(purpose), part))))


def balanced_labels(count: int) -> Array:
    """Labels +1 and -1 in turn.

    Examples:
        >>> balanced_labels(3)
        array([ 1., -1.,  1.])
    """
    return np.where(np.arange(count) % 2 == 0, 1.0, -1.0)


def draw_counts(problem: Problem, labels: Array, agreement: float, rng: np.random.Generator) -> Integers:
    """How often each sample has each pattern, (N, M); spurious tokens agree with the label with that probability."""
    total = len(labels)
    counts = np.zeros((total, problem.M), dtype=np.int64)
    own = np.where(labels > 0, 0, 1)
    rows = np.arange(total)
    counts[rows, own] = problem.n_star
    counts[rows, 1 - own] = problem.n_sharp
    if problem.n_spurious:
        agrees = rng.random(total) < agreement
        counts[rows, np.where(agrees, 2 + own, 3 - own)] += problem.n_spurious
    others = problem.M - problem.first_other
    if others and problem.others:
        if problem.dirichlet:
            shares = rng.dirichlet(np.full(others, problem.dirichlet), size=total)
        else:
            shares = np.full((total, others), 1.0 / others)
        counts[:, problem.first_other :] += rng.multinomial(problem.others, shares)
    return counts


def places_of_counts(counts: Integers) -> Integers:
    """Which pattern each token is, (N, L): patterns in their order, each as often as it is there.

    Examples:
        >>> places_of_counts(np.array([[1, 0, 2]]))
        array([[0, 2, 2]])
    """
    return np.stack([np.repeat(np.arange(counts.shape[1]), row) for row in counts])


def coordinates(problem: Problem, full: bool) -> int:
    """Dimension of the arrays: d, or what the tokens span."""
    if full:
        return problem.d
    return problem.M + (min(problem.N * problem.L, problem.d - problem.M) if problem.tau else 0)


def full_draw_entries(problem: Problem) -> int:
    """How many numbers the full arrays hold."""
    return problem.d * (problem.N * problem.L + problem.m_a + 2 * problem.m_b)


def drawn_in_full(problem: Problem) -> bool:
    """Whether the full arrays are small enough to be drawn and, with noise, no wider than what tokens can span."""
    spare = problem.tau > 0.0 and problem.d > coordinates(problem, full=False)
    return full_draw_entries(problem) <= LARGEST_FULL_DRAW and not spare


def draw(problem: Problem, seed: int, full: bool | None = None) -> Instance:
    """Draw data and initial weights: in full, or at reduced size (`None`: see `drawn_in_full`).

    Examples:
        >>> draw(Problem(N=2, L=12, n_star=3, d=10**9), seed=0).shape
        (2, 12, 4)
        >>> draw(Problem(N=2, L=12, n_star=3, d=10**9, tau=0.1), seed=0).shape
        (2, 12, 28)
    """
    dimension = coordinates(problem, drawn_in_full(problem) if full is None else full)
    y = balanced_labels(problem.N)
    counts = draw_counts(problem, y, problem.rho, stream(seed, Stream.SAMPLES))
    U = np.eye(problem.M, dimension)
    X = U[places_of_counts(counts)]
    if problem.tau:
        X += training_noise(problem, dimension, stream(seed, Stream.NOISE)).reshape(X.shape)
    a, W_O, W_V, W_K, W_Q = initial_weights(problem, dimension, seed)
    return Instance(X, y, a, W_O, W_V, W_K, W_Q, patterns=U, step_size=problem.step_size)


def training_noise(problem: Problem, dimension: int, rng: np.random.Generator) -> Array:
    """Noise of all training tokens in so many coordinates, one a row: normal along patterns and beyond them.

    In fewer coordinates than d it is a Bartlett factor beyond them, whose rows have the inner products of full noise.
    """
    tokens, beyond = problem.N * problem.L, problem.d - problem.M
    along = rng.standard_normal((tokens, problem.M))
    if dimension == problem.d:
        return scaled_noise(problem, along, rng.standard_normal((tokens, beyond)), np.zeros(tokens))
    return scaled_noise(problem, along, gaussian_factor(rng, tokens, beyond), np.zeros(tokens))


def scaled_noise(problem: Problem, along: Array, beyond: Array, unseen: Array) -> Array:
    """Noise of the wanted size from standard normal coordinates; `unseen` is the squared norm of those left out."""
    if problem.noise == "orthogonal":
        along = np.zeros_like(along)
    noise = np.concatenate([along, beyond], axis=-1)
    if problem.noise == "gaussian":
        return np.asarray(problem.tau / np.sqrt(problem.d) * noise)
    return np.asarray(problem.tau * noise / np.sqrt(np.sum(noise**2, axis=-1) + unseen)[..., None])


def test_noise(problem: Problem, dimension: int, count: int, rng: np.random.Generator) -> Array:
    """Noise of fresh tokens (count, L, D) in the coordinates of an instance; what is orthogonal to them is left out."""
    shape = (count, problem.L)
    along = rng.standard_normal((*shape, problem.M))
    beyond = rng.standard_normal((*shape, dimension - problem.M))
    left = problem.d - dimension
    unseen = rng.chisquare(float(left), size=shape) if left else np.zeros(shape)
    return scaled_noise(problem, along, beyond, unseen)


def orthonormal(rng: np.random.Generator, width: int, count: int) -> Array:
    """So many orthonormal columns, uniformly distributed."""
    factor, triangle = np.linalg.qr(rng.standard_normal((width, count)))
    return np.asarray(factor * np.sign(np.diagonal(triangle)))


def initial_weights(problem: Problem, dimension: int, seed: int) -> tuple[Array, Array, Array, Array, Array]:
    """Readout, W_O, W_V, W_K and W_Q of the initial model: `V mu_j = p_j + sigma e`, `K mu_j = kappa (q_j + delta e)`.

    Q is like K.

    Source: the initial model of arXiv:2302.06015; the two starts and the kinds of error are choices of this project.
    """
    rng = stream(seed, Stream.WEIGHTS)
    M = problem.M
    values = orthonormal(rng, problem.m_a, M)
    heads = orthonormal(rng, problem.m_b, M if problem.start == "aligned" else 2 * M)
    keys, queries = heads[:, :M], heads[:, -M:]
    if problem.error == "directed":
        pushed = values[:, :2] + problem.sigma * values[:, 1::-1]
        values[:, :2] = pushed / np.linalg.norm(pushed, axis=0)
    else:
        values = _disturbed(problem, values, problem.sigma, rng)
    keys = problem.kappa * _disturbed(problem, keys, problem.delta, rng)
    queries = problem.kappa * _disturbed(problem, queries, problem.delta, rng)
    embed = np.eye(M, dimension)
    readout = rng.choice([-1.0, 1.0], size=problem.m) / np.sqrt(problem.m)
    W_O = problem.xi * rng.standard_normal((problem.m, problem.m_a))
    return readout, W_O, values @ embed, keys @ embed, queries @ embed


def _disturbed(problem: Problem, columns: Array, size: float, rng: np.random.Generator) -> Array:
    error = rng.standard_normal(columns.shape)
    moved = columns + size * error / np.linalg.norm(error, axis=0)
    return moved / np.linalg.norm(moved, axis=0) if problem.error == "matched" else np.asarray(moved)


class Batches:
    """Which samples each step uses: given ones in turn, or whole batches of an epoch's random order.

    What is left of an epoch when it has no whole batch any more is not used in it.
    """

    def __init__(self, samples: int, size: int, seed: int, given: Integers | None = None) -> None:
        self._samples, self._size, self._seed, self._given = samples, size, seed, given
        self._epochs: dict[int, Integers] = {}

    def of(self, first: int, count: int) -> Integers:
        """The batches (count, B) of the steps from `first` on.

        Examples:
            >>> batches = Batches(samples=5, size=2, seed=0)
            >>> sorted(batches.of(0, 2).ravel()) == sorted(set(batches.of(0, 2).ravel()))
            True
            >>> bool(np.all(batches.of(1, 3) == batches.of(0, 4)[1:]))
            True
        """
        steps = np.arange(first, first + count)
        if self._given is not None:
            return self._given[steps % len(self._given)]
        epoch, place = np.divmod(steps, self._samples // self._size)
        drawn = {number: self._epoch(int(number)) for number in np.unique(epoch)}
        self._epochs = drawn
        return np.stack([drawn[e][p] for e, p in zip(epoch, place, strict=True)])

    def _epoch(self, number: int) -> Integers:
        if number in self._epochs:
            return self._epochs[number]
        order = stream(self._seed, Stream.ORDER, number).permutation(self._samples)
        whole = self._samples // self._size
        return order[: whole * self._size].reshape(whole, self._size)
