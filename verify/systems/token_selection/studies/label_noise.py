"""The share of flipped labels: what is memorised, how fast signals gain, and when test samples attend to them."""

from __future__ import annotations

from collections.abc import Sequence

from proofs.token_selection.order import signal_slope_in_closed_form
from verify.statistics import CONFIDENCE
from verify.studies.rules import shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Study
from verify.systems.token_selection.studies.delay import (
    DELAY,
    course_notes,
    course_sheet,
    slope_findings,
)
from verify.systems.token_selection.studies.family import (
    band,
    flip_share,
    groups,
    mean_in_range,
    problem_of,
    record,
)


def judge_label_noise(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Slopes at every share of flipped labels."""
    findings: list[Finding] = []
    shares = groups(rows, "eta_f") if rows else {}
    confidence = shared_out(CONFIDENCE, max(len(shares), 1))
    for members in shares.values():
        name = f"eta_f = {flip_share(problem_of(members[0])):g}"
        findings.extend(slope_findings(members, name, confidence))
        findings.extend(_without_flips(members, name, confidence))
    return Judgement({"findings": record(findings)}, findings, [course_sheet(shares.values())], course_notes(rows))


def _without_flips(rows: Sequence[Row], name: str, confidence: float) -> list[Finding]:
    """The closed form as if no label were flipped: a wrong variant where a fifth or more are."""
    problem = problem_of(rows[0])
    if flip_share(problem) < 0.2:
        return []
    unflipped = band(signal_slope_in_closed_form, problem.model_copy(update={"eta_f": 0.0}))
    own = [row.measured["signal_slope"] for row in rows]
    return [
        mean_in_range(
            signal_slope_in_closed_form, own, unflipped, f"slope, {name}", "as if none were flipped", confidence
        )
    ]


LABEL_NOISE = Study(
    name="label-noise",
    words="the share of flipped labels: gain of signals, what is memorised, when test samples attend to signals",
    cell=DELAY.cell,
    axes={"eta_f": (0.0, 0.1, 0.2, 0.3, 0.4)},
    seeds=3,
    measure=DELAY.measure,
    judge=judge_label_noise,
    measured_as=DELAY.measured_as,
)
