"""Both sides of statements at some steps of a run, kept for readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from proofs.language import ALWAYS, Lemma, StatementError
from proofs.language.nodes import Accumulated
from verify.checking.compile import Checker, Session
from verify.checking.outcome import Array, Outcome, Sides
from verify.engines.schedule import Schedule
from verify.engines.stretch import Dynamics, Stretch

if TYPE_CHECKING:
    import xarray

Key = tuple[str, int]
"""A lemma by its name, and the number of one of its claims."""


@dataclass
class RecordedSides:
    """Both sides of every judged claim at the steps of a schedule, at the element with the least relative margin."""

    schedule: Schedule
    rows: dict[Key, dict[int, tuple[float, float]]] = field(default_factory=dict)

    def record(self, outcome: Outcome) -> None:
        """Keep what is due of an outcome."""
        found = _due(outcome, self.schedule)
        if found is None:
            return
        steps, sides, about = found
        with np.errstate(all="ignore"):
            relative = sides.margin / (np.abs(sides.lhs) + np.abs(sides.rhs))
        # An element whose sides are both 0, or have left float64, is shown only where there is no other.
        relative = np.where(about, np.nan_to_num(relative, nan=np.finfo(np.float64).max), np.inf)
        tightest = np.argmin(relative, axis=1)
        kept = self.rows.setdefault((outcome.lemma.name, outcome.claim_number), {})
        for row in np.flatnonzero(about.any(axis=1)).tolist():
            place = row, tightest[row]
            kept[steps[row]] = float(sides.lhs[place]), float(sides.rhs[place])


@dataclass
class Laws:
    """An observer that keeps both sides of laws in time, which are lines through the origin if they hold.

    Such a law says that a quantity grows as a sum over steps does (`~` or `Theta`). One run cannot judge it, and here
    it is not judged. Of the elements that it is about, the median is kept, and of the left side its range. A law that
    names what the run does not determine is left out.
    """

    lemmas: Callable[[], Iterable[Lemma]]
    constants: Mapping[str, Any]
    schedule: Schedule
    rows: dict[Key, dict[int, tuple[float, float, float, float]]] = field(default_factory=dict)
    _sessions: list[Session] = field(default_factory=list)

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Evaluate the laws on a stretch, and keep what is due."""
        if stretch.first == 0:
            self._begin(frozenset(dynamics.observables))
        for session in self._sessions:
            for outcome in session.evaluate(stretch.arrays, stretch.first).outcomes:
                self._record(outcome)

    def _begin(self, recorded: frozenset[str]) -> None:
        self._sessions = []
        for lemma in self.lemmas():
            if is_law_in_time(lemma):
                try:
                    self._sessions.append(Checker([_at_all_times(lemma)], recorded).start(self.constants))
                except (StatementError, ValueError):  # it names what this run does not record or determine
                    continue

    def _record(self, outcome: Outcome) -> None:
        found = _due(outcome, self.schedule)
        if found is None:
            return
        steps, sides, about = found
        kept = self.rows.setdefault((outcome.lemma.name, outcome.claim_number), {})
        for row in np.flatnonzero(about.any(axis=1)).tolist():
            lhs, rhs = sides.lhs[row, about[row]], sides.rhs[row, about[row]]
            kept[steps[row]] = float(np.median(rhs)), float(np.median(lhs)), float(lhs.min()), float(lhs.max())


def is_law_in_time(lemma: Lemma) -> bool:
    """Whether it says that a quantity grows as a sum over steps does."""
    return lemma.kind == "order" and any(
        claim.relation in ("~", "Theta") and claim.rhs.has(Accumulated) for claim in lemma.claims
    )


def _at_all_times(lemma: Lemma) -> Lemma:
    """The same claims, from the events that they name to the end of the run."""
    law = Lemma(
        words=lemma.words, kind=lemma.kind, claims=lemma.claims, given=lemma.given, source=lemma.source, stage=ALWAYS
    )
    law.name = lemma.name
    return law


def _due(outcome: Outcome, schedule: Schedule) -> tuple[Sequence[int], Sides, Any] | None:
    """The steps of an outcome that are due, with both sides, and what of them the claim is about: (steps, elements)."""
    if not len(outcome.steps) or not outcome.lhs.size or not outcome.rhs.size:
        return None
    steps = schedule.within(int(outcome.steps[0]), int(outcome.steps[-1]))
    if not steps:
        return None
    places = np.array(steps) - int(outcome.steps[0])
    shape = len(steps), -1

    def flat(array: Any) -> Any:
        return np.ascontiguousarray(array[places]).reshape(shape)

    return steps, Sides(outcome.claim.relation, flat(outcome.lhs), flat(outcome.rhs)), flat(outcome.applies)


def sides_dataset(sides: RecordedSides, laws: Laws, last: int) -> xarray.Dataset:
    """What was kept up to the step `last`, as `sides.nc` holds it.

    `lhs` and `rhs` (claim, step) belong to judged claims; `law_rhs`, `law_lhs`, `law_lhs_low`, `law_lhs_high`, all
    (law, step), to laws in time; NaN where a claim did not apply. `lemma` and `number`, or `law_lemma` and
    `law_number`, name the claims.
    """
    import xarray

    kept = sorted({step for rows in (sides.rows, laws.rows) for row in rows.values() for step in row if step <= last})
    claims = _table(sides.rows, kept, 2)
    told = _table(laws.rows, kept, 4)
    variables = dict(zip(("lhs", "rhs"), claims, strict=True))
    law_variables = dict(zip(("law_rhs", "law_lhs", "law_lhs_low", "law_lhs_high"), told, strict=True))
    return xarray.Dataset(
        {
            **{name: (("claim", "step"), array) for name, array in variables.items()},
            **{name: (("law", "step"), array) for name, array in law_variables.items()},
        },
        coords={
            "step": np.array(kept, dtype=np.int64),
            "lemma": ("claim", np.array([name for name, _ in sides.rows], dtype=object)),
            "number": ("claim", np.array([number for _, number in sides.rows], dtype=np.int64)),
            "law_lemma": ("law", np.array([name for name, _ in laws.rows], dtype=object)),
            "law_number": ("law", np.array([number for _, number in laws.rows], dtype=np.int64)),
        },
    )


def _table(rows: Mapping[Key, Mapping[int, tuple[float, ...]]], steps: Sequence[int], width: int) -> list[Array]:
    """Rows as arrays (claim, step), one for each entry."""
    table = np.full((width, len(rows), len(steps)), np.nan)
    places = {step: place for place, step in enumerate(steps)}
    for row, kept in enumerate(rows.values()):
        for step, entries in kept.items():
            if step in places:
                table[:, row, places[step]] = entries
    return list(table)
