"""What a run follows by a sample alone, judged in full at a few of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proofs.language import Event, Lemma
from proofs.language.definitions import observables_behind
from proofs.language.statements import Claim
from verify.checking.compile import compiled_once
from verify.checking.outcome import Outcome
from verify.engines.stretch import Dynamics, Stretch
from verify.systems.base import InFull

STEPS = (0, *(8 * 64**power for power in range(6)))
"""The snapshots of every run, however long it becomes: its start, step 8, and each time 64 times as far. One costs as
much as a thousand steps."""


def due(first: int, last: int) -> list[int]:
    """The snapshots among the steps from `first`, of which the step after is still at most `last`.

    Examples:
        >>> due(0, 9), due(9, 512), due(512, 1024)
        ([0, 8], [], [512])
    """
    return [step for step in STEPS if first <= step < last]


def judged_in_full(claim: Claim, lemma: Lemma, observables: frozenset[str]) -> bool:
    """Whether one step tells of the claim, which names some of the observables: it looks back at nothing."""
    named = {each.name for side in (claim.lhs, claim.rhs) for each in observables_behind(side)}
    everywhere = not isinstance(lemma.stage.start, Event) and lemma.stage.end is None
    alone = not any(each.looks_back for each in (*lemma.claims, *lemma.given))
    return bool(named & observables) and everywhere and alone


class Snapshots:
    """Single steps of a run, repeated with everything recorded; `lemmas` are what is judged on them."""

    def __init__(self, in_full: InFull, lemmas: Sequence[Lemma]) -> None:
        self._observables = in_full.observables
        self._dynamics, constants = in_full.begin()
        checker = compiled_once(tuple(lemmas), frozenset(self._dynamics.observables))
        self._session = checker.start(constants)

    def outcomes(self, stretch: Stretch, dynamics: Dynamics) -> Iterator[Outcome]:
        """What the claims come to at the snapshots of a stretch; each is to be looked at before the next."""
        steps = due(stretch.first, stretch.last)
        if steps:
            dynamics.restore(stretch.start)
        for step in steps:
            dynamics.advance(step - dynamics.step, -1.0, [])
            self._dynamics.restore(dynamics.save())
            result = self._session.evaluate(self._dynamics.advance(1, -1.0, []).arrays, step)
            for outcome in result.outcomes:
                if judged_in_full(outcome.claim, outcome.lemma, self._observables):
                    yield outcome
