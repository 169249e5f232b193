"""An instance: the arrays of one problem, and the table of its distinct tokens."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from verify.systems.benign_vit.kernels import Array, Integers


@dataclass(frozen=True)
class Instance:
    """Training data and initial weights.

    Shapes: `X` (N, M, d), `y` (N,) of -1 and +1, `W_Q`, `W_K` (d, d_h), `W_V` (d, d_v), `w_O` (d_v,). Token 0 of
    a sample is its signal. `step_size` is `None` where the file names none.

    A problem drawn at reduced size is an instance too: its arrays are coordinates in an orthonormal basis of
    token space, which leaves the trajectory unchanged (`docs/reduction.md`).
    """

    system: ClassVar[str] = "benign-vit"

    X: Array
    y: Array
    W_Q: Array
    W_K: Array
    W_V: Array
    w_O: Array
    step_size: float | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(N, M, d, d_h)` of the arrays."""
        samples, tokens, dimension = self.X.shape
        return samples, tokens, dimension, self.W_Q.shape[1]

    @property
    def readout(self) -> float:
        """`|w_O|^2`."""
        return float(self.w_O @ self.w_O)

    def with_step_size(self, step_size: float) -> "Instance":
        """The same arrays with another step size."""
        return replace(self, step_size=step_size)


@dataclass(frozen=True)
class TokenTable:
    """The distinct tokens of an instance: signals first, +1 before -1, then the others in order of appearance.

    `tokens` (P, d); `token_at` (N, M) gives the row of a sample's token; `signals` is the number of distinct
    signal tokens; `sample`, `position` (P,) say where a token stands (sample -1: a signal, or shared).
    """

    tokens: Array
    token_at: Integers
    signals: int
    sample: Integers
    position: Integers

    @classmethod
    def of(cls, instance: Instance) -> "TokenTable":
        """Number the distinct rows of `X`; equal rows are one token."""
        X = instance.X + 0.0  # -0.0 becomes 0.0, so that equal rows have equal bytes
        samples, tokens, _ = X.shape
        rows: dict[bytes, int] = {}
        places: list[tuple[int, int]] = []
        users: list[set[int]] = []
        token_at = np.empty((samples, tokens), dtype=np.int64)

        def number(n: int, i: int) -> None:
            row = rows.setdefault(X[n, i].tobytes(), len(rows))
            if row == len(places):
                places.append((n, i))
                users.append(set())
            users[row].add(n)
            token_at[n, i] = row

        for n in np.argsort(-instance.y, kind="stable"):
            number(int(n), 0)
        signals = len(rows)
        for n in range(samples):
            for i in range(1, tokens):
                number(n, i)
        sample = np.array(
            [-1 if row < signals or len(users[row]) > 1 else place[0] for row, place in enumerate(places)],
            dtype=np.int64,
        )
        return cls(
            tokens=np.ascontiguousarray([X[n, i] for n, i in places]),
            token_at=token_at,
            signals=signals,
            sample=sample,
            position=np.array([i for _, i in places], dtype=np.int64),
        )
