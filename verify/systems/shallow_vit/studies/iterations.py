"""How many steps the loss takes, by the share of relevant tokens, with trained and with frozen attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proofs.shallow_vit import order
from verify.checking.verdicts import Verdict
from verify.studies.fits import Fit, PowerLaw, power_law
from verify.studies.rules import AT_MOST_RULE, judge_at_most, shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.fields import Count
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.judged import CONFIDENCE, finding, grouped, in_range, measured, spread
from verify.systems.shallow_vit.studies.training import SYSTEM

LENGTH, LOOK = 100, 5

TARGET = 0.1
"""Hinge loss over the data law at which training ends."""


class Followed(BaseModel):
    """One problem, trained until the loss over the data law itself reaches its target."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    start: Literal["aligned", "perp"] = Field("aligned", description="queries are keys, or orthogonal to all keys")
    attention: Literal["trained", "frozen"] = Field("trained", description="frozen: W_K and W_Q stay as they are")
    n_star: Annotated[Count, Field(ge=1, le=LENGTH // 2)] = Field(8, description=f"relevant tokens of {LENGTH}")
    max_steps: Count = Field(4000, description="steps after which a run ends at the latest")

    def problem(self) -> Problem:
        """The problem itself: the usual one at this share."""
        frozen = {"attention_step": 0.0} if self.attention == "frozen" else {}
        settings = {"L": LENGTH, "d": 8, "n_star": self.n_star, "start": self.start, "max_steps": self.max_steps}
        return Problem.model_validate({**settings, **frozen, "loss_every": self.max_steps})


def measure_followed(cell: Followed, seed: int) -> dict[str, Any]:
    """The first looked-at step at which the exact hinge loss is at its target (`null`: not in time)."""
    problem = cell.problem()
    dynamics = SYSTEM.prepare(problem, seed, "patterns").dynamics
    while dynamics.step < cell.max_steps:
        at = dynamics.step + LOOK
        outputs = dynamics.test_outputs(dynamics.advance(LOOK, -1.0, [at]).kept[at])
        assert outputs is not None
        if SYSTEM.test_quantities(*outputs)["test_loss"] <= TARGET:
            return {"steps": at}
    return {"steps": None}


def judge_iterations(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """The exponent of the steps in 1/alpha, with trained and with frozen attention."""
    families = grouped(rows, "start", "attention")
    confidence = shared_out(CONFIDENCE, max(1, len(families)))
    findings: list[Finding] = []
    sheets: list[Sheet] = []
    notes: list[str] = []
    results: dict[str, Any] = {}
    for (start, attention), members in families.items():
        name = f"{start}, {attention}"
        arrived = [row for row in members if row.measured["steps"] is not None]
        if len(arrived) < len(members):
            notes.append(f"{name}: {len(members) - len(arrived)} of {len(members)} did not arrive and are left out")
        sheets.append(_steps(name, arrived))
        try:
            law = power_law(
                [LENGTH / row.parameters["n_star"] for row in arrived], measured(arrived, "steps"), confidence
            )
        except ValueError as error:
            findings.append(
                finding(order.iterations_bounded, Verdict.INCONCLUSIVE, name, AT_MOST_RULE, reason=str(error))
            )
            continue
        results[name] = {"exponent": law.exponent, "interval": list(law.exponent_interval)}
        fit = Fit(law, "1/alpha", f"steps, {name}")
        findings += [replace(each, fit=fit) for each in _judged(start, attention, law)]
    notes.append("exponents are fitted over finite shares; the law with its constant is in the study iteration-law")
    return Judgement(results, findings, sheets, notes)


def _judged(start: str, attention: str, law: PowerLaw) -> list[Finding]:
    about = f"exponent of the steps in 1/alpha, {start}, {attention}"
    frozen = attention == "frozen"
    bounded = finding(
        order.iterations_bounded,
        judge_at_most(law.exponent_interval, 1.0),
        about,
        AT_MOST_RULE,
        "with frozen attention at most of order 1/alpha" if frozen else "",
        law.exponent,
        law.exponent_interval,
        control=frozen,
    )
    if start == "perp":
        return [bounded]
    stated = order.frozen_iterations if frozen else order.aligned_iterations
    return [*([bounded] if frozen else []), in_range(stated, stated.claims, about, law.exponent, law.exponent_interval)]


def _steps(name: str, rows: Sequence[Row]) -> Sheet:
    lines = [
        (f"{n_star / LENGTH:g}", spread(measured(some, "steps"))) for (n_star,), some in grouped(rows, "n_star").items()
    ]
    return Sheet(f"Steps, {name}", ("alpha", "mean and range"), lines)


# Seven seeds left the exponent from aligned starts known to 0.08, too little for its stated range of 0.1 about 1. Its
# standard error, 0.025 there, is 0.015 with twenty: an exponent within 0.025 of 1 is then found in the range with
# probability 0.97.
ITERATIONS = Study(
    name="iterations",
    words="how the steps to a small loss grow as relevant tokens become rare, with trained and with frozen attention",
    cell=Followed,
    axes={"start": ("aligned", "perp"), "attention": ("trained", "frozen"), "n_star": (4, 8, 12, 16, 24, 32)},
    seeds=20,
    measure=measure_followed,
    judge=judge_iterations,
    measured_as="iterations",
)
