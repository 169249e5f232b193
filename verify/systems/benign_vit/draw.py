"""Problems drawn from the data law of arXiv:2409.19345: in full, or at reduced size in the same law.

The law of the reduced draw is derived in `docs/reduction.md`: rows of a Gaussian matrix of any width enter only through
their Gram matrix, a Wishart matrix, and that is drawn by its Bartlett factor.
"""

import numpy as np

from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.problem import Problem
from verify.systems.draws import Stream, gaussian_factor, stream

LARGEST_FULL_DRAW = 2**22


def labels(problem: Problem, rng: np.random.Generator) -> Array:
    """`N` labels: alternating +1 and -1 if balanced, else independent and uniform."""
    if problem.balanced:
        return np.where(np.arange(problem.N) % 2 == 0, 1.0, -1.0)
    return np.asarray(rng.choice([-1.0, 1.0], size=problem.N))


def noise_scales(tokens: int, sigma_p: float, C_p: float) -> Array:
    """Standard deviations per coordinate of tokens 1, ..., M-1: `C_p sigma_p`, then `sigma_p`."""
    scales = np.full(tokens - 1, sigma_p)
    scales[0] *= C_p
    return scales


def full_draw_entries(problem: Problem) -> int:
    """How many numbers the full arrays hold."""
    return problem.d * (problem.N * problem.M + 2 * problem.d_h + problem.d_v)


def draw(problem: Problem, seed: int, full: bool | None = None) -> Instance:
    """Draw data and initial weights: in full, or at reduced size (`None`: in full where the arrays are small).

    Examples:
        >>> instance = draw(Problem(N=2, M=3, d=10**12, d_h=10**12), seed=0)
        >>> instance.shape
        (2, 3, 6, 12)
    """
    if full is None:
        full = full_draw_entries(problem) <= LARGEST_FULL_DRAW
    y = labels(problem, stream(seed, Stream.LABELS))
    X = (_tokens_in_full if full else _tokens_reduced)(problem, y, stream(seed, Stream.TOKENS))
    weights = stream(seed, Stream.WEIGHTS)
    rows = X.shape[2]
    if full:
        W_Q = problem.sigma_h * weights.standard_normal((rows, problem.d_h))
        W_K = problem.sigma_h * weights.standard_normal((rows, problem.d_h))
        W_V = problem.sigma_V * weights.standard_normal((rows, problem.d_v))
        w_O = np.full(problem.d_v, problem.w_O_norm / np.sqrt(problem.d_v))
    else:
        W_Q, W_K = np.split(problem.sigma_h * gaussian_factor(weights, 2 * rows, problem.d_h), 2)
        W_V = problem.sigma_V * weights.standard_normal((rows, 1))
        w_O = np.array([problem.w_O_norm])
    return Instance(X, y, np.ascontiguousarray(W_Q), np.ascontiguousarray(W_K), W_V, w_O, problem.step_size)


def _place_signals(problem: Problem, y: Array, dimension: int) -> Array:
    X = np.zeros((len(y), problem.M, dimension))
    X[y > 0, 0, 0] = problem.signal_norm
    X[y < 0, 0, 1] = problem.signal_norm
    return X


def _scales(problem: Problem) -> Array:
    return noise_scales(problem.M, problem.sigma_p, problem.C_p)[:, None]


def _tokens_in_full(problem: Problem, y: Array, rng: np.random.Generator) -> Array:
    X = _place_signals(problem, y, problem.d)
    shape = (problem.N, problem.M - 1, problem.d - 2)
    X[:, 1:, 2:] = _scales(problem) * rng.standard_normal(shape)
    return X


def _tokens_reduced(problem: Problem, y: Array, rng: np.random.Generator) -> Array:
    noise = problem.N * (problem.M - 1)
    factor = gaussian_factor(rng, noise, problem.d - 2)
    X = _place_signals(problem, y, 2 + factor.shape[1])
    X[:, 1:, 2:] = _scales(problem) * factor.reshape(problem.N, problem.M - 1, -1)
    return X
