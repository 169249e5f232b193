"""Decides every statement on enclosures and folds what it finds into verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf, nextafter
from typing import Any

import numpy as np
from flint import arb

from proofs.language import Event, Lemma, plain
from proofs.language.statements import Claim
from verify.certify.arrays import Balls, Bools, size_in_bits
from verify.certify.evaluate import EnclosedClaim, Evaluation, Statements
from verify.checking.judge import Met, missing_for, named, undetermined, why_not_met
from verify.checking.verdicts import ClaimVerdict, Hypothesis, LemmaVerdict, Verdict

SHARP = -48.0
"""An open comparison whose balls are this narrow beside its terms (as a power of 2) is a tie, not a lack of bits."""

LOOSE = -40.0
"""Sides of an equality that may differ by more than this share of its smallest term are not known well enough."""

TIE_BITS = 512
"""Up to so many bits a tie without proof is tried; `verify run` tries its own as far."""


def ends(ball: arb) -> tuple[float, float]:
    """The ends of a ball, rounded outward.

    >>> low, high = ends(arb(1) / 3)
    >>> low < 1 / 3 < high
    True
    """
    return _below(ball.lower()) + 0.0, 0.0 - _below(-ball.upper())


def _below(exact: arb) -> float:
    low = float(exact)
    return low if arb(low) <= exact else nextafter(low, -inf)


@dataclass
class Worst:
    """Where a claim's relative margin is smallest, as far as midpoints tell."""

    relative: float
    step: int
    where: dict[str, int]
    lhs: arb
    rhs: arb
    margin: arb


@dataclass
class Fold:
    """One claim, summed up over the stretches so far.

    `least` encloses the smallest relative margin, `open` counts elements that enclosures leave open, of which
    `blurred` are open for lack of bits; `residual` and `term` are, of an equality, the logarithms to base 2 of the
    largest distance that is possible and of the largest value of each of its terms.
    """

    claim: Claim
    checked: int = 0
    decided: int = 0
    open: int = 0
    blurred: int = 0
    first_open: int | None = None
    first_violation: int | None = None
    least: arb | None = None
    worst: Worst | None = None
    residual: float = -inf
    terms: list[float] = field(default_factory=list)

    def add(self, found: EnclosedClaim, applies: Bools, cannot: Bools) -> None:
        """Add a stretch; `applies` where all hypotheses certainly hold, `cannot` where one certainly fails."""
        relevant = ~cannot
        if not relevant.any():
            return
        shape = found.shape
        holds, fails = (np.broadcast_to(each, shape) for each in found.sides.decided)
        violated = fails & applies
        unsettled = relevant & ~holds & ~violated
        steps = found.first_step + np.arange(shape[-1])
        self.checked += int(np.count_nonzero(_at_steps(relevant)))
        self.decided += int(np.count_nonzero(relevant & ~unsettled))
        margin, scale, terms = self._measured(found)
        self._note_worst(found, margin, scale, relevant)
        if violated.any() and self.first_violation is None:
            self.first_violation = int(steps[np.argmax(_at_steps(violated))])
        if unsettled.any():
            self.open += int(np.count_nonzero(unsettled))
            if self.first_open is None:
                self.first_open = int(steps[np.argmax(_at_steps(unsettled))])
            if self.claim.relation != "==":
                margins, scales = (np.broadcast_to(each, shape)[unsettled] for each in (margin, terms))
                self.blurred += sum(not _is_sharp(*pair) for pair in zip(margins, scales, strict=True))

    def _measured(self, found: EnclosedClaim) -> tuple[Balls, Balls, Balls]:
        """The margin, the size of what it is relative to (sides, or terms of an equality), and that of all terms."""
        sides = np.asarray(abs(found.sides.lhs) + abs(found.sides.rhs), dtype=object)
        terms = np.asarray(sum(found.terms[1:], found.terms[0]), dtype=object) if found.terms else sides
        return found.sides.margin, terms if self.claim.relation == "==" else sides, terms

    def _note_worst(self, found: EnclosedClaim, margin: Balls, scale: Balls, relevant: Bools) -> None:
        shape = found.shape
        relative = np.broadcast_to(_ratio(margin, scale), shape)
        least = _smallest.reduce(relative[relevant])
        self.least = least if self.least is None else self.least.min(least)
        midpoints = np.where(relevant, relative.astype(float), inf)
        place = np.unravel_index(np.argmin(midpoints), shape)
        smallest = float(midpoints[place])
        if self.worst is None or smallest < self.worst.relative:
            lhs, rhs, here = (
                np.broadcast_to(each, shape)[place] for each in (found.sides.lhs, found.sides.rhs, margin)
            )
            letters = (index.name for index in self.claim.indices)
            where = dict(zip(letters, map(int, place[:-1]), strict=True))
            self.worst = Worst(smallest, found.first_step + int(place[-1]), where, lhs, rhs, here)
        if self.claim.relation == "==":
            largest, *seen = (
                size_in_bits(_largest.reduce(np.broadcast_to(each, shape)[relevant]))
                for each in (-margin, *found.terms)
            )
            self.residual = max(self.residual, largest)
            self.terms = [max(pair) for pair in zip(seen, self.terms or seen, strict=True)]

    @property
    def resolution(self) -> float | None:
        """The largest possible distance of the sides of an equality, over the size that its smallest term reaches."""
        reached = [term for term in self.terms if term > -inf]
        return 2.0 ** max(self.residual - min(reached), -1000.0) if reached else None

    @property
    def blunt(self) -> bool:
        """Whether enclosures are too wide: something is open that is no tie, or an equality is held too loosely."""
        resolution = self.resolution
        return bool(self.blurred) or (resolution is not None and not resolution < 2.0**LOOSE)

    def save(self) -> dict[str, Any]:
        """Everything found, to go on from later."""
        saved = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "claim"}
        return {**saved, "worst": None if self.worst is None else vars(self.worst)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to what was saved."""
        for name, value in saved.items():
            setattr(self, name, value)
        self.worst = None if saved["worst"] is None else Worst(**saved["worst"])

    def verdict(self, lemma: Lemma) -> ClaimVerdict:
        """What was found of the claim."""
        by_proof = 0 if lemma.proof is None or self.blunt else self.open
        if self.first_violation is not None:
            found = Verdict.VIOLATED
        elif self.open > by_proof:
            found = Verdict.INCONCLUSIVE
        else:
            found = Verdict.HOLDS if self.checked else Verdict.HYPOTHESIS_NOT_MET
        worst, least = self.worst, self.least
        enclosures: dict[str, tuple[float, float]] = {}
        if worst is not None and least is not None:
            enclosed = {"lhs": worst.lhs, "rhs": worst.rhs, "margin": worst.margin, "relative_margin": least}
            if all(ball.is_finite() for ball in enclosed.values()):
                enclosures = {name: ends(ball) for name, ball in enclosed.items()}
        return ClaimVerdict(
            text=plain(self.claim),
            verdict=found,
            worst_margin=_middle(worst.margin) if worst else None,
            relative_margin=worst.relative if worst else None,
            lhs=_middle(worst.lhs) if worst else None,
            rhs=_middle(worst.rhs) if worst else None,
            at_step=worst.step if worst else None,
            where=named(self.claim, worst.where) if worst else {},
            first_violation=self.first_violation,
            checked_steps=self.checked,
            decided_by_balls=self.decided,
            decided_by_proof=by_proof,
            undecided=self.open - by_proof,
            resolution=self.resolution,
            enclosures=enclosures,
        )


def _at_steps(found: Bools) -> Bools:
    """The steps at which an element was found."""
    return np.asarray(found.reshape(-1, found.shape[-1]).any(axis=0))


def _middle(ball: arb) -> float:
    return float(ball)


_largest = np.frompyfunc(arb.max, 2, 1)
_smallest = np.frompyfunc(arb.min, 2, 1)
_finite = np.frompyfunc(arb.is_finite, 1, 1)


def _ratio(margin: Balls, scale: Balls) -> Balls:
    """Margins relative to the sides that they are the differences of: never beyond -1 and 1, and 0 of two zeros."""
    ratio = np.asarray(margin / scale, dtype=object)
    unknown = ~_finite(ratio).astype(bool)
    if unknown.any():
        sizes = np.broadcast_to(scale, ratio.shape)[unknown]
        ratio[unknown] = [arb(0) if size.is_zero() else arb(0, 1) for size in sizes]
    return ratio


def _is_sharp(margin: arb, scale: arb) -> bool:
    """Whether a margin is known as finely, beside its sides, as a tie asks for."""
    return margin.is_finite() and size_in_bits(margin.rad()) <= SHARP + size_in_bits(scale)


class CertifiedJudge:
    """Checks the statements of a system on every stretch of enclosures.

    `constants` are the enclosing dynamics' data, `observables` what its stretches hold, `engine` its name.
    """

    def __init__(
        self,
        system: str,
        lemmas: Sequence[Lemma],
        events: Sequence[Event],
        constants: Mapping[str, Any],
        observables: Sequence[str],
        engine: str,
    ) -> None:
        recorded = frozenset(observables)
        self._system = system
        self._lemmas = list(lemmas)
        self._missing = {each.name: undetermined(each, recorded, constants, engine) for each in lemmas}
        judged = [each for each in lemmas if each.judged_in_a_run and not self._missing[each.name]]
        events = [event for event in events if not missing_for(event.claims, recorded, constants, engine)]
        self.evaluation = Evaluation(Statements(judged, events, recorded), constants)
        self.folds = {each.name: [Fold(claim) for claim in each.claims] for each in judged}
        self.given = {each.name: [Met(claim) for claim in each.given] for each in judged}

    @property
    def blunt(self) -> str:
        """A statement whose enclosures are too wide, or nothing."""
        return next((name for name, folds in self.folds.items() if any(fold.blunt for fold in folds)), "")

    def lacks_bits(self, bits: int) -> str:
        """A statement of which more than so many bits may tell more, or nothing.

        A tie of an inequality without proof is tried at `TIE_BITS`; an equality stays a tie at any precision.
        """
        unproved = {lemma.name for lemma in self._lemmas if lemma.proof is None}
        ties = (
            name
            for name, folds in self.folds.items()
            if name in unproved and any(fold.open and fold.claim.relation != "==" for fold in folds)
        )
        return self.blunt or (next(ties, "") if bits < TIE_BITS else "")

    def save(self) -> dict[str, Any]:
        """Everything found, to go on from later."""
        return {
            "folds": {name: [fold.save() for fold in folds] for name, folds in self.folds.items()},
            "given": {name: [[met.held, met.asked, met.smallest] for met in each] for name, each in self.given.items()},
            "memory": self.evaluation.memory.save(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to what was saved."""
        for name, folds in self.folds.items():
            for fold, found in zip(folds, saved["folds"][name], strict=True):
                fold.restore(found)
        for name, hypotheses in self.given.items():
            for met, (held, asked, smallest) in zip(hypotheses, saved["given"][name], strict=True):
                met.held, met.asked, met.smallest = held, asked, smallest
        self.evaluation.memory.restore(saved["memory"])

    def observe(self, stretch: Mapping[str, Balls], first: int) -> None:
        """Check the states of steps `first` and on.

        Raises:
            verify.certify.memory.Undecided: if an event cannot be told from the enclosures.
        """
        for found in self.evaluation.evaluate(stretch, first):
            if first > 0 and found.first_step == first and not found.claim.on_increments:
                found = found.later  # the state that this stretch shares with the one before it
            if 0 in found.shape:
                continue
            applies, cannot = _where_it_applies(found)
            if found.number == 0:
                _note_hypotheses(self.given[found.lemma.name], found)
            self.folds[found.lemma.name][found.number].add(found, applies, cannot)

    def verdicts(self, given_up: str = "") -> list[LemmaVerdict]:
        """What was found of every statement, in the order of the statements.

        `given_up` says why the run ended before its end, if it did: then nothing holds for certain.
        """
        return [self._verdict(lemma, given_up) for lemma in self._lemmas]

    def _verdict(self, lemma: Lemma, given_up: str) -> LemmaVerdict:
        kind = str(lemma.kind)
        if lemma.name not in self.folds:
            reason = self._missing[lemma.name] or "one run cannot judge it: see verify study"
            claims = [ClaimVerdict(plain(claim), Verdict.NOT_JUDGED) for claim in lemma.claims]
            return LemmaVerdict(self._system, lemma, kind, lemma.stage.name, claims, reason=reason)
        claims = [fold.verdict(lemma) for fold in self.folds[lemma.name]]
        if given_up:
            open_ = [each if each.verdict is Verdict.VIOLATED else _open(each) for each in claims]
            return LemmaVerdict(self._system, lemma, kind, lemma.stage.name, open_, reason=given_up)
        given = self.given[lemma.name]
        hypotheses = [
            Hypothesis(plain(met.claim), met.smallest, met.held / met.asked if met.asked else 0.0) for met in given
        ]
        verdict = LemmaVerdict(self._system, lemma, kind, lemma.stage.name, claims, hypotheses)
        reason = ""
        if verdict.verdict is Verdict.HYPOTHESIS_NOT_MET:
            reason = why_not_met(lemma, given, self.evaluation.events)
        elif verdict.verdict is Verdict.INCONCLUSIVE:
            steps = [fold.first_open for fold in self.folds[lemma.name] if fold.first_open is not None]
            blunt = any(fold.blunt for fold in self.folds[lemma.name])
            why = "they are too wide" if blunt else "the statement has no proof"
            reason = f"enclosures of both sides overlap from step {min(steps)} on, and {why}"
        return LemmaVerdict(self._system, lemma, kind, lemma.stage.name, claims, hypotheses, reason)


def _open(claim: ClaimVerdict) -> ClaimVerdict:
    return replace(claim, verdict=Verdict.INCONCLUSIVE)


def _where_it_applies(found: EnclosedClaim) -> tuple[Bools, Bools]:
    """Where all hypotheses certainly hold of an element that the claim speaks of, and where certainly not."""
    shape = found.shape
    applies, cannot = np.broadcast_to(found.where, shape), np.broadcast_to(~found.where, shape)
    for given in found.given:
        holds, fails = given.decided
        applies, cannot = applies & holds, cannot | fails
    return applies, cannot


def _note_hypotheses(given: Sequence[Met], found: EnclosedClaim) -> None:
    for met, sides in zip(given, found.given, strict=True):
        holds, _ = sides.decided
        if holds.size:
            met.asked += holds.size
            met.held += int(np.count_nonzero(holds))
            smallest = float(np.min(sides.margin.astype(float)))
            met.smallest = smallest if met.smallest is None else min(met.smallest, smallest)
