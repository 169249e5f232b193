"""Presets are in their regimes on every seed, and in no other."""

from typing import Any

import pytest

from verify.checking.verdicts import Verdict
from verify.studies.study import NoQuestion
from verify.systems.token_selection.studies.seeds import SEEDS, Seeded, judge_seeds, measure_seed

ENDS = {
    "not-overfitting": (0.0, 1.0),
    "overfitting-later": (1.0, 1.0),
    "benign": (0.75, 1.0),
    "harmful": (1.0, 0.2),
}
"""Shares of noisy labels fitted, and probabilities of selecting the signal."""


def ends(cell: Seeded, replicate: int) -> dict[str, Any]:
    noisy, selection = ENDS[cell.case]
    rest = dict.fromkeys(("start_error", "test_error", "test_attention"), 0.1)
    return {"clean_fitted": 1.0, "noisy_fitted": noisy, "test_selection": selection, **rest}


def harmed(cell: Seeded, replicate: int) -> dict[str, Any]:
    return {**ends(cell, replicate), "noisy_fitted": 1.0, "test_selection": 0.2}


def test_every_preset_is_in_its_regime_alone(rows: Any) -> None:
    findings = judge_seeds(rows(SEEDS, {"seeds": "2"}, ends), NoQuestion()).findings
    assert {each.verdict for each in findings if not each.control} == {Verdict.SUPPORTED}
    assert {each.verdict for each in findings if each.control} == {Verdict.REFUTED}


def test_a_preset_in_another_regime_is_refuted_and_its_control_is_not(rows: Any) -> None:
    findings = judge_seeds(rows(SEEDS, {"seeds": "2", "case": "benign"}, harmed), NoQuestion()).findings
    assert [(each.control, each.verdict) for each in findings] == [
        (False, Verdict.REFUTED),
        (True, Verdict.SUPPORTED),
    ]


@pytest.mark.kernels
def test_a_real_run_does_not_overfit_in_its_window() -> None:
    found = measure_seed(Seeded(case="not-overfitting", test_samples=200), seed=1)
    assert found["clean_fitted"] == 1.0
    assert found["noisy_fitted"] == 0.0
    assert found["test_selection"] > 0.9
