"""Delayed generalisation: how fast signals gain once all is fitted, and how much later test samples attend to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.optimize import brentq

from proofs.language import Lemma
from proofs.token_selection.order import (
    closed_slope,
    exponential_delay,
    generalisation_is_delayed,
    signal_grows_like_the_margin,
    signal_slope_in_closed_form,
)
from verify.checking.verdicts import Verdict
from verify.statistics import CONFIDENCE
from verify.studies.axes import spaced
from verify.studies.fits import power_law
from verify.studies.rules import RANGE_RULE, judge_range, shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between
from verify.systems.draws import Stream, stream
from verify.systems.fields import Count, Positive
from verify.systems.token_selection.draw import signal_shares
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.problem import Problem
from verify.systems.token_selection.selection import test_selection
from verify.systems.token_selection.studies.family import (
    Family,
    Interval,
    band,
    clean_strength,
    finding,
    flip_share,
    groups,
    in_every_cell,
    mean_in_range,
    problem_of,
    record,
    signal_strength,
    slope,
    value,
)
from verify.systems.token_selection.studies.flow import LONGEST, Course, follow
from verify.systems.token_selection.studies.margin import max_margin
from verify.systems.token_selection.testing import draw_test_samples

MARKS_A_DECADE = 16

MOST_TOKENS_TOLD = 8
"""With more tokens T/(T - 1) is too near 1 for laws without it to be told from those with it."""

WEAKEST = 1.0
"""`n SNR^2` up to which generalisation is delayed, as the statement's words say."""


class Followed(Family):
    """A problem that is followed long after every sample is fitted."""

    SNR: Positive = Field(0.16, description="signal-to-noise ratio m / (sigma sqrt(d))")
    since: Positive = Field(1e4, description="effective time from which slopes are taken, in units of n/(sigma^2 d)")
    horizon: Positive = Field(1e10, le=LONGEST, description="effective time at which training ends, in these units")
    test_samples: Annotated[Count, Field(ge=2, le=10**6)] = Field(
        1000, description="fresh samples of each class behind the mean test attention"
    )


def measure_course(cell: Followed, seed: int) -> dict[str, Any]:
    """When all was fitted and when test samples attend to their signals; slopes, and the shortest direction's."""
    problem = cell.problem(test_samples=cell.test_samples)
    decades = math.log10(cell.horizon) + 1.0
    marks = np.geomspace(0.1, cell.horizon, round(MARKS_A_DECADE * decades) + 1)
    course = follow(problem, seed, marks)
    later = course.effective_time >= cell.since
    shortest = max_margin(course.instance.X, course.selected[-1])
    attention = _test_attention(course, seed)
    return {
        "fit_time": course.fit_time if math.isfinite(course.fit_time) else None,
        "generalisation_time": crossing_time(course.effective_time, attention, 0.5),
        "signal_slope": slope(np.log(course.effective_time[later]), course.signal_score[later]),
        "margin_signal": problem.m * float(shortest.direction[:2].sum()) / 2.0,
        "margin_residual": shortest.residual,
        "reselected": bool((course.selected[later] != course.selected[-1]).any()),
        "noisy_accuracy": float((course.margin[-1, course.noisy] > 0.0).mean()) if course.noisy.any() else None,
        "test_selection": test_selection(problem, course.direction[-1]),
        "test_attention": float(attention[-1]),
    }


def _test_attention(course: Course, seed: int) -> Array:
    """Mean attention of fresh samples to their signals, at every mark."""
    problem = course.problem
    shares = signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
    rng = stream(seed, Stream.TEST)
    samples = draw_test_samples(course.instance.nu, problem.m, problem.sigma, shares, problem.test_samples, rng)
    return np.array([samples.seen(direction)[2].mean() for direction in course.direction])


def crossing_time(time: Array, level: Array, threshold: float) -> float | None:
    """The first time at which a level reaches a threshold, interpolated in the logarithm; `None` if it never does.

    Examples:
        >>> round(crossing_time(np.array([1.0, 10.0, 100.0]), np.array([0.0, 0.4, 0.6]), 0.5), 6)
        31.622777
    """
    reached = np.flatnonzero(level >= threshold)
    if not len(reached):
        return None
    after = int(reached[0])
    if after == 0:
        return float(time[0])
    share = (threshold - level[after - 1]) / (level[after] - level[after - 1])
    return float(time[after - 1] * (time[after] / time[after - 1]) ** share)


def half_attention_score(problem: Problem) -> float:
    """The mean score of the signals, without noise, at which a test sample attends to its own by half.

    Tokens with weak signals follow with their share of it.

    Examples:
        >>> bool(np.isclose(half_attention_score(Problem(T=8, rho=0.0)), np.log(7)))
        True
    """
    weak = problem.k_w + problem.k_c

    def excess(score: float) -> float:
        return score - math.log(problem.T - 1 - weak + weak * math.exp(problem.rho * score))

    return float(brentq(excess, 0.0, 10.0 * math.log(problem.T)))


def leading_delay(problem: Problem) -> float:
    """The slope of `log(T_gen)` by `1/kappa_c` to leading order: the half-attention score over the gain in kappa_c.

    With a weak signal the shortest separating direction has one coefficient for all constraints. So a clean sample
    adds to its signal, for each of its T - 1 constraints, 1 less what its other tokens carry; a noisy one subtracts
    what its tokens carry, but for the selected one, which has the weak signal of its flipped label.
    """
    others, share = problem.T - 1, flip_share(problem)
    carried = (problem.k_w + problem.k_c) * problem.rho
    clean = 1.0 - carried / others
    noisy = (1.0 + carried - problem.T * problem.rho * (problem.k_c > 0)) / others
    gain = clean - noisy * share / (1.0 - share)
    return half_attention_score(problem) * problem.T / others / gain


def slope_findings(rows: Sequence[Row], name: str, confidence: float) -> list[Finding]:
    """The gain of signals by the logarithm of effective time, against the shortest direction and the closed form."""
    problem = problem_of(rows[0])
    own = [row.measured["signal_slope"] for row in rows]
    by_margin = [row.measured["signal_slope"] / row.measured["margin_signal"] for row in rows]
    margin = band(signal_grows_like_the_margin, problem, margin_signal=1.0)
    closed = band(signal_slope_in_closed_form, problem)
    findings = [
        mean_in_range(signal_grows_like_the_margin, by_margin, margin, f"slope/S_mm, {name}", confidence=confidence),
        mean_in_range(signal_slope_in_closed_form, own, closed, f"slope, {name}", confidence=confidence),
    ]
    if problem.T <= MOST_TOKENS_TOLD:
        plain = clean_strength(problem) / (clean_strength(problem) + 1.0)
        over = [each / plain for each in own]
        wrong = "over kappa_c/(kappa_c + 1)"
        findings.append(mean_in_range(signal_grows_like_the_margin, over, margin, f"slope, {name}", wrong, confidence))
    return findings


def judge_delay(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Slopes at every strength of the signal, and the delay over all of them."""
    findings: list[Finding] = []
    strengths = groups(rows, "d", "SNR", "m") if rows else {}
    for members in strengths.values():
        name = f"n SNR^2 = {signal_strength(problem_of(members[0])):.3g}"
        findings.extend(slope_findings(members, name, shared_out(CONFIDENCE, len(strengths))))
    findings.append(_later(rows))
    findings.extend(_delay_findings(rows) if rows else [])
    return Judgement({"findings": record(findings)}, findings, [course_sheet(strengths.values())], course_notes(rows))


def _later(rows: Sequence[Row]) -> Finding:
    """With a weak signal all is fitted before test samples attend to theirs."""
    weak = [row.measured for row in rows if signal_strength(problem_of(row)) <= WEAKEST * (1.0 + 1e-6)]
    holds = [
        each["fit_time"] is not None
        and (each["generalisation_time"] is None or each["generalisation_time"] > each["fit_time"])
        for each in weak
    ]
    known = [
        each["generalisation_time"] / each["fit_time"]
        for each, fits in zip(weak, holds, strict=True)
        if fits and each["fit_time"] and each["generalisation_time"]
    ]
    return in_every_cell(generalisation_is_delayed, holds, "T_gen/T_fit at its smallest", min(known, default=None))


def _delay_findings(rows: Sequence[Row]) -> list[Finding]:
    about = "slope of log(T_gen) by 1/kappa_c, over its value to leading order"
    problems = [(problem_of(row), row.measured["generalisation_time"]) for row in rows]
    seen = [(problem, time) for problem, time in problems if time is not None]
    allowed = band(exponential_delay, problems[0][0])
    tokens = problems[0][0].T
    variants = {"": 1.0}
    if tokens <= MOST_TOKENS_TOLD:
        variants["without T/(T - 1)"] = tokens / (tokens - 1)
    return [_delayed(exponential_delay, seen, allowed, factor, about, words) for words, factor in variants.items()]


def _delayed(
    lemma: Lemma, seen: Sequence[tuple[Problem, float]], allowed: Interval, factor: float, about: str, wrong: str
) -> Finding:
    rule = f"in [{allowed[0]:.3g}, {allowed[1]:.3g}]: {RANGE_RULE}"
    try:
        # A straight line of log(T_gen) by 1/kappa_c is a power law in exp(1/kappa_c).
        law = power_law([math.exp(1.0 / clean_strength(problem)) for problem, _ in seen], [time for _, time in seen])
    except (ValueError, OverflowError) as error:
        return finding(lemma, Verdict.INCONCLUSIVE, about, rule, reason=str(error), wrong=wrong)
    leading = leading_delay(seen[0][0]) / factor
    low, high = (end / leading for end in law.exponent_interval)
    return finding(
        lemma, judge_range((low, high), *allowed), about, rule, law.exponent / leading, (low, high), wrong=wrong
    )


def course_sheet(families: Any) -> Sheet:
    """Times, slopes and ends, smallest to largest over seeds."""
    lines = []
    for members in families:
        problem, found = problem_of(members[0]), [row.measured for row in members]
        predicted = value(closed_slope, problem)
        lines.append(
            [
                f"{signal_strength(problem):.3g}",
                f"{problem.d:g}",
                f"{flip_share(problem):g}",
                between([each["fit_time"] for each in found]),
                between([each["generalisation_time"] for each in found]),
                between([each["signal_slope"] for each in found]),
                between([each["signal_slope"] / each["margin_signal"] for each in found]),
                between([each["signal_slope"] / predicted for each in found]) if predicted else "",
                between([each["noisy_accuracy"] for each in found]),
                between([each["test_selection"] for each in found]),
                between([each["test_attention"] for each in found]),
            ]
        )
    columns = ("n SNR^2", "d", "flipped", "T_fit", "T_gen", "slope", "over S_mm", "over closed form", "noisy fitted")
    return Sheet("Effective times in units of n/(sigma^2 d)", (*columns, "P_select", "test attention"), lines)


def course_notes(rows: Sequence[Row]) -> list[str]:
    """How well the shortest directions are known, and where a sample changed its mind while slopes were taken."""
    notes = [f"optimality of S_mm holds to {max((row.measured['margin_residual'] for row in rows), default=0.0):.1e}"]
    changed = sum(row.measured["reselected"] for row in rows)
    if changed:
        notes.append(f"in {changed} of {len(rows)} cells a sample selected another token while slopes were taken")
    return notes


DELAY = Study(
    name="delay",
    words="delayed generalisation: gain of signals against the shortest separating direction, T_gen against n SNR^2",
    cell=Followed,
    axes={"SNR": spaced(0.12, 0.32, 6)},
    seeds=3,
    measure=measure_course,
    judge=judge_delay,
    measured_as="course",
)
