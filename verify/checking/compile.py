"""Statements compiled to NumPy and evaluated for a whole stretch of steps, with bounds on their rounding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from threading import RLock
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofs.language.definitions import observables_behind
from proofs.language.errors import refusal
from proofs.language.graph import Graph, History, Mask, Scope, Sequences, Window
from proofs.language.loops import Loop
from proofs.language.nodes import Event, Index, Observable, on_increments
from proofs.language.programs import Program
from proofs.language.ranges import RangeProgram
from proofs.language.recurrence import Member, Recurrence
from proofs.language.roundoff import RoundingAnalysis
from proofs.language.statements import Claim, Lemma
from verify.checking import arrays, ranges
from verify.checking.outcome import Outcome, Sides, taken
from verify.checking.run import Run

Array = NDArray[np.float64]

SHARP = 2.0**-10
"""A tolerance of an equality is fine enough if the smallest term is a thousand times larger."""

OFTEN = 3
"""Claims whose bounds were asked for on so many stretches in a row have them evaluated together: they share much."""

_ARRAY_FUNCTIONS = {
    name: getattr(arrays, name) for name in ("power", "logistic", "softplus", "softmax", "extreme", "flattened")
}


def compile_lemmas(lemmas: Iterable[Lemma], recorded: Iterable[str], events: Iterable[Event] = ()) -> Checker:
    """Compile those lemmas that one run can judge; `recorded` names the observables that a stretch holds.

    `events` are looked for even if no lemma mentions them.

    Raises StatementError if a statement needs an observable that is neither recorded nor defined.
    """
    return Checker([lemma for lemma in lemmas if lemma.judged_in_a_run], frozenset(recorded), tuple(events))


@lru_cache(maxsize=16)
def compiled_once(lemmas: tuple[Lemma, ...], recorded: frozenset[str], events: tuple[Event, ...] = ()) -> Checker:
    """The checker of statements, the same one for all runs of a process: what they are made of does not change."""
    return Checker(lemmas, recorded, events)


class Checker:
    """Compiled statements, without data.

    `needed_states` and `needed_constants` name the arrays that a stretch and a problem must give; `programs` makes the
    generated sources.
    """

    def __init__(self, lemmas: Sequence[Lemma], recorded: frozenset[str], events: Sequence[Event] = ()) -> None:
        self.lemmas = tuple(lemmas)
        analysis = RoundingAnalysis()
        events = events_of(lemmas, events)
        claims = [claim for lemma in lemmas for claim in (*lemma.claims, *lemma.given)]
        sides = [
            side for each in (*claims, *(c for event in events for c in event.claims)) for side in (each.lhs, each.rhs)
        ]
        loops = loops_behind(sides, analysis)
        self.bounds = {claim: analysis.margin_bound(claim) for claim in claims}
        self.sizes = {each: analysis.sizes(each) for each in claims if each.relation == "=="}
        self.scope = _scope(recorded, loops, analysis)
        self.loops = _sources(loops, self.scope)
        self.events = {event: self.scope.number(event) for event in events}
        self._lock = RLock()
        self._programs: dict[tuple[Lemma, ...], Programs] = {}
        self._bound_programs: dict[tuple[Claim, ...], Program] = {}
        self.given = {each.name: each for each in _uniquely_named(self.programs(self.lemmas).given)}
        self.needed_states = frozenset(name for name, each in self.given.items() if not each.constant)
        self.needed_constants = frozenset(name for name, each in self.given.items() if each.constant)

    def start(self, constants: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> Session:
        """Begin a run on a problem given by its constants; raises ValueError if one is missing or wrong.

        `sizes` of index sets are needed where the arrays that the statements name tell them not.
        """
        return Session(self, constants, sizes)

    @cached_property
    def _recalling(self) -> Scope:
        return replace(self.scope, recalled=True)

    def bound_program(self, claims: tuple[Claim, ...]) -> Program:
        """The program that evaluates the rounding bounds of some claims after the statements were evaluated."""
        with self._lock:
            if claims not in self._bound_programs:
                together = [frozenset(claim.indices) for claim in claims]
                bounds = [self.bounds[claim] for claim in claims]
                self._bound_programs[claims] = Program(bounds, self._recalling, together)
            return self._bound_programs[claims]

    def programs(self, lemmas: tuple[Lemma, ...]) -> Programs:
        """The programs of some of the lemmas, and of all events."""
        with self._lock:
            if lemmas not in self._programs:
                self._programs[lemmas] = Programs(self, lemmas)
            return self._programs[lemmas]


class Programs:
    """What is evaluated on every stretch for some of the lemmas: their claims, and the ranges of rounding bounds.

    `targets` are the expressions that `program` evaluates, `bounds` the claims whose bounds `ranges` encloses, `given`
    the observables that all this needs.
    """

    def __init__(self, checker: Checker, lemmas: tuple[Lemma, ...]) -> None:
        self.lemmas = lemmas
        self.bounds = list(dict.fromkeys(claim for lemma in lemmas for claim in (*lemma.claims, *lemma.given)))
        bounds = [checker.bounds[claim] for claim in self.bounds]
        graph = Graph(bounds, checker.scope)
        self.targets = _targets(self.bounds, checker.sizes, [*checker.events, *memories(graph)])
        together = [frozenset(claim.indices) for claim in self.bounds]
        self.program = Program(self.targets, checker.scope, together)
        self.ranges = source_function(RangeProgram(bounds, checker.scope).source, "ranges", vars(ranges))
        self.given = self.program.given | graph.given


def _targets(claims: Sequence[Claim], sizes: Mapping[Claim, Sequence[Any]], others: Sequence[Any]) -> list[Any]:
    """What the main program evaluates: both sides of claims, and the sizes of the terms of equalities."""
    targets: dict[Any, None] = {}
    for claim in claims:
        targets |= dict.fromkeys((claim.lhs, claim.rhs, Mask(claim.where), *sizes.get(claim, ())))
    return [*(targets | dict.fromkeys(others))]


def events_of(lemmas: Sequence[Lemma], others: Sequence[Event]) -> list[Event]:
    """The events named, mentioned or needed by others."""
    found: dict[Event, None] = {}
    waiting = list(others)
    for lemma in lemmas:
        waiting += [each for each in (lemma.stage.start, lemma.stage.end) if isinstance(each, Event)]
        waiting += [event for claim in (*lemma.claims, *lemma.given) for event in claim.events]
    while waiting:
        event = waiting.pop(0)
        found[event] = None
        earlier = [each for claim in event.claims for each in claim.events] + ([event.since] if event.since else [])
        waiting += [each for each in earlier if each not in found]
    return sorted(found, key=lambda event: event.name)


def loops_behind(expressions: Sequence[Any], analysis: RoundingAnalysis) -> dict[Recurrence, Loop]:
    """The loops of all recurrences behind the expressions."""
    loops: dict[Recurrence, Loop] = {}
    waiting = [*expressions]
    while waiting:
        for member in observables_behind(waiting.pop()):
            if isinstance(member, Member) and member.recurrence not in loops:
                if any(other.update is None for other in member.recurrence.members):
                    raise refusal(f"recurrence {member.recurrence.name}", "it has no updates", member.place)
                loops[member.recurrence] = Loop(member.recurrence, analysis)
                waiting += [part for other in member.recurrence.members for part in (other.start, other.update)]
    return loops


def _scope(recorded: frozenset[str], loops: Mapping[Recurrence, Loop], analysis: RoundingAnalysis) -> Scope:
    inputs = {recurrence: loop.inputs for recurrence, loop in loops.items()}
    return Scope(recorded, numbers={}, sequences=_places(loops, analysis), inputs=inputs)


def _sources(loops: Mapping[Recurrence, Loop], scope: Scope) -> dict[int, str]:
    return {scope.number(Sequences(recurrence)): loop.source for recurrence, loop in loops.items()}


def _places(loops: Iterable[Recurrence], analysis: RoundingAnalysis) -> dict[Observable, tuple[Recurrence, int]]:
    """Which row of which recurrence holds each member and each member's error."""
    places: dict[Observable, tuple[Recurrence, int]] = {}
    for recurrence in loops:
        for row, member in enumerate(recurrence.members):
            places[member] = recurrence, row
            places[analysis.member_error(member)] = recurrence, len(recurrence.members) + row
    return places


def memories(graph: Graph) -> list[Any]:
    """What a graph needs a run to remember."""
    return [key for key in graph.nodes if isinstance(key, History | Sequences)]


def _uniquely_named(observables: Iterable[Observable]) -> list[Observable]:
    found: dict[str, Observable] = {}
    for observable in observables:
        if found.setdefault(observable.name, observable) != observable:
            raise refusal(
                f"observable {observable.name}",
                f"{found[observable.name].place} has the same name",
                observable.place,
            )
    return list(found.values())


class Session:
    """A run being checked: problem data, and what the statements remember from stretch to stretch."""

    def __init__(self, checker: Checker, constants: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> None:
        self.checker = checker
        self.run = Run(checker.loops)
        self._problem = _Problem(checker.given.values(), constants, sizes)
        self._executables: dict[Program | tuple[Claim, ...], _Executable] = {}
        self._asked: set[Claim] = set()
        self._in_a_row: Counter[Claim] = Counter()
        self._bounds: dict[Claim, Array] = {}
        self.programs = checker.programs(checker.lemmas)
        self.blunt: set[Claim] = set()
        self._constant_ranges = {name: _measured(array) for name, array in self._problem.arrays.items()}

    def evaluate(self, stretch: Mapping[str, Any], first_step: int) -> Result:
        """Evaluate all statements on the states of steps `first_step`, ..., `first_step + S`.

        `stretch` holds arrays of shape (S + 1, *index sets), or (S, *index sets) for observables of
        increments. The first state of a stretch is the last of the one before it. Raises ValueError if an
        array is missing or misshapen.
        """
        states = _States(self.checker.given.values(), stretch)
        self._problem.learn(states)
        self.run.begin(first_step, states.increments)
        self._in_a_row = Counter({claim: self._in_a_row[claim] for claim in self._asked})
        self._asked = set()
        self._bounds = {}
        self.programs = self.checker.programs(tuple(lemma for lemma in self.checker.lemmas if not self._is_over(lemma)))
        return Result(self, states, self._execute(self.programs.program, states))

    def _is_over(self, lemma: Lemma) -> bool:
        """Whether the lemma's stage ended before the present stretch."""
        end = lemma.stage.end
        step = None if end is None else self.run.events.get(self.checker.events[end])
        return step is not None and step < self.run.first

    def bound(self, claim: Claim, states: _States) -> Array:
        """The rounding bound of a claim on the stretch last evaluated: an axis per index, then the step."""
        if claim not in self._asked:
            self._asked.add(claim)
            self._in_a_row[claim] += 1
        if claim not in self._bounds:
            often = tuple(each for each in self.programs.bounds if self._in_a_row[each] >= OFTEN)
            claims = often if claim in often else (claim,)
            bounds = self._execute(claims, states)
            axes = self._executables[claims].program.axes
            self._bounds |= {each: taken(bound, axes, each.indices) for each, bound in zip(claims, bounds, strict=True)}
        return self._bounds[claim]

    def screen(self, states: _States) -> dict[Claim, float]:
        """For every claim, a number that its rounding bound nowhere exceeds on the stretch just evaluated."""

        def known(name: str) -> ranges.Range:
            return self._constant_ranges[name] if name in self._constant_ranges else _measured(states.given(name))

        def kept(number: int, row: int | None = None) -> ranges.Range:
            return _measured(self.run.now[number] if row is None else self.run.now[number][row])

        steps = (float(self.run.steps[0]), float(self.run.steps[-1]))
        enclosures = self.programs.ranges(known, kept, self._problem.sizes, steps)
        return {claim: high for claim, (_, high) in zip(self.programs.bounds, enclosures, strict=True)}

    @property
    def sizes(self) -> Mapping[str, int]:
        """The sizes of index sets, by their names, as far as the arrays told them."""
        return self._problem.sizes

    def save(self) -> Any:
        """What the statements remember, to go back to it later."""
        return self.run.save()

    def restore(self, saved: Any) -> None:
        """Go back to what was saved."""
        self.run.restore(saved)

    def _execute(self, what: Program | tuple[Claim, ...], states: _States) -> tuple[Any, ...]:
        """Run a program of statements, or that of the bounds of some claims."""
        with np.errstate(all="ignore"):
            if what not in self._executables:
                program = self.checker.bound_program(what) if isinstance(what, tuple) else what
                self._executables[what] = _Executable(program, self._problem)
            return self._executables[what](states.given, self.run)


class Result:
    """The statements on one stretch: `outcomes`, one for every claim of every lemma, and `events` so far.

    Lemmas whose stages ended before the stretch have none.
    """

    def __init__(self, session: Session, states: _States, values: Sequence[Any]) -> None:
        self._session = session
        self._states = states
        programs = session.programs
        self._axes = programs.program.axes
        self._values = dict(zip(programs.targets, values, strict=True))
        self._windows = dict(zip(programs.targets, programs.program.windows, strict=True))
        numbers = session.checker.events
        self.events = {event.name: session.run.events.get(number) for event, number in numbers.items()}
        self.outcomes = [
            self._outcome(lemma, claim, number)
            for lemma in programs.lemmas
            for number, claim in enumerate(lemma.claims)
        ]

    def _outcome(self, lemma: Lemma, claim: Claim, number: int) -> Outcome:
        claims = (claim, *lemma.given)
        window = max(self._windows[side] for each in claims for side in (each.lhs, each.rhs))
        span = stage_span(lemma, window, self.events, int(self._session.run.first), self._states.increments)
        where: Any = None
        if claim.where != 1:
            where = taken(self._values[Mask(claim.where)], self._axes, claim.indices)
        return Outcome(
            lemma=lemma,
            claim=claim,
            claim_number=number,
            first_step=int(self._session.run.first) + span.start,
            sides=self._sides(claim, claim.indices, window, span),
            given=[self._sides(each, claim.indices, window, span) for each in lemma.given],
            where=where,
            ceiling=lambda: self._ceilings[claim],
            tolerance=lambda size: self._tolerance(claim, window, span, size),
            bound=lambda: self._bound(claim, window, span),
            sizes=[self._cut(size, claim.indices, window, span) for size in self._session.checker.sizes.get(claim, ())],
        )

    def _sides(self, claim: Claim, indices: tuple[Index, ...], window: Window, span: slice) -> Sides:
        return Sides(
            claim.relation,
            self._cut(claim.lhs, indices, window, span),
            self._cut(claim.rhs, indices, window, span),
        )

    def _cut(self, target: Any, indices: tuple[Index, ...], window: Window, span: slice) -> Array:
        """A target on the places of the span: one axis for each index, then the step."""
        array = taken(self._values[target], self._axes, indices)
        if self._windows[target] <= Window.RUN:
            return array if span.start < span.stop else array[..., :0]
        return array[..., span]

    def _bound(self, claim: Claim, window: Window, span: slice) -> Array:
        bound = self._session.bound(claim, self._states)
        return bound[..., span] if bound.shape[-1] > 1 else bound

    def _tolerance(self, claim: Claim, window: Window, span: slice, size: float) -> Any:
        """How far apart the sides of an equality may be, whose smallest term reaches `size`.

        That is the ceiling of the bound, unless that is too coarse and the bound itself can be finer.
        """
        ceiling = self._ceilings[claim]
        if ceiling <= SHARP * size or claim in self._session.blunt:
            return ceiling
        bound = self._bound(claim, window, span)
        if ceiling < np.inf and bound.size and np.max(bound) > ceiling / 2:
            self._session.blunt.add(claim)
        return bound

    @cached_property
    def _ceilings(self) -> Mapping[Claim, float]:
        return self._session.screen(self._states)


def stage_span(lemma: Lemma, window: Window, events: Mapping[str, int | None], first: int, increments: int) -> slice:
    """The places in a stretch that belong to the lemma's stage, after every event that it mentions.

    `events` are the steps at which they happened, `first` is the step of the stretch's first state.
    """
    mentioned = {event for claim in (*lemma.claims, *lemma.given) for event in claim.events}
    if isinstance(lemma.stage.start, Event):
        mentioned.add(lemma.stage.start)
    starts = [events[event.name] for event in mentioned]
    known = [step for step in starts if step is not None]
    end = events[lemma.stage.end.name] if lemma.stage.end is not None else None
    last = first + increments if end is None else min(first + increments, end)
    if window == Window.INCREMENT:
        last = min(last, first + increments) - 1
    start = max([first, *known])
    stop = start if len(known) < len(starts) else max(start, last + 1)
    if window <= Window.RUN:
        stop = min(stop, start + 1)
    return slice(start - first, stop - first)


class _Executable:
    """A program with the constants of one problem."""

    def __init__(self, program: Program, problem: _Problem) -> None:
        self.program = program
        self._sizes = problem.sizes
        self._contract = [arrays.SumOfProducts(each, program.dimensions) for each in program.contractions]
        prepare = source_function(program.constants_source, "constants", _ARRAY_FUNCTIONS)
        self._constants = prepare(problem.arrays.__getitem__, problem.sizes, self._contract)
        self._stretch = source_function(program.stretch_source, "stretch", _ARRAY_FUNCTIONS)

    def __call__(self, given: Callable[[str], Array], run: Run) -> tuple[Any, ...]:
        results: tuple[Any, ...] = self._stretch(given, self._sizes, self._contract, self._constants, run.steps, run)
        return results


def source_function(source: str, name: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function of that name in a generated source, which calls what `names` holds."""
    namespace: dict[str, Any] = {"np": np, **names}
    exec(_code(source, name), namespace)
    function: Callable[..., Any] = namespace[name]
    return function


@lru_cache(maxsize=1024)
def _code(source: str, name: str) -> CodeType:
    """Generated source as code: the same statements are evaluated on many small problems."""
    return compile(source, f"<generated {name}>", "exec")


@cache
def _on_increments(observable: Observable) -> bool:
    """Whether a stretch holds an observable's increments; definitions are final when stretches come."""
    return on_increments(observable)


class _States:
    """The arrays of a stretch with the step moved to the last axis, each when it is first asked for."""

    def __init__(self, given: Iterable[Observable], stretch: Mapping[str, Any]) -> None:
        self._arrays: dict[str, Array] = {}
        self.raw: dict[str, tuple[Observable, Array]] = {}
        lengths: dict[str, int] = {}
        for observable in given:
            if not observable.constant:
                array = _shaped(observable, stretch, "stretch", "steps")
                self.raw[observable.name] = observable, array
                lengths[observable.name] = len(array) + _on_increments(observable)
        recorded = [len(array) for array in stretch.values()]
        self.increments = max(lengths.values(), default=max(recorded, default=1)) - 1
        for name, length in lengths.items():
            if length != self.increments + 1:
                raise ValueError(f"{name}: {len(self.raw[name][1])} steps in a stretch of {self.increments} increments")

    def given(self, name: str) -> Array:
        """An array by its name."""
        if name not in self._arrays:
            array = np.moveaxis(self.raw[name][1], 0, -1)
            self._arrays[name] = np.ascontiguousarray(array, dtype=np.float64)
        return self._arrays[name]


class _Problem:
    """The constant arrays of a problem with a step axis of length one, and all sizes known so far."""

    def __init__(
        self, given: Iterable[Observable], constants: Mapping[str, Any], sizes: Mapping[str, int] | None = None
    ) -> None:
        self.sizes: dict[str, int] = dict(sizes or {})
        self._pickers = [each for each in given if each.elements_of is not None]
        self.arrays: dict[str, Any] = {}
        for each in given:
            if each.constant:
                array = _shaped(each, constants, "problem")
                kind: Any = np.intp if each in self._pickers else np.float64
                if each in self._pickers and not np.issubdtype(array.dtype, np.integer):
                    raise ValueError(f"{each.name}: dtype {array.dtype}, but it picks elements: give integers")
                self.arrays[each.name] = np.ascontiguousarray(array[..., None], dtype=kind)
                self._learn(each, array.shape)

    def learn(self, states: _States) -> None:
        """Learn the sizes that only the states tell; raises ValueError where they disagree."""
        for observable, array in states.raw.values():
            self._learn(observable, array.shape[1:])
        for picker in self._pickers:
            size = self.sizes[picker.elements_of.size] if picker.elements_of is not None else 0
            low, high = _measured(self.arrays[picker.name])
            if low < 0 or high >= size:
                raise ValueError(f"{picker.name}: elements {low:.0f} to {high:.0f}, allowed are 0 to {size - 1}")

    def _learn(self, observable: Observable, shape: Sequence[int]) -> None:
        for index_set, size in zip(observable.index_sets, shape, strict=True):
            known = self.sizes.setdefault(index_set.size, size)
            if known != size:
                raise ValueError(f"{observable.name}: {index_set.size} = {size}, but elsewhere it is {known}")


def _shaped(observable: Observable, arrays: Mapping[str, Any], holder: str, *leading: str) -> Any:
    """The array of an observable, if it is there and has the right number of axes."""
    if observable.name not in arrays:
        raise ValueError(f"{observable.name}: the statements need it, and the {holder} does not hold it")
    array = np.asarray(arrays[observable.name])
    wanted = (*leading, *(each.name for each in observable.index_sets))
    if array.ndim != len(wanted):
        raise ValueError(f"{observable.name}: shape {array.shape} is not that of ({', '.join(wanted)})")
    return array


def _measured(array: Any) -> ranges.Range:
    """The smallest and the largest value of an array; everything if it holds a NaN."""
    if np.size(array) == 0:
        return 0.0, 0.0
    low, high = float(np.min(array)), float(np.max(array))
    return ranges.EVERYTHING if np.isnan(low) or np.isnan(high) else (low, high)


def value_of(observable: Observable, constants: Mapping[str, Any], stretch: Mapping[str, Any]) -> Array:
    """An observable evaluated by its definition, from the others in a stretch that begins at step 0.

    Shape (states or increments, *index sets), without the first axis if it is constant.
    """
    indices = tuple(Index(f"i{slot}", index_set) for slot, index_set in enumerate(observable.index_sets))
    element = observable[indices] if indices else observable
    analysis = RoundingAnalysis()
    loops = loops_behind([element], analysis)
    scope = _scope(frozenset(stretch) - {observable.name}, loops, analysis)
    program = Program([element], scope)
    problem, states, run = (
        _Problem(program.given, constants),
        _States(program.given, stretch),
        Run(_sources(loops, scope)),
    )
    problem.learn(states)
    run.begin(0, states.increments)
    with np.errstate(all="ignore"):
        (value,) = _Executable(program, problem)(states.given, run)
    array = taken(value, program.axes, indices)
    return array[..., 0] if observable.constant else np.moveaxis(array, -1, 0)
