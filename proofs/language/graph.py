"""What has to be evaluated for a set of expressions: every subexpression once, parts before wholes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sympy import Integer, Mul, Pow

from proofs.language.arrays import arithmetic_parts
from proofs.language.errors import refusal
from proofs.language.nodes import (
    Accumulated,
    After,
    AtEvent,
    AtStart,
    Element,
    Event,
    Extreme,
    Index,
    Observable,
    Same,
    Size,
    Softmax,
    StepNumber,
    Total,
    free_indices,
    on_increments,
)
from proofs.language.recurrence import Recurrence

_LARGEST_REPEATED_POWER = 3


class Window(IntEnum):
    """For which steps a value exists: for none, for a whole run, for every state or for every increment."""

    CONSTANT = 0
    RUN = 1
    STATE = 2
    INCREMENT = 3


@dataclass(frozen=True)
class Given:
    """A recorded or constant array as it comes."""

    observable: Observable


@dataclass(frozen=True)
class Mask:
    """A 0/1 expression as truth values."""

    expression: Any


@dataclass(frozen=True)
class History:
    """What a run remembers of an expression: its value at the start or at an event, or its sum so far."""

    node: Any


@dataclass(frozen=True)
class Sequences:
    """All members of a recurrence, and their rounding errors."""

    recurrence: Recurrence


@dataclass(frozen=True)
class Input:
    """An expression that a recurrence is fed with, as an array with an axis for each of the letters."""

    expression: Any
    letters: tuple[Index, ...]


@dataclass(frozen=True)
class Inputs:
    """What a recurrence is fed with: its first values, what stands still, what every step brings, and sizes."""

    starts: tuple[Input, ...]
    constants: tuple[Input, ...]
    drives: tuple[Input, ...]
    size_names: tuple[str, ...]

    @property
    def all(self) -> tuple[Input, ...]:
        """One after another."""
        return (*self.starts, *self.constants, *self.drives)


@dataclass(frozen=True)
class Scope:
    """What all programs of a set of statements share.

    `recorded` names the observables that a stretch holds; `numbers` are those under which a run keeps
    histories, events and recurrences; `sequences` says which recurrence an observable belongs to, and its
    place there; `recalled` makes a program look up what a run keeps instead of carrying it on.
    `exact` makes it print numbers as `proofs.language.scalars` does, so that no number is rounded.
    """

    recorded: frozenset[str]
    numbers: dict[Hashable, int]
    sequences: Mapping[Observable, tuple[Recurrence, int]]
    inputs: Mapping[Recurrence, Inputs]
    recalled: bool = False
    exact: bool = False

    def number(self, key: Hashable) -> int:
        """The number under which a run keeps a history, an event or a recurrence."""
        return self.numbers.setdefault(key, len(self.numbers))


@dataclass(frozen=True)
class Node:
    """An expression to evaluate: its parts, the steps that it has values for, its open indices."""

    parts: tuple[Any, ...]
    window: Window
    indices: frozenset[Index]


class Graph:
    """All nodes behind some targets, in an order in which they can be evaluated."""

    def __init__(self, targets: Sequence[Any], scope: Scope) -> None:
        self._scope = scope
        self.nodes: dict[Any, Node] = {}
        self.uses: dict[Any, int] = {}
        self.observables: set[Observable] = set()
        self.given: set[Observable] = set()
        for target in targets:
            self._visit(target)
            self.uses[target] += 2

    def _visit(self, key: Any) -> Node:
        if key not in self.nodes:
            parts = self._parts(key)
            windows = [self._visit(part).window for part in parts]
            self.nodes[key] = Node(parts, _window(key, windows), _indices(key))
            self.uses[key] = 0
            for part in parts:
                self.uses[part] += 1
        return self.nodes[key]

    def _parts(self, key: Any) -> tuple[Any, ...]:
        match key:
            case Given() | Index() | Size() | StepNumber():
                return ()
            case Event() | History() | Sequences() if self._scope.recalled:
                return ()
            case Mask():
                return (key.expression,)
            case Event():
                sides = [part for claim in key.claims for part in (claim.lhs, claim.rhs, Mask(claim.where))]
                return (*sides, *earlier_events(key))
            case History():
                body, *since = key.node.args
                return (body, *(event for event in since if isinstance(event, Event)))
            case Sequences():
                since = key.recurrence.since
                inputs = (each.expression for each in self._scope.inputs[key.recurrence].all)
                return (*inputs, *((since,) if since is not None else ()))
            case AtStart() | AtEvent() | Accumulated():
                return (History(key),)
            case After() | Softmax():
                return (key.args[0],)
            case Observable() | Element():
                return self._observable_parts(key)
            case Total():
                return _total_parts(key)
            case Extreme():
                return (key.body, *((Mask(key.where), key.empty) if key.where != 1 else ()))
            case Same():
                return tuple(index for index in key.args if not isinstance(index, Integer))
            case _:
                return arithmetic_parts(key)

    def _observable_parts(self, key: Any) -> tuple[Any, ...]:
        observable = key.observable if isinstance(key, Element) else key
        gathered = () if is_plain(key) else tuple(index for index in key.indices if not isinstance(index, Integer))
        if observable in self._scope.sequences:
            return (Sequences(self._scope.sequences[observable][0]), *gathered)
        self.observables.add(observable)
        if observable.name in self._scope.recorded or (observable.constant and observable.definition is None):
            self.given.add(observable)
            return (Given(observable), *gathered)
        if observable.definition is None:
            raise refusal(f"observable {observable.name}", "it is neither recorded nor defined", observable.place)
        return (observable.definition.expression, *gathered)


def is_plain(key: Any) -> bool:
    """Whether an observable is used with different indices, none of them gathered or fixed."""
    indices = key.indices if isinstance(key, Element) else ()
    return all(isinstance(index, Index) for index in indices) and len(set(indices)) == len(indices)


def earlier_events(event: Event) -> tuple[Event, ...]:
    """The events without which an event cannot happen."""
    mentioned = frozenset[Event]().union(*(claim.events for claim in event.claims))
    if event.since is not None:
        mentioned |= {event.since}
    return tuple(sorted(mentioned, key=str))


def _total_parts(total: Total) -> tuple[Any, ...]:
    """The factors of the summand; those without a bound index stand before the total of the others."""
    factors = Mul.make_args(total.body)
    outer = [factor for factor in factors if not free_indices(factor) & frozenset(total.indices)]
    if outer:
        inner = [factor for factor in factors if factor not in outer]
        return (Mul(*outer), Total(Mul(*inner), *total.indices))
    parts: list[Any] = []
    for factor in factors:
        base, times = factor.as_base_exp() if isinstance(factor, Pow) else (factor, Integer(1))
        repeated = times.is_Integer and 1 < times <= _LARGEST_REPEATED_POWER
        parts.extend([base] * int(times) if repeated else [factor])
    return tuple(parts)


def has_outer_factors(total: Total) -> bool:
    """Whether `parts` of a total are a factor and a smaller total."""
    return any(not free_indices(factor) & frozenset(total.indices) for factor in Mul.make_args(total.body))


def _window(key: Any, parts: Sequence[Window]) -> Window:
    match key:
        case Given():
            if key.observable.constant:
                return Window.CONSTANT
            return Window.INCREMENT if on_increments(key.observable) else Window.STATE
        case History():
            return Window.STATE if isinstance(key.node, Accumulated) else Window.RUN
        case Event():
            return Window.RUN
        case Sequences() | StepNumber():
            return Window.STATE
        case After():
            return Window.INCREMENT
        case _:
            return max(parts, default=Window.CONSTANT)


def _indices(key: Any) -> frozenset[Index]:
    match key:
        case Given() | Event() | Sequences():
            return frozenset()
        case Mask():
            return free_indices(key.expression)
        case History():
            return free_indices(key.node)
        case _:
            return free_indices(key)


def shared_axes(graph: Graph, together: Iterable[frozenset[Index]]) -> dict[Index, int]:
    """An axis for every index; indices that meet in a node, or are named together, have different ones."""
    meetings = [*together]
    meetings += [
        node.indices.union(*(graph.nodes[part].indices for part in node.parts)) for node in graph.nodes.values()
    ]
    meetings += [frozenset(formula.indices) for formula in _definitions(graph)]
    axes: dict[Index, int] = {}
    for index in sorted(frozenset[Index]().union(*meetings), key=lambda index: (index.name, index.ranges_over.name)):
        taken = {axes[other] for meeting in meetings if index in meeting for other in meeting if other in axes}
        axes[index] = next(axis for axis in range(len(taken) + 1) if axis not in taken)
    return axes


def _definitions(graph: Graph) -> list[Any]:
    return [observable.definition for observable in graph.observables if observable.definition is not None]
