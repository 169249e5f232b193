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
    "benign-delayed": (1.0, 0.95),
    "delayed-accuracy": (1.0, 0.97),
    "delayed-accuracy-orthogonal": (1.0, 0.95),
    "harmful": (1.0, 0.2),
}
"""Shares of noisy labels fitted, and probabilities of selecting the signal."""


def ends(cell: Seeded, replicate: int) -> dict[str, Any]:
    noisy, selection = ENDS[cell.case]
    rest = dict.fromkeys(("start_error", "test_error", "test_attention"), 0.1)
    steps = {"fit_step": 12, "attention_step": 300_000, "accuracy_step": 5000}
    quarter = {"quarter_earliest": 14, "quarter_step": 15, "quarter_latest": 15 + replicate}
    return {"clean_fitted": 1.0, "noisy_fitted": noisy, "test_selection": selection, **rest, **steps, **quarter}


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


def test_generalisation_that_comes_with_the_fit_is_not_delayed(rows: Any) -> None:
    def at_once(cell: Seeded, replicate: int) -> dict[str, Any]:
        return {**ends(cell, replicate), "attention_step": 40, "accuracy_step": 40}

    judgement = judge_seeds(rows(SEEDS, {"seeds": "3"}, at_once), NoQuestion())
    (delayed,) = [each for each in judgement.findings if each.statement == "generalisation-is-delayed"]
    assert delayed.verdict is Verdict.REFUTED
    assert sum("in 0 of 3 cells, in 0 not" in note for note in judgement.notes) == 2


@pytest.mark.parametrize(
    ("step", "latest", "held"), [(13, 15, 0), (14, 15, 2), (15, None, 2), (16, 15, 0), (None, 15, 0)]
)
def test_a_bracket_excludes_steps_before_and_after(rows: Any, step: int | None, latest: int | None, held: int) -> None:
    def bracketed(cell: Seeded, replicate: int) -> dict[str, Any]:
        return {**ends(cell, replicate), "quarter_step": step, "quarter_latest": latest}

    notes = judge_seeds(rows(SEEDS, {"seeds": "2", "case": "benign"}, bracketed), NoQuestion()).notes
    assert notes == [f"tau_quarter lies between its two ends in {held} of 2 cells"]


@pytest.mark.kernels
def test_a_real_run_does_not_overfit_in_its_window() -> None:
    found = measure_seed(Seeded(case="not-overfitting", test_samples=200), seed=1)
    assert found["clean_fitted"] == 1.0
    assert found["noisy_fitted"] == 0.0
    assert found["test_selection"] > 0.9
    assert found["fit_step"] is None
    assert found["accuracy_step"] == 0 < found["attention_step"] < 150
    assert 1 < found["quarter_earliest"] <= found["quarter_step"] <= found["quarter_latest"]
