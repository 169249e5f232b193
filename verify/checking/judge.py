"""Asserts every statement at every step of a run and folds what it finds into verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sympy import Tuple

from proofs.language import Event, Lemma, plain
from proofs.language.definitions import observables_behind, observables_needed
from proofs.language.graph import earlier_events
from proofs.language.recurrence import Member, recurrences_behind
from proofs.language.statements import Claim
from verify.checking.balls import Decider, Decision
from verify.checking.compile import Session, compiled_once
from verify.checking.outcome import Outcome, Place
from verify.checking.sides import RecordedSides
from verify.checking.snapshots import Snapshots, judged_in_full
from verify.checking.verdicts import ClaimVerdict, Hypothesis, LemmaVerdict, Verdict
from verify.engines.drive import Ending, StopRun
from verify.engines.stretch import Dynamics, Stretch
from verify.systems.base import Prepared

MOST_BALLS = 1000
"""Near ties of one claim that balls decide in a run; further ones rest on the claim's proof, or stay undecided."""

MOST_IN_VAIN = 50
"""Near ties of one claim that balls try in vain before the rest is left to its proof, or undecided."""


class LemmaViolation(StopRun):
    """A statement failed in a strict run.

    `lemma`, `claim` and `place` (step, indices, both sides) say what and where; `replay` is an instance that
    violates the statement at its step `replay_step`: the arrays at the step of the violation and step 0, or,
    for a statement that looks back, those of the start and the same step.
    """

    def __init__(self, lemma: Lemma, claim: Claim, place: Place) -> None:
        super().__init__(Ending.VIOLATED)
        self.lemma = lemma
        self.claim = claim
        self.place = place
        self.replay: Any = None
        self.replay_step = 0

    def __str__(self) -> str:
        where = ", ".join(f"{name} {index}" for name, index in named(self.claim, self.place.where).items())
        return (
            f"{self.lemma.name} is violated at step {self.place.step}{' (' + where + ')' if where else ''}: "
            f"{self.place.lhs:.17g} {self.claim.relation} {self.place.rhs:.17g} is false; claimed: {plain(self.claim)}"
        )


@dataclass
class _Fold:
    """One claim, summed up over the stretches so far, or over the snapshots at which it was judged in full."""

    claim: Claim
    snapshots: list[int] = field(default_factory=list)
    checked: int = 0
    worst: Place | None = None
    first_violation: Place | None = None
    by_balls: int = 0
    by_proof: int = 0
    undecided: int = 0
    resolution: float | None = None

    @property
    def balls_spent(self) -> bool:
        """Whether enough ties of the claim were put to balls, or enough in vain: it is an equality, then."""
        return self.by_balls >= MOST_BALLS or self.by_proof + self.undecided >= MOST_IN_VAIN

    def leave(self, count: int, lemma: Lemma) -> None:
        """Let so many ties rest on the lemma's proof, or stay undecided where it has none."""
        if lemma.proof is not None:
            self.by_proof += count
        else:
            self.undecided += count

    @property
    def resolves_nothing(self) -> bool:
        """Whether an identity was held to a tolerance as large as its smallest term, so that no error could show."""
        return self.resolution is not None and not self.resolution < 1.0

    def verdict(self) -> ClaimVerdict:
        """What was found of the claim."""
        if self.first_violation is not None:
            found = Verdict.VIOLATED
        elif self.undecided or self.resolves_nothing:
            found = Verdict.INCONCLUSIVE
        else:
            found = Verdict.HOLDS if self.checked else Verdict.HYPOTHESIS_NOT_MET
        worst = self.worst
        return ClaimVerdict(
            text=plain(self.claim),
            verdict=found,
            worst_margin=worst.margin if worst else None,
            relative_margin=worst.relative_margin if worst else None,
            lhs=worst.lhs if worst else None,
            rhs=worst.rhs if worst else None,
            at_step=worst.step if worst else None,
            where=named(self.claim, worst.where) if worst else {},
            first_violation=self.first_violation.step if self.first_violation else None,
            checked_steps=self.checked,
            decided_by_balls=self.by_balls,
            decided_by_proof=self.by_proof,
            undecided=self.undecided,
            resolution=self.resolution,
            snapshots=tuple(self.snapshots),
        )


@dataclass
class Met:
    """One hypothesis, summed up: how often it held where it was asked for, and its smallest margin."""

    claim: Claim
    held: int = 0
    asked: int = 0
    smallest: float | None = None


@dataclass
class _LemmaFold:
    """A lemma: its claims at every step, and by their numbers those judged in full, or why they are not."""

    lemma: Lemma
    claims: list[_Fold]
    given: list[Met] = field(default_factory=list)
    in_full: dict[int, _Fold] = field(default_factory=dict)
    only_sampled: str = ""


def named(claim: Claim, where: Mapping[str, int]) -> dict[str, int]:
    """Index letters replaced by what they range over."""
    sets = {index.name: index.ranges_over.name for index in claim.indices}
    return {sets.get(letter, letter): position for letter, position in where.items()}


class Judge:
    """An observer that checks the statements of a system on every stretch.

    `statements` gives the lemmas and the events; it is called with the first stretch. Events are followed
    whether or not a statement names them. A statement that names data which the instance does not determine,
    or states that its engine does not follow, is not judged. `violation` is the one that ended a strict run.
    `sides` is shown every outcome.
    """

    def __init__(
        self,
        system: str,
        statements: Callable[[], tuple[Sequence[Lemma], Sequence[Event]]],
        prepared: Prepared,
        strict: bool = False,
        sides: RecordedSides | None = None,
    ) -> None:
        self._system = system
        self._statements = statements
        self._prepared = prepared
        self._strict = strict
        self._sides = sides
        self._constants = prepared.constants
        self._lemmas: list[Lemma] = []
        self._missing: dict[str, str] = {}
        self._folds: dict[str, _LemmaFold] = {}
        self._event_states: dict[str, dict[str, Any]] = {}
        self._state: tuple[int, dict[str, Any]] | None = None
        self.events: dict[str, int | None] = {}
        self.violation: LemmaViolation | None = None

    def _begin(self) -> Session:
        """Read and compile the statements: at the first stretch, so that the run need not wait for it."""
        lemmas, events = self._statements()
        self._lemmas = list(lemmas)
        recorded = frozenset(self._prepared.dynamics.observables)
        engine = self._prepared.engine
        events = [event for event in events if not missing_for(event.claims, recorded, self._constants, engine)]
        self._missing = {lemma.name: undetermined(lemma, recorded, self._constants, engine) for lemma in self._lemmas}
        judged = [lemma for lemma in self._lemmas if lemma.judged_in_a_run and not self._missing[lemma.name]]
        self._folds = {
            lemma.name: _LemmaFold(lemma, [_Fold(c) for c in lemma.claims], [Met(c) for c in lemma.given])
            for lemma in judged
        }
        self.events = {event.name: None for event in events}
        self._snapshots = self._begin_snapshots()
        return compiled_once(tuple(judged), recorded, tuple(events)).start(self._constants)

    def _begin_snapshots(self) -> Snapshots | None:
        """Make ready to judge in full what the run follows by a sample; `None` where nothing is, or it is refused."""
        in_full = self._prepared.in_full
        if in_full is None:
            return None
        for folds in self._folds.values():
            found = enumerate(folds.lemma.claims)
            numbers = [number for number, claim in found if judged_in_full(claim, folds.lemma, in_full.observables)]
            if numbers and in_full.refused:
                folds.only_sampled = in_full.refused
            elif numbers:
                folds.in_full = {number: _Fold(folds.lemma.claims[number]) for number in numbers}
        lemmas = [folds.lemma for folds in self._folds.values() if folds.in_full]
        return Snapshots(in_full, lemmas) if lemmas else None

    @property
    def sizes(self) -> Mapping[str, int]:
        """Sizes of the index sets by their names, once a stretch was seen."""
        return self._session.sizes

    @property
    def event_steps(self) -> list[int]:
        """The steps at which events occurred, ascending."""
        return sorted({step for step in self.events.values() if step is not None})

    def events_within(self, stretch: Stretch) -> list[int]:
        """The steps of this stretch at which events occurred."""
        return [step for step in self.event_steps if stretch.first <= step <= stretch.last]

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Check the stretch; a strict judge ends the run at the first violation.

        Raises:
            LemmaViolation: if a statement fails and the judge is strict.
        """
        if self.violation is not None:  # stretches made before the run heard of it
            return
        self._state = None
        if stretch.first == 0:
            self._session = self._begin()
        result = self._session.evaluate(stretch.arrays, stretch.first)
        if stretch.first == 0:
            start = self._state_at(0, stretch, dynamics)
            self._decider = Decider(start, self._event_states, self._session.sizes)
        for name, step in result.events.items():
            if step is not None and self.events.get(name) is None:
                self._event_states[name] = self._state_at(step, stretch, dynamics)
        self.events = {**self.events, **result.events}
        violations = [self._fold(outcome, stretch, dynamics) for outcome in result.outcomes]
        if self._sides is not None:
            for outcome in result.outcomes:
                self._sides.record(outcome)
        if self._snapshots is not None:
            violations += [self._fold_in_full(outcome) for outcome in self._snapshots.outcomes(stretch, dynamics)]
        found = [each for each in violations if each is not None]
        if self._strict and found:
            self.violation = min(found, key=lambda violation: violation.place.step)
            self._end_at(self.violation, stretch, dynamics)
            raise self.violation

    def _end_at(self, violation: LemmaViolation, stretch: Stretch, dynamics: Dynamics) -> None:
        """Take the run back to the violation, and keep an instance that repeats it."""
        last = violation.place.step
        self.events = {name: None if step is None or step > last else step for name, step in self.events.items()}
        dynamics.restore(stretch.start)
        dynamics.advance(violation.place.step - stretch.first, -1.0, [])
        looks_back = violation.claim.looks_back
        violation.replay_step = violation.place.step if looks_back else 0
        violation.replay = self._prepared.instance if looks_back else dynamics.instance()

    def _state_at(self, step: int, stretch: Stretch, dynamics: Dynamics) -> dict[str, Any]:
        """Everything that a state consists of, as exact numbers; what stretches do not hold is made again."""
        if self._state is None or self._state[0] != step:
            position = step - stretch.first
            dynamics.restore(stretch.start)
            dynamics.advance(position, -1.0, [])
            vectors = dynamics.vectors()
            recorded = {
                name: np.array(array[position]) for name, array in stretch.arrays.items() if position < len(array)
            }
            self._state = step, {**self._constants, **recorded, **vectors}
        return self._state[1]

    def _fold(self, outcome: Outcome, stretch: Stretch, dynamics: Dynamics) -> LemmaViolation | None:
        folds = self._folds[outcome.lemma.name]
        fold = folds.claims[outcome.claim_number]
        if outcome.claim_number == 0:
            _fold_hypotheses(folds.given, outcome)
        seen_before = self._seen_before(outcome, stretch)

        def settle(suspect: Place) -> Decision:
            return self._settle(fold, outcome, suspect, stretch, dynamics)

        return self._sum_up(fold, outcome, seen_before, settle)

    def _fold_in_full(self, outcome: Outcome) -> LemmaViolation | None:
        fold = self._folds[outcome.lemma.name].in_full[outcome.claim_number]

        def settle(suspect: Place) -> Decision:
            fold.leave(1, outcome.lemma)
            return "undecided"

        checked = fold.checked
        violation = self._sum_up(fold, outcome, 0, settle)
        if fold.checked > checked:
            fold.snapshots.append(outcome.first_step)
        return violation

    @staticmethod
    def _sum_up(
        fold: _Fold, outcome: Outcome, seen_before: int, settle: Callable[[Place], Decision]
    ) -> LemmaViolation | None:
        """Add an outcome to its fold; `settle` decides margins inside their rounding bounds."""
        tally = outcome.tally(None if fold.worst is None else fold.worst.relative_margin)
        if not tally.checked_steps:
            return None
        fold.checked += tally.checked_steps - seen_before
        if tally.worst is not None and (fold.worst is None or tally.worst.relative_margin < fold.worst.relative_margin):
            fold.worst = tally.worst
        if tally.resolution is not None:
            fold.resolution = max(fold.resolution or 0.0, tally.resolution)
        violations = list(tally.violations)
        for settled, suspect in enumerate(tally.suspects):
            if fold.balls_spent:
                fold.leave(len(tally.suspects) - settled, outcome.lemma)
                break
            if settle(suspect) == "violated":
                violations.append(suspect)
        if not violations:
            return None
        first = min(violations, key=lambda place: place.step)
        if fold.first_violation is None or first.step < fold.first_violation.step:
            fold.first_violation = first
        return LemmaViolation(outcome.lemma, outcome.claim, first)

    def _settle(self, fold: _Fold, outcome: Outcome, suspect: Place, stretch: Stretch, dynamics: Dynamics) -> Decision:
        """Decide a margin inside its rounding bound by balls.

        They take the state as exact. Of a claim that looks back to another state, the rounding of the steps between
        stands in this one, and by so little it may be missed.
        """
        state = self._state_at(suspect.step, stretch, dynamics)
        decision = self._decider.decide(outcome.claim, state, suspect.where, suspect.step)
        if decision == "violated" and suspect.step > 0 and outcome.claim.looks_back:
            decision = "undecided"
        if decision == "undecided":
            fold.leave(1, outcome.lemma)
        else:
            fold.by_balls += 1
        return decision

    @staticmethod
    def _seen_before(outcome: Outcome, stretch: Stretch) -> int:
        """1 if the claim applied at the state that this stretch shares with the one before it."""
        if stretch.first == 0 or outcome.claim.on_increments or outcome.first_step != stretch.first:
            return 0
        return int(outcome.applies_at_first)

    def verdicts(self) -> list[LemmaVerdict]:
        """What was found of every statement, in the order of the statements."""
        return [self._verdict(lemma) for lemma in self._lemmas]

    def _verdict(self, lemma: Lemma) -> LemmaVerdict:
        kind = str(lemma.kind)
        if lemma.name not in self._folds:
            reason = self._missing[lemma.name] or "one run cannot judge it: see verify study"
            claims = [ClaimVerdict(plain(claim), Verdict.NOT_JUDGED) for claim in lemma.claims]
            return LemmaVerdict(self._system, lemma, kind, lemma.stage.name, claims, reason=reason)
        folds = self._folds[lemma.name]
        claims = [fold.verdict() for fold in folds.claims]
        claims += [fold.verdict() for fold in folds.in_full.values() if fold.snapshots]
        hypotheses = [
            Hypothesis(plain(met.claim), met.smallest, met.held / met.asked if met.asked else 0.0)
            for met in folds.given
        ]
        reason = ""
        if any(claim.verdict is Verdict.HYPOTHESIS_NOT_MET for claim in claims):
            reason = why_not_met(lemma, folds.given, self.events)
        return LemmaVerdict(self._system, lemma, kind, lemma.stage.name, claims, hypotheses, reason, folds.only_sampled)


def undetermined(lemma: Lemma, recorded: frozenset[str], constants: Mapping[str, Any], engine: str) -> str:
    """Why a run that records these observables cannot judge a lemma that one run can; or nothing."""
    if not lemma.judged_in_a_run:
        return ""
    stage = [each for each in (lemma.stage.start, lemma.stage.end) if isinstance(each, Event)]
    claims = [*lemma.claims, *lemma.given, *(claim for each in stage for claim in each.claims)]
    return missing_for(claims, recorded, constants, engine)


def missing_for(claims: Sequence[Claim], recorded: frozenset[str], constants: Mapping[str, Any], engine: str) -> str:
    """Which data or states that claims need, themselves, in recurrences or at events, a run lacks; or nothing."""
    events = _events_behind(claims)
    claims = [*claims, *(claim for event in events for claim in event.claims)]
    sides = [side for claim in claims for side in (claim.lhs, claim.rhs, claim.where)]
    sides += [
        part for each in recurrences_behind(Tuple(*sides)) for one in each.members for part in (one.start, one.update)
    ]
    named = {each.name for side in sides for each in observables_behind(side) if each.constant and not each.definition}
    states = {
        each.name
        for side in sides
        for each in observables_needed(side, recorded)
        if not each.constant and not isinstance(each, Member)
    }
    if data := sorted(named - set(constants)):
        return f"the instance does not determine {', '.join(data)}"
    if states:
        return f"the {engine} engine does not follow {', '.join(sorted(states))} (another --engine may)"
    return ""


def why_not_met(lemma: Lemma, hypotheses: Sequence[Met], events: Mapping[str, int | None]) -> str:
    """Why a lemma was never put to the test in a run with these events."""
    stage = lemma.stage
    begun = events.get(stage.start.name) if isinstance(stage.start, Event) else 0
    ended = None if stage.end is None else events.get(stage.end.name)
    if isinstance(stage.start, Event):
        if begun is None:
            return f"{stage.name} was never entered: {stage.start.name} did not occur ({stage.start.words})"
        if ended is not None and stage.end is not None and ended < begun:
            ends, starts = f"{stage.end.name} (step {ended})", f"{stage.start.name} (step {begun})"
            return f"{stage.name} is empty: {ends} came before {starts}"
    for met in hypotheses:
        if not met.held:
            margin = "" if met.smallest is None else f" (margin {met.smallest:.3g})"
            within = "" if ended is None else f" in {stage.name} (steps {begun} to {ended})"
            return f"its hypothesis never held{within}: {plain(met.claim)}{margin}"
    waiting = [event.name for claim in lemma.claims for event in claim.events if events.get(event.name) is None]
    if waiting:
        return f"{waiting[0]} did not occur"
    if len(hypotheses) > 1 and any(met.held < met.asked for met in hypotheses):
        return "its hypotheses never held together"
    return "it speaks of nothing in this instance"


def _events_behind(claims: Sequence[Claim]) -> list[Event]:
    """The events that claims mention, and those without which these cannot happen."""
    found: dict[Event, None] = {}
    waiting = [event for claim in claims for event in claim.events]
    while waiting:
        event = waiting.pop()
        if event not in found:
            found[event] = None
            waiting += earlier_events(event)
    return list(found)


def _fold_hypotheses(given: list[Met], outcome: Outcome) -> None:
    for met, sides in zip(given, outcome.given, strict=True):
        holds = sides.holds
        if not holds.size:
            continue
        met.asked += holds.size
        met.held += int(np.count_nonzero(holds))
        smallest = float(np.min(sides.margin))
        met.smallest = smallest if met.smallest is None else min(met.smallest, smallest)
