"""A statement put to trials, one after another: compiled once, evaluated in floats, believed after balls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from proofs.language import Lemma, Observable, StatementError
from proofs.language.definitions import observables_behind
from proofs.language.statements import Claim
from verify.checking.balls import PRECISIONS, Decider, Decision, Unknown
from verify.checking.compile import Checker, Session, compile_lemmas
from verify.checking.outcome import Outcome, Place, Sides
from verify.engines.stretch import Dynamics, Stretch
from verify.errors import RequestError
from verify.falsify.trial import Trial
from verify.systems.base import Prepared, System

MOST_PUT_TO_BALLS = 2
"""Elements of a claim that balls look at in one trial, those of the smallest relative margins."""

MOST_IN_VAIN = 20
"""Elements inside their rounding bounds that balls try in vain before only clearer ones are put to them."""

Evidence = Literal["balls", "float"]


@dataclass(frozen=True)
class Broken:
    """A claim that fails: where, by how much, and on what that rests.

    `float`: by more than the bound on its rounding, for it looks back further than balls follow.
    """

    claim: Claim
    place: Place
    evidence: Evidence


@dataclass(frozen=True)
class Look:
    """What became of one trial.

    `undetermined`: it lacks data that the statement names, or leaves float64 at once. `met`: the claim was about
    something. `margin` is the smallest relative margin, `closeness` (at most 0) how far the hypotheses were from being
    met, if they were not. `steps` are those that were evaluated.
    """

    undetermined: str = ""
    met: bool = False
    margin: float | None = None
    place: Place | None = None
    closeness: float | None = None
    broken: Broken | None = None
    steps: int = 0


class Attack:
    """A statement of a system, to be put to trials."""

    def __init__(self, system: System, lemma: Lemma) -> None:
        self.system = system
        self.lemma = lemma
        self._observables = {each.name: each for lemma in system.lemmas() for each in _data_behind(lemma)}
        self._checkers: dict[frozenset[str], Checker | str] = {}
        self._in_vain = 0

    def look(self, trial: Trial) -> Look:
        """Train a trial and evaluate the statement at every step of it."""
        with np.errstate(all="ignore"):
            try:
                prepared = trial.prepare(self.system)
            except RequestError as refused:
                return Look(undetermined=str(refused))
            checker = self._checker(prepared)
            if isinstance(checker, str):
                return Look(undetermined=checker)
            stretch = _finite(prepared.dynamics, trial.steps)
            if stretch is None:
                return Look(undetermined="the loss at the start is not finite")
            session = checker.start(prepared.constants, self._sizes(prepared.constants))
            result = session.evaluate(stretch.arrays, 0)
            seen = _Seen(prepared, stretch, session, result.events)
            return self._judged([_Judged(outcome, seen) for outcome in result.outcomes], stretch.steps)

    def _checker(self, prepared: Prepared) -> Checker | str:
        """The compiled statement for what a trial records, or what it lacks."""
        recorded = frozenset(prepared.dynamics.observables)
        if recorded not in self._checkers:
            try:
                self._checkers[recorded] = compile_lemmas([self.lemma], recorded)
            except StatementError as refused:
                self._checkers[recorded] = str(refused)
        checker = self._checkers[recorded]
        if isinstance(checker, str):
            return checker
        lacking = sorted(checker.needed_constants - set(prepared.constants))
        return f"arrays do not determine {', '.join(lacking)}" if lacking else checker

    def _sizes(self, constants: Mapping[str, Any]) -> dict[str, int]:
        """The sizes of index sets, told by all data that any statement names."""
        sizes: dict[str, int] = {}
        for name, array in constants.items():
            if name in self._observables:
                lengths = zip(self._observables[name].index_sets, np.shape(array), strict=True)
                sizes |= {each.size: length for each, length in lengths}
        return sizes

    def _judged(self, judged: Sequence[_Judged], steps: int) -> Look:
        tallies = [each.outcome.tally() for each in judged]
        met = [tally.worst for tally in tallies if tally.checked_steps and tally.worst is not None]
        if not met:
            closeness = [_closeness(each.outcome.given) for each in judged]
            known = [each for each in closeness if each is not None]
            return Look(closeness=max(known, default=None), steps=steps)
        worst = min(met, key=_relative)
        broken = []
        for each, tally in zip(judged, tallies, strict=True):
            certain = sorted(tally.violations, key=_relative)[:MOST_PUT_TO_BALLS]
            broken += [found for place in certain if (found := each.broken(place, beyond_rounding=True)) is not None]
            if not broken and self._in_vain < MOST_IN_VAIN:
                broken += self._near_ties(each, tally.suspects)
        margin = worst.relative_margin if np.isfinite(worst.relative_margin) else None
        place = worst if margin is not None else None
        return Look(met=True, margin=margin, place=place, broken=_worst(broken), steps=steps)

    def _near_ties(self, judged: _Judged, suspects: Sequence[Place]) -> list[Broken]:
        """Violations inside their rounding bounds.

        Of a claim that looks back there are none: the rounding of the steps between stands in the state, and balls
        take that as exact.
        """
        claim = judged.outcome.claim
        if claim.looks_back:
            return []
        strict = claim.relation in ("<", ">")
        found = []
        for place in suspects[:MOST_PUT_TO_BALLS]:
            if place.margin < 0.0 or (strict and place.margin == 0.0):
                broken = judged.broken(place, beyond_rounding=False)
                self._in_vain += broken is None
                found += [] if broken is None else [broken]
        return found


@dataclass(frozen=True)
class _Seen:
    """One trial as it was trained, and its states for balls."""

    prepared: Prepared
    stretch: Stretch
    session: Session
    events: Mapping[str, int | None]

    def state(self, step: int) -> dict[str, Any]:
        """Everything that a state consists of; what stretches do not hold is made again."""
        stretch, dynamics = self.stretch, self.prepared.dynamics
        recorded = {name: np.array(array[step]) for name, array in stretch.arrays.items() if step < len(array)}
        here = dynamics.save()
        dynamics.restore(stretch.start)
        dynamics.advance(step, -1.0, [])
        vectors = dynamics.vectors()
        dynamics.restore(here)
        return {**self.prepared.constants, **recorded, **vectors}

    def decider(self) -> Decider:
        """Decides elements by balls, with the states at the start and at events."""
        events = {name: self.state(step) for name, step in self.events.items() if step is not None}
        return Decider(self.state(0), events, self.session.sizes)


@dataclass(frozen=True)
class _Judged:
    """One claim on one trial."""

    outcome: Outcome
    seen: _Seen

    def broken(self, place: Place, beyond_rounding: bool) -> Broken | None:
        """The element as a violation, if balls say so of the claim and of every hypothesis.

        Where a side does not follow from one state alone, being beyond its rounding bound has to do.
        """
        claim, lemma = self.outcome.claim, self.outcome.lemma
        decider, state = self.seen.decider(), self.seen.state(place.step)

        def decided(each: Claim) -> Decision | None:
            """`None` where the sides do not follow from the state."""
            decision = decider.decide(each, state, place.where, place.step)
            if decision != "undecided":
                return decision
            try:
                for side in (each.lhs, each.rhs):
                    decider.enclose(side, state, place.where, place.step, PRECISIONS[0])
            except Unknown:
                return None
            return decision

        decision = decided(claim)
        if decision != "violated" and not (decision is None and beyond_rounding):
            return None
        if any(decided(given) not in ("holds", None) for given in lemma.given):
            return None
        return Broken(claim, place, "balls" if decision == "violated" else "float")


def _data_behind(lemma: Lemma) -> list[Observable]:
    sides = [side for each in (*lemma.claims, *lemma.given) for side in (each.lhs, each.rhs)]
    return [each for side in sides for each in observables_behind(side) if each.constant and each.definition is None]


def _finite(dynamics: Dynamics, steps: int) -> Stretch | None:
    """A stretch of up to so many steps, all of whose states have a finite loss; `None` without any."""
    start = dynamics.save()
    stretch = dynamics.advance(steps, -1.0, [])
    if np.isfinite(stretch.arrays["loss"][stretch.steps]):
        return stretch
    if not stretch.steps:
        return None
    dynamics.restore(start)
    return dynamics.advance(stretch.steps - 1, -1.0, [])


def _closeness(given: Sequence[Sides]) -> float | None:
    """How far the hypotheses are from being met together somewhere, relative to their sides: at most 0."""
    smallest: Any = np.zeros(1)
    for sides in given:
        scale = np.abs(sides.lhs) + np.abs(sides.rhs)
        margin = np.asarray(sides.margin)
        smallest = np.minimum(smallest, np.divide(margin, scale, out=np.zeros_like(margin), where=scale > 0))
    known = smallest[~np.isnan(smallest)]
    return float(known.max()) if given and known.size else None


def _relative(place: Place) -> float:
    return place.relative_margin if not np.isnan(place.relative_margin) else np.inf


def _worst(broken: Sequence[Broken]) -> Broken | None:
    return min(broken, key=lambda each: _relative(each.place), default=None)
