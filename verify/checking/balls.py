"""Claims decided in ball arithmetic, where floats cannot tell.

A state is taken as exact binary64; everything else follows from it by definitions and updates, each number an
interval that certainly holds it. Comparisons of balls are true only if certain, so both directions are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, reduce
from itertools import product
from math import isfinite
from typing import Any, Literal

from flint import arb, ctx
from sympy import Tuple

from proofs.language.nodes import Observable
from proofs.language.recurrence import Member, Recurrence
from proofs.language.scalars import scalar_source, variable
from proofs.language.statements import Claim

Decision = Literal["holds", "violated", "undecided"]
Arrays = Mapping[str, Any]

Elements = Mapping[str, Mapping[tuple[int, ...], arb | None]]

PRECISIONS = (128, 512)


class Unknown(Exception):
    """What is asked does not follow from the states given."""


def decide(
    claim: Claim,
    state: Arrays,
    indices: Mapping[str, int],
    step: int = 0,
    start: Arrays | None = None,
    events: Mapping[str, Arrays] | None = None,
) -> Decision:
    """Decide one element of a claim at one step; see `Decider.decide`."""
    return Decider(start if start is not None else state if step == 0 else None, events).decide(
        claim, state, indices, step
    )


class Decider:
    """Decides elements of claims in one run, whose first state and states at events are given where known.

    `sizes` names the sizes that the arrays at hand may not tell. Arrays have the shapes of the index sets;
    state observables and constants are read, all others are evaluated by their definitions.
    """

    def __init__(
        self,
        start: Arrays | None = None,
        events: Mapping[str, Arrays] | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self._start = start
        self._events = events or {}
        self._sizes = sizes or {}
        self._sequences: dict[tuple[Recurrence, int], list[Elements]] = {}

    def decide(self, claim: Claim, state: Arrays, indices: Mapping[str, int], step: int = 0) -> Decision:
        """Whether the claim holds for the given values of its indices, at 128 bits, then at 512.

        `undecided` if the balls of both sides overlap even then, or if a side depends on more than the given
        states. Raises ValueError if the state lacks an array that the claim needs.
        """
        for bits in PRECISIONS:
            with working_precision(bits):
                try:
                    decision = self._decided(claim, state, indices, step, bits)
                except Unknown:
                    return "undecided"
            if decision != "undecided":
                return decision
        return "undecided"

    def enclose(self, expression: Any, state: Arrays, indices: Mapping[str, int], step: int, bits: int) -> arb:
        """A ball that holds the value of an expression."""
        with working_precision(bits):
            return self._value(expression, self._state(Tuple(expression), state, step, bits), indices)

    def _decided(self, claim: Claim, state: Arrays, indices: Mapping[str, int], step: int, bits: int) -> Decision:
        here = self._state(Tuple(claim.lhs, claim.rhs), state, step, bits)
        left, right = (self._value(side, here, indices) for side in (claim.lhs, claim.rhs))
        if claim.relation in (">=", ">"):
            left, right = right, left
        margin = right - left
        if not margin.is_finite():
            return "undecided"
        match claim.relation:
            case "<=" | ">=":
                holds, fails = margin >= 0, margin < 0
            case "<" | ">":
                holds, fails = margin > 0, margin <= 0
            case _:
                holds, fails = margin == 0, margin != 0
        return "holds" if holds else "violated" if fails else "undecided"

    def _value(self, expression: Any, here: State, indices: Mapping[str, int]) -> arb:
        names = tuple(sorted(indices))
        return _function(scalar_source(expression), tuple(f"i_{name}" for name in names))(
            here, *(indices[n] for n in names)
        )

    def _state(self, expressions: Any, arrays: Arrays, step: int, bits: int) -> State:
        known = Known(_observables(expressions), arrays, self._sizes)
        events = {
            name: State(Known(known.observables, at, self._sizes), None, {}, -1, self, bits)
            for name, at in self._events.items()
        }
        start = (
            None
            if self._start is None
            else State(Known(known.observables, self._start, self._sizes), None, {}, 0, self, bits)
        )
        return State(known, start, events, step, self, bits)

    def member(self, member: Member, indices: tuple[int, ...], step: int, start: State, bits: int) -> arb:
        """An element of a member of a recurrence at a step, iterated from step 0."""
        if member.recurrence.since is not None:
            raise Unknown
        key = member.recurrence, bits
        members = member.recurrence.members
        if key not in self._sequences:
            self._sequences[key] = [_elements_of(members, [each.start for each in members], start)]
        sequence = self._sequences[key]
        while len(sequence) <= step:
            here = Iterate(sequence[-1], start, len(sequence) - 1)
            sequence.append(_elements_of(members, [each.update for each in members], here))
        return _known(sequence[step][member.name][indices])


def _elements_of(members: Sequence[Member], expressions: Sequence[Any], at: State) -> Elements:
    """Every element of every member by an expression; None where it does not follow from what is known."""
    return {
        member.name: {
            element: _if_known(expression, member, element, at)
            for element in _elements([at.count(each.size) for each in member.index_sets])
        }
        for member, expression in zip(members, expressions, strict=True)
    }


def _if_known(expression: Any, member: Member, element: tuple[int, ...], at: State) -> arb | None:
    try:
        return _function(scalar_source(expression), tuple(map(variable, member.letters)))(at, *element)
    except Unknown:
        return None


def _known(value: arb | None) -> arb:
    if value is None:
        raise Unknown
    return value


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Compute at so many bits within the context."""
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


@cache
def _observables(expressions: Any) -> dict[str, Observable]:
    """Every observable that evaluating the expressions may ask for, by its name."""
    found: dict[str, Observable] = {}
    waiting = [*expressions.atoms(Observable)]
    while waiting:
        observable = waiting.pop()
        if observable.name not in found:
            found[observable.name] = observable
            formulas = [each.expression for each in (observable.definition, observable.next_value) if each is not None]
            if isinstance(observable, Member):
                formulas += [part for member in observable.recurrence.members for part in (member.start, member.update)]
            waiting += [each for formula in formulas for each in formula.atoms(Observable)]
    return found


class Known:
    """Arrays taken as exact, and the sizes that they tell."""

    def __init__(self, observables: Mapping[str, Observable], arrays: Arrays, sizes: Mapping[str, int]) -> None:
        self.observables = observables
        self._arrays = arrays
        self._sizes = sizes

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """The sizes of index sets by their names."""
        sizes = dict(self._sizes)
        for name, observable in self.observables.items():
            if name in self._arrays:
                shape = getattr(self._arrays[name], "shape", ())
                sizes |= {each.size: length for each, length in zip(observable.index_sets, shape, strict=True)}
        return sizes

    def entry(self, name: str, indices: tuple[int, ...]) -> Any:
        """One entry of an array."""
        if name not in self._arrays:
            raise ValueError(f"{name}: the claim needs it, and the state does not hold it")
        array = self._arrays[name]
        return array[indices] if indices else array


class State:
    """The state of one step; generated source asks it for observables."""

    def __init__(
        self,
        known: Known,
        start: State | None,
        events: Mapping[str, State],
        step: int,
        decider: Decider,
        bits: int,
    ) -> None:
        self._known = known
        self._start = start
        self._events = events
        self.step = step
        self._decider = decider
        self._bits = bits
        self._seen: dict[tuple[Any, ...], arb] = {}

    def see(self, name: str, *indices: int) -> arb:
        """The value of an observable."""
        key = name, indices
        if key not in self._seen:
            self._seen[key] = self._look(self._known.observables[name], indices)
        return self._seen[key]

    def pick(self, name: str, *indices: int) -> int:
        """The value of an observable that is used as an index."""
        return int(self._known.entry(name, indices))

    def count(self, size: str) -> int:
        """A size."""
        return self._known.sizes[size]

    @property
    def start(self) -> State:
        """The state at step 0."""
        if self._start is None and self.step != 0:
            raise Unknown
        return self._start or self

    def event(self, name: str) -> State:
        """The state at an event."""
        if name not in self._events:
            raise Unknown
        return self._events[name]

    def accumulated(self) -> arb:
        """A sum over earlier steps does not follow from one state."""
        raise Unknown

    @cached_property
    def next(self) -> State:
        """The state one step later, by the exact updates."""
        return NextState(self)

    def _look(self, observable: Observable, indices: tuple[int, ...]) -> arb:
        if isinstance(observable, Member):
            return self._decider.member(observable, indices, self.step, self.start, self._bits)
        if observable.definition is not None:
            return _formula_value(observable.definition, self, indices)
        return self._given(observable, indices)

    def _given(self, observable: Observable, indices: tuple[int, ...]) -> arb:
        value = float(self._known.entry(observable.name, indices))
        if not isfinite(value):
            raise Unknown
        return arb(value)


class NextState(State):
    """The state one step after another one."""

    def __init__(self, before: State) -> None:
        super().__init__(before._known, before._start, before._events, before.step + 1, before._decider, before._bits)
        self._before = before

    @property
    def start(self) -> State:
        """The state at step 0."""
        return self._before.start

    def _given(self, observable: Observable, indices: tuple[int, ...]) -> arb:
        if observable.constant:
            return self._before.see(observable.name, *indices)
        if observable.next_value is None:
            raise Unknown
        return _formula_value(observable.next_value, self._before, indices)


class Iterate(State):
    """Where a recurrence stands: its members, and the constants of the problem."""

    def __init__(self, members: Elements, start: State, step: int) -> None:
        super().__init__(start._known, start._start, {}, step, start._decider, start._bits)
        self._members = members
        self._first = start

    @property
    def start(self) -> State:
        """The state at step 0."""
        return self._first

    def _look(self, observable: Observable, indices: tuple[int, ...]) -> arb:
        if observable.name in self._members:
            return _known(self._members[observable.name][indices])
        return super()._look(observable, indices)

    def _given(self, observable: Observable, indices: tuple[int, ...]) -> arb:
        if not observable.constant:
            raise Unknown
        return super()._given(observable, indices)


def _formula_value(formula: Any, at: State, indices: Sequence[int]) -> arb:
    return _function(scalar_source(formula.expression), tuple(map(variable, formula.indices)))(at, *indices)


@cache
def _function(source: str, variables: tuple[str, ...]) -> Callable[..., arb]:
    function: Callable[..., arb] = eval(f"lambda {', '.join(('at', *variables))}: {source}", dict(FUNCTIONS))
    return function


def number(numerator: int, denominator: int) -> arb:
    """A ball that holds a rational number."""
    return arb(numerator) / denominator if denominator != 1 else arb(numerator)


def _elements(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return product(*(range(size) for size in sizes))


def _total(sizes: Sequence[int], body: Callable[..., arb]) -> arb:
    return sum((body(*element) for element in _elements(sizes)), arb(0))


def _extreme(pick: Callable[[arb, arb], arb]) -> Callable[..., arb]:
    def extreme(sizes: Sequence[int], body: Callable[..., arb], where: Callable[..., arb], empty: arb) -> arb:
        values = [body(*element) for element in _elements(sizes) if where(*element) > 0.5]
        return reduce(pick, values) if values else empty

    return extreme


def _larger(*values: arb) -> arb:
    return reduce(arb.max, values)


def _smaller(*values: arb) -> arb:
    return reduce(arb.min, values)


def _softmax(size: int, scores: Callable[[int], arb], chosen: int) -> arb:
    """The reciprocal of a sum of exponentials of differences, one of which is exactly 1."""
    score = scores(chosen)
    return 1 / sum((arb(1) if other == chosen else (scores(other) - score).exp() for other in range(size)), arb(0))


def _logistic(argument: arb) -> arb:
    return 1 / (1 + (-argument).exp())


def _softplus(argument: arb) -> arb:
    return argument.exp().log1p() if argument < 0 else argument + (-argument).exp().log1p()


FUNCTIONS: Mapping[str, Any] = {
    "number": number,
    "pi": arb.pi,
    "total": _total,
    "largest": _extreme(arb.max),
    "smallest": _extreme(arb.min),
    "softmax": _softmax,
    "larger": _larger,
    "smaller": _smaller,
    "absolute": abs,
    "power": pow,
    "root": arb.sqrt,
    "exponential": arb.exp,
    "logarithm": arb.log,
    "exponential_less_one": arb.expm1,
    "logarithm_of_one_plus": arb.log1p,
    "hyperbolic_sine": arb.sinh,
    "hyperbolic_cosine": arb.cosh,
    "hyperbolic_tangent": arb.tanh,
    "logistic": _logistic,
    "softplus": _softplus,
}
"""What stands for the names in the source of one element."""
