"""What a contestant is, and the two engines as contestants."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from verify.engines.drive import STRETCH_STEPS
from verify.engines.stretch import Dynamics
from verify.systems.benign_vit.dynamics import FullWeights, Reduced
from verify.systems.benign_vit.instance import Instance, TokenTable

Array = NDArray[np.float64]


class Contestant(Protocol):
    """A program that trains one instance by full-batch gradient descent."""

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
    """One of the project's engines, bare: it records states but judges nothing."""

    precision = float(np.finfo(np.float64).eps)

    def __init__(self, name: str, dynamics: Dynamics) -> None:
        self.name = name
        self._dynamics = dynamics

    def train(self, steps: int) -> Array:
        """Make `steps` steps, in stretches as a run does."""
        losses = []
        while True:
            stretch = self._dynamics.advance(min(steps, STRETCH_STEPS), -1.0, [])
            losses.append(stretch.arrays["loss"][: stretch.steps].copy())
            steps -= stretch.steps
            if not steps:
                return np.concatenate(losses)


def reduced_engine(instance: Instance, name: str = "verify, reduced engine, float64") -> Engine:
    """Gradient descent in token space."""
    return Engine(name, Reduced(instance, TokenTable.of(instance), None))


def weights_engine(instance: Instance) -> Engine:
    """Gradient descent on the weight matrices."""
    return Engine("verify, weights engine, float64", FullWeights(instance, TokenTable.of(instance), None))
