"""An instance: the arrays of one problem."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from verify.systems.token_selection.kernels import Array


@dataclass(frozen=True)
class Instance:
    """Training data and initial weights.

    Shapes: `X` (n, T, d), `y` and `y_clean` (n,) of -1 and +1, the labels as trained on and as they were before any was
    flipped, `W` (r, d), `p` (r,), `nu` (d,). Token 0 of a sample carries its signal. `step_size` is `None` where the
    file names none.

    The published model has r = d. A problem drawn at reduced size is an instance too: its arrays are coordinates in
    orthonormal bases of the spaces of tokens and of p, which leave the trajectory unchanged
    (`docs/token-selection.md`).
    """

    system: ClassVar[str] = "token-selection"

    X: Array
    y: Array
    y_clean: Array
    W: Array
    p: Array
    nu: Array
    step_size: float | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(n, T, d, r)` of the arrays."""
        samples, tokens, dimension = self.X.shape
        return samples, tokens, dimension, len(self.p)

    @property
    def tokens(self) -> Array:
        """All tokens, one a row, (nT, d)."""
        return np.ascontiguousarray(self.X.reshape(-1, self.X.shape[2]))

    @property
    def value(self) -> Array:
        """Values of the tokens, (n, T)."""
        return np.ascontiguousarray(self.X @ self.nu)

    def with_step_size(self, step_size: float) -> "Instance":
        """The same arrays with another step size."""
        return replace(self, step_size=step_size)
