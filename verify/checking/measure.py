"""Both sides of statements that one run cannot judge, measured on it for a study to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs.language import Event, Lemma
from verify.checking.compile import compiled_once
from verify.checking.outcome import Array, Outcome
from verify.engines.stretch import Dynamics, Stretch
from verify.systems.base import Prepared

STRETCH_STEPS = 1024


@dataclass(frozen=True)
class Extreme:
    """A ratio `lhs / rhs`, the smallest or largest of a stage, and the step at which it was first seen."""

    ratio: float
    step: int


@dataclass(frozen=True)
class Measured:
    """One claim, measured.

    `smallest` and `largest` are over all steps of its stage so far and all elements that it is about (an order
    over a stage speaks of its supremum); `lhs`, `rhs` and `about`, with one axis for each index, belong to `step`,
    the last of them.
    """

    step: int
    lhs: Array
    rhs: Array
    about: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    smallest: Extreme
    largest: Extreme

    @property
    def ratios(self) -> Array:
        """`lhs / rhs` at the last step, at the elements that the claim is about."""
        return np.asarray((self.lhs / self.rhs)[np.broadcast_to(self.about, self.lhs.shape)])


class Measure:
    """A judge of orders: follows both sides of every claim through its stage, and the events.

    `sides` holds the claims that were about anything, by lemma and number; `seen` what the observables named by
    `watch` were at each event.
    """

    def __init__(
        self, lemmas: Sequence[Lemma], events: Sequence[Event], prepared: Prepared, watch: Sequence[str] = ()
    ) -> None:
        checker = compiled_once(tuple(lemmas), frozenset(prepared.dynamics.observables), tuple(events))
        self._session = checker.start(prepared.constants)
        self._watch = tuple(watch)
        self.events: dict[str, int | None] = {event.name: None for event in events}
        self.sides: dict[tuple[str, int], Measured] = {}
        self.seen: dict[str, dict[str, Array]] = {}

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Evaluate the claims on a stretch."""
        result = self._session.evaluate(stretch.arrays, stretch.first)
        for name, step in result.events.items():
            if step is not None and self.events.get(name) is None:
                place = step - stretch.first
                self.seen[name] = {each: np.array(stretch.arrays[each][place]) for each in self._watch}
        self.events = dict(result.events)
        for outcome in result.outcomes:
            key = (outcome.lemma.name, outcome.claim_number)
            measured = _measured(outcome, self.sides.get(key))
            if measured is not None:
                self.sides[key] = measured

    def reached(self, event: str | None) -> bool:
        """Whether an event has occurred."""
        return event is not None and self.events.get(event) is not None

    def train(
        self,
        dynamics: Dynamics,
        max_steps: int,
        event: str | None = None,
        loss_target: float = -1.0,
        stretch: int = STRETCH_STEPS,
    ) -> bool:
        """Train on, up to step `max_steps`, and measure; whether the event occurred or the loss reached its target.

        The dynamics stops at the step of the target, and less than a stretch after the event.
        """
        while not self.reached(event):
            made = dynamics.advance(min(stretch, max_steps - dynamics.step), loss_target, [])
            self.observe(made, dynamics)
            loss = float(made.arrays["loss"][made.steps])
            if loss <= loss_target:
                return True
            if made.last >= max_steps or not np.isfinite(loss):
                return self.reached(event)
        return True

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the index sets by their names, once a stretch was seen."""
        return dict(self._session.sizes)


def _measured(outcome: Outcome, before: Measured | None) -> Measured | None:
    """The claim with a further stretch; as it was before, if the stretch says nothing of it."""
    if not len(outcome.steps):
        return before
    shape = outcome.margin.shape
    lhs, rhs = np.broadcast_to(outcome.lhs, shape), np.broadcast_to(outcome.rhs, shape)
    about = np.broadcast_to(outcome.applies, shape)
    with np.errstate(all="ignore"):
        ratios: Array = np.divide(lhs, rhs)
    ratios = np.where(about & ~np.isnan(ratios), ratios, np.nan).reshape(len(outcome.steps), -1)
    heard = ~np.isnan(ratios).all(axis=1)
    if not heard.any():
        return before
    steps, ratios = outcome.steps[heard], ratios[heard]
    low, high = np.nanmin(ratios, axis=1), np.nanmax(ratios, axis=1)
    smallest = Extreme(float(low.min()), int(steps[np.argmin(low)]))
    largest = Extreme(float(high.max()), int(steps[np.argmax(high)]))
    if before is not None:
        smallest = min(before.smallest, smallest, key=lambda extreme: extreme.ratio)
        largest = max(before.largest, largest, key=lambda extreme: extreme.ratio)
    last = int(np.flatnonzero(heard)[-1])
    return Measured(int(steps[-1]), lhs[last].copy(), rhs[last].copy(), about[last].copy(), smallest, largest)


def measure_until(
    lemmas: Sequence[Lemma],
    events: Sequence[Event],
    prepared: Prepared,
    event: str | None,
    max_steps: int,
    loss_target: float = -1.0,
    watch: Sequence[str] = (),
) -> Measure:
    """Train until an event, until the loss is at its target, or for `max_steps` steps, and measure the claims."""
    measure = Measure(lemmas, events, prepared, watch)
    measure.train(prepared.dynamics, max_steps, event, loss_target)
    return measure
