"""What outlives a stretch of balls: events, values at the start or at an event, sums, and recurrences.

The counterpart of `verify.checking.run.Run`, whose methods generated source calls, where comparisons can stay open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from proofs.language.loops import Loop
from proofs.language.scalars import scalar_source, variable
from verify.certify.arrays import Balls, Bools, balls
from verify.checking.balls import FUNCTIONS


class Undecided(Exception):
    """Enclosures are too wide to say whether something is so; `what` names it, `step` says when."""

    def __init__(self, what: str, step: int) -> None:
        super().__init__(f"{what} at step {step}")
        self.what = what
        self.step = step


def margin_of(left: Any, relation: str, right: Any) -> Balls:
    """By how much a relation holds; minus the distance for an equality."""
    match relation:
        case "<=" | "<":
            return np.asarray(right - left, dtype=object)
        case ">=" | ">":
            return np.asarray(left - right, dtype=object)
        case _:
            return np.asarray(-abs(left - right), dtype=object)


def decided(margin: Balls, relation: str) -> tuple[Bools, Bools]:
    """Where a relation with this margin certainly holds, and where it certainly fails; elsewhere balls overlap.

    >>> decided(margin_of(balls([1.0, 2.0, 3.0]), "<", balls([1.0, 3.0, 2.0])), "<")
    (array([False,  True, False]), array([ True, False,  True]))
    """
    match relation:
        case "<=" | ">=":
            holds, fails = margin >= 0, margin < 0
        case "<" | ">":
            holds, fails = margin > 0, margin <= 0
        case _:
            holds, fails = margin == 0, margin != 0
    return np.asarray(holds, dtype=bool), np.asarray(fails, dtype=bool)


class Memory:
    """Carries what statements remember from stretch to stretch; every memory has a number.

    Arrays have the step along their last axis; a stretch of S increments has S + 1 states. `names` says what an event
    is called.
    """

    def __init__(self, loops: Mapping[int, Loop], names: Mapping[int, str]) -> None:
        self._loops = loops
        self._names = names
        self._memory: dict[int, Balls] = {}
        self.events: dict[int, int] = {}
        self.first = 0
        self.steps: Balls = balls(np.zeros(1))

    def begin(self, first: int, increments: int) -> None:
        """Begin a stretch at the state of step `first`."""
        self.first = first
        self.steps = balls(np.arange(first, first + increments + 1))

    def save(self) -> tuple[dict[int, Balls], dict[int, int]]:
        """Everything carried, to be restored later."""
        return dict(self._memory), dict(self.events)

    def restore(self, saved: tuple[Mapping[int, Balls], Mapping[int, int]]) -> None:
        """Go back to what was saved."""
        self._memory, self.events = dict(saved[0]), dict(saved[1])

    def event(self, number: int, tests: Sequence[tuple[Any, str, Any, Any, bool]], earlier: Sequence[int]) -> None:
        """Look for the first state, not before earlier events, at which all tests certainly hold.

        Raises:
            Undecided: if that cannot be told of a state before it.
        """
        if number in self.events or any(event not in self.events for event in earlier):
            return
        numbers = self.first + np.arange(len(self.steps))
        past = numbers >= max((self.events[event] for event in earlier), default=0)
        happens, fails = past.copy(), ~past
        for left, relation, right, where, on_increments in tests:
            holds, refuted = decided(margin_of(left, relation, right), relation)
            always = _over_elements(np.logical_and, holds | ~np.asarray(where))
            never = _over_elements(np.logical_or, refuted & np.asarray(where))
            if on_increments:
                happens[-1] = False
                fails[-1] = True
                happens[:-1] &= always
                fails[:-1] |= never
            else:
                happens &= always
                fails |= never
        first = int(np.argmax(~fails)) if not fails.all() else None
        if first is None:
            return
        if not happens[first]:
            raise Undecided(f"whether {self._names[number]} happens", self.first + first)
        self.events[number] = self.first + first

    def at_start(self, number: int, body: Balls) -> Balls:
        """The value at step 0."""
        if number not in self._memory:
            self._memory[number] = body[..., :1].copy()
        return self._memory[number]

    def at_event(self, number: int, body: Balls, event: int) -> Balls:
        """The value at an event; before it, a value that nothing is checked with."""
        if number not in self._memory:
            if event not in self.events:
                return body[..., -1:]
            place = self.events[event] - self.first
            self._memory[number] = body[..., place : place + 1].copy()
        return self._memory[number]

    def accumulated(self, number: int, body: Balls, event: int | None = None) -> Balls:
        """For every state, the sum over the steps before it, since an event if one is named."""
        terms = self._over_increments(body)
        if event is not None:
            begun = self.events.get(event)
            past = self.first + np.arange(terms.shape[-1]) >= (np.inf if begun is None else begun)
            terms = np.where(past, terms, 0)
        sums = np.empty((*terms.shape[:-1], len(self.steps)), dtype=object)
        sums[..., 0] = self._memory.get(number, balls(0))
        for step in range(terms.shape[-1]):
            sums[..., step + 1] = sums[..., step] + terms[..., step]
        self._memory[number] = sums[..., -1].copy()
        return sums

    def sequences(
        self,
        number: int,
        sizes: Sequence[int],
        shapes: Sequence[tuple[int, ...]],
        starts: Sequence[Balls],
        constants: Sequence[Balls],
        drives: Sequence[Balls],
        event: int | None = None,
    ) -> list[Balls]:
        """The members of a recurrence at every state; zeros before it starts."""
        loop = self._loops[number]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        begun = 0 if event is None else self.events.get(event)
        rows = np.full((len(self.steps), sum(map(len, starts))), balls(0), dtype=object)
        still, moving = loop.input_names
        letters = [*loop.exact_inputs.constants, *loop.exact_inputs.drives]
        lengths = dict(zip(loop.exact_inputs.size_names, sizes, strict=True))
        inputs = {
            name: array.reshape(*(lengths[letter.ranges_over.size] for letter in fed.letters), array.shape[-1])
            for name, fed, array in zip((*still, *moving), letters, (*constants, *drives), strict=True)
        }
        for place in range(len(rows)):
            step = self.first + place
            if begun is None or step < begun:
                continue
            if step == begun:
                rows[place] = np.concatenate([start[:, -1] for start in starts])
            elif place == 0:
                rows[place] = self._memory[number]
            else:
                members = dict(zip(loop.member_names, _split(rows[place - 1], ends, shapes), strict=True))
                at = Iterate(loop, members, inputs, place - 1, lengths)
                rows[place] = np.concatenate(at.updated(shapes))
        self._memory[number] = rows[-1]
        parts = np.split(rows.T, ends)
        return [part.reshape(*shape, len(rows)) for part, shape in zip(parts, shapes, strict=True)]

    def _over_increments(self, body: Balls) -> Balls:
        """Values of the states but the last, of increments, or of the whole run, one for each increment."""
        increments = len(self.steps) - 1
        if body.shape[-1] == increments + 1:
            return body[..., :-1]
        return np.broadcast_to(body, (*body.shape[:-1], increments))


def _over_elements(pick: np.ufunc, found: Bools) -> Bools:
    """All, or any, elements at each step."""
    return np.asarray(pick.reduce(found.reshape(-1, found.shape[-1] if found.ndim else 1), axis=0))


def _split(row: Balls, ends: Any, shapes: Sequence[tuple[int, ...]]) -> list[Balls]:
    return [part.reshape(shape) for part, shape in zip(np.split(row, ends), shapes, strict=True)]


class Iterate:
    """Where a recurrence stands at one step; the source of its updates asks it for what they are made of."""

    def __init__(
        self,
        loop: Loop,
        members: Mapping[str, Balls],
        inputs: Mapping[str, Balls],
        place: int,
        sizes: Mapping[str, int],
    ) -> None:
        self._loop = loop
        self._members = members
        self._inputs = inputs
        self._place = place
        self._sizes = sizes
        self._seen: dict[tuple[Any, ...], Any] = {}

    def see(self, name: str, *indices: int) -> Any:
        """A member, an input, or what members define."""
        if name in self._members:
            return self._members[name][indices]
        if name in self._inputs:
            array = self._inputs[name]
            return array[(*indices, min(self._place, array.shape[-1] - 1))]
        if (name, indices) not in self._seen:
            formula = self._loop.between[name]
            self._seen[name, indices] = _function(formula.expression, formula.indices)(self, *indices)
        return self._seen[name, indices]

    def count(self, size: str) -> int:
        """A size."""
        return self._sizes[size]

    def updated(self, shapes: Sequence[tuple[int, ...]]) -> list[Balls]:
        """All members one step later, each as a row."""
        rows = []
        for member, update, shape in zip(self._loop.members, self._loop.updates, shapes, strict=True):
            function = _function(update, member.letters)
            row = np.empty(int(np.prod(shape)), dtype=object)
            row[:] = [function(self, *element) for element in product(*map(range, shape))]
            rows.append(row)
        return rows


@cache
def _function(expression: Any, letters: tuple[Any, ...]) -> Callable[..., Any]:
    source = scalar_source(expression)
    function: Callable[..., Any] = eval(
        f"lambda {', '.join(('at', *map(variable, letters)))}: {source}", dict(FUNCTIONS)
    )
    return function
