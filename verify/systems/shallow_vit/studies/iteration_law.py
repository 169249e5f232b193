"""The steps from orthogonal queries and keys against an explicit constant over `eta alpha`, as the share falls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.integrate import quad
from scipy.optimize import brentq
from sympy import lambdify

from proofs.shallow_vit import order
from proofs.shallow_vit.symbols import relevant_share
from verify.checking.verdicts import Verdict
from verify.statistics import mean_interval
from verify.studies.fits import power_law
from verify.studies.rules import AT_MOST_RULE, judge_at_most, shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.fields import Count, Positive
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.judged import CONFIDENCE, finding, grouped, in_range, spread
from verify.systems.shallow_vit.studies.limit import pass_through

QUANTITIES = ("total", "doubling")

LARGEST_ANGLE = 3.0
"""Beyond it `e^(-z)` is below the smallest float, for every number of patterns that a cell may have."""


class Falling(BaseModel):
    """One initial model, trained on the data law of many tokens at a share of relevant ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    M: Annotated[Count, Field(ge=4, le=16)] = Field(4, description="patterns")
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.02, description="share of relevant tokens")
    m: Count = Field(64, description="neurons")
    xi: Positive = Field(1e-5, description="standard deviation of W_O at the start, small against alpha")
    pace: Positive = Field(0.002, description="step size times alpha")
    loss_target: Positive = Field(0.1, description="loss at which training ends; the law does not depend on it")

    def problem(self, trained: bool) -> Problem:
        """The problem whose initial weights and steps these are."""
        step = self.pace / self.alpha
        settings = {"M": self.M, "m": self.m, "m_b": 2 * self.M, "m_a": self.M, "d": self.M, "N": 2, "L": 2 * self.M}
        exact = {"n_star": 1, "sigma": 0.0, "delta": 0.0, "xi": self.xi, "step_size": step, "loss_every": 1}
        ending = {"loss_target": self.loss_target, "max_steps": math.ceil(10.0 / self.pace)}
        frozen = {} if trained else {"attention_step": 0.0}
        return Problem.model_validate({**settings, **exact, **ending, **frozen})


@cache
def constants(patterns: int) -> tuple[float, float]:
    """`I(M)` and its part up to the angle at which attention has doubled.

    Examples:
        >>> [[round(each, 4) for each in constants(M)] for M in (4, 5)]
        [[0.9027, 0.8023], [1.0847, 0.9881]]
    """
    expression = order.relevant_lead(order.theta, patterns)
    lead = lambdify(order.theta, expression, "math")
    beyond = brentq(lambda angle: lead(angle) - 700.0, 0.0, LARGEST_ANGLE)
    doubled = brentq(lambda angle: lead(angle) - math.log(2.0), 0.0, beyond)
    whole, part = (quad(lambda angle: math.exp(-lead(angle)), 0.0, end)[0] for end in (beyond, doubled))
    return float(whole), float(part)


def measure_falling(cell: Falling, seed: int) -> dict[str, Any]:
    """Steps times `eta alpha sqrt(A/2)`: to the loss, to doubled attention, and to the loss with frozen attention."""
    passage = pass_through(cell.problem(trained=True), cell.alpha, seed)
    frozen = pass_through(cell.problem(trained=False), cell.alpha, seed)
    pace = cell.pace * math.sqrt(passage.active_readout / 2.0)

    def scaled(steps: int | None) -> float | None:
        return None if steps is None else steps * pace

    return {"total": scaled(passage.total), "doubling": scaled(passage.doubling), "frozen": scaled(frozen.total)}


def judge_falling(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Ratios to the constants: in the stated range at every share, and going to 1 as fast as stated."""
    cells = grouped(rows, "M", "alpha")
    families = grouped(rows, "M")
    confidence = shared_out(CONFIDENCE, 4 * len(cells) + 2 * len(families))
    findings: list[Finding] = []
    lines = []
    for (patterns, alpha), members in cells.items():
        ratios = {name: _ratios(members, name) for name in (*QUANTITIES, "frozen")}
        lines.append((str(patterns), f"{alpha:g}", *(spread(each) for each in ratios.values())))
        where = f"M={patterns} alpha={alpha:g}"
        for number, name in enumerate(QUANTITIES):
            findings += _ranged(f"{name} steps over the law, {where}", number, alpha, ratios[name], confidence)
        if len(ratios["frozen"]) == len(members):
            wrong = f"frozen attention follows the law too, {where}"
            findings += _ranged(wrong, 0, alpha, ratios["frozen"], confidence, "frozen attention follows it too")
    smallest = min(row.parameters["alpha"] for row in rows)
    for (patterns, alpha), members in cells.items():
        if alpha == smallest:
            other = 5 if patterns == 4 else 4
            swapped = [each * constants(patterns)[0] / constants(other)[0] for each in _ratios(members, "total")]
            words = f"the constant of M = {other}"
            findings += _ranged(f"{words}, M={patterns} alpha={alpha:g}", 0, alpha, swapped, confidence, words)
    for (patterns,), members in families.items():
        findings += [_limit(patterns, name, members, confidence) for name in QUANTITIES]
    columns = ("M", "alpha", "steps/law", "doubling/law", "frozen/law")
    results = {f"M={patterns}": dict(zip(("I", "I_2"), constants(patterns), strict=True)) for (patterns,) in families}
    return Judgement(results, findings, [Sheet("Steps over the law, mean and range over seeds", columns, lines)])


def _ratios(rows: Sequence[Row], name: str) -> list[float]:
    number = 1 if name == "doubling" else 0
    there = [(row.measured[name], row.parameters["M"]) for row in rows if row.measured[name] is not None]
    return [float(value) / constants(patterns)[number] for value, patterns in there]


def _ranged(
    about: str, number: int, alpha: float, ratios: Sequence[float], confidence: float, wrong: str = ""
) -> list[Finding]:
    if len(ratios) < 2:
        return []
    stated = order.iteration_law_at_finite_share
    claims = stated.claims[2 * number : 2 * number + 2]
    interval = mean_interval(np.array(ratios), confidence)
    values = {relevant_share: alpha}
    return [in_range(stated, claims, about, float(np.mean(ratios)), interval, values, wrong, bool(wrong))]


def _limit(patterns: int, name: str, rows: Sequence[Row], confidence: float) -> Finding:
    claim = order.iteration_law.claims[QUANTITIES.index(name)]
    about = f"exponent of |ratio - 1| in 1/alpha, {name} steps, M={patterns}"
    away = [(1.0 / row.parameters["alpha"], abs(ratio - 1.0)) for row in rows for ratio in _ratios([row], name)]
    try:
        law = power_law([x for x, _ in away], [y for _, y in away], confidence)
    except ValueError as error:
        return finding(order.iteration_law, Verdict.INCONCLUSIVE, about, AT_MOST_RULE, reason=str(error))
    _, exponent = claim.rhs.as_base_exp()
    verdict = judge_at_most(law.exponent_interval, -float(exponent))
    return finding(order.iteration_law, verdict, about, AT_MOST_RULE, "", law.exponent, law.exponent_interval)


ITERATION_LAW = Study(
    name="iteration-law",
    words="the steps from orthogonal queries and keys against an explicit constant, as relevant tokens become rare",
    cell=Falling,
    axes={"M": (4, 5), "alpha": (0.08, 0.04, 0.02, 0.01, 0.005, 0.0025)},
    seeds=24,
    measure=measure_falling,
    judge=judge_falling,
    measured_as="iteration-law",
)
