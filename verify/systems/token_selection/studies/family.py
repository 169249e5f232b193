"""What the cells of studies share: problems drawn directly at any dimension, and statements evaluated on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sympy import exp

from proofs.language import Claim, Lemma, Logistic
from proofs.token_selection import order
from proofs.token_selection.statements import statements
from verify.checking.meter import condition_meter
from verify.checking.verdicts import Verdict
from verify.statistics import mean_interval
from verify.studies.fits import Fit, power_law
from verify.studies.rules import LIMIT_RULE, RANGE_RULE, judge_limit, judge_range
from verify.studies.study import Finding, Row
from verify.systems.fields import LARGEST_DIMENSION, Count, NonNegative, Positive
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.observed import start_spread
from verify.systems.token_selection.problem import Problem, Share
from verify.systems.token_selection.selection import half_lead

Interval = tuple[float, float]

EVERY_CELL_RULE = "supported if it holds in every such cell, refuted if it fails in every one, else inconclusive"


class Family(BaseModel):
    """A problem by its sizes, trained in steps that follow the flow."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    n: Annotated[Count, Field(ge=2, le=256, multiple_of=2)] = Field(20, description="training samples")
    T: Annotated[Count, Field(ge=3, le=64)] = Field(8, description="tokens a sample")
    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] = Field(10**8, description="token dimension")
    SNR: Positive = Field(0.2, description="signal-to-noise ratio m / (sigma sqrt(d))")
    m: Positive | None = Field(None, description="norm of a signal, in place of SNR")
    rho: NonNegative = Field(0.1, description="size of weak and confusing signals, as a share of m")
    eta_f: Share = Field(0.2, description="share of flipped labels")
    start: Literal["orthogonal", "gaussian"] = Field("orthogonal", description="law of W at the start")

    def problem(self, **further: Any) -> Problem:
        """The problem itself, drawn in few coordinates."""
        given = self.model_dump(include=set(Family.model_fields), exclude={"SNR", "m"})
        signal = {"SNR": self.SNR} if self.m is None else {"m": self.m}
        return Problem.model_validate({**given, **signal, "drawn": "reduced", **further})


def problem_of(row: Row) -> Problem:
    """The problem of a finished cell."""
    return Family.model_validate({name: row.parameters[name] for name in Family.model_fields}).problem()


def flip_share(problem: Problem) -> float:
    """The share of labels that are flipped indeed: as many in both classes.

    Examples:
        >>> flip_share(Problem(n=10, eta_f=0.1))
        0.0
    """
    return 2.0 * problem.flips / problem.n


SELECTED = float(order.harmful_selection.claims[0].rhs)
"""The probability of selecting the signal that separates benign from harmful."""


def signal_strength(problem: Problem) -> float:
    """`kappa = n SNR^2`."""
    return value(order.signal_strength, problem)


def selection_strength(problem: Problem) -> float:
    """`beta = sqrt(n d) SNR^2`."""
    return value(order.selection_strength, problem)


def clean_strength(problem: Problem) -> float:
    """`kappa_c = n SNR^2 (1 - eta_f) / 2`."""
    return value(order.clean_strength, problem)


def sides(claim: Claim, problem: Problem, measured: Mapping[str, float]) -> tuple[float, float]:
    """Both sides of a claim about a problem and what was measured of it, by the names of observables.

    Raises:
        ValueError: if they do not determine them.
    """
    constants = {
        "dimension": problem.d,
        "signal_norm": problem.m,
        "noise_deviation": problem.sigma,
        "flip_rate": flip_share(problem),
        "start_spread": start_spread(problem),
        "half_lead": half_lead(problem.T),
        **measured,
    }
    plain = Claim(_known_to_sympy(claim.lhs), claim.relation, _known_to_sympy(claim.rhs))
    (found,) = condition_meter({"claim": ("", plain)}, constants, {"N": problem.n, "T": problem.T})
    if found.lhs is None or found.rhs is None:
        raise ValueError(f"{claim} is not determined by {', '.join(constants)}")
    return found.lhs, found.rhs


def _known_to_sympy(expression: Any) -> Any:
    """The expression with the logistic function, of which sympy has no number, written out."""
    return expression.replace(Logistic, lambda x: 1 / (1 + exp(-x)))


def value(expression: Any, problem: Problem) -> float:
    """An expression that statements have of a problem alone."""
    return sides(Claim(expression, "~", 1), problem, {})[0]


def rhs(claim: Claim, problem: Problem, **measured: float) -> float:
    """The right side of a claim whose left side is an observable."""
    return sides(claim, problem, {**measured, claim.lhs.name: 1.0})[1]


def band(lemma: Lemma, problem: Problem, **measured: float) -> Interval:
    """The range that two claims `>=` and `<=` of a statement put one quantity in."""
    ends = {claim.relation: rhs(claim, problem, **measured) for claim in lemma.claims}
    return ends[">="], ends["<="]


def finding(
    lemma: Lemma,
    verdict: Verdict,
    about: str,
    rule: str,
    estimate: float | None = None,
    interval: Interval | None = None,
    reason: str = "",
    wrong: str = "",
) -> Finding:
    """What is said of a statement, or of the wrong variant of it that `wrong` names."""
    statements()  # which gives them their names
    return Finding(
        statement=lemma.name,
        kind="order",
        verdict=verdict,
        about=", ".join(part for part in (wrong, about) if part),
        rule=rule,
        words=lemma.words,
        estimate=estimate,
        interval=interval,
        reason=reason,
        control=bool(wrong),
    )


def tends_to_one(
    lemma: Lemma, sizes: Sequence[float], ratios: Sequence[float], name: str, along: str, wrong: str = ""
) -> Finding:
    """Judge a leading order (`~`): whether the distance of ratios from 1 falls like a power of a size.

    An exponent within the tolerance of 0 counts as 0, so that a distance which stays is refuted.
    """
    about = f"exponent in {along} of |lhs/rhs - 1|, {name}"
    try:
        law = power_law(sizes, [abs(ratio - 1.0) for ratio in ratios])
    except ValueError as error:
        return finding(lemma, Verdict.INCONCLUSIVE, about, LIMIT_RULE, reason=str(error), wrong=wrong)
    largest = max(sizes)
    there = [ratio for size, ratio in zip(sizes, ratios, strict=True) if size == largest]
    reason = f"lhs/rhs {np.mean(there):.4f} at {along} = {largest:.4g}"
    verdict = judge_limit(law.exponent_interval)
    found = finding(lemma, verdict, about, LIMIT_RULE, law.exponent, law.exponent_interval, reason, wrong)
    return replace(found, fit=Fit(law, along, f"|lhs/rhs - 1|, {name}"))


def mean_in_range(
    lemma: Lemma, values: Sequence[float], allowed: Interval, about: str, wrong: str = "", confidence: float = 0.95
) -> Finding:
    """Judge the mean over cells of a quantity by the range that is stated for it."""
    rule = f"in [{allowed[0]:.3g}, {allowed[1]:.3g}]: {RANGE_RULE}"
    if len(values) < 2:
        reason = f"{len(values)} cells, an interval needs 2"
        return finding(lemma, Verdict.INCONCLUSIVE, about, rule, reason=reason, wrong=wrong)
    interval = mean_interval(np.asarray(values, dtype=np.float64), confidence)
    return finding(lemma, judge_range(interval, *allowed), about, rule, float(np.mean(values)), interval, wrong=wrong)


def in_every_cell(
    lemma: Lemma, holds: Sequence[bool], about: str, estimate: float | None = None, wrong: str = ""
) -> Finding:
    """Judge a statement about single cells, all of which it must hold in."""
    if not holds:
        return finding(lemma, Verdict.HYPOTHESIS_NOT_MET, about, EVERY_CELL_RULE, reason="no such cell", wrong=wrong)
    verdict = Verdict.SUPPORTED if all(holds) else Verdict.INCONCLUSIVE if any(holds) else Verdict.REFUTED
    reason = f"holds in {sum(holds)} of {len(holds)} cells"
    return finding(lemma, verdict, about, EVERY_CELL_RULE, estimate, reason=reason, wrong=wrong)


def groups(rows: Sequence[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by some of their parameters, ascending."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row.parameters[name] for name in names), []).append(row)
    return dict(sorted(found.items()))


def record(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON values."""
    return [
        {
            "statement": each.statement,
            "about": each.about,
            "verdict": each.verdict.value,
            "estimate": each.estimate,
            "interval": None if each.interval is None else list(each.interval),
            "control": each.control,
        }
        for each in findings
    ]


def slope(x: Array, y: Array) -> float:
    """The slope of the least squares line.

    Examples:
        >>> round(slope(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])), 12)
        2.0
    """
    away = x - x.mean()
    return float(away @ y / (away @ away))
