"""The laws of growth: the sharp one along growing dimensions, and growth by effective time within a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, cast

import numpy as np
import sympy
from pydantic import Field

from proofs.language import Claim, Derived, Lemma
from proofs.language.nodes import Element
from proofs.token_selection import stages
from proofs.token_selection.order import clean_growth_law, limit_drive, noisy_growth_law
from proofs.token_selection.stage_two import clean_growth, noisy_growth
from proofs.token_selection.statements import lemmas
from proofs.token_selection.symbols import T, dimension, noise_deviation, score_drive
from verify.checking.measure import Measure
from verify.checking.verdicts import Verdict
from verify.statistics import CONFIDENCE, mean_interval
from verify.studies.fits import power_law
from verify.studies.rules import EXPONENT_RULE, judge_exponent
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between
from verify.systems.fields import Count, Positive
from verify.systems.token_selection import compiled
from verify.systems.token_selection.kernels import Array, Integers
from verify.systems.token_selection.studies.family import Family, finding, groups, record, tends_to_one
from verify.systems.token_selection.studies.flow import Course, follow, time_unit
from verify.systems.token_selection.system import TokenSelection

SYSTEM = TokenSelection()

SHARP: tuple[Lemma, ...] = tuple(lemma for lemma in lemmas() if lemma in (clean_growth_law, noisy_growth_law))
"""The sharp laws; `lemmas` gives them their names."""

WRONG_NAME = "clean-growth-by-own-noise"


def _by_own_noise() -> Lemma:
    """The sharp law as if a token's own noise alone moved its score, and not the signals that it shares."""
    claim = clean_growth_law.claims[0]
    own = claim.rhs.replace(
        lambda part: isinstance(part, Element) and part.args[0] == limit_drive,
        lambda part: noise_deviation**2 * dimension * score_drive[part.args[1:]],
    )
    wrong = Lemma(
        words=f"{clean_growth_law.words} (By their own noise alone.)",
        kind="order",
        claim=Claim(claim.lhs, claim.relation, own, where=claim.where),
        stage=clean_growth_law.stage,
        source=Derived("a control: false"),
    )
    wrong.name = WRONG_NAME
    return wrong


BY_OWN_NOISE = _by_own_noise()

MARKS = np.geomspace(1.0, 1e8, 161)
"""Effective times, in units of n/(sigma^2 d), between which growth by effective time is fitted."""

FEWEST_MARKS = 40
"""A sample that settles so late that fewer marks are left is not fitted."""


class Growing(Family):
    """A problem trained by small equal steps, and followed much longer by the flow."""

    SNR: Positive = Field(0.4472136, description="signal-to-noise ratio m / (sigma sqrt(d))")
    pace: Positive = Field(0.1, le=1.0, description="step size in units of n/(s_0 sigma^2 d)")
    steps: Annotated[Count, Field(ge=2, le=10**6)] = Field(4000, description="steps")


def measure_growth(cell: Growing, seed: int) -> dict[str, Any]:
    """Ratios of both sides of the sharp laws at the end, and exponents of growth by effective time."""
    problem = cell.problem(test_samples=0, max_steps=cell.steps)
    problem = problem.model_copy(update={"step_size": cell.pace * time_unit(problem) / problem.s_0})
    prepared = SYSTEM.prepare(problem, seed, "reduced", checked=True)
    measure = Measure((*SHARP, BY_OWN_NOISE), stages.EVENTS, prepared)
    measure.train(prepared.dynamics, cell.steps)
    ratios = {name: side.ratios for (name, _), side in measure.sides.items()}
    course = follow(cell.problem(), seed, MARKS)
    return {
        "events": measure.events,
        "sharp": {lemma.name: _extremes(ratios.get(lemma.name)) for lemma in (*SHARP, BY_OWN_NOISE)},
        "exponents": exponents_of_growth(course),
    }


def _extremes(ratios: Array | None) -> list[float] | None:
    if ratios is None or not np.isfinite(ratios).all() or not ratios.size:
        return None
    return [float(ratios.min()), float(ratios.max())]


def effective_gap(score: Array, selected: Integers) -> Array:
    """Lead (K, n) of the selected tokens (n,) over the soft maximum of the others; `score` is (K, n, T)."""
    gap = np.empty_like(score)
    for scores, leads in zip(score, gap, strict=True):
        compiled.lead(scores, leads)
    return np.asarray(np.take_along_axis(gap, selected[None, :, None], axis=2)[..., 0])


def growth(gap: Array, tokens: int) -> Array:
    """`g(x)` of effective gaps, by the expression that the statements use.

    Examples:
        >>> growth(np.array([0.0]), 2)
        array([0.])
    """
    return np.asarray(_growth(tokens)(gap))


@cache
def _growth(tokens: int) -> Callable[[Array], Array]:
    gap = sympy.Symbol("gap", real=True)
    return cast(Callable[[Array], Array], sympy.lambdify(gap, stages.growth(gap).subs(T, tokens), "numpy"))


def exponents_of_growth(course: Course) -> dict[str, Any]:
    """Mean exponents, over samples, of `g(x)` and of x by effective time, since the sample settled on its token.

    A sample settles where its token's attention enters 1/2 for the last time.
    """
    selected = course.selected[-1]
    gap = effective_gap(course.score, selected)
    attention = np.take_along_axis(course.attention, selected[None, :, None], axis=2)[..., 0]
    kinds: dict[str, list[tuple[float, float]]] = {"clean": [], "noisy": []}
    for sample, noisy in enumerate(course.noisy):
        away = np.flatnonzero(attention[:, sample] < 0.5)
        since = int(away[-1]) + 1 if len(away) else 0
        if len(MARKS) - since <= FEWEST_MARKS or (not noisy and selected[sample] != 0):
            continue
        time = course.effective_time[since + 1 :] - course.effective_time[since]
        found = []
        for quantity in (growth(gap[:, sample], course.problem.T), gap[:, sample]):
            grown = quantity[since + 1 :] - quantity[since]
            found.append(power_law(time, grown).exponent if (grown > 0.0).all() else np.nan)
        if np.isfinite(found).all():
            kinds["noisy" if noisy else "clean"].append((found[0], found[1]))
    return {
        kind: {
            "samples": len(pairs),
            "growth": float(np.mean([pair[0] for pair in pairs])) if pairs else None,
            "gap": float(np.mean([pair[1] for pair in pairs])) if pairs else None,
        }
        for kind, pairs in kinds.items()
    }


LAWS = {"clean": clean_growth, "noisy": noisy_growth}


def judge_scaling(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """The sharp laws along d; at the largest d growth by effective time."""
    findings: list[Finding] = []
    lines: list[list[str]] = []
    for (start, n, tokens, flips, rho), members in groups(rows, "start", "n", "T", "eta_f", "rho").items():
        name = f"{start} n={n} T={tokens} eta_f={flips:g} rho={rho:g}"
        findings.extend(_sharp(lemma, members, name) for lemma in SHARP)
        findings.append(_sharp(clean_growth_law, members, name, "a token's own noise alone"))
        largest = max(row.parameters["d"] for row in members)
        there = [row for row in members if row.parameters["d"] == largest]
        for kind in LAWS:
            findings.extend(_linear(kind, there, f"d={largest:g} {name}"))
        for (size,), those in groups(members, "d").items():
            lines.append([name, f"{size:g}", *_cells(those)])
    columns = ("family", "d", "clean law", "noisy law", "clean g(x)", "clean x", "noisy g(x)", "noisy x")
    title = "Sharp laws: lhs/rhs over samples and seeds. By effective time: exponents, over seeds"
    return Judgement({"findings": record(findings)}, findings, [Sheet(title, columns, lines)])


def _sharp(lemma: Lemma, rows: Sequence[Row], name: str, wrong: str = "") -> Finding:
    """The ratio farthest from 1 over samples, cell by cell."""
    measured = WRONG_NAME if wrong else lemma.name
    seen = [(float(row.parameters["d"]), row.measured["sharp"][measured]) for row in rows]
    told = [(size, max(ends, key=lambda ratio: abs(ratio - 1.0))) for size, ends in seen if ends is not None]
    found = tends_to_one(lemma, [size for size, _ in told], [ratio for _, ratio in told], name, "d", wrong)
    return replace(found, reason=f"{found.reason}; in {len(told)} of {len(rows)} cells")


def _linear(kind: str, rows: Sequence[Row], name: str) -> list[Finding]:
    """An exponent of 1 for `g(x)`; x itself is the wrong variant."""
    lemma, findings = LAWS[kind], []
    for quantity, wrong in (("growth", ""), ("gap", "x in place of g(x)")):
        about = f"exponent of what {kind} samples gained by effective time, {name}"
        values = [row.measured["exponents"][kind][quantity] for row in rows]
        told = [value for value in values if value is not None]
        if len(told) < 2:
            reason = f"{len(told)} cells, an interval needs 2"
            findings.append(finding(lemma, Verdict.INCONCLUSIVE, about, EXPONENT_RULE, reason=reason, wrong=wrong))
            continue
        interval = mean_interval(np.array(told), CONFIDENCE)
        verdict = judge_exponent(interval, 1.0)
        findings.append(finding(lemma, verdict, about, EXPONENT_RULE, float(np.mean(told)), interval, wrong=wrong))
    return findings


def _cells(rows: Sequence[Row]) -> list[str]:
    sharp = [[row.measured["sharp"][lemma.name] for row in rows] for lemma in SHARP]
    line = [between([end for ends in each if ends is not None for end in ends]) for each in sharp]
    for kind in LAWS:
        for quantity in ("growth", "gap"):
            line.append(between([row.measured["exponents"][kind][quantity] for row in rows]))
    return line


SCALING = Study(
    name="scaling",
    words="the sharp laws of growth as dimensions grow, and growth linear in effective time",
    cell=Growing,
    axes={"d": (10**4, 10**5, 10**6, 10**7, 10**8)},
    seeds=4,
    measure=measure_growth,
    judge=judge_scaling,
    measured_as="scaling",
)
