"""Upper bounds on operator norms, certain in spite of rounding.

No accuracy of a solver is taken on trust: what LAPACK returns is multiplied out, and what is missing is added. Of a sum
of k products float64 may miss k roundings of the sum of absolute terms, in whatever order it is taken; `EPSILON` is
twice a rounding, which covers the products of roundings and those of the bound. `docs/token-selection-statements.md`
has the proofs.
"""

import numpy as np

from verify.systems.token_selection.dynamics import EPSILON
from verify.systems.token_selection.kernels import Array

SMALL = 512
"""Matrices with a side of at most so much are taken apart; of others rows and columns are summed."""


def largest_eigenvalue(squares: Array) -> Array:
    """A bound on the largest eigenvalue of symmetric positive matrices (..., k, k), (...).

    Whatever V and Lambda are, `A = V Lambda V^T + E` has `|A| <= |V|^2 max(Lambda) + |E|` and
    `|V|^2 <= 1 + |V^T V - I|`.
    """
    size = squares.shape[-1]
    values, vectors = np.linalg.eigh((squares + squares.swapaxes(-1, -2)) / 2.0)
    transposed = vectors.swapaxes(-1, -2)
    missing = squares - (vectors * values[..., None, :]) @ transposed
    absolute = np.abs(vectors) * np.abs(values)[..., None, :]
    rounding = (size + 3) * EPSILON * (np.abs(squares) + absolute @ np.abs(transposed))
    defect = _frobenius(transposed @ vectors - np.eye(size)) + (size + 1) * size * EPSILON
    largest = np.maximum(values[..., -1], 0.0)
    return _up((1.0 + defect) * largest + _frobenius(missing) + _frobenius(rounding), size**2)


def operator_norm(matrix: Array) -> float:
    """A bound on the operator norm of a matrix.

    Examples:
        >>> operator_norm(np.array([[3.0, 0.0], [0.0, 4.0]])) - 4.0 < 1e-13
        True
    """
    short, long = sorted(matrix.shape)
    if short > SMALL:
        absolute = np.abs(matrix)
        return float(_up(np.sqrt(absolute.sum(axis=0).max() * absolute.sum(axis=1).max()), short + long))
    square = matrix @ matrix.T if len(matrix) == short else matrix.T @ matrix
    return float(_root(largest_eigenvalue(square) + long * EPSILON * _frobenius(matrix) ** 2))


def norm_on_span(W: Array, tokens: Array) -> float:
    """A bound on `|W v| / |v|` for all combinations v of the tokens (N, d).

    With `Z^T = Q R + E` a combination `v = Z^T c` has `|W v| <= |W Q| |R c| + |W| |E| |c|`, `|R c| <= |v| + |E| |c|`
    and `|c| <= |v| / (least singular value of R - |E|)`, all up to what Q lacks to orthogonality. Where tokens are too
    nearly dependent for that, W is bounded on the whole space.
    """
    everywhere = operator_norm(W)
    basis, triangle = np.linalg.qr(tokens.T)
    if len(triangle) < len(tokens):
        return everywhere
    size = len(tokens)
    length = size + 2
    lost = float(
        _frobenius(tokens.T - basis @ triangle) + length * EPSILON * _frobenius(np.abs(basis) @ np.abs(triangle))
    )
    defect = float(_frobenius(basis.T @ basis - np.eye(size)) + (len(basis) + 1) * size * EPSILON)
    inverse = np.linalg.pinv(triangle)
    if not inverse.any():  # all tokens are zero
        return everywhere
    # |R c| >= |c| (1 - |X R - I|) / |X|, whatever X is.
    left = float(_frobenius(inverse @ triangle - np.eye(size)))
    left += length * EPSILON * float(_frobenius(np.abs(inverse) @ np.abs(triangle)) + 1.0)
    least = (1.0 - left) / operator_norm(inverse) * (1.0 - defect) - lost
    if not (least > 0.0 and lost < least and defect < 1.0):
        return everywhere
    image = W @ basis
    missed = W.shape[1] * EPSILON * float(_frobenius(np.abs(W) @ np.abs(basis)))
    inside = (operator_norm(image) + missed) * (1.0 + lost / least) / np.sqrt(1.0 - defect)
    return min(everywhere, float(_up(inside + everywhere * lost / least, 16)))


def block_norms(matrix: Array, samples: int) -> tuple[Array, Array]:
    """Bounds on the norms of the blocks of pairs of samples (n, n), and of a sample with all others (n,).

    The matrix (N, N) is centred within samples from both sides first.
    """
    tokens = len(matrix) // samples
    raw = matrix.reshape(samples, tokens, samples, tokens).transpose(0, 2, 1, 3)
    blocks = raw - raw.mean(axis=2, keepdims=True)
    blocks = blocks - blocks.mean(axis=3, keepdims=True)
    centring = 2.0 * (tokens + 2) * EPSILON * _frobenius(raw)
    squares = np.einsum("ijst,ijut->ijsu", blocks, blocks)
    weights = _frobenius(blocks) ** 2
    norms = _root(largest_eigenvalue(squares) + tokens * EPSILON * weights) + centring
    apart = 1.0 - np.eye(samples)
    others = np.einsum("ij,ijst->ist", apart, squares)
    weight = (apart * weights).sum(axis=1)
    rest = _root(largest_eigenvalue(others) + (tokens + samples) * EPSILON * weight)
    return _up(norms, 4), _up(rest + np.sqrt((apart * centring**2).sum(axis=1)), samples + 4)


def _frobenius(matrices: Array) -> Array:
    return np.asarray(np.sqrt((matrices**2).sum(axis=(-2, -1))))


def _root(squares: Array) -> Array:
    return _up(np.sqrt(squares), 2)


def _up(bounds: Array, operations: int) -> Array:
    """Nonnegative bounds that took so many operations, rounded up."""
    return np.asarray(bounds * (1.0 + (operations + 4) * EPSILON))
