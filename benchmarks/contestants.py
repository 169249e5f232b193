"""What a contestant is, and the project's engines as contestants."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from verify.engines.drive import STRETCH_STEPS
from verify.engines.stretch import Dynamics

Array = NDArray[np.float64]

FLOAT64 = float(np.finfo(np.float64).eps)


class Contestant(Protocol):
    """A program that trains one instance by gradient descent."""

    @property
    def name(self) -> str:
        """How tables call it."""
        ...

    @property
    def precision(self) -> float:
        """Machine epsilon of its numbers."""
        ...

    def train(self, steps: int) -> Array:
        """Make `steps` steps from where it stands; returns the loss before each of them, (steps,)."""
        ...


class Engine:
    """One of the project's engines, bare: it records states but judges nothing.

    `observed` names the loss among what it records: that of all samples, or of the batch.
    """

    precision = FLOAT64

    def __init__(self, name: str, dynamics: Dynamics, observed: str = "loss") -> None:
        self.name = name
        self._dynamics = dynamics
        self._observed = observed

    def train(self, steps: int) -> Array:
        """Make `steps` steps, in stretches as a run does."""
        losses = []
        while True:
            stretch = self._dynamics.advance(min(steps, STRETCH_STEPS), -1.0, [])
            losses.append(stretch.arrays[self._observed][: stretch.steps].copy())
            steps -= stretch.steps
            if not steps:
                return np.concatenate(losses)
