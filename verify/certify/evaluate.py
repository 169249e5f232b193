"""Statements evaluated in balls for a whole stretch of steps: both sides of every claim, enclosed.

The source is that of `verify.checking.compile`, printed for an arithmetic that holds every number as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from flint import ctx
from sympy import Add, Tuple

from proofs.language import Event, Lemma
from proofs.language.definitions import observables_behind
from proofs.language.graph import Graph, Mask, Scope, Sequences, Window
from proofs.language.nodes import Extreme, Observable
from proofs.language.programs import Program
from proofs.language.recurrence import recurrences_behind
from proofs.language.roundoff import RoundingAnalysis
from proofs.language.statements import Claim
from verify.certify.arrays import NAMES, Balls, Bools, balls
from verify.certify.memory import Memory, Undecided, decided, margin_of
from verify.checking.arrays import SumOfProducts
from verify.checking.compile import events_of, loops_behind, memories, source_function, stage_span
from verify.checking.outcome import taken


@dataclass(frozen=True)
class Enclosed:
    """Both sides of a relation, enclosed: an axis for each index, then the step."""

    relation: str
    lhs: Balls
    rhs: Balls

    @cached_property
    def margin(self) -> Balls:
        """By how much the relation holds; minus the distance for an equality."""
        return margin_of(self.lhs, self.relation, self.rhs)

    @cached_property
    def decided(self) -> tuple[Bools, Bools]:
        """Where it certainly holds, and where it certainly fails."""
        return decided(self.margin, self.relation)

    def later(self, states: int) -> Enclosed:
        """The same without the first of so many states."""
        return Enclosed(self.relation, without_first(self.lhs, states), without_first(self.rhs, states))


def without_first(array: Any, states: int) -> Any:
    """An array without the first of so many states; one that is the same for all of them as it is."""
    return array[..., 1:] if array.shape[-1] == states else array


@dataclass(frozen=True)
class EnclosedClaim:
    """One claim of a lemma on the places of a stretch that belong to the lemma's stage.

    `where` says which elements it speaks of, `terms` are the absolute terms of its sides, none where the sides
    themselves are the terms of an inequality; everything has an axis for each of its indices, then the step.
    """

    lemma: Lemma
    claim: Claim
    number: int
    first_step: int
    sides: Enclosed
    given: Sequence[Enclosed]
    where: Bools
    terms: Sequence[Balls]

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of all axes."""
        sides = [side for each in (self.sides, *self.given) for side in (each.lhs, each.rhs)]
        return np.broadcast_shapes(*(side.shape for side in sides))

    @property
    def later(self) -> EnclosedClaim:
        """The same without its first state."""
        states = self.shape[-1]
        return replace(
            self,
            first_step=self.first_step + 1,
            sides=self.sides.later(states),
            given=[each.later(states) for each in self.given],
            terms=[without_first(term, states) for term in self.terms],
        )


@dataclass(frozen=True)
class Targets:
    """What a program evaluates; `masks` are the 0/1 expressions among it that pick elements."""

    expressions: Sequence[Any]
    masks: Sequence[Any]
    program: Program


class Statements:
    """Lemmas and events compiled for balls; `recorded` names the observables that a stretch holds."""

    def __init__(self, lemmas: Sequence[Lemma], events: Sequence[Event], recorded: frozenset[str]) -> None:
        self.lemmas = tuple(lemmas)
        claims = [claim for lemma in lemmas for claim in (*lemma.claims, *lemma.given)]
        everything = events_of(lemmas, events)
        sides = [
            side for each in (*claims, *(c for e in everything for c in e.claims)) for side in (each.lhs, each.rhs)
        ]
        analysis = RoundingAnalysis()
        loops = loops_behind(sides, analysis)
        self.terms = {each: analysis.sizes(each) if _has_terms(each) else () for each in claims}
        scope = Scope(
            recorded,
            numbers={},
            sequences={member: (each, row) for each in loops for row, member in enumerate(each.members)},
            inputs={each: loop.exact_inputs for each, loop in loops.items()},
            exact=True,
        )
        self.loops = {scope.number(Sequences(each)): loop for each, loop in loops.items()}
        self.events = {event: scope.number(event) for event in everything}
        self._scope = scope
        self._programs: dict[tuple[Lemma, ...], Targets] = {}

    def program(self, lemmas: tuple[Lemma, ...]) -> Targets:
        """What is evaluated on a stretch for some of the lemmas, and all events."""
        if lemmas not in self._programs:
            claims = list(dict.fromkeys(claim for lemma in lemmas for claim in (*lemma.claims, *lemma.given)))
            targets: dict[Any, None] = {}
            for claim in claims:
                targets |= dict.fromkeys((claim.lhs, claim.rhs, Mask(claim.where), *self.terms[claim]))
            targets |= dict.fromkeys(self.events)
            targets |= dict.fromkeys(memories(Graph(list(targets), self._scope)))
            masks = _masks(claims, self.events)
            targets |= dict.fromkeys(masks)
            together = [frozenset(claim.indices) for claim in claims]
            self._programs[lemmas] = Targets(list(targets), masks, Program(list(targets), self._scope, together))
        return self._programs[lemmas]


def _has_terms(claim: Claim) -> bool:
    return claim.relation == "==" or any(isinstance(side, Add) for side in (claim.lhs, claim.rhs))


def _masks(claims: Sequence[Claim], events: Mapping[Event, int]) -> list[Any]:
    """The 0/1 expressions that pick elements; they must be known for certain."""
    every = [*claims, *(claim for event in events for claim in event.claims)]
    sides = [side for claim in every for side in (claim.lhs, claim.rhs)]
    members = [member for each in recurrences_behind(Tuple(*sides)) for member in each.members]
    formulas = [*sides, *(part for member in members for part in (member.start, member.update))]
    behind = dict.fromkeys(each for formula in formulas for each in observables_behind(formula))
    formulas += [each.definition.expression for each in behind if each.definition is not None]
    picks = [claim.where for claim in every] + [node.where for formula in formulas for node in formula.atoms(Extreme)]
    return [each for each in dict.fromkeys(picks) if not each.is_number]


class Evaluation:
    """A run being enclosed: balls of the problem's data, and what statements remember from stretch to stretch.

    `constants` are arrays of balls or of integers; binary64 numbers are taken as they are.
    """

    def __init__(self, statements: Statements, constants: Mapping[str, Any]) -> None:
        self.statements = statements
        self._constants = dict(constants)
        names = {number: event.name for event, number in statements.events.items()}
        self.memory = Memory(statements.loops, names)
        self.sizes: dict[str, int] = {}
        self._arrays: dict[str, Any] = {}
        self._prepared: dict[tuple[Program, int], Any] = {}

    @property
    def events(self) -> dict[str, int | None]:
        """The step of each event, proved: it is false at every step before and true there. `None`: not so far."""
        return {event.name: self.memory.events.get(number) for event, number in self.statements.events.items()}

    def evaluate(self, stretch: Mapping[str, Any], first_step: int) -> list[EnclosedClaim]:
        """Enclose all claims on the states of steps `first_step`, ..., `first_step + S`.

        Lemmas whose stages ended before the stretch have none.

        Raises:
            Undecided: if an event, or a choice of elements, cannot be told from the enclosures.
        """
        lemmas = tuple(lemma for lemma in self.statements.lemmas if not self._is_over(lemma, first_step))
        targets = self.statements.program(lemmas)
        program = targets.program
        states = {
            each.name: np.moveaxis(np.asarray(stretch[each.name], dtype=object), 0, -1)
            for each in program.given
            if not each.constant
        }
        increments = max((array.shape[-1] for array in states.values()), default=1) - 1
        self._learn(program, states)
        self.memory.begin(first_step, increments)
        found = dict(zip(targets.expressions, self._executed(program, states), strict=True))
        windows = dict(zip(targets.expressions, program.windows, strict=True))
        for mask in targets.masks:
            if not np.all((found[mask] > 0.5) | (found[mask] < 0.5)):
                raise Undecided(f"which elements {mask} picks", first_step)
        cut = _Cut(found, windows, program, self.statements.terms, self.events, first_step, increments)
        return [cut.claim(lemma, claim, k) for lemma in lemmas for k, claim in enumerate(lemma.claims)]

    def _is_over(self, lemma: Lemma, first: int) -> bool:
        end = None if lemma.stage.end is None else self.events[lemma.stage.end.name]
        return end is not None and end < first

    def _learn(self, program: Program, states: Mapping[str, Balls]) -> None:
        for each in program.given:
            if each.constant and each.name not in self._arrays:
                self._arrays[each.name] = self._constant(each)
            shape = (self._arrays if each.constant else states)[each.name].shape[:-1]
            self.sizes |= {index_set.size: size for index_set, size in zip(each.index_sets, shape, strict=True)}

    def _constant(self, observable: Observable) -> Any:
        array = np.asarray(self._constants[observable.name])[..., None]
        return array.astype(np.intp) if observable.elements_of is not None else balls(array)

    def _executed(self, program: Program, states: Mapping[str, Balls]) -> tuple[Any, ...]:
        key = program, ctx.prec
        if key not in self._prepared:
            contract = [SumOfProducts(each, program.dimensions) for each in program.contractions]
            constants = source_function(program.constants_source, "constants", NAMES)
            stretch = source_function(program.stretch_source, "stretch", NAMES)
            prepared = constants(self._arrays.__getitem__, self.sizes, contract)
            self._prepared[key] = contract, prepared, stretch
        contract, prepared, stretch = self._prepared[key]
        values: tuple[Any, ...] = stretch(
            states.__getitem__, self.sizes, contract, prepared, self.memory.steps, self.memory
        )
        return values


class _Cut:
    """Cuts what a stretch came to into claims on the places of their stages."""

    def __init__(
        self,
        values: Mapping[Any, Any],
        windows: Mapping[Any, Window],
        program: Program,
        terms: Mapping[Claim, Sequence[Any]],
        events: Mapping[str, int | None],
        first: int,
        increments: int,
    ) -> None:
        self._values = values
        self._windows = windows
        self._axes = program.axes
        self._terms = terms
        self._events = events
        self._first = first
        self._increments = increments

    def claim(self, lemma: Lemma, claim: Claim, number: int) -> EnclosedClaim:
        """One claim with its lemma's hypotheses, on the steps of its stage."""
        claims = (claim, *lemma.given)
        window = max(self._windows[side] for each in claims for side in (each.lhs, each.rhs))
        span = stage_span(lemma, window, self._events, self._first, self._increments)
        where = taken(self._values[Mask(claim.where)], self._axes, claim.indices)
        return EnclosedClaim(
            lemma,
            claim,
            number,
            self._first + span.start,
            self._sides(claim, claim.indices, span),
            [self._sides(each, claim.indices, span) for each in lemma.given],
            np.asarray(where, dtype=bool),
            [self._side(term, claim.indices, span) for term in self._terms[claim]],
        )

    def _sides(self, claim: Claim, indices: Any, span: slice) -> Enclosed:
        return Enclosed(claim.relation, *(self._side(side, indices, span) for side in (claim.lhs, claim.rhs)))

    def _side(self, side: Any, indices: Any, span: slice) -> Balls:
        array = taken(self._values[side], self._axes, indices)
        if self._windows[side] <= Window.RUN:
            return array if span.start < span.stop else array[..., :0]
        return array[..., span]
