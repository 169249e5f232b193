"""Full weights in plain NumPy, gradients by hand."""

import numpy as np

from benchmarks.contestants import FLOAT64, Array
from verify.systems.benign_vit.instance import Instance, TokenTable


class NumpyWeights:
    """Each distinct token is multiplied once, samples are batched, large products go into buffers."""

    name = "NumPy, full weights, float64"
    precision = FLOAT64

    def __init__(self, instance: Instance, step_factor: float = 1.0) -> None:
        assert instance.step_size is not None
        table = TokenTable.of(instance)
        self._step_size = step_factor * instance.step_size
        self._labels = instance.y
        self._tokens, self._token_at = table.tokens, table.token_at
        self._transposed = np.ascontiguousarray(table.tokens.T)
        self._w_O = instance.w_O
        self._weights_qk = np.hstack([instance.W_Q, instance.W_K])
        self._weights_v = instance.W_V.copy()
        self._states = np.empty((len(table.tokens), self._weights_qk.shape[1]))
        self._direction = np.empty_like(self._states)
        self._increment = np.empty_like(self._weights_qk)

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        return np.array([self._step() for _ in range(steps)])

    def _step(self) -> float:
        y, at = self._labels, self._token_at
        samples, tokens = at.shape
        heads = self._weights_qk.shape[1] // 2
        np.matmul(self._tokens, self._weights_qk, out=self._states)
        states = self._states[at]
        queries, keys = states[..., :heads], states[..., heads:]
        value = (self._tokens @ (self._weights_v @ self._w_O))[at]
        score = queries @ keys.transpose(0, 2, 1)
        attention = np.exp(score - score.max(axis=2, keepdims=True))
        attention /= attention.sum(axis=2, keepdims=True)
        attended = attention @ value[:, :, None]
        margin = y * attended.mean(axis=(1, 2))
        weight = self._step_size * y / (1.0 + np.exp(margin)) / (samples * tokens)
        pull = weight[:, None, None] * attention * (value[:, None, :] - attended)
        moves = np.concatenate([pull @ keys, pull.transpose(0, 2, 1) @ queries], axis=2)
        self._direction[...] = 0.0
        np.add.at(self._direction, at, moves)
        value_direction = np.zeros(len(self._tokens))
        np.add.at(value_direction, at, weight[:, None] * attention.sum(axis=1))
        np.matmul(self._transposed, self._direction, out=self._increment)
        self._weights_qk += self._increment
        self._weights_v += np.outer(self._transposed @ value_direction, self._w_O)
        return float(np.mean(np.logaddexp(0.0, -margin)))
