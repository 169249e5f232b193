"""Benign or harmful: the regime of any problem, by the fitted boundary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from verify.studies.study import Judgement, Row, Sheet, Study
from verify.studies.words import with_interval
from verify.systems.benign_vit.studies.boundary import PHASE_BOUNDARY, Boundary, Located, boundaries_of
from verify.systems.benign_vit.studies.family import families_of, named
from verify.systems.fields import Count, Positive


class Question(Located):
    """A problem whose regime is asked for."""

    N: Annotated[Count, Field(ge=1, le=10**15)] = Field(1000, description="training samples of the problem asked about")
    SNR: Positive = Field(2.0, description="signal-to-noise ratio of the problem asked about")


def judge_regime(rows: Sequence[Row], question: Question) -> Judgement:
    """Benign or harmful: on which side of the fitted boundary the asked problem lies, and how surely."""
    fitted, notes = boundaries_of(rows)
    families = [family for family, _ in families_of(rows)]
    asked = [each for each in fitted if each.cutoff == question.cutoff]
    answers = [_answer(boundary, question) for boundary in asked]
    lines = [
        (
            named(families, boundary.family),
            answer["regime"],
            with_interval(answer["threshold_SNR"], answer["threshold_SNR_interval"]),
            f"{answer['threshold_SNR_by_square_law']:.3f}",
            f"{answer['extrapolation']:.3g}",
        )
        for boundary, answer in zip(asked, answers, strict=True)
    ]
    columns = ("family", "regime", f"threshold SNR at N={question.N:g}", "by N SNR^2 alone", "extrapolation")
    title = f"N = {question.N:g}, SNR = {question.SNR:g}: N SNR^2 = {question.N * question.SNR**2:g}"
    shared: dict[str, Any] = {"N": question.N, "SNR": question.SNR, "N_SNR2": question.N * question.SNR**2}
    first = answers[0] if answers else {"regime": "undecided"}
    results = shared | {"cutoff": question.cutoff} | first | {"families": answers}
    return Judgement(results, [], [Sheet(title, columns, lines)], [*notes, *_regime_notes(asked, answers, question)])


def _answer(boundary: Boundary, question: Question) -> dict[str, Any]:
    """The regime by the fitted line's prediction interval, unless the square law alone says otherwise."""
    threshold, interval = boundary.law.predict(float(question.N))
    by_square = math.sqrt(boundary.constant / question.N) * boundary.family["C_p"]
    if max(interval[1], by_square) < question.SNR:
        regime = "benign"
    elif min(interval[0], by_square) > question.SNR:
        regime = "harmful"
    else:
        regime = "undecided"
    low, high = boundary.samples
    return {
        "family": dict(boundary.family),
        "regime": regime,
        "threshold_SNR": threshold,
        "threshold_SNR_interval": list(interval),
        "threshold_SNR_by_square_law": by_square,
        "threshold_N_SNR2": question.N * threshold**2,
        "extrapolation": max(question.N / high, low / question.N, 1.0),
    }


def _regime_notes(asked: Sequence[Boundary], answers: Sequence[Mapping[str, Any]], question: Question) -> list[str]:
    notes = []
    for boundary, answer in zip(asked, answers, strict=True):
        low, high = boundary.samples
        where = (
            f"inside the fitted range of {low} to {high} samples"
            if answer["extrapolation"] == 1.0
            else f"{answer['extrapolation']:.3g} times beyond the fitted range of {low} to {high} samples"
        )
        notes.append(
            f"{answer['regime']}: SNR {question.SNR:g} against a threshold of {answer['threshold_SNR']:.3g}"
            f" ({boundary.law.confidence:.0%} prediction interval {answer['threshold_SNR_interval'][0]:.3g}"
            f" to {answer['threshold_SNR_interval'][1]:.3g}), {where}"
        )
    notes.append("the interval knows the scatter of the cells, not whether the law goes on beyond them")
    return notes


REGIME = Study(
    name="regime",
    words="benign or harmful: a problem of N samples at a signal-to-noise ratio, by the fitted boundary",
    cell=PHASE_BOUNDARY.cell,
    axes=PHASE_BOUNDARY.axes,
    seeds=PHASE_BOUNDARY.seeds,
    measure=PHASE_BOUNDARY.measure,
    judge=judge_regime,
    measured_as=PHASE_BOUNDARY.measured_as,
    question=Question,
)
