"""What every engine speaks: stretches of steps, and dynamics that can make them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """The states of some consecutive steps.

    `arrays` hold the observables of the states `first`, ..., `last` (leading axis `steps + 1`); the first state of a
    stretch is the last of the one before. `start` is the saved state at `first`; `kept` maps steps to what the dynamics
    needs to evaluate test quantities there. The arrays may be views of buffers that
    a later stretch overwrites; the next few leave them alone.
    """

    first: int
    steps: int
    arrays: Mapping[str, Array]
    start: Any
    kept: Mapping[int, Any] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The step of its last state."""
        return self.first + self.steps


class Dynamics(Protocol):
    """Gradient descent of one system, on whatever it represents its weights by."""

    step: int

    @property
    def observables(self) -> Sequence[str]:
        """The names of what stretches hold."""
        ...

    @property
    def bytes_per_step(self) -> int:
        """Memory that one recorded state takes."""
        ...

    @property
    def bytes_per_kept(self) -> int:
        """Memory that one kept state takes."""
        ...

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Make up to `steps` steps; stop earlier at a loss of at most `loss_target` or one that is not finite.

        `keep` are steps (ascending, within the stretch) at which to keep what test quantities need.
        """
        ...

    def save(self) -> Any:
        """The present state, to be restored later."""
        ...

    def restore(self, saved: Any) -> None:
        """Go back to a saved state."""
        ...

    def twin(self) -> "Dynamics":
        """The same dynamics with buffers of its own, so that both can run at one time."""
        ...

    def instance(self) -> Any:
        """An instance whose start is the present state."""
        ...

    def vectors(self) -> dict[str, Array]:
        """State observables of the present step that stretches do not hold, for they are large."""
        ...

    def test_outputs(self, kept: Any) -> tuple[Array, ...] | None:
        """Labels, outputs and what else the system's `test_quantities` takes of the test samples at a kept state.

        `None` without test samples.
        """
        ...
