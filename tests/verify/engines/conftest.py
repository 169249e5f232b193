"""A dynamics that needs no system: its loss is a function of the step."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np
import pytest

from verify.engines.stretch import Stretch


class Scripted:
    """Its state at step t is `loss(t)` and the vector (t, t^2); every state can be made again."""

    def __init__(self, loss: Callable[[int], float], bytes_per_step: int = 8, bytes_per_kept: int = 8) -> None:
        self.step = 0
        self.bytes_per_step = bytes_per_step
        self.bytes_per_kept = bytes_per_kept
        self._loss = loss
        self.longest = 0
        self.most_kept = 0

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        first = self.step
        assert steps >= 0
        assert list(keep) == sorted(set(keep))
        assert all(first <= step <= first + steps for step in keep)
        losses = []
        for step in range(first, first + steps + 1):
            losses.append(self._loss(step))
            if losses[-1] <= loss_target or not np.isfinite(losses[-1]):
                break
        self.step = first + len(losses) - 1
        self.longest, self.most_kept = max(self.longest, steps), max(self.most_kept, len(keep))
        at = np.arange(first, self.step + 1, dtype=float)
        arrays = {"loss": np.array(losses), "power": np.stack([at, at**2], axis=1)}
        kept = {step: 10 * step for step in keep if step <= self.step}
        return Stretch(first, self.step - first, arrays, first, kept)

    def save(self) -> Any:
        return self.step

    def restore(self, saved: Any) -> None:
        self.step = saved

    def twin(self) -> "Scripted":
        return copy(self)

    def test_outputs(self, kept: Any) -> tuple[np.ndarray, np.ndarray] | None:
        return np.ones(1), np.array([float(kept)])


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted
