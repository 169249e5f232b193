"""How long a strong signal keeps noisy labels from being fitted: an effective time exponential in `n SNR^2`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from pydantic import Field

from proofs.language import Logistic
from proofs.token_selection.order import untouched, window_without_overfitting
from verify.checking.verdicts import Verdict
from verify.studies.rules import LIMIT_RULE
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between
from verify.systems.fields import Positive
from verify.systems.token_selection.problem import Problem, Share
from verify.systems.token_selection.studies.family import (
    Family,
    finding,
    flip_share,
    groups,
    problem_of,
    record,
    signal_strength,
    tends_to_one,
    value,
)
from verify.systems.token_selection.studies.flow import LONGEST, follow


class Strong(Family):
    """A problem with a strong signal, trained until every sample is fitted."""

    d: int = Field(10**9, ge=3, description="token dimension")
    SNR: Positive = Field(4.0, description="signal-to-noise ratio m / (sigma sqrt(d))")
    rho: float = Field(0.0, ge=0, description="size of weak and confusing signals; the predicted rate is for 0")
    eta_f: Share = Field(0.1, description="share of flipped labels")
    horizon: Positive = Field(
        1e13, le=LONGEST, description="effective time at which training ends at the latest, in units of n/(sigma^2 d)"
    )


def measure_window(cell: Strong, seed: int) -> dict[str, Any]:
    """The effective time at which first every sample is fitted, `None` if not within the horizon."""
    course = follow(cell.problem(), seed, [cell.horizon], stop_at_fit=True)
    return {"fit_time": course.fit_time if math.isfinite(course.fit_time) else None}


RATE = window_without_overfitting.claims[0].rhs


def _unit_value(problem: Problem) -> float:
    """The rate as it would be if the value of a signal were 1 in place of 1/sqrt 2, over the right one."""
    return value(RATE.xreplace({untouched: Logistic(-1)}), problem) / value(RATE, problem)


def judge_window(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Whether the rate of `log(theta_fit)` by `n SNR^2`, over the predicted one, tends to 1 as signals grow."""
    findings: list[Finding] = []
    lines: list[list[str]] = []
    for (n, tokens, flips, rho, size), members in groups(rows, "n", "T", "eta_f", "rho", "d").items():
        name = f"n={n} T={tokens} eta_f={flips:g} rho={rho:g} d={size:g}"
        share, largest = flip_share(problem_of(members[0])), value(untouched, problem_of(members[0]))
        if 0.0 < share < largest:
            rates = _rates(members)
            findings.append(_judged(members, rates, name))
            findings.append(_judged(members, rates, name, "as if the value of a signal were 1", _unit_value))
        else:
            reason = f"there is a window only with a share of flipped labels between 0 and {largest:.3f}"
            findings.append(
                finding(window_without_overfitting, Verdict.HYPOTHESIS_NOT_MET, name, LIMIT_RULE, reason=reason)
            )
        for _, those in sorted(_by_strength(members).items()):
            times = [row.measured["fit_time"] for row in those]
            lines.append([name, f"{signal_strength(problem_of(those[0])):.4g}", between(times)])
    sheet = Sheet(
        "Effective time at which every sample is fitted", ("family", "n SNR^2", "units of n/(sigma^2 d)"), lines
    )
    return Judgement({"findings": record(findings)}, findings, [sheet])


def _by_strength(rows: Sequence[Row]) -> dict[float, list[Row]]:
    found: dict[float, list[Row]] = {}
    for row in rows:
        found.setdefault(signal_strength(problem_of(row)), []).append(row)
    return found


def _rates(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Middle strengths, and slopes of `log(theta_fit)` between neighbouring ones, replicate by replicate."""
    rates = []
    for _, those in _by_replicate(rows).items():
        fitted = sorted(
            (signal_strength(problem_of(row)), math.log(row.measured["fit_time"]))
            for row in those
            if row.measured["fit_time"] is not None
        )
        for (weak, early), (strong, late) in pairwise(fitted):
            rates.append((math.sqrt(weak * strong), (late - early) / (strong - weak)))
    return rates


def _by_replicate(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Rows by the number of their replicate."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.replicate, []).append(row)
    return found


def _judged(
    members: Sequence[Row],
    rates: Sequence[tuple[float, float]],
    name: str,
    wrong: str = "",
    factor: Callable[[Problem], float] = lambda _: 1.0,
) -> Finding:
    problem = problem_of(members[0])
    predicted = factor(problem) * value(RATE, problem)
    strengths, ratios = [strength for strength, _ in rates], [rate / predicted for _, rate in rates]
    return tends_to_one(window_without_overfitting, strengths, ratios, name, "n SNR^2", wrong)


WINDOW = Study(
    name="window",
    words="how long a strong signal keeps noisy labels from being fitted, against the predicted rate in n SNR^2",
    cell=Strong,
    axes={"SNR": tuple(round(math.sqrt(strength / 20.0), 6) for strength in (280, 320, 360, 400, 440))},
    seeds=4,
    measure=measure_window,
    judge=judge_window,
    measured_as="window",
)
