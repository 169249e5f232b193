"""Enclosures of operator norms."""

import numpy as np
from flint import arb, ctx

from verify.certify.arrays import Balls, entries, matrix, square

FINEST = 30
"""Bits of the working precision that are left to the rounding of a factorisation."""


def operator_norm(of: Balls) -> arb:
    """A ball that holds the largest singular value of a matrix.

    With A the smaller Gram matrix and v an approximate eigenvector, `v^T A v / v^T v` is a lower bound on the largest
    eigenvalue; a number s is above it if the elimination of `s I - A` has positive pivots alone.

    Examples:
        >>> from verify.certify.arrays import balls
        >>> operator_norm(balls([[3.0, 0.0], [0.0, 4.0]])).contains(4)
        True
    """
    rows = matrix(of)
    gram = entries(rows * rows.transpose() if rows.nrows() <= rows.ncols() else rows.transpose() * rows)
    trace = np.trace(gram)
    if trace.is_zero():
        return arb(0)
    if not trace.is_finite():
        return arb("nan")
    vector = _leading_vector(gram)
    low = arb(0) if vector is None else _rayleigh(gram, vector).lower()
    for bits in range(ctx.prec - FINEST, 0, -8):
        high = (low + trace * arb((1, -bits))).upper()
        if _is_positive(high * np.eye(len(gram), dtype=int) - gram):
            break
    else:
        high = trace.upper()
    return low.union(high).nonnegative_part().sqrt() if low > 0 else arb(0).union(high.sqrt())


def _leading_vector(gram: Balls) -> Balls | None:
    """An approximate eigenvector of the largest eigenvalue, refined by inverse iteration; any vector would do."""
    middle = np.array([[each.mid() for each in row] for row in gram], dtype=object)
    scale = max(abs(each) for each in middle.ravel())
    if not scale > 0:
        return None
    floats = (middle / scale).astype(float)
    values, vectors = np.linalg.eigh((floats + floats.T) / 2.0)
    vector = np.array([arb(float(x)) for x in vectors[:, -1]], dtype=object)
    shift = (arb(float(values[-1])) * (1 + arb((1, -40)))) * scale
    shifted = matrix(shift * np.eye(len(gram), dtype=int) - middle)
    for _ in range(3):
        try:
            solved = entries(shifted.solve(matrix(vector[:, None])))[:, 0]
        except ZeroDivisionError:
            return vector
        largest = max(abs(each.mid()) for each in solved)
        vector = np.array([(each / largest).mid() for each in solved], dtype=object)
    return vector


def _rayleigh(gram: Balls, vector: Balls) -> arb:
    return (vector @ gram @ vector) / np.sum(square(vector))


def _is_positive(symmetric: Balls) -> bool:
    """Whether elimination proves a symmetric matrix positive definite."""
    rest = symmetric.copy()
    for pivot in range(len(rest)):
        if not rest[pivot, pivot] > 0:
            return False
        below = rest[pivot + 1 :, pivot]
        rest[pivot + 1 :, pivot + 1 :] = rest[pivot + 1 :, pivot + 1 :] - np.outer(below, below) / rest[pivot, pivot]
    return True
