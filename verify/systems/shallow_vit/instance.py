"""An instance: the arrays of one problem, and its samples as lists of different tokens."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from verify.systems.shallow_vit.kernels import Array, Integers, Samples


@dataclass(frozen=True)
class Instance:
    """Training data, fixed readout and initial weights.

    Shapes: `X` (N, L, d), `y` (N,) of -1 and +1, `a` (m,), `W_O` (m, m_a), `W_V` (m_a, d), `W_K`, `W_Q` (m_b, d);
    `batches` (steps, B) of sample indices, used in turn and then from the first again; `patterns` (M, d), orthonormal
    rows. `step_size` is `None` where the file names none.

    A problem drawn at reduced size is an instance too: its arrays are coordinates in an orthonormal basis of a space
    that holds all tokens and patterns, which leaves the trajectory unchanged (`docs/shallow-vit.md`).
    """

    system: ClassVar[str] = "shallow-vit"

    X: Array
    y: Array
    a: Array
    W_O: Array
    W_V: Array
    W_K: Array
    W_Q: Array
    batches: Integers | None = None
    patterns: Array | None = None
    step_size: float | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(N, L, d)` of the arrays."""
        samples, tokens, dimension = self.X.shape
        return samples, tokens, dimension

    def with_step_size(self, step_size: float) -> "Instance":
        """The same arrays with another step size."""
        return replace(self, step_size=step_size)


EPSILON = float(np.finfo(float).eps)


def pattern_places(instance: Instance) -> Integers | None:
    """Which pattern each token is, (N, L); `None` if one is not a pattern to rounding, or they are not orthonormal."""
    U = instance.patterns
    if U is None:
        return None
    allowed = 4.0 * U.shape[1] * EPSILON
    if np.abs(U @ U.T - np.eye(len(U))).max() > allowed:
        return None
    inner = instance.X @ U.T
    places = np.asarray(np.argmax(inner, axis=2), dtype=np.int64)
    return places if np.abs(instance.X - U[places]).max(initial=0.0) <= allowed else None


def counted(places: Integers, patterns: int) -> Array:
    """How often each sample has each pattern, (N, M)."""
    return np.stack([np.bincount(row, minlength=patterns) for row in places]).astype(float)


def samples_of_counts(labels: Array, counts: Array | Integers, weight: Array) -> tuple[Samples, Integers]:
    """Samples whose slots are patterns, equal ones once; and which of them each of the given ones is, (N,)."""
    rows, row_of = np.unique(np.column_stack([labels, counts]), axis=0, return_inverse=True)
    row_of = np.asarray(row_of, dtype=np.int64).reshape(-1)
    of_rows = np.bincount(row_of, weights=weight, minlength=len(rows))
    distinct = np.array(rows[:, 1:], dtype=np.float64, order="C")
    samples = Samples(
        label=np.ascontiguousarray(rows[:, 0]),
        weight=np.asarray(of_rows, dtype=np.float64),
        key_count=distinct,
        query_weight=distinct / distinct.sum(axis=1, keepdims=True),
        tokens=np.empty((0, 0, 0)),
    )
    return samples, row_of


def samples_of_tokens(instance: Instance) -> tuple[Samples, Integers]:
    """Samples whose slots are their different tokens, in order of appearance; and the places of the tokens (N, L).

    Equal tokens of a sample are one slot that counts them; samples with fewer different tokens than others have slots
    that count none.
    """
    X = instance.X + 0.0  # -0.0 becomes 0.0, so that equal rows have equal bytes
    total, length, dimension = X.shape
    slot_of = np.empty((total, length), dtype=np.int64)
    for n in range(total):
        slots: dict[bytes, int] = {}
        for l in range(length):
            slot_of[n, l] = slots.setdefault(X[n, l].tobytes(), len(slots))
    size = int(slot_of.max()) + 1
    tokens, counts = np.zeros((total, size, dimension)), np.zeros((total, size))
    for n in range(total):
        tokens[n, slot_of[n]] = X[n]
        counts[n] = np.bincount(slot_of[n], minlength=size)
    samples = Samples(
        label=instance.y,
        weight=np.full(total, 1.0 / total),
        key_count=counts,
        query_weight=counts / length,
        tokens=tokens,
    )
    return samples, slot_of
