"""Where attention is when training has ended: against what the data law allows, by the scale of queries and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from proofs.shallow_vit import order
from proofs.shallow_vit.inequalities import attention_cap, attention_capped
from proofs.shallow_vit.symbols import confusion_share, relevant_share
from verify.checking.verdicts import Verdict
from verify.statistics import clopper_pearson, mean_interval
from verify.studies.fits import power_law
from verify.studies.rules import DECAY_RULE, judge_decay, shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.fields import Count
from verify.systems.shallow_vit.studies.cases import Case, Settings
from verify.systems.shallow_vit.studies.judged import CONFIDENCE, finding, grouped, in_range, measured, spread
from verify.systems.shallow_vit.studies.training import attention_on_law, train

ROUNDING = 1e-12

UNIT, LONG, FROZEN = "unit", "16-fold", "frozen"
UNIT_STEPS = {"unit-step-0.02": 0.02, UNIT: 0.1, "unit-step-0.8": 0.8}
SCALES: Mapping[str, Settings] = {
    "unit-step-0.02": {"kappa": 1.0, "step_size": 0.02, "max_steps": 6000},
    UNIT: {"kappa": 1.0},
    "unit-step-0.8": {"kappa": 1.0, "step_size": 0.8},
    "4-fold": {"kappa": 4.0},
    "8-fold": {"kappa": 8.0, "step_size": 0.05},
    LONG: {"kappa": 16.0, "step_size": 0.02},
    FROZEN: {"attention_step": 0.0},
}
CONFUSED = "-confused"
"""Two tokens of the other label are in every sample."""


class Scaled(Case):
    """One scale of queries and keys, trained on until every margin is met or the steps are used up."""

    base: ClassVar[Settings] = {
        "L": 100,
        "M": 4,
        "d": 8,
        "m": 128,
        "n_star": 8,
        "sigma": 0.0,
        "delta": 0.0,
        "xi": 0.01,
        "step_size": 0.1,
        "loss_target": 0.0,
        "loss_every": 50,
        "max_steps": 2000,
    }
    cases: ClassVar[Mapping[str, Settings]] = {
        **SCALES,
        **{f"{name}{CONFUSED}": {**SCALES[name], "n_sharp": 2} for name in (UNIT, "4-fold", "8-fold", LONG)},
    }

    case: str = Field(UNIT, description=f"scale of queries and keys: {', '.join(cases)}")
    N: Annotated[Count, Field(ge=2, le=10**5)] = Field(400, description="training samples")


def measure_scaled(cell: Scaled, seed: int) -> dict[str, Any]:
    """Attention to relevant tokens over the exact data law, of all queries and of irrelevant ones."""
    problem = cell.problem()
    end = train(problem, seed)
    everywhere, others = attention_on_law(problem, end.score_map)
    return {"attention": everywhere, "attention_of_others": others, **end.record()}


def judge_attention(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Attention at the end against its cap, against twice the start, and against a power of the step size."""
    cells = grouped(rows, "case", "N")
    confidence = shared_out(CONFIDENCE, 2 * len(cells) + 1)
    findings: list[Finding] = [_capped(rows)]
    lines = []
    for (case, _), members in cells.items():
        seen = measured(members, "attention")
        shares = _shares(members[0])
        cap = float(attention_cap.xreplace(shares))
        others = spread(measured(members, "attention_of_others"))
        lines.append((case, spread(seen), others, f"{cap:.3f}", f"{np.mean(measured(members, 'loss')):.2g}"))
        if len(seen) < 2:
            continue
        interval = mean_interval(np.array(seen), confidence)
        about, mean = f"attention to relevant tokens at the end, {case}", float(np.mean(seen))
        wrong = "frozen attention grows too" if case == FROZEN else ""
        findings.append(
            in_range(
                order.attention_grows, order.attention_grows.claims, about, mean, interval, shares, wrong, bool(wrong)
            )
        )
        if case.removesuffix(CONFUSED) == LONG:
            filled = sum(each >= float(order.NEARLY) * cap for each in seen)
            share, bounds = filled / len(seen), clopper_pearson(filled, len(seen), confidence)
            stated = order.attention_fills_its_cap
            findings.append(
                in_range(stated, stated.claims, f"share of runs near the cap of {cap:g}, {case}", share, bounds)
            )
        elif case.removesuffix(CONFUSED) in UNIT_STEPS:
            stated = order.attention_stops_short
            findings.append(in_range(stated, stated.claims, about, mean, interval))
    findings += _power_of_the_step(rows, confidence)
    columns = ("queries and keys", "attention to relevant tokens", "of irrelevant queries", "cap", "loss")
    return Judgement({"confidence": confidence}, findings, [Sheet("Attention at the end", columns, lines)])


def _shares(row: Row) -> dict[Any, float]:
    problem = Scaled.model_validate(row.parameters).problem()
    return {relevant_share: problem.alpha_star, confusion_share: problem.alpha_sharp}


def _capped(rows: Sequence[Row]) -> Finding:
    slack = [float(attention_cap.xreplace(_shares(row))) - float(row.measured["attention_of_others"]) for row in rows]
    rule = "supported if no cell exceeds the cap by more than rounding, else refuted: it is proved"
    verdict = Verdict.SUPPORTED if min(slack) >= -ROUNDING else Verdict.REFUTED
    return finding(attention_capped, verdict, "smallest distance to the cap in any cell", rule, "", min(slack))


def _power_of_the_step(rows: Sequence[Row], confidence: float) -> list[Finding]:
    """The published law at unit norm, as a variant that these cells refute."""
    there = [row for row in rows if row.parameters["case"] in UNIT_STEPS]
    steps = [UNIT_STEPS[row.parameters["case"]] for row in there]
    missing = [1.0 - float(row.measured["attention"]) for row in there]
    about = "exponent of 1 - attention in 1/eta, queries and keys of unit norm"
    words = "1 - eta^C: what is missing to 1 vanishes with the step size"
    try:
        law = power_law([1.0 / step for step in steps], missing, confidence)
    except ValueError:
        return []
    interval = law.exponent_interval
    verdict = judge_decay(interval)
    return [finding(order.attention_near_one, verdict, about, DECAY_RULE, words, law.exponent, interval, control=True)]


# Of 24 runs 21 near the cap are needed to tell their share from a half, which a share of 0.8 gives with probability
# 0.26; of 80 runs 57, which it gives with probability 0.98.
ATTENTION = Study(
    name="attention",
    words="where attention is when training has ended, against what the data law allows",
    cell=Scaled,
    axes={"case": list(Scaled.cases)},
    seeds=80,
    measure=measure_scaled,
    judge=judge_attention,
    measured_as="attention",
)
