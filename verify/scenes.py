"""Small runs on which every check looks that needs to know no system: statements, definitions, events, stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from proofs.language import Claim, Derived, Event, Lemma, Observable, after
from proofs.language.definitions import observables_behind
from verify.checking.balls import Decider, Decision
from verify.checking.judge import Judge
from verify.checking.verdicts import LemmaVerdict, Verdict
from verify.controls import Finding
from verify.engines.stretch import Dynamics, Stretch
from verify.systems.base import Array, Prepared, System

SHARPEST = 1e-6
"""An equality is tested if its tolerance is at most this share of its smallest term."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A small run: its statements, and the checks of the machine that judges them.

    `prepare` draws the problem, `stretches` are the numbers of steps between two looks; only the `lemmas` are judged; `within` is
    entered for the run, to make it of plain functions, say.
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
        judge = Judge(self.system.name, [*lemmas, defined], events, replace(prepared, dynamics=played))
        for steps in self.stretches:
            judge.observe(film.advance(steps, -1.0, []), played)
        verdicts = judge.verdicts()
        findings = {each.statement.name: _finding(each.verdict is Verdict.HOLDS, each) for each in verdicts}
        decider = Decider(film.state(0, prepared.constants), sizes=judge.sizes)
        return {
            **findings,
            "events": _events(events, judge.events, film, prepared.constants, decider, judge.sizes),
            "stages": _stages(verdicts, judge.events, film.last),
            "resolution": _resolution(verdicts),
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
        states = {
            name: array[first : first + steps + (len(array) > self.last)] for name, array in self._arrays.items()
        }
        self.step += steps
        return Stretch(first, steps, states, first)

    def save(self) -> int:
        """The present step."""
        return self.step

    def restore(self, saved: int) -> None:
        """Wind to a step."""
        self.step = saved

    def vectors(self) -> dict[str, Array]:
        """Nothing: stretches hold the vectors."""
        return {}

    def state(self, step: int, constants: Mapping[str, Any]) -> dict[str, Any]:
        """Everything known of one step."""
        return {**constants, **{name: array[step] for name, array in self._arrays.items() if step < len(array)}}


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
    )
    lemma.name = "definitions"
    return lemma


def _definition(observable: Observable) -> Claim:
    formula = observable.definition
    assert formula is not None
    return Claim(observable[formula.indices] if formula.indices else observable, "==", formula.expression)


def _finding(passed: bool, verdict: LemmaVerdict) -> Finding:
    return Finding(passed, verdict.verdict.value)


def _events(
    events: Sequence[Event],
    found: Mapping[str, int | None],
    film: Film,
    constants: Mapping[str, Any],
    decider: Decider,
    sizes: Mapping[str, int],
) -> Finding:
    """Every event again, by balls: true at its step, not true one step before; what never occurred is not true at the end."""
    for event in events:
        step = found[event.name]
        expected: dict[int, Decision] = {film.last: "violated"} if step is None else {step: "holds", step - 1: "violated"}
        earliest = 0 if event.since is None else found[event.since.name]
        for at, decision in expected.items():
            if earliest is None or at < earliest:
                continue
            if _decided(event, film.state(at, constants), at, decider, sizes) != decision:
                return Finding(False, f"{event.name} is not {'true' if decision == 'holds' else 'false'} at step {at}")
    return Finding(True, "as decided by balls")


def _decided(event: Event, state: Mapping[str, Any], step: int, decider: Decider, sizes: Mapping[str, int]) -> Decision:
    decisions = [
        decider.decide(claim, state, dict(zip((index.name for index in claim.indices), place, strict=True)), step)
        for claim in event.claims
        for place in product(*(range(sizes[index.ranges_over.size]) for index in claim.indices))
    ]
    return next((each for each in ("violated", "undecided") if each in decisions), "holds")


def _stages(verdicts: Sequence[LemmaVerdict], events: Mapping[str, int | None], last: int) -> Finding:
    """Statements whose hypotheses always hold were checked at every step of their stage, and at no other."""
    for verdict in verdicts:
        for claim, wanted in _expected_steps(verdict, events, last):
            always = all(given.share == 1.0 for given in verdict.hypotheses)
            if claim > wanted or (always and claim < wanted):
                return Finding(False, f"{verdict.statement.name} was checked at {claim} steps of {wanted}")
    return Finding(True, "every step of a stage")


def _expected_steps(
    verdict: LemmaVerdict, events: Mapping[str, int | None], last: int
) -> Iterator[tuple[int, int]]:
    """For each claim that changes with the step: at how many it was checked, and how many its stage has."""
