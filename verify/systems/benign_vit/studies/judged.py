"""What the cells of studies share that judge a run: which statements hold on it, by what margin, and what fails."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from proofs.benign_vit.stages import EVENTS
from proofs.benign_vit.statements import lemmas
from proofs.language import STEP, Claim, Derived, Lemma, plain
from verify.checking.judge import Judge
from verify.checking.verdicts import LemmaVerdict, Verdict
from verify.engines.drive import STRETCH_STEPS
from verify.engines.stretch import Dynamics
from verify.studies.study import Row
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.studies.growing import stage_events
from verify.systems.benign_vit.studies.training import SYSTEM


def statements_of(*modules: ModuleType) -> tuple[Lemma, ...]:
    """The statements of modules of proofs that one run can judge, in reading order."""
    names = {module.__name__ for module in modules}
    return tuple(lemma for lemma in lemmas() if lemma.judged_in_a_run and lemma.module in names)


def _an_eighth_of(name: str) -> Lemma:
    """A bound with an eighth of its right sides."""
    lemma = next(lemma for lemma in lemmas() if lemma.name == name)
    wrong = Lemma(
        words=f"{lemma.words} (An eighth of the bound.)",
        claims=[Claim(claim.lhs, claim.relation, claim.rhs / 8, where=claim.where) for claim in lemma.claims],
        stage=lemma.stage,
        given=lemma.given,
        source=Derived("a control: false"),
    )
    wrong.name = f"{lemma.name}-an-eighth"
    return wrong


CONTROLS = (_an_eighth_of("stage-one-loss-derivative-bound"),)
"""Wrong variants, judged along."""


def judge_run(
    problem: Problem, seed: int, statements: Sequence[Lemma], until: Sequence[str], max_steps: int
) -> dict[str, Any]:
    """Train and judge until all the events have occurred, the loss is at its target, or for `max_steps` steps."""
    prepared = SYSTEM.prepare(problem, seed, "reduced", checked=True)
    dynamics: Dynamics = prepared.dynamics
    judge = Judge(SYSTEM.name, lambda: (statements, EVENTS), prepared)
    twin = dynamics.twin()
    going = True
    while going:
        stretch = dynamics.advance(min(STRETCH_STEPS, max_steps - dynamics.step), problem.loss_target, [])
        judge.observe(stretch, twin)
        loss = float(stretch.arrays["loss"][stretch.steps])
        done = all(judge.events.get(event) is not None for event in until)
        going = not done and dynamics.step < max_steps and problem.loss_target < loss < math.inf
    return {
        "events": judge.events,
        "steps": dynamics.step,
        "statements": {verdict.statement.name: _record(verdict) for verdict in judge.verdicts()},
    }


def _record(verdict: LemmaVerdict) -> dict[str, Any]:
    margins = [claim.relative_margin for claim in verdict.claims if claim.relative_margin is not None]
    broken = [claim.first_violation for claim in verdict.claims if claim.first_violation is not None]
    return {
        "verdict": verdict.verdict.value,
        "relative_margin": min(margins, default=None),
        "first_violation": min(broken, default=None),
        "reason": verdict.reason,
        "hypotheses": [
            {"claim": each.text, "smallest_margin": _finite(each.smallest_margin), "share": each.share}
            for each in verdict.hypotheses
        ],
    }


def _finite(value: float | None) -> float | None:
    """A margin as JSON can hold it; one beyond every number says no more than its hypothesis."""
    return None if value is None or not np.isfinite(value) else value


def verdict_of(row: Row, lemma: Lemma) -> str:
    """The verdict on a statement in a cell."""
    return str(row.measured["statements"][lemma.name]["verdict"])


def shortfall(row: Row, lemma: Lemma) -> str:
    """Why a statement is not in force in a cell; empty where it is.

    It is in force where it holds, its stage was gone through from end to end, and its hypotheses held all the time
    (those that bound the step number: at some time).
    """
    found: Mapping[str, Any] = row.measured["statements"][lemma.name]
    if found["verdict"] != Verdict.HOLDS.value:
        return found["reason"] or str(found["verdict"])
    for event in stage_events(lemma.stage):
        if row.measured["events"][event] is None:
            return f"{event} did not occur"
    for claim, met in zip(lemma.given, found["hypotheses"], strict=True):
        if claim.lhs != STEP and met["share"] < 1.0:
            return f"its hypothesis held at {met['share']:.0%} of the places: {plain(claim)}"
    return ""


def replay(problem: Problem, seed: int) -> str:
    """The command that runs a cell once more, with everything judged."""
    settings = problem.model_dump(include=problem.model_fields_set)
    words = " ".join(f"{name}={value!r}" for name, value in settings.items())
    return f"verify run {SYSTEM.name} --set {words} --seed {seed}"
