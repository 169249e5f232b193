"""Both sides of statements that one run cannot judge, measured on it for a study to judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs.language import Event, Lemma
from verify.checking.compile import Checker
from verify.checking.outcome import Array
from verify.engines.stretch import Dynamics, Stretch
from verify.systems.base import Prepared


@dataclass(frozen=True)
class Measured:
    """Both sides of one claim at a step of its stage; one axis for each of its indices."""

    step: int
    lhs: Array
    rhs: Array
    about: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    @property
    def ratios(self) -> Array:
        """`lhs / rhs` at the elements that the claim is about."""
        return np.asarray((self.lhs / self.rhs)[np.broadcast_to(self.about, self.lhs.shape)])


class Measure:
    """A judge of orders: keeps both sides of every claim at the last step of its stage, and the events."""

    def __init__(self, lemmas: Sequence[Lemma], events: Sequence[Event], prepared: Prepared) -> None:
        recorded = frozenset(prepared.dynamics.observables)
        self._session = Checker(list(lemmas), recorded, tuple(events)).start(prepared.constants)
        self.events: dict[str, int | None] = {}
        self.sides: dict[tuple[str, int], Measured] = {}

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Evaluate the claims on a stretch."""
        result = self._session.evaluate(stretch.arrays, stretch.first)
        self.events = dict(result.events)
        for outcome in result.outcomes:
            if len(outcome.steps):
                lhs, rhs, about = (
                    np.broadcast_to(array, outcome.margin.shape)[-1].copy()
                    for array in (outcome.lhs, outcome.rhs, outcome.applies)
                )
                key = (outcome.lemma.name, outcome.claim_number)
                self.sides[key] = Measured(int(outcome.steps[-1]), lhs, rhs, about)

    def reached(self, event: str) -> bool:
        """Whether an event has occurred."""
        return self.events.get(event) is not None


def measure_until(
    lemmas: Sequence[Lemma], events: Sequence[Event], prepared: Prepared, event: str, max_steps: int, stretch: int = 256
) -> Measure:
    """Train until an event has occurred, or for `max_steps` steps, and measure the claims."""
    measure = Measure(lemmas, events, prepared)
    dynamics = prepared.dynamics
    while dynamics.step < max_steps and not measure.reached(event):
        measure.observe(dynamics.advance(min(stretch, max_steps - dynamics.step), -1.0, []), dynamics)
    return measure
