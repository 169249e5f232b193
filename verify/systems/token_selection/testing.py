"""Fresh test samples: given `u = W^T p`, scores and values of a test token are jointly Gaussian.

So a test sample is two numbers a token, and the same standard normal numbers serve every state of a run
(`docs/token-selection.md`).
"""

from dataclasses import dataclass

import numpy as np

from verify.systems.token_selection import compiled
from verify.systems.token_selection.kernels import Array

Seen = tuple[Array, Array, Array, Array]
"""Labels, outputs, attention to token 0, and 1 where token 0 is selected, of all test samples."""


@dataclass(frozen=True)
class TestSamples:
    """Test samples of both classes, +1 before -1, `S` of each.

    Shapes: `signals` (2, d) the signals in the coordinates of an instance; `shares` (2, T) what a token carries of the
    own and of the other signal; `head` (d,); `along`, `across` (2, S, T) standard normal numbers.
    """

    __test__ = False  # not a test class, whatever its name begins with

    signals: Array
    shares: Array
    head: Array
    deviation: float
    along: Array
    across: Array

    def __len__(self) -> int:
        return 2 * int(self.along.shape[1])

    def seen(self, direction: Array) -> Seen:
        """What the network with `u = W^T p` makes of them; `direction` (d,) is u."""
        length = float(np.linalg.norm(self.head))
        unit = self.head / length if length else np.zeros_like(self.head)
        along = float(direction @ unit)
        across = float(np.linalg.norm(direction - along * unit))  # a difference of squares would lose half the digits
        spread = self.deviation * np.array([length, along, across])
        seen = np.empty((3, *self.along.shape[:2]))
        means = (self._means(self.signals @ vector) for vector in (direction, self.head))
        compiled.test_law(*means, np.empty((2, self.shares.shape[1])), self.along, self.across, spread, seen)
        outputs, attention, selected = seen.reshape(3, -1)
        return np.repeat([1.0, -1.0], self.along.shape[1]), outputs, attention, selected

    def _means(self, by_signal: Array) -> Array:
        """Means of the tokens of both classes (2, T), from what the two signals have."""
        own, other = self.shares
        return np.stack([own * by_signal[0] + other * by_signal[1], own * by_signal[1] + other * by_signal[0]])


def draw_test_samples(
    head: Array, signal_norm: float, deviation: float, shares: Array, count: int, rng: np.random.Generator
) -> TestSamples:
    """`count` test samples of each class; signals lie along the first two coordinates.

    Shapes: `head` (d,), `shares` (2, T).
    """
    along, across = rng.standard_normal((2, 2, count, shares.shape[1]))
    return TestSamples(signal_norm * np.eye(2, len(head)), shares, head, deviation, along, across)
