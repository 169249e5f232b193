"""What outlives a stretch: events, values at the start or at an event, sums, and recurrences."""

import operator
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.checking.loops import compiled_loop

Array = NDArray[np.float64]

RELATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


class Members:
    """The members of a recurrence and their errors on a stretch, each laid out when it is first asked for."""

    def __init__(self, sequences: Array, shapes: Sequence[tuple[int, ...]]) -> None:
        self._sequences = sequences
        self._shapes = shapes
        self._ends = np.cumsum([prod(shape) for shape in shapes])
        self._arrays: dict[int, Array] = {}

    def __getitem__(self, slot: int) -> Array:
        """An array with an axis for each letter of the member, then the step."""
        if slot not in self._arrays:
            shape, end = self._shapes[slot], self._ends[slot]
            rows = np.ascontiguousarray(self._sequences[:, end - prod(shape) : end].T)
            self._arrays[slot] = rows.reshape(*shape, len(self._sequences))
        return self._arrays[slot]


class Run:
    """Carries what statements remember from stretch to stretch; generated source calls its methods.

    Every memory has a number. Arrays have the step along their last axis; a stretch of S increments has S + 1 states.
    """

    def __init__(self, loops: Mapping[int, str]) -> None:
        self._loops = loops
        self._memory: dict[int, Array] = {}
        self.events: dict[int, int] = {}
        self.now: dict[int, Any] = {}
        self.first = 0
        self.steps: Array = np.zeros(1)

    def begin(self, first: int, increments: int) -> None:
        """Begin a stretch at the state of step `first`."""
        if first == 0:
            self._memory.clear()
            self.events.clear()
        self.now = {}
        self.first = first
        self.steps = np.arange(first, first + increments + 1, dtype=np.float64)

    def save(self) -> Any:
        """A copy of everything carried, to be restored later."""
        return deepcopy((self._memory, self.events))

    def restore(self, saved: Any) -> None:
        """Go back to what was saved."""
        self._memory, self.events = deepcopy(saved)

    def recall(self, number: int) -> Any:
        """What the present stretch made of a memory."""
        return self.now[number]

    def event(self, number: int, tests: Sequence[tuple[Any, str, Any, Any, bool]], earlier: Sequence[int]) -> None:
        """Look for the first state, not before earlier events, at which all tests hold for all elements."""
        if number in self.events or any(event not in self.events for event in earlier):
            return
        happens = self.steps >= max((self.events[event] for event in earlier), default=0)
        for left, relation, right, where, on_increments in tests:
            holds = np.asarray(RELATIONS[relation](left, right) | ~np.asarray(where))
            always = np.atleast_1d(holds).all(axis=tuple(range(holds.ndim - 1)))
            if on_increments:
                happens[-1] = False
                happens[:-1] &= always
            else:
                happens &= always
        if happens.any():
            self.events[number] = self.first + int(np.argmax(happens))

    def at_start(self, number: int, body: Array) -> Array:
        """The value at step 0."""
        if number not in self._memory:
            self._require_start()
            self._memory[number] = np.array(body[..., :1])
        self.now[number] = self._memory[number]
        return self._memory[number]

    def at_event(self, number: int, body: Array, event: int) -> Array:
        """The value at an event; before it, a value that nothing is checked with."""
        if number not in self._memory:
            if event not in self.events:
                self.now[number] = body[..., -1:]
                return body[..., -1:]
            place = self.events[event] - self.first
            self._memory[number] = np.array(body[..., place : place + 1])
        self.now[number] = self._memory[number]
        return self._memory[number]

    def accumulated(self, number: int, body: Array, event: int | None = None) -> Array:
        """For every state, the sum over the steps before it, since an event if one is named."""
        if number not in self._memory and event is None:
            self._require_start()
        terms = self._over_increments(body)
        if event is not None:
            terms = np.where(self.steps[:-1] >= self.events.get(event, np.inf), terms, 0.0)
        sums = np.empty((*terms.shape[:-1], len(self.steps)))
        sums[..., 0] = self._memory.get(number, 0.0)
        sums[..., 1:] = terms
        np.add.accumulate(sums, axis=-1, out=sums)
        self._memory[number] = np.array(sums[..., -1])
        self.now[number] = sums
        return sums

    def sequences(
        self,
        number: int,
        sizes: Sequence[int],
        shapes: Sequence[tuple[int, ...]],
        starts: Sequence[Array],
        constants: Sequence[Array],
        drives: Sequence[Array],
        event: int | None = None,
    ) -> "Members":
        """The members of a recurrence at every state, then their rounding errors; zeros before it starts."""
        rows = sum(map(len, starts))
        sequences = np.zeros((len(self.steps), rows))
        first = 0
        if number not in self._memory:
            if event is None:
                self._require_start()
            else:
                first = self.events.get(event, self.first + len(self.steps)) - self.first
        if first < len(self.steps):
            if number not in self._memory:
                self._memory[number] = np.concatenate([start[:, -1] for start in starts])
            fixed = np.concatenate([np.zeros(0), *(each[:, 0] for each in constants)])
            moving = np.empty((len(self.steps) - 1, sum(map(len, drives))))
            if drives:
                np.concatenate([self._over_increments(each) for each in drives], out=moving.T)
            iterate = compiled_loop(self._loops[number])
            iterate(np.array(sizes, dtype=np.intp), self._memory[number], fixed, moving[first:], sequences[first:])
            self._memory[number] = np.array(sequences[-1])
        members = self.now[number] = Members(sequences, (*shapes, *shapes))
        return members

    def _over_increments(self, body: Array) -> Array:
        """Values of the states but the last, of increments, or of the whole run, one for each increment."""
        increments = len(self.steps) - 1
        if body.shape[-1] == increments + 1:
            return body[..., :-1]
        return np.broadcast_to(body, (*body.shape[:-1], increments))

    def _require_start(self) -> None:
        if self.first != 0:
            raise ValueError(f"first_step = {self.first}: statements that look back need the run from step 0")
