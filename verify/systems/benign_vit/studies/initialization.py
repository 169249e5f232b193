"""How much the scales of the start and the step size matter: which statements stay in force, and the boundary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from proofs.benign_vit import bounds, stage_one, stage_two
from proofs.benign_vit.stages import EVENTS, T2, attention_saturated
from proofs.language import Lemma
from verify.checking.verdicts import Verdict
from verify.statistics import CONFIDENCE, mean_interval
from verify.studies.axes import spaced
from verify.studies.fits import Interval
from verify.studies.rules import judge_range, shared_out
from verify.studies.study import Finding, Judgement, Row, Sheet, Study
from verify.studies.words import between, with_interval
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.studies.boundary import CUTOFFS, locate
from verify.systems.benign_vit.studies.family import Cutoff, Training, predicted_crossing
from verify.systems.benign_vit.studies.growing import Growing, families
from verify.systems.benign_vit.studies.judged import CONTROLS, judge_run, replay, shortfall, statements_of, verdict_of
from verify.systems.fields import LARGEST_DIMENSION, Count, Positive

Quantity = Literal["sigma_h", "sigma_V", "step_size"]

STATEMENTS = statements_of(bounds, stage_one, stage_two)

STAYS = (0.8, 1.25)
"""A boundary stays where it is if its `N SNR^2` is surely within these factors of what it was."""

IN_FORCE_RULE = (
    "holds at the factors at which it is in force on every seed: its stage gone through from end to end, its"
    " hypotheses met throughout, nothing violated; refuted if it is violated anywhere"
)


class Rescaled(Growing):
    """A problem with one scale of its start, or its step size, off by a factor; and where the boundary then lies."""

    quantity: Quantity = Field("sigma_h", description="what is off")
    factor: Positive = Field(1.0, description="by what factor")
    max_steps: Count = Field(30_000, description="gradient steps after which the judged run ends at the latest")
    boundary_N: Annotated[Count, Field(ge=2, le=4096)] = Field(
        4, description="samples at which the boundary is located"
    )
    boundary_d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] = Field(
        10**6, description="d and d_h at which the boundary is located"
    )

    def rescaled(self, problem: Problem) -> Problem:
        """The problem with the quantity off by the factor; smaller steps are made in so much larger number."""
        settings = problem.model_dump(exclude={"r"})
        settings[self.quantity] *= self.factor
        if self.quantity == "step_size" and self.factor < 1.0:
            settings["max_steps"] = math.ceil(settings["max_steps"] / self.factor)
        return Problem.model_validate(settings)

    def judged(self) -> Problem:
        """The problem that is judged."""
        return self.rescaled(self.problem(test_samples=0))


def measure_rescaled(cell: Rescaled, seed: int) -> dict[str, Any]:
    """Judge a run, and locate the boundary with the factor and without it, on the same noise and the same start."""
    judged = cell.judged()
    until = (T2.name, attention_saturated.name)
    training = Training.model_validate({"N": cell.boundary_N, "M": cell.M, "d": cell.boundary_d})
    predicted = predicted_crossing(training.C_p)
    moved = locate(lambda snr: cell.rescaled(training.problem(snr)), predicted, seed)
    still = moved if cell.factor == 1.0 else locate(training.problem, predicted, seed)
    return {
        **judge_run(judged, seed, (*STATEMENTS, *CONTROLS), until, judged.max_steps),
        "crossing": {f"{cutoff:g}": moved.at[cutoff] for cutoff in CUTOFFS},
        "crossing_at_factor_1": {f"{cutoff:g}": still.at[cutoff] for cutoff in CUTOFFS},
    }


def judge_initialization(rows: Sequence[Row], question: Cutoff) -> Judgement:
    """For each quantity: which statements are in force at which factors, and how far the boundary moves."""
    findings: list[Finding] = []
    sheets: list[Sheet] = []
    notes: list[str] = []
    results: dict[str, Any] = {}
    for name, members in families(rows, "factor", ("regime", "quantity")).items():
        by_factor: dict[float, list[Row]] = {}
        for row in members:
            by_factor.setdefault(row.parameters["factor"], []).append(row)
        findings.extend(_finding(lemma, by_factor, name) for lemma in (*STATEMENTS, *CONTROLS))
        confidence = shared_out(CONFIDENCE, len(by_factor))
        shifts = [shift_of(factor, cells, question.cutoff, confidence) for factor, cells in by_factor.items()]
        sheets.extend((_statements_sheet(by_factor, name), _boundary_sheet(by_factor, shifts, question.cutoff, name)))
        notes.extend((*_notes(by_factor, name), _shift_note(shifts, question.cutoff, name)))
        results[name] = {
            "boundary": [shift.record() for shift in shifts],
            "in_force": {
                lemma.name: [factor for factor, cells in by_factor.items() if _state(lemma, cells) == HOLDS]
                for lemma in STATEMENTS
            },
        }
    return Judgement({"cutoff": question.cutoff, "families": results}, findings, sheets, notes)


HOLDS = Verdict.HOLDS.value


def _state(lemma: Lemma, cells: Sequence[Row]) -> str:
    """A statement at one factor: violated, in force, or on how many seeds it is not and why."""
    if any(verdict_of(row, lemma) == Verdict.VIOLATED.value for row in cells):
        return Verdict.VIOLATED.value
    reasons = [reason for row in cells if (reason := shortfall(row, lemma))]
    if not reasons:
        return HOLDS
    often = "" if len(reasons) == len(cells) else f" ({len(reasons)} of {len(cells)} seeds)"
    return reasons[0] + often


def _finding(lemma: Lemma, by_factor: Mapping[float, Sequence[Row]], name: str) -> Finding:
    states = {factor: _state(lemma, cells) for factor, cells in by_factor.items()}
    held = [factor for factor, state in states.items() if state == HOLDS]
    broken = [row for cells in by_factor.values() for row in cells if verdict_of(row, lemma) == Verdict.VIOLATED.value]
    if broken:
        verdict = Verdict.REFUTED
        step = broken[0].measured["statements"][lemma.name]["first_violation"]
        reason = f"violated at step {step}"
        if lemma not in CONTROLS:
            reason += f": {replay(Rescaled.model_validate(broken[0].parameters).judged(), broken[0].seed)}"
    else:
        verdict = Verdict.HOLDS if held else Verdict.HYPOTHESIS_NOT_MET
        reason = next((f"at {factor:.3g}: {state}" for factor, state in states.items() if state != HOLDS), "")
    return Finding(
        statement=lemma.name,
        kind=str(lemma.kind),
        verdict=verdict,
        about=f"{name}: in force at {len(held)} of {len(states)} factors",
        rule=IN_FORCE_RULE,
        words=lemma.words,
        interval=(min(held), max(held)) if held and not broken else None,
        reason=reason,
        control=lemma in CONTROLS,
    )


@dataclass(frozen=True)
class Shift:
    """By what factor `N SNR^2` at the crossing moves: geometric mean over seeds, its interval, and what that says."""

    factor: float
    ratio: float | None
    interval: Interval | None
    says: str

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        interval = None if self.interval is None else list(self.interval)
        return {"factor": self.factor, "ratio": self.ratio, "interval": interval, "says": self.says}


def shift_of(factor: float, cells: Sequence[Row], cutoff: float, confidence: float) -> Shift:
    """How far the boundary moves at one factor; cells that lack a crossing decide nothing."""
    name = f"{cutoff:g}"
    pairs = [(row.measured["crossing"].get(name), row.measured["crossing_at_factor_1"].get(name)) for row in cells]
    logs = [math.log(moved / still) for moved, still in pairs if moved is not None and still is not None]
    if len(logs) < max(2, len(cells)):
        return Shift(factor, None, None, "undecided")
    low, high = mean_interval(np.array(logs), confidence)
    interval = math.exp(low), math.exp(high)
    return Shift(factor, math.exp(float(np.mean(logs))), interval, _SAYS[judge_range(interval, *STAYS)])


_SAYS = {Verdict.SUPPORTED: "stays", Verdict.REFUTED: "moves", Verdict.INCONCLUSIVE: "undecided"}


def _shift_note(shifts: Sequence[Shift], cutoff: float, name: str) -> str:
    said = [
        f"{word} at {', '.join(f'{each.factor:.3g}' for each in shifts if each.says == word)}"
        for word in _SAYS.values()
        if any(each.says == word for each in shifts)
    ]
    return (
        f"{name}: the boundary at test loss {cutoff:g} {', '.join(said)}"
        f" (stays: N SNR^2 within {STAYS[0]:g} to {STAYS[1]:g} of that at factor 1, by the interval over seeds)"
    )


def _statements_sheet(by_factor: Mapping[float, Sequence[Row]], name: str) -> Sheet:
    """The statements that are not in force at some factor, and the steps of the events."""
    lines = []
    for lemma in STATEMENTS:
        if any(_state(lemma, cells) != HOLDS for cells in by_factor.values()):
            lines.append((lemma.name, *(_short(lemma, cells) for cells in by_factor.values())))
    for event in EVENTS:
        steps = [between([row.measured["events"][event.name] for row in cells], 6) for cells in by_factor.values()]
        lines.append((f"step of {event.name}", *steps))
    columns = ("statement", *(f"x {factor:.3g}" for factor in by_factor))
    return Sheet(f"Statements not in force at every factor, {name}", columns, lines)


def _short(lemma: Lemma, cells: Sequence[Row]) -> str:
    state = _state(lemma, cells)
    if state in (HOLDS, Verdict.VIOLATED.value):
        return state
    missing = sum(bool(shortfall(row, lemma)) for row in cells)
    return "not in force" if missing == len(cells) else f"not in force ({missing} of {len(cells)})"


def _notes(by_factor: Mapping[float, Sequence[Row]], name: str) -> list[str]:
    always = [lemma.name for lemma in STATEMENTS if all(_state(lemma, cells) == HOLDS for cells in by_factor.values())]
    return [f"{name}: in force at every factor: {', '.join(always)}"] if always else []


def _boundary_sheet(
    by_factor: Mapping[float, Sequence[Row]], shifts: Sequence[Shift], cutoff: float, name: str
) -> Sheet:
    lines = []
    for shift, cells in zip(shifts, by_factor.values(), strict=True):
        there = between([row.measured["crossing"].get(f"{cutoff:g}") for row in cells])
        ratio = "-" if shift.ratio is None or shift.interval is None else with_interval(shift.ratio, shift.interval)
        lines.append((f"{shift.factor:.3g}", there, ratio, shift.says))
    columns = ("factor", f"N SNR^2 at test loss {cutoff:g}", "over that at factor 1", "the boundary")
    return Sheet(f"Boundary, {name}", columns, lines)


INITIALIZATION = Study(
    name="initialization",
    words="scales of the start and step size off by a factor: which statements stay in force, how the boundary moves",
    cell=Rescaled,
    axes={"quantity": ("step_size", "sigma_h", "sigma_V"), "factor": spaced(10**-1.5, 10**1.5, 7)},
    seeds=3,
    measure=measure_rescaled,
    judge=judge_initialization,
    measured_as="initialization",
    question=Cutoff,
)
