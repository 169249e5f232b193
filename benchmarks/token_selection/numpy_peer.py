"""Full weights in plain NumPy, gradients by hand."""

import numpy as np

from benchmarks.contestants import FLOAT64, Array
from verify.systems.token_selection.instance import Instance

ROWS = 64
"""Rows of W that are updated at a time: the increment of so many stays in the cache."""


class NumpyWeights:
    """Products in the cheap order: W meets vectors alone, never all tokens."""

    name = "NumPy, full weights, by hand, float64"
    precision = FLOAT64

    def __init__(self, instance: Instance, step_factor: float = 1.0) -> None:
        assert instance.step_size is not None
        self._step_size = step_factor * instance.step_size
        self._labels, self._value = instance.y, instance.value
        self._tokens = instance.tokens
        self._W, self._p = instance.W.copy(), instance.p.copy()
        self._increment = np.empty((ROWS, self._W.shape[1]))

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        return np.array([self._step() for _ in range(steps)])

    def _step(self) -> float:
        y, value = self._labels, self._value
        score = (self._tokens @ (self._p @ self._W)).reshape(value.shape)
        attention = np.exp(score - score.max(axis=1, keepdims=True))
        attention /= attention.sum(axis=1, keepdims=True)
        output = (attention * value).sum(axis=1)
        margin = y * output
        weight = self._step_size * y / (1.0 + np.exp(margin)) / len(y)
        direction = (weight[:, None] * attention * (value - output[:, None])).reshape(-1) @ self._tokens
        pulled = self._W @ direction
        for first in range(0, len(self._W), ROWS):
            rows = slice(first, first + ROWS)
            block = self._W[rows]
            block += np.multiply(self._p[rows, None], direction, out=self._increment[: len(block)])
        self._p += pulled
        return float(np.mean(np.logaddexp(0.0, -margin)))
