"""The sharp laws of growth and growth by effective time: supported where they are true, refuted where planted wrong."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from mpmath import mp, sinh

from verify.checking.verdicts import Verdict
from verify.studies.study import NoQuestion
from verify.systems.token_selection.studies.scaling import (
    SCALING,
    SHARP,
    WRONG_NAME,
    Growing,
    effective_gap,
    growth,
    judge_scaling,
    measure_growth,
)


def known(exponent: float = -0.5, growth: float = 1.0) -> Callable[[Any, int], dict[str, Any]]:
    """Ratios at `1 +- d^exponent`, and growth by a power of effective time."""

    def result(cell: Growing, replicate: int) -> dict[str, Any]:
        away = (2.0 + 0.1 * replicate) * float(cell.d) ** exponent
        ends = [1.0 - away, 1.0 + 0.5 * away]
        grown = {"samples": 4, "growth": growth + 1e-3 * replicate, "gap": 0.15 + 1e-3 * replicate}
        return {
            "events": {},
            "sharp": {**{lemma.name: ends for lemma in SHARP}, WRONG_NAME: [1.2, 1.3 + 0.01 * replicate]},
            "exponents": {"clean": grown, "noisy": grown},
        }

    return result


def test_true_laws_are_supported_and_wrong_ones_refuted(rows: Any) -> None:
    findings = judge_scaling(rows(SCALING, {}, known()), NoQuestion()).findings
    assert {each.verdict for each in findings if not each.control} == {Verdict.SUPPORTED}
    assert [each.verdict for each in findings if each.control] == [Verdict.REFUTED] * 3


def test_a_ratio_that_stays_away_from_1_is_refuted(rows: Any) -> None:
    findings = judge_scaling(rows(SCALING, {}, known(exponent=0.0)), NoQuestion()).findings
    assert {each.verdict for each in findings if each.statement.endswith("growth-law")} == {Verdict.REFUTED}


@pytest.mark.parametrize("exponent", [0.8, 1.2])
def test_another_power_of_effective_time_is_refuted(rows: Any, exponent: float) -> None:
    findings = judge_scaling(rows(SCALING, {}, known(growth=exponent)), NoQuestion()).findings
    verdicts = {each.verdict for each in findings if each.statement in ("clean-growth", "noisy-growth")}
    assert verdicts == {Verdict.REFUTED}


def test_events_that_never_came_leave_nothing_to_judge(rows: Any) -> None:
    def lost(cell: Growing, replicate: int) -> dict[str, Any]:
        none = {"samples": 0, "growth": None, "gap": None}
        sharp = dict.fromkeys((*(lemma.name for lemma in SHARP), WRONG_NAME))
        return {"events": {}, "sharp": sharp, "exponents": {"clean": none, "noisy": none}}

    findings = judge_scaling(rows(SCALING, {}, lost), NoQuestion()).findings
    assert {each.verdict for each in findings} == {Verdict.INCONCLUSIVE}


@given(some.lists(some.floats(-30.0, 30.0), min_size=2, max_size=6), some.integers(0, 5))
def test_an_effective_gap_is_the_log_odds_of_attention(score: list[float], token: int) -> None:
    token %= len(score)
    (gap,) = effective_gap(np.array([[score]]), np.array([token]))[0]
    with mp.workdps(40):
        weights = [mp.exp(each) for each in score]
        rest = sum(weights) - weights[token]
        expected = mp.log(weights[token] * (len(score) - 1) / rest)
    assert gap == pytest.approx(float(expected), abs=1e-10)


@given(some.floats(-5.0, 20.0), some.integers(2, 30))
def test_the_growth_function_is_that_of_the_statements(gap: float, tokens: int) -> None:
    with mp.workdps(30):
        expected = 2 * mp.mpf(gap) + 2 * sinh(mp.mpf(gap) - mp.log(tokens - 1))
    assert growth(np.array([gap]), tokens)[0] == pytest.approx(float(expected), rel=1e-12, abs=1e-12)


@pytest.mark.kernels
def test_real_growth_follows_the_laws() -> None:
    found = measure_growth(Growing(n=4, T=4, d=10**8, SNR=1.0, eta_f=0.5, steps=1000), seed=0)
    assert json.loads(json.dumps(found)) == found
    low, high = found["sharp"][SHARP[0].name]
    assert 0.97 < low <= high < 1.03
    wrong = found["sharp"][WRONG_NAME]
    assert max(abs(ratio - 1.0) for ratio in wrong) > 0.1
    assert found["exponents"]["clean"]["growth"] == pytest.approx(1.0, abs=0.05)
    assert found["exponents"]["clean"]["gap"] < 0.5
