"""Problems drawn from their data law: in full, in full and then rotated into few coordinates, or in few at once.

The law of the reduced draw is derived in `docs/token-selection.md`. Signals lie along the first two coordinates always.
"""

from collections.abc import Iterator

import numpy as np

from verify.systems.draws import Stream, gaussian_factor, stream
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.problem import Problem

LARGEST_FULL_DRAW = 2**22
BLOCK_ENTRIES = 2**22
"""Entries of W that are drawn at a time where W is not kept."""


def labels(problem: Problem) -> tuple[Array, Array]:
    """Labels as trained on and before the flips, (n,): first half +1, second half -1, the first of each flipped.

    Examples:
        >>> y, y_clean = labels(Problem(n=4, eta_f=0.5))
        >>> y, y_clean
        (array([-1.,  1.,  1., -1.]), array([ 1.,  1., -1., -1.]))
    """
    half = problem.n // 2
    y_clean = np.where(np.arange(problem.n) < half, 1.0, -1.0)
    flipped = np.arange(problem.n) % half < problem.flips
    return np.where(flipped, -y_clean, y_clean), y_clean


def signal_shares(tokens: int, rho: float, weak: int, confusing: int) -> Array:
    """How much of the own signal, and of the other class's, each token carries, (2, T).

    Examples:
        >>> signal_shares(4, 0.5, 1, 1)
        array([[1. , 0.5, 0. , 0. ],
               [0. , 0. , 0.5, 0. ]])
    """
    shares = np.zeros((2, tokens))
    shares[0, 0] = 1.0
    shares[0, 1 : 1 + weak] = rho
    shares[1, 1 + weak : 1 + weak + confusing] = rho
    return shares


def signal_parts(problem: Problem) -> Array:
    """The tokens' signal parts, in the two coordinates of the signals, (n, T, 2)."""
    _, y_clean = labels(problem)
    own, other = problem.m * signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
    of_class = {1.0: np.stack([own, other], axis=1), -1.0: np.stack([other, own], axis=1)}
    return np.stack([of_class[label] for label in y_clean])


def head(problem: Problem, dimension: int) -> Array:
    """`nu = (mu_+ - mu_-) / (m |mu_+ - mu_-|)`, (d,)."""
    nu = np.zeros(dimension)
    nu[:2] = np.array([1.0, -1.0]) / (np.sqrt(2.0) * problem.m)
    return nu


def full_draw_entries(problem: Problem) -> float:
    """How many numbers the full arrays hold."""
    return float(problem.d) * (problem.total_tokens + problem.d)


def drawn_in_full(problem: Problem) -> bool:
    """Whether every entry of the arrays is drawn."""
    if problem.drawn == "auto":
        return full_draw_entries(problem) <= LARGEST_FULL_DRAW or problem.start == "uniform"
    return problem.drawn == "full"


def draw(problem: Problem, seed: int, keep_weights: bool = False) -> Instance:
    """Draw data and initial weights; W as it is where it is small or is to be kept, else in few coordinates.

    Examples:
        >>> draw(Problem(n=2, T=3, d=10**12), seed=0).shape
        (2, 3, 16, 8)
        >>> draw(Problem(n=2, T=3, d=20), seed=0).shape
        (2, 3, 20, 20)
    """
    if not (keep_weights or drawn_in_full(problem)):
        return _drawn_reduced(problem, seed)
    noise = stream(seed, Stream.TOKENS).standard_normal((problem.n, problem.T, problem.d))
    X = problem.sigma * noise
    X[..., :2] += signal_parts(problem)
    # Nothing is saved where tokens and p take as many coordinates as there are.
    if keep_weights or full_draw_entries(problem) <= LARGEST_FULL_DRAW or problem.d <= 2 * _span(problem):
        W = np.concatenate(list(weight_rows(problem, seed)))
        return _instance(problem, X, W)
    return _instance(problem, *rotated(X, weight_rows(problem, seed)))


def weight_rows(problem: Problem, seed: int) -> Iterator[Array]:
    """W at the start, block of rows by block of rows.

    An orthogonal one is turned to the identity, which changes nothing.
    """
    rng, d = stream(seed, Stream.WEIGHTS), problem.d
    size = max(1, BLOCK_ENTRIES // d)
    for first in range(0, d, size):
        shape = (min(size, d - first), d)
        if problem.start == "gaussian":
            yield np.sqrt(problem.s_0 / d) * rng.standard_normal(shape)
        elif problem.start == "uniform":
            yield rng.uniform(-1.0, 1.0, shape) * np.sqrt(3.0 * problem.s_0 / d)
        else:
            yield np.sqrt(problem.s_0) * np.eye(*shape, k=first)


def rotated(X: Array, rows: Iterator[Array]) -> tuple[Array, Array]:
    """Tokens and W in orthonormal bases of what training meets: the span of tokens and signals, and its images.

    The first coordinates of the tokens hold that span, r of them; W takes it to as many coordinates, and what
    `W^T p` has outside the span takes the others. W is seen once, block by block.
    """
    samples, tokens, d = X.shape
    flat = X.reshape(-1, d)
    basis, triangle = np.linalg.qr(flat[:, 2:].T)
    inside = np.hstack([flat[:, :2], triangle.T])
    span = inside.shape[1]
    inner = np.zeros((span, span))
    met = np.zeros((span, d))
    for block in rows:
        image = np.hstack([block[:, :2], block[:, 2:] @ basis])
        inner += image.T @ image
        met += image.T @ block
    factor = np.linalg.cholesky(inner)
    met = np.linalg.solve(factor, met)
    met[:, :2] = 0.0
    met[:, 2:] -= (met[:, 2:] @ basis) @ basis.T
    outside = np.linalg.qr(met.T)[1].T
    W = np.hstack([factor.T, outside])
    reduced = np.zeros((samples * tokens, W.shape[1]))
    reduced[:, :span] = inside
    return reduced.reshape(samples, tokens, -1), W


def _span(problem: Problem) -> int:
    return 2 + min(problem.total_tokens, problem.d - 2)


def _drawn_reduced(problem: Problem, seed: int) -> Instance:
    """The same in law: Bartlett factors in place of Gaussian matrices."""
    tokens, weights = stream(seed, Stream.TOKENS), stream(seed, Stream.WEIGHTS)
    along_signals = tokens.standard_normal((problem.total_tokens, 2))
    factor = gaussian_factor(tokens, problem.total_tokens, problem.d - 2)
    span = _span(problem)
    if problem.start == "gaussian":
        inside = gaussian_factor(weights, span, problem.d).T
        outside = gaussian_factor(weights, span, problem.d - span)
        W = np.sqrt(problem.s_0 / problem.d) * np.hstack([inside, outside])
    else:
        W = np.sqrt(problem.s_0) * np.eye(span)
    X = np.zeros((problem.n, problem.T, W.shape[1]))
    noise = np.hstack([along_signals, factor])
    X[..., :span] = problem.sigma * noise.reshape(problem.n, problem.T, span)
    X[..., :2] += signal_parts(problem)
    return _instance(problem, X, W)


def _instance(problem: Problem, X: Array, W: Array) -> Instance:
    y, y_clean = labels(problem)
    nu = head(problem, X.shape[2])
    return Instance(X, y, y_clean, np.ascontiguousarray(W), np.zeros(len(W)), nu, problem.step_size)
