"""Exponents are judged by cells of known truth; planted laws that are wrong are refuted by the same code."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, Judgement, NoQuestion
from verify.systems.shallow_vit.studies.sample_complexity import (
    EARLY,
    LATE,
    LENGTH,
    SAMPLE_COMPLEXITY,
    judge_sample_complexity,
    pilot,
)

Findings = Callable[..., list[Finding]]
DEPENDS, SUFFICIENT = "exponent-depends-on-stopping", "sufficient-samples"


def law(early: float, late: float, undecided: bool = False) -> Callable[[Mapping[str, Any], int], Mapping[str, Any]]:
    """Success by power laws through the pilots at alpha = 0.1."""

    def result(parameters: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
        exponent = early if parameters["stop"] == EARLY else late
        half = pilot(parameters["stop"], 4, 0) * (parameters["n_star"] / 4) ** exponent
        chance = expit(1.5 * np.log(parameters["N"] / half))
        won = bool(np.random.default_rng(seed).random() < chance)
        return {"zero_error": won, "undecided": undecided, "reached": True}

    return result


@pytest.fixture(scope="module")
def judged(made_up: Callable[..., Any]) -> Callable[..., Judgement]:
    def judge(early: float, late: float, **changes: Any) -> Judgement:
        return judge_sample_complexity(made_up(SAMPLE_COMPLEXITY, law(early, late, **changes)), NoQuestion())

    return judge


def test_the_exponents_of_both_stops_are_told_apart(judged: Callable[..., Judgement], findings_of: Findings) -> None:
    judgement = judged(-2.0, -0.6)
    assert [each.verdict for each in findings_of(judgement, DEPENDS)] == [Verdict.SUPPORTED] * 2
    slopes = [judgement.results["stops"][f"{stop:g}"]["alpha"] for stop in (EARLY, LATE)]
    for slope, truth in zip(slopes, (-2.0, -0.6), strict=True):
        assert slope["interval"][0] < truth < slope["interval"][1]


def test_one_exponent_at_both_stops_is_refuted(judged: Callable[..., Judgement], findings_of: Findings) -> None:
    early, late = findings_of(judged(-2.0, -2.0), DEPENDS)
    assert (early.verdict, late.verdict) == (Verdict.SUPPORTED, Verdict.REFUTED)
    early, late = findings_of(judged(-0.6, -0.6), DEPENDS)
    assert (early.verdict, late.verdict) == (Verdict.REFUTED, Verdict.SUPPORTED)


def test_an_upper_bound_is_judged_as_one(judged: Callable[..., Judgement], findings_of: Findings) -> None:
    early, late = findings_of(judged(-3.0, -0.6), SUFFICIENT)
    assert (early.verdict, late.verdict) == (Verdict.REFUTED, Verdict.SUPPORTED)


def test_wrong_variants_are_refuted(judged: Callable[..., Judgement], findings_of: Findings) -> None:
    linear, exact = findings_of(judged(-2.0, -0.6), SUFFICIENT, control=True)
    assert linear.verdict is exact.verdict is Verdict.REFUTED
    linear, exact = findings_of(judged(-0.6, -2.0), SUFFICIENT, control=True)
    assert linear.verdict is Verdict.SUPPORTED
    assert exact.verdict is not Verdict.REFUTED


def test_undecided_cells_support_nothing(judged: Callable[..., Judgement]) -> None:
    judgement = judged(-2.0, -0.6, undecided=True)
    assert not judgement.findings
    assert "2400 of 2400 cells are undecided" in judgement.notes[0]


def test_real_cells_succeed_with_samples_and_fail_without(measured: Callable[..., Any]) -> None:
    rows = measured(SAMPLE_COMPLEXITY, stop="0.1", n_star="8", N="2,64", level="0", seeds="4")
    wins = {N: sum(row.measured["zero_error"] for row in rows if row.parameters["N"] == N) for N in (2, 64)}
    assert wins[64] == 4
    assert wins[2] < 4
    assert all(row.measured["loss"] <= 0.1 for row in rows if row.measured["reached"])


def test_sizes_are_even_and_grow_as_relevant_tokens_become_rare() -> None:
    sizes = [pilot(EARLY, n_star, 0) for n_star in (2, 3, 4, 6, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size % 2 == 0 for size in sizes)
    assert pilot(LATE, LENGTH // 2, -1) == 2
