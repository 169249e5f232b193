"""Which steps are kept for plots: log-spaced, or every K-th."""

import numpy as np

from verify.engines.memory import require_memory

POINTS = 650
"""Points of the logarithmic grid; rounded to whole steps, about 500 of them differ."""


class Schedule:
    """The steps to record between 0 and `horizon`: every `every`-th, or some 500 spaced like a logarithm.

    The last step of a run is recorded besides, wherever it falls.

    Examples:
        >>> Schedule(horizon=10, every=4).within(0, 10)
        [0, 4, 8]
        >>> steps = Schedule(horizon=400_000).within(0, 400_000)
        >>> steps[:5], steps[-1], 450 < len(steps) < 550
        ([0, 1, 2, 3, 4], 400000, True)
    """

    def __init__(self, horizon: int, every: int | None = None) -> None:
        self._every = every
        grid = np.geomspace(1, max(horizon, 1), POINTS)
        self._steps = np.unique(np.concatenate([[0], np.rint(grid)])).astype(np.int64)

    def within(self, first: int, last: int) -> list[int]:
        """The recorded steps from `first` to `last`, both included."""
        if self._every is not None:
            return list(range(-(-first // self._every) * self._every, last + 1, self._every))
        low, high = np.searchsorted(self._steps, [first, last + 1])
        return [int(step) for step in self._steps[low:high]]

    def count(self, last: int) -> int:
        """How many steps are recorded up to `last`."""
        if self._every is not None:
            return last // self._every + 1
        return int(np.searchsorted(self._steps, last, side="right"))

    def require_memory(self, last: int, bytes_per_state: int) -> None:
        """Refuse to record more states up to `last` than fit.

        Raises:
            RequestError: with both sizes.
        """
        every = "" if self._every is None else f"--record-every {self._every}: "
        require_memory(2.0 * self.count(last) * bytes_per_state, f"{every}recording {self.count(last):,} states")
