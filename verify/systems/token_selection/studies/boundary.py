"""Where test samples begin to select their signal: the crossing of `sqrt(n d) SNR^2`, and its predicted constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from proofs.token_selection.order import selection_boundary
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.problem import Problem
from verify.systems.token_selection.selection import half_lead, test_selection
from verify.systems.token_selection.studies.family import (
    Family,
    flip_share,
    groups,
    problem_of,
    record,
    rhs,
    tends_to_one,
)
from verify.systems.token_selection.studies.flow import Course, follow
from verify.systems.token_selection.studies.margin import max_margin

RESOLUTION = 0.02
"""Width in `log(beta)` at which the bisection stops; the crossing is interpolated inside."""

WIDEST = 3.0
"""How far from the predicted crossing the search goes, in `log(beta)`."""

HORIZONS = (1e4, 1e6, 1e8, 1e10, 1e12)
"""Effective times, in units of n/(sigma^2 d), at which a trained network's crossing is located."""

LIMIT = "limit"
"""The crossing of the direction that training tends to."""


class Located(Family):
    """One family whose crossing is located."""

    rho: float = Field(0.0, ge=0, description="size of weak and confusing signals; the predicted crossing is for 0")

    def at(self, strength: float) -> Problem:
        """The problem at a `beta = sqrt(n d) SNR^2`."""
        ratio = math.sqrt(strength / math.sqrt(float(self.n) * self.d))
        return self.model_copy(update={"SNR": ratio, "m": None}).problem()


def locate(selected: Callable[[float], float], predicted: float) -> float | None:
    """Where a probability that grows with `beta` crosses 1/2, by bisection; `None` if nowhere in reach.

    Examples:
        >>> found = locate(lambda beta: beta**2 / (25.0 + beta**2), 4.0)
        >>> found is not None and abs(found - 5.0) < 1e-3
        True
    """
    start = math.log(predicted)
    low, high = start - 0.5, start + 0.5
    while selected(math.exp(low)) >= 0.5:
        low, high = low - 0.5, low
        if start - low > WIDEST:
            return None
    while selected(math.exp(high)) < 0.5:
        low, high = high, high + 0.5
        if high - start > WIDEST:
            return None
    while high - low > RESOLUTION:
        middle = (low + high) / 2.0
        low, high = (low, middle) if selected(math.exp(middle)) >= 0.5 else (middle, high)
    # A lead grows smoothly with beta, and the probability is nearly normal in it.
    below, above = (float(ndtri(selected(math.exp(end)))) for end in (low, high))
    return math.exp(low + (high - low) * below / (below - above))


def limit_direction(course: Course) -> Array:
    """The direction `u = W_0^T p` that training tends to while it has hardly moved W.

    Then p, whose tokens are `W_0 x`, grows along the shortest p that gives every selected token a lead.
    """
    start = course.instance.W
    return np.asarray(max_margin(course.instance.X @ start.T, course.selected[-1]).direction @ start)


def measure_crossing(cell: Located, seed: int) -> dict[str, Any]:
    """The crossings of one family at every horizon, and of the direction that training tends to."""
    predicted = rhs(selection_boundary.claims[0], cell.at(1.0))
    known: dict[float, dict[str, float]] = {}

    def ends(strength: float) -> dict[str, float]:
        if strength not in known:
            problem = cell.at(strength)
            course = follow(problem, seed, HORIZONS)
            directions = {f"{time:g}": at for time, at in zip(HORIZONS, course.direction, strict=True)}
            directions[LIMIT] = limit_direction(course)
            known[strength] = {name: test_selection(problem, at) for name, at in directions.items()}
        return known[strength]

    def selected(name: str, strength: float) -> float:
        return ends(strength)[name]

    names = (*(f"{time:g}" for time in HORIZONS), LIMIT)
    return {"crossing": {name: locate(partial(selected, name), predicted) for name in names}}


@dataclass(frozen=True)
class Wrong:
    """A wrong variant of the predicted crossing, as a multiple of the right one."""

    words: str
    factor: Callable[[Problem], float]

    def tells(self, problem: Problem) -> bool:
        """Whether it is far enough from the right one, of this problem, to be told from it."""
        return self.factor(problem) >= 1.1


def _by_largest_of_all(problem: Problem) -> float:
    return math.sqrt(2.0 * math.log(problem.T)) / half_lead(problem.T)


def _plain_flips(problem: Problem) -> float:
    flips = flip_share(problem)
    return (1.0 - flips - flips / (problem.T - 1)) / (1.0 - 2.0 * flips) if flips < 0.5 else 1.0


WRONG = (
    Wrong("sqrt(2 log T) in place of r_half", _by_largest_of_all),
    Wrong("flipped labels weigh as much as the others", _plain_flips),
)


def judge_boundary(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Whether the crossing over the predicted one tends to 1: that of the limit along d, the others along time."""
    findings: list[Finding] = []
    lines: list[list[str]] = []
    for (start, n, tokens, flips, rho), members in groups(rows, "start", "n", "T", "eta_f", "rho").items():
        name = f"{start} n={n} T={tokens} eta_f={flips:g} rho={rho:g}"
        findings.append(_along_dimension(members, name))
        findings.append(_along_time(members, name))
        told = [wrong for wrong in WRONG if wrong.tells(problem_of(members[0]))]
        findings.extend(_along_dimension(members, name, wrong) for wrong in told)
        for (size,), those in groups(members, "d").items():
            lines.append([name, f"{size:g}", *(between(_ratios(those, at)) for at in members[0].measured["crossing"])])
    places = (*(f"time {time:g}" for time in HORIZONS), LIMIT)
    title = "sqrt(n d) SNR^2 where test samples select their signal half the time, over the predicted one"
    sheet = Sheet(title, ("family", "d", *places), lines)
    return Judgement({"findings": record(findings)}, findings, [sheet])


def _ratios(rows: Sequence[Row], name: str) -> list[float | None]:
    """Crossings over the predicted ones."""
    crossings = [row.measured["crossing"][name] for row in rows]
    predicted = [rhs(selection_boundary.claims[0], problem_of(row)) for row in rows]
    return [None if at is None else at / expected for at, expected in zip(crossings, predicted, strict=True)]


def _along_dimension(rows: Sequence[Row], name: str, wrong: Wrong | None = None) -> Finding:
    factors = [1.0 if wrong is None else wrong.factor(problem_of(row)) for row in rows]
    ratios = _ratios(rows, LIMIT)
    seen = [
        (float(row.parameters["d"]), ratio / factor)
        for row, ratio, factor in zip(rows, ratios, factors, strict=True)
        if ratio is not None
    ]
    words = "" if wrong is None else wrong.words
    sizes, found = [size for size, _ in seen], [ratio for _, ratio in seen]
    return tends_to_one(selection_boundary, sizes, found, f"as training goes on for ever, {name}", "d", words)


def _along_time(rows: Sequence[Row], name: str) -> Finding:
    """At the largest dimension; a direction is its limit up to one part in the logarithm of time."""
    largest = max(row.parameters["d"] for row in rows)
    there = [row for row in rows if row.parameters["d"] == largest]
    seen = [(math.log(time), ratio) for time in HORIZONS for ratio in _ratios(there, f"{time:g}") if ratio is not None]
    times, ratios = [time for time, _ in seen], [ratio for _, ratio in seen]
    return tends_to_one(selection_boundary, times, ratios, f"d = {largest:g}, {name}", "log(time)")


BOUNDARY = Study(
    name="boundary",
    words="where test samples begin to select their signal: sqrt(n d) SNR^2 there against its predicted constant",
    cell=Located,
    axes={"start": ("orthogonal", "gaussian"), "d": (10**4, 10**6, 10**8, 10**10, 10**12)},
    seeds=3,
    measure=measure_crossing,
    judge=judge_boundary,
    measured_as="boundary",
)
