"""The rate at which a stronger signal delays the fit of noisy labels."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from proofs.token_selection.order import window_without_overfitting
from verify.checking.verdicts import Verdict
from verify.studies.study import NoQuestion
from verify.systems.token_selection.studies.family import rhs
from verify.systems.token_selection.studies.window import WINDOW, Strong, judge_window, measure_window


def known(factor: float) -> Callable[[Any, int], dict[str, Any]]:
    """`log(theta_fit)` with a multiple of the predicted rate; where that is 1, with a part in 1/(n SNR^2)."""

    def result(cell: Strong, replicate: int) -> dict[str, Any]:
        problem = cell.problem()
        strength = problem.n * problem.signal_to_noise**2
        rate = factor * rhs(window_without_overfitting.claims[0], problem)
        away = 200.0 + 5.0 * replicate if factor == 1.0 else 0.01 * replicate
        return {"fit_time": math.exp(rate * strength - 3.0 + away / strength)}

    return result


def test_the_predicted_rate_is_supported_and_a_wrong_value_is_refuted(rows: Any) -> None:
    findings = judge_window(rows(WINDOW, {}, known(1.0)), NoQuestion()).findings
    assert [(each.control, each.verdict) for each in findings] == [(False, Verdict.SUPPORTED), (True, Verdict.REFUTED)]


@pytest.mark.parametrize("factor", [1.3, 2.0])
def test_another_rate_is_refuted(rows: Any, factor: float) -> None:
    findings = judge_window(rows(WINDOW, {}, known(factor)), NoQuestion()).findings
    assert findings[0].verdict is Verdict.REFUTED


@pytest.mark.parametrize("flips", ["0", "0.4"])
def test_without_a_window_nothing_is_claimed(rows: Any, flips: str) -> None:
    never = rows(WINDOW, {"eta_f": flips}, lambda *_: {"fit_time": None})
    findings = judge_window(never, NoQuestion()).findings
    assert [each.verdict for each in findings] == [Verdict.HYPOTHESIS_NOT_MET]


def test_cells_that_never_fit_support_nothing(rows: Any) -> None:
    findings = judge_window(rows(WINDOW, {}, lambda *_: {"fit_time": None}), NoQuestion()).findings
    assert findings[0].verdict is Verdict.INCONCLUSIVE


@pytest.mark.kernels
def test_a_strong_signal_keeps_noisy_labels_out_of_the_horizon() -> None:
    cell = Strong(n=4, T=4, eta_f=0.25, SNR=9.0, horizon=1e6)
    assert measure_window(cell, seed=0)["fit_time"] is None or cell.problem().flips == 0
