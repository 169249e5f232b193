"""Delays and slopes that are known come out again; wrong laws are refuted."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, NoQuestion
from verify.systems.token_selection.studies.delay import (
    DELAY,
    Followed,
    crossing_time,
    half_attention_score,
    judge_delay,
    leading_delay,
    measure_course,
)
from verify.systems.token_selection.studies.family import clean_strength
from verify.systems.token_selection.studies.label_noise import LABEL_NOISE, judge_label_noise


def known(slope: float = 1.0, delay: float = 1.0, late: bool = True) -> Callable[[Any, int], dict[str, Any]]:
    """Slopes at a multiple of the closed form's, delays at a multiple of the leading one."""

    def result(cell: Followed, replicate: int) -> dict[str, Any]:
        problem = cell.problem()
        strength, scatter = clean_strength(problem), 1e-3 * (replicate - 1)
        closed = strength / (strength + problem.T / (problem.T - 1))
        time = math.exp(delay * leading_delay(problem) / strength + scatter)
        return {
            "fit_time": (0.5 if late else 2.0) * time,
            "generalisation_time": time,
            "signal_slope": slope * 0.95 * closed * (1.0 + scatter),
            "margin_signal": 0.95 * closed,
            "margin_residual": 1e-14,
            "reselected": False,
            "noisy_accuracy": 1.0,
            "test_selection": 1.0,
            "test_attention": 0.6,
        }

    return result


def by_statement(findings: Any, control: bool = False) -> dict[str, set[Verdict]]:
    found: dict[str, set[Verdict]] = {}
    for each in findings:
        if each.control is control:
            found.setdefault(each.statement, set()).add(each.verdict)
    return found


def test_the_laws_are_supported_and_those_without_tokens_refuted(rows: Any) -> None:
    findings: list[Finding] = judge_delay(rows(DELAY, {}, known()), NoQuestion()).findings
    assert by_statement(findings) == {
        "signal-grows-like-the-margin": {Verdict.SUPPORTED},
        "signal-slope-in-closed-form": {Verdict.SUPPORTED},
        "generalisation-is-delayed": {Verdict.SUPPORTED},
        "exponential-delay": {Verdict.SUPPORTED},
    }
    assert by_statement(findings, control=True) == {
        "signal-grows-like-the-margin": {Verdict.REFUTED},
        "exponential-delay": {Verdict.REFUTED},
    }


@pytest.mark.parametrize(
    ("wrong", "statement"),
    [
        ({"slope": 1.2}, "signal-grows-like-the-margin"),
        ({"slope": 0.8}, "signal-slope-in-closed-form"),
        ({"delay": 0.5}, "exponential-delay"),
        ({"late": False}, "generalisation-is-delayed"),
    ],
)
def test_other_laws_refute_their_statement(rows: Any, wrong: dict[str, Any], statement: str) -> None:
    findings = judge_delay(rows(DELAY, {}, known(**wrong)), NoQuestion()).findings
    assert by_statement(findings)[statement] == {Verdict.REFUTED}


def test_slopes_are_judged_at_every_share_of_flipped_labels(rows: Any) -> None:
    findings = judge_label_noise(rows(LABEL_NOISE, {}, known()), NoQuestion()).findings
    assert set.union(*by_statement(findings).values()) == {Verdict.SUPPORTED}
    assert set.union(*by_statement(findings, control=True).values()) == {Verdict.REFUTED}


def test_no_cells_give_no_verdicts() -> None:
    assert {each.verdict for each in judge_delay([], NoQuestion()).findings} == {Verdict.HYPOTHESIS_NOT_MET}
    assert not judge_label_noise([], NoQuestion()).findings


@given(some.floats(0.01, 1e6), some.floats(0.1, 3.0))
def test_a_crossing_of_a_line_in_the_logarithm_is_exact(at: float, steepness: float) -> None:
    time = np.geomspace(1e-3, 1e8, 90)
    level = 0.5 + steepness * np.log(time / at)
    assert crossing_time(time, level, 0.5) == pytest.approx(at, rel=1e-9)


def test_a_level_that_stays_below_is_never_reached() -> None:
    assert crossing_time(np.array([1.0, 2.0]), np.array([0.1, 0.2]), 0.5) is None


@pytest.mark.kernels
@pytest.mark.parametrize(("tokens", "rho", "flips"), [(4, 0.1, 0.25), (6, 0.0, 0.25), (8, 0.1, 0.0)])
def test_the_leading_delay_is_that_of_the_shortest_direction(tokens: int, rho: float, flips: float) -> None:
    cell = Followed(n=8, T=tokens, d=10**12, SNR=0.01, rho=rho, eta_f=flips, horizon=1e5, since=1e4, test_samples=2)
    problem = cell.problem()
    expected = half_attention_score(problem) / leading_delay(problem)
    # To leading order in n SNR^2, which is 8e-4 here.
    assert measure_course(cell, 0)["margin_signal"] / clean_strength(problem) == pytest.approx(expected, rel=5e-3)


def test_without_flips_all_may_be_fitted_from_the_start(rows: Any) -> None:
    at_once = rows(DELAY, {"eta_f": "0"}, lambda cell, replicate: {**known()(cell, replicate), "fit_time": 0.0})
    assert by_statement(judge_delay(at_once, NoQuestion()).findings)["generalisation-is-delayed"] == {Verdict.SUPPORTED}


@pytest.mark.kernels
def test_a_real_course_follows_the_shortest_direction() -> None:
    cell = Followed(n=8, T=4, d=10**8, SNR=0.3, eta_f=0.25, horizon=1e7, test_samples=200)
    found = measure_course(cell, seed=0)
    assert json.loads(json.dumps(found)) == found
    assert found["signal_slope"] / found["margin_signal"] == pytest.approx(1.0, abs=0.06)
    assert found["generalisation_time"] > found["fit_time"]
    assert found["margin_residual"] < 1e-9
