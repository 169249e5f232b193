"""Statements about random data, evaluated on many independent draws at once: draws take the place of steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from proofs.language import Claim, Lemma, Observable, Size
from verify.checking.compile import Checker
from verify.checking.outcome import Array, Bools, Outcome, Sides


@dataclass(frozen=True)
class Counted:
    """How often a statement held.

    `smallest` is the smallest margin that any claim had anywhere, `given` the smallest of a hypothesis (`None`
    without one), both relative to the absolute values of the two sides: negative where they fail. Trials count
    whether or not the hypotheses hold.
    """

    trials: int
    successes: int
    smallest: float
    given: float | None


class Trials:
    """Statements compiled once, to be counted on draws of their random data.

    `drawn` names the observables that a draw gives. All others must be constants, sizes among them: a draw may
    hold some elements only, and the numbers N, M, ... in a statement still are those of the problem.
    """

    def __init__(self, lemmas: Sequence[Lemma], drawn: Iterable[str]) -> None:
        self._names = frozenset(drawn)
        self._checker = Checker(_on_draws(lemmas, self._names), self._names)

    def count(self, constants: Mapping[str, Any], draws: Iterable[Mapping[str, Array]]) -> dict[str, Counted]:
        """Count the statements on draws, given as arrays of shape (trials, *index sets), a chunk after another.

        `constants` name the other observables, and sizes by their letters.

        Raises:
            ValueError: if an array is missing or misshapen.
        """
        session = self._checker.start({name: each for name, each in constants.items() if name not in self._names})
        counts: dict[str, Counted] = {}
        for chunk in draws:
            trials = len(next(iter(chunk.values())))
            holds = {lemma.name: np.ones(trials, dtype=bool) for lemma in self._checker.lemmas}
            found: dict[str, list[Counted]] = {name: [] for name in holds}
            for outcome in session.evaluate(chunk, first_step=0).outcomes:
                name = outcome.lemma.name
                holds[name] &= _held(outcome)
                found[name].append(Counted(0, 0, _smallest(outcome.sides, outcome.where), _hypotheses(outcome.given)))
            for name, held in holds.items():
                now = Counted(trials, int(np.count_nonzero(held)), np.inf, None)
                counts[name] = together([*found[name], now, *([counts[name]] if name in counts else [])])
        return counts


def together(counts: Sequence[Counted]) -> Counted:
    """Counts of disjoint trials as one.

    Examples:
        >>> together([Counted(10, 9, -0.1, 0.5), Counted(10, 10, 0.2, 0.5)])
        Counted(trials=20, successes=19, smallest=-0.1, given=0.5)
    """
    return Counted(
        sum(each.trials for each in counts),
        sum(each.successes for each in counts),
        min(each.smallest for each in counts),
        min((each.given for each in counts if each.given is not None), default=None),
    )


def _held(outcome: Outcome) -> Bools:
    """For every draw, whether the claim holds for all elements that it is about."""
    holds = outcome.sides.holds
    if outcome.where is not None:
        holds = holds | ~outcome.where
    return np.asarray(holds.reshape(-1, holds.shape[-1]).all(axis=0))


def _hypotheses(given: Sequence[Sides]) -> float | None:
    return min((_smallest(each, None) for each in given), default=None)


def _smallest(sides: Sides, where: Bools | None) -> float:
    scale = np.abs(sides.lhs) + np.abs(sides.rhs)
    relative = np.divide(sides.margin, scale, out=np.zeros(scale.shape), where=scale > 0)
    return float(np.min(relative if where is None else np.where(where, relative, np.inf), initial=np.inf))


def _on_draws(lemmas: Sequence[Lemma], drawn: frozenset[str]) -> list[Lemma]:
    """The same statements, with what is drawn recorded at every step and with sizes for data."""
    sides = [side for lemma in lemmas for each in (*lemma.claims, *lemma.given) for side in (each.lhs, each.rhs)]
    named = sympy.Tuple(*sides).atoms(Observable, Size)
    instead = {each: _in_place_of(each) for each in named if isinstance(each, Size) or each.name in drawn}

    def rewritten(claim: Claim) -> Claim:
        lhs, rhs, where = (side.xreplace(instead) for side in (claim.lhs, claim.rhs, claim.where))
        return Claim(lhs, claim.relation, rhs, where=where)

    copies = []
    for lemma in lemmas:
        claims, given = ([rewritten(each) for each in some] for some in (lemma.claims, lemma.given))
        copy = replace(lemma, claim=None, claims=claims, given=given)
        copy.name = lemma.name
        copies.append(copy)
    return copies


def _in_place_of(atom: Any) -> Observable:
    if isinstance(atom, Size):
        return Observable(atom.name, words="number of elements", constant=True, nonnegative=True)
    return Observable(atom.name, *atom.index_sets, words=atom.words, state=True, nonnegative=atom.nonnegative)
