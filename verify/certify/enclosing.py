"""What the certified engine asks of a system: gradient descent on enclosures."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from verify.certify.arrays import Balls


class Enclosing(Protocol):
    """Gradient descent from exact binary64 data, every number a ball that holds the exact one.

    `constants` are the data that statements name, made from the same exact numbers; `observables` names what stretches
    hold. All computing is done at `flint.ctx.prec` bits.
    """

    step: int

    @property
    def constants(self) -> Mapping[str, Any]:
        """The data that statements name."""
        ...

    @property
    def observables(self) -> Sequence[str]:
        """The names of what stretches hold."""
        ...

    @property
    def state(self) -> Mapping[str, Balls]:
        """What gradient descent moves, at the present step; `set_state` takes it back."""
        ...

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state that `state` gave at that step."""
        ...

    def advance(self, steps: int) -> Mapping[str, Balls]:
        """Make so many steps: observables of states have a leading axis of `steps + 1`, those of increments `steps`.

        The training loss is among them, as `loss`.

        Raises:
            verify.certify.memory.Undecided: if a step depends on a comparison that the enclosures leave open.
        """
        ...
