"""The map of regimes over samples and signal-to-noise ratio: not overfitting within a horizon, benign, harmful."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy.special import ndtr

from proofs.token_selection.inequalities import least_missed, most_missed, selection_probability
from proofs.token_selection.order import benign_selection, harmful_selection, selection_boundary
from verify.checking.compile import value_of
from verify.checking.verdicts import Verdict
from verify.studies.axes import spaced
from verify.studies.fits import power_law
from verify.studies.rules import DECAY_RULE, judge_decay
from verify.studies.study import Finding, Judgement, Row, Sheet, Study
from verify.systems.fields import LARGEST_DIMENSION, Count
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.selection import first_is_largest, test_leads, test_selection
from verify.systems.token_selection.studies.family import (
    SELECTED,
    Family,
    finding,
    groups,
    in_every_cell,
    problem_of,
    record,
    rhs,
    selection_strength,
)
from verify.systems.token_selection.studies.flow import follow

HORIZONS = (1e2, 1e3, 1e4, 1e6, 1e8)
"""Effective times, in units of n/(sigma^2 d), at which every cell is looked at."""

ROUNDING = 1e-12
"""A smaller probability of missing the signal cannot be told from 0."""

QUADRATURE = 1e-9
"""Largest error of a probability that is an integral."""

TELLING = (1e-6, 0.25)
"""Wrong bounds are looked at where the signal is missed this often: nearer to 0 or 1 all bounds are alike."""

Regime = Literal["unfitted", "not overfitting", "benign", "harmful"]
LETTERS: Mapping[Regime, str] = {"unfitted": "?", "not overfitting": "n", "benign": "b", "harmful": "."}


class Horizon(BaseModel):
    """The horizon that the map is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon: float = Field(1e4, description="effective time of the map, in units of n/(sigma^2 d)")

    @field_validator("horizon")
    @classmethod
    def _one_of_them(cls, horizon: float) -> float:
        if horizon not in HORIZONS:
            raise ValueError(f"one of {', '.join(f'{each:g}' for each in HORIZONS)}")
        return horizon


class Place(Family):
    """One cell of the map."""

    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] = Field(10**6, description="token dimension")


def measure_place(cell: Place, seed: int) -> dict[str, Any]:
    """What a cell has come to at every horizon: shares of clean and noisy samples fitted, and test selection."""
    problem = cell.problem()
    course = follow(problem, seed, HORIZONS)
    fitted = course.margin > 0.0
    noisy = course.noisy
    return {
        f"{time:g}": {
            "clean_fitted": float(fitted[at, ~noisy].mean()) if not noisy.all() else 1.0,
            "noisy_fitted": float(fitted[at, noisy].mean()) if noisy.any() else 1.0,
            "test_selection": test_selection(problem, course.direction[at]),
            **_missed(test_leads(problem, course.direction[at])),
        }
        for at, time in enumerate(HORIZONS)
    }


def _missed(leads: Array) -> dict[str, Any]:
    """How often each class selects another token, and between which bounds; wrong ones that forget a token's own noise.

    `leads` (2, T - 1) are those of token 0, in standard deviations of a score; a difference of two has two of them.
    """
    return {
        "missed": [1.0 - first_is_largest(each) for each in leads],
        "bounds": _bounds(leads / math.sqrt(2.0)),
        "wrong_bounds": _bounds(leads),
    }


def _bounds(z: Array) -> list[list[float]]:
    """Both ends for each class, by the statement's expressions."""
    behind = np.concatenate([np.zeros((2, 1)), ndtr(-z)], axis=1)
    constants = {"behind": behind, "is_other": (np.arange(behind.shape[1]) > 0).astype(float)}
    ends = (value_of(each, constants, {}) for each in (least_missed, most_missed))
    return [[float(low), float(high)] for low, high in zip(*ends, strict=True)]


def regime_of(seen: Mapping[str, float]) -> Regime:
    """What a cell is at a horizon; test samples decide where every flipped label is fitted.

    Examples:
        >>> regime_of({"clean_fitted": 1.0, "noisy_fitted": 0.0, "test_selection": 1.0})
        'not overfitting'
        >>> regime_of({"clean_fitted": 1.0, "noisy_fitted": 1.0, "test_selection": 0.2})
        'harmful'
    """
    selects = seen["test_selection"] >= SELECTED
    if seen["clean_fitted"] < 1.0:
        return "unfitted"
    if seen["noisy_fitted"] == 1.0:
        return "benign" if selects else "harmful"
    return "not overfitting" if selects else "unfitted"


def judge_regimes(rows: Sequence[Row], question: Horizon) -> Judgement:
    """The map at a horizon, and on which side of the predicted crossing benign and harmful cells lie."""
    at = f"{question.horizon:g}"
    places = [(row, selection_strength(problem_of(row)) / _crossing(row), row.measured[at]) for row in rows]
    memorised = [(row, place, seen) for row, place, seen in places if seen["noisy_fitted"] == 1.0]
    findings = [_harmful(memorised), *_benign(memorised), _swapped(memorised), *_bounded(rows)]
    sheets, maps = [], []
    for (size, start), members in groups(rows, "d", "start").items():
        found = _map(members, at)
        maps.append({"d": size, "start": start, **found})
        title = f"Regimes at time {at}, d={size:g} {start} (rows SNR, columns n): {_legend()}"
        lines = [[f"{ratio:.3g}", *line] for ratio, line in zip(found["SNR"], found["regimes"], strict=True)]
        sheets.append(Sheet(title, ("SNR", *(str(n) for n in found["n"])), lines[::-1]))
    sheets.append(_window_sheet(rows))
    results = {"horizon": question.horizon, "maps": maps, "findings": record(findings)}
    return Judgement(results, findings, sheets, [_agreement(memorised)] if memorised else [])


Seen = tuple[Row, float, Mapping[str, float]]
"""A cell, its `sqrt(n d) SNR^2` over the predicted crossing, and what was seen."""


def _crossing(row: Row) -> float:
    return rhs(selection_boundary.claims[0], problem_of(row))


def _harmful(memorised: Sequence[Seen]) -> Finding:
    below = [seen["test_selection"] for _, place, seen in memorised if place < 1.0]
    about = "largest P_select below the predicted crossing"
    return in_every_cell(harmful_selection, [each <= SELECTED for each in below], about, max(below, default=None))


def _swapped(memorised: Sequence[Seen]) -> Finding:
    """The harmful regime looked for on the wrong side."""
    far = [seen["test_selection"] for _, place, seen in memorised if place > 2.0]
    holds = [each <= SELECTED for each in far]
    about = "smallest P_select beyond twice the predicted crossing"
    return in_every_cell(harmful_selection, holds, about, min(far, default=None), "above in place of below")


def _bounded(rows: Sequence[Row]) -> list[Finding]:
    """Whether each class is missed within its bounds, at every horizon of every cell; wrong ones where that tells."""
    seen = [each for row in rows for each in row.measured.values()]
    telling = [each for each in seen if all(TELLING[0] < missed < TELLING[1] for missed in each["missed"])]
    about = "P_miss of both classes at every horizon"
    return [
        in_every_cell(selection_probability, [_within(each, "bounds") for each in seen], about),
        in_every_cell(
            selection_probability,
            [_within(each, "wrong_bounds") for each in telling],
            about,
            wrong="with the noise of one token",
        ),
    ]


def _within(seen: Mapping[str, Any], bounds: str) -> bool:
    """Whether all is within its bounds, up to the error of quadrature."""
    return all(
        low - QUADRATURE <= missed <= high + QUADRATURE
        for missed, (low, high) in zip(seen["missed"], seen[bounds], strict=True)
    )


def _benign(memorised: Sequence[Seen]) -> list[Finding]:
    """Whether the probability of missing the signal falls with the distance above the crossing."""
    about = "exponent of P_miss in sqrt(n d) SNR^2 above the crossing"
    above = [(place, 1.0 - seen["test_selection"]) for _, place, seen in memorised if place > 1.0]
    told = [(place, missed) for place, missed in above if missed > ROUNDING]
    try:
        law = power_law([place for place, _ in told], [missed for _, missed in told])
    except ValueError as error:
        verdict = Verdict.INCONCLUSIVE if above else Verdict.HYPOTHESIS_NOT_MET
        return [finding(benign_selection, verdict, about, DECAY_RULE, reason=str(error))]
    verdict = judge_decay(law.exponent_interval)
    return [finding(benign_selection, verdict, about, DECAY_RULE, law.exponent, law.exponent_interval)]


def _agreement(memorised: Sequence[Seen]) -> str:
    agree = [(place > 1.0) == (seen["test_selection"] >= SELECTED) for _, place, seen in memorised]
    wrong = [place for (_, place, _), right in zip(memorised, agree, strict=True) if not right]
    told = f"; the others have sqrt(n d) SNR^2 at {min(wrong):.2f} to {max(wrong):.2f} of it" if wrong else ""
    return f"{sum(agree)} of {len(agree)} cells that memorise are on the predicted side of the crossing{told}"


def _map(rows: Sequence[Row], at: str) -> dict[str, Any]:
    """The commonest regime over seeds on the grid; rows are signal-to-noise ratios."""
    samples = sorted({row.parameters["n"] for row in rows})
    ratios = sorted({row.parameters["SNR"] for row in rows})
    places = groups(rows, "SNR", "n")

    def letter(ratio: float, n: int) -> str:
        found = [regime_of(row.measured[at]) for row in places.get((ratio, n), [])]
        return LETTERS[max(set(found), key=lambda each: (found.count(each), each))] if found else ""

    return {"n": samples, "SNR": ratios, "regimes": [[letter(ratio, n) for n in samples] for ratio in ratios]}


def _legend() -> str:
    return ", ".join(f"{letter} {regime}" for regime, letter in LETTERS.items())


def _window_sheet(rows: Sequence[Row]) -> Sheet:
    """How many cells are in each regime at every horizon: not overfitting is a window."""
    lines = []
    for time in HORIZONS:
        found = [regime_of(row.measured[f"{time:g}"]) for row in rows]
        lines.append([f"{time:g}", *(str(found.count(regime)) for regime in LETTERS)])
    return Sheet("Cells in each regime", ("time", *LETTERS), lines)


REGIMES = Study(
    name="regimes",
    words="not overfitting within a horizon, benign or harmful over samples and signal-to-noise ratio",
    cell=Place,
    axes={"n": (10, 20, 40), "SNR": spaced(0.005, 10.0, 16)},
    seeds=2,
    measure=measure_place,
    judge=judge_regimes,
    measured_as="regimes",
    question=Horizon,
)
