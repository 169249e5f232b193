"""Small runs, and the checks that know no system: statements, definitions, events, stages, tolerances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from pydantic import BaseModel

from proofs.language import Claim, Derived, Event, Lemma, Observable
from proofs.language.definitions import observables_behind
from proofs.language.nodes import depends_on_step
from verify.checking.balls import Decider, Decision
from verify.checking.judge import Judge
from verify.checking.verdicts import LemmaVerdict, Verdict
from verify.controls import Finding
from verify.engines.stretch import Dynamics, Stretch
from verify.gradients import compare_gradients
from verify.io.request import Request
from verify.systems.base import Array, Prepared, System

COARSEST = 1e-4
"""An equality is tested only if its tolerance is below this share of its terms."""

KEPT = (0, 4, 9)
"""Steps at which test outputs of two engines are compared; the last is where their weights are."""

AGREEMENT = 1e-9
"""Largest difference of two engines, relative to the largest entry."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A small run: its statements, and the checks of the machine that judges them.

    `prepare` sets up its problem; it is judged in stretches of so many steps as `stretches` says, on the
    `lemmas` alone. It is made `within` a context, that of plain functions, say.
    """

    system: System
    prepare: Callable[[], Prepared]
    stretches: Sequence[int]
    lemmas: Callable[[], Sequence[Lemma]]
    within: Callable[[], AbstractContextManager[object]] = nullcontext

    def look(self) -> dict[str, Finding]:
        """Make the run, and every check on it."""
        with self.within():
            prepared = self.prepare()
            film = Film(prepared.dynamics, sum(self.stretches))
        lemmas = [lemma for lemma in self.lemmas() if lemma.judged_in_a_run]
        defined = definitions(lemmas, film.observables)
        events = self.system.events()
        played: Any = film
        statements = [*lemmas, defined], events
        judge = Judge(self.system.name, lambda: statements, replace(prepared, dynamics=played, in_full=None))
        first = 0
        for steps in self.stretches:
            film.restore(first)
            stretch = film.advance(steps, -1.0, [])
            if stretch.steps or not first:
                judge.observe(stretch, played)
            first = stretch.last
        verdicts = judge.verdicts()
        return {
            **{each.statement.name: Finding(each.verdict is Verdict.HOLDS, each.verdict.value) for each in verdicts},
            "events": _events(events, judge, film, prepared.constants),
            "stages": _stages(verdicts, judge.events, film.last),
            "resolution": _resolution([each for each in verdicts if each.statement is not defined]),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """One small problem, computed in more ways than one, `within` a context as that of a scene."""

    system: System
    problem: BaseModel
    within: Callable[[], AbstractContextManager[object]] = nullcontext

    def look_at_gradients(self) -> dict[str, Finding]:
        """The kernels' gradients against sympy and the complex step."""
        request = Request(
            self.system, self.problem, instance=None, engine="auto", steps=None, seed=0, record_every=None
        )
        with self.within():
            agrees = compare_gradients(request).agrees
        return {"gradients": Finding(agrees, "agree" if agrees else "differ")}

    def look_at_engines(self, recorded: Sequence[str], weights: Sequence[str]) -> dict[str, Finding]:
        """Both engines on the same arrays: what they record, their weights and their test outputs."""
        with self.within():
            engines = [self.system.prepare(self.problem, 0, engine).dynamics for engine in self.system.engines]
            first, second = (_seen(engine, recorded, weights) for engine in engines)
        for name, wanted in second.items():
            found = first[name]
            if found.shape != wanted.shape or not np.abs(found - wanted).max() <= AGREEMENT * np.abs(wanted).max():
                return {"engines": Finding(False, f"differ in {name}")}
        return {"engines": Finding(True, "agree")}


def _seen(dynamics: Dynamics, recorded: Sequence[str], weights: Sequence[str]) -> dict[str, Array]:
    stretch, instance = dynamics.advance(KEPT[-1], -1.0, KEPT), dynamics.instance()
    tested = [dynamics.test_outputs(kept) for kept in stretch.kept.values()]
    return {
        **{name: stretch.arrays[name] for name in recorded},
        **{name: getattr(instance, name) for name in weights},
        "test outputs": np.array([each[1] for each in tested if each is not None]),
    }


class Film:
    """A run recorded in full, its vectors too, to be played back to observers as the dynamics itself."""

    def __init__(self, dynamics: Dynamics, steps: int) -> None:
        start = dynamics.save()
        stretch = dynamics.advance(steps, -1.0, [])
        self.last = stretch.steps
        self.step = 0
        self._arrays = {name: np.array(array) for name, array in stretch.arrays.items()}
        dynamics.restore(start)
        vectors = [dynamics.vectors()]
        for _ in range(stretch.steps):
            dynamics.advance(1, -1.0, [])
            vectors.append(dynamics.vectors())
        for name in vectors[0]:
            self._arrays[name] = np.stack([state[name] for state in vectors])

    @property
    def observables(self) -> list[str]:
        """The names of what the film holds."""
        return list(self._arrays)

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Play the next `steps` steps."""
        first, steps = self.step, min(steps, self.last - self.step)
        states = {name: array[first : first + steps + (len(array) > self.last)] for name, array in self._arrays.items()}
        self.step += steps
        return Stretch(first, steps, states, first)

    def restore(self, saved: int) -> None:
        """Wind to a step."""
        self.step = saved

    def vectors(self) -> dict[str, Array]:
        """Nothing: stretches hold the vectors."""
        return {}

    def state(self, step: int, constants: Mapping[str, Any]) -> dict[str, Any]:
        """Everything known of one step."""
        return {
            **constants,
            **{name: array[step] for name, array in self._arrays.items() if step < len(array)},
        }


def definitions(lemmas: Sequence[Lemma], recorded: Sequence[str]) -> Lemma:
    """The statement that what a run records is what its definition says, for all that the lemmas name."""
    claims = [claim for lemma in lemmas for claim in (*lemma.claims, *lemma.given)]
    named = {each for claim in claims for side in (claim.lhs, claim.rhs) for each in observables_behind(side)}
    lemma = Lemma(
        words="Recorded observables are what their definitions say.",
        claims=[
            _definition(each)
            for each in sorted(named, key=str)
            if each.name in recorded and each.definition is not None
        ],
        source=Derived("the definitions of the observables"),
        kind="exact",
    )
    lemma.name = "definitions"
    return lemma


def _definition(observable: Observable) -> Claim:
    formula = observable.definition
    assert formula is not None
    return Claim(observable[formula.indices] if formula.indices else observable, "==", formula.expression)


def _events(events: Sequence[Event], judge: Judge, film: Film, constants: Mapping[str, Any]) -> Finding:
    """Every event again, by balls: true at its step, false one before; one that never came, false at last."""
    decider = Decider(film.state(0, constants), sizes=judge.sizes)
    for event in events:
        if event.name not in judge.events:  # the run lacks what it speaks of
            continue
        step = judge.events[event.name]
        earliest = 0 if event.since is None else judge.events[event.since.name]
        expected: dict[int, Decision] = (
            {film.last: "violated"} if step is None else {step: "holds", step - 1: "violated"}
        )
        for at, decision in expected.items():
            if earliest is None or at < earliest:
                continue
            if (found := _decided(event, film.state(at, constants), at, decider, judge.sizes)) != decision:
                when = "never" if step is None else f"at step {step}"
                return Finding(False, f"{event.name} {when}, but {found} at {at}")
    return Finding(True, "as decided by balls")


def _decided(event: Event, state: Mapping[str, Any], step: int, decider: Decider, sizes: Mapping[str, int]) -> Decision:
    decisions = [
        decider.decide(claim, state, dict(zip((index.name for index in claim.indices), place, strict=True)), step)
        for claim in event.claims
        for place in product(*(range(sizes[index.ranges_over.size]) for index in claim.indices))
    ]
    return next((each for each in ("violated", "undecided") if each in decisions), "holds")


def _stages(verdicts: Sequence[LemmaVerdict], events: Mapping[str, int | None], last: int) -> Finding:
    """No statement was checked outside its stage; one whose hypotheses always hold, at every step of it."""
    for verdict in verdicts:
        lemma = verdict.statement
        assert isinstance(lemma, Lemma)
        always = all(given.share == 1.0 for given in verdict.hypotheses)
        for claim, found in zip(lemma.claims, verdict.claims, strict=True):
            if not (depends_on_step(claim.lhs) or depends_on_step(claim.rhs)):
                continue
            steps = _steps_of(lemma, claim, events, last)
            if found.checked_steps > steps or (always and found.checked_steps < steps):
                return Finding(False, f"{lemma.name} was checked at {found.checked_steps} steps in place of {steps}")
    return Finding(True, "every statement in its stage")


def _steps_of(lemma: Lemma, claim: Claim, events: Mapping[str, int | None], last: int) -> int:
    """How many steps of a run the claim is about."""
    starts = [events[event.name] for each in (*lemma.claims, *lemma.given) for event in each.events]
    if isinstance(lemma.stage.start, Event):
        starts.append(events[lemma.stage.start.name])
    end = None if lemma.stage.end is None else events[lemma.stage.end.name]
    if None in starts:
        return 0
    first = max((step for step in starts if step is not None), default=0)
    steps = (last if end is None else end) - first
    return max(0, steps if claim.on_increments else steps + 1)


def _resolution(verdicts: Sequence[LemmaVerdict]) -> Finding:
    """The tolerances of all equalities are small beside their terms."""
    coarsest = max(
        (
            (claim.resolution, verdict.statement.name)
            for verdict in verdicts
            for claim in verdict.claims
            if claim.resolution
        ),
        default=(0.0, ""),
    )
    if coarsest[0] > COARSEST:
        return Finding(False, f"{coarsest[1]} tells apart no less than {coarsest[0]:.1g} of a term")
    return Finding(True, "tolerances are small")
