"""The map of regimes, and on which side of the crossing they lie."""

from collections.abc import Callable
from typing import Any

import pytest

from proofs.token_selection.order import selection_boundary
from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.studies.design import design
from verify.systems.token_selection.studies.family import rhs, selection_strength
from verify.systems.token_selection.studies.regimes import (
    HORIZONS,
    REGIMES,
    Horizon,
    Place,
    judge_regimes,
    measure_place,
    regime_of,
)


def known(at: float = 1.0, noisy: float = 1.0) -> Callable[[Any, int], dict[str, Any]]:
    """Selection that passes 1/2 at a multiple of the predicted crossing."""

    def result(cell: Place, replicate: int) -> dict[str, Any]:
        problem = cell.problem()
        ratio = selection_strength(problem) / (at * rhs(selection_boundary.claims[0], problem))
        missed = 1.0 / (1.0 + ratio**2)
        bounds = [[missed / 2.0, (1.0 + missed) / 2.0]] * 2
        wrong = {"bounds": bounds, "wrong_bounds": [[0.0, missed / 2.0]] * 2}
        seen = {
            "clean_fitted": 1.0,
            "noisy_fitted": noisy,
            "test_selection": 1.0 - missed,
            "missed": [missed] * 2,
            **wrong,
        }
        return {f"{time:g}": seen for time in HORIZONS}

    return result


def test_regimes_on_the_predicted_sides_are_supported(rows: Any) -> None:
    judgement = judge_regimes(rows(REGIMES, {}, known()), Horizon())
    assert {each.verdict for each in judgement.findings if not each.control} == {Verdict.SUPPORTED}
    assert [each.verdict for each in judgement.findings if each.control] == [Verdict.REFUTED] * 2
    letters = {letter for line in judgement.results["maps"][0]["regimes"] for letter in line}
    assert letters == {"b", "."}


def test_a_crossing_far_below_refutes_the_harmful_regime(rows: Any) -> None:
    findings = judge_regimes(rows(REGIMES, {}, known(at=1e-6)), Horizon()).findings
    assert findings[0].verdict is Verdict.REFUTED


def test_of_cells_that_memorise_nothing_nothing_is_said(rows: Any) -> None:
    findings = judge_regimes(rows(REGIMES, {}, known(noisy=0.5)), Horizon()).findings
    about_memory = [each for each in findings if each.statement != "selection-probability"]
    assert {each.verdict for each in about_memory} == {Verdict.HYPOTHESIS_NOT_MET}


@pytest.mark.parametrize("end", [0, 1])
def test_a_class_that_is_missed_outside_its_bounds_refutes_them(rows: Any, end: int) -> None:
    def outside(cell: Place, replicate: int) -> dict[str, Any]:
        measured = known()(cell, replicate)
        low, high = measured[f"{HORIZONS[0]:g}"]["bounds"][0]
        missed = [(low + high) / 2.0, low - 1e-3 if end == 0 else high + 1e-3]
        return {time: {**seen, "missed": missed} for time, seen in measured.items()}

    findings = judge_regimes(rows(REGIMES, {}, outside), Horizon()).findings
    (found,) = [each for each in findings if each.statement == "selection-probability" and not each.control]
    assert found.verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("clean", "noisy", "selection", "regime"),
    [
        (1.0, 1.0, 0.9, "benign"),
        (1.0, 1.0, 0.1, "harmful"),
        (1.0, 0.5, 0.9, "not overfitting"),
        (1.0, 0.5, 0.1, "unfitted"),
        (0.9, 1.0, 0.9, "unfitted"),
    ],
)
def test_a_regime_is_what_is_fitted_and_selected(clean: float, noisy: float, selection: float, regime: str) -> None:
    assert regime_of({"clean_fitted": clean, "noisy_fitted": noisy, "test_selection": selection}) == regime


def test_only_horizons_that_were_looked_at_can_be_asked_for() -> None:
    with pytest.raises(RequestError, match="horizon"):
        design(REGIMES, {"horizon": "5"}, 0, "")


@pytest.mark.kernels
@pytest.mark.parametrize(("ratio", "regime"), [(0.01, "harmful"), (0.3, "benign")])
def test_real_cells_are_what_they_are_expected_to_be(ratio: float, regime: str) -> None:
    found = measure_place(Place(n=8, T=4, SNR=ratio, eta_f=0.25), seed=0)
    assert regime_of(found[f"{HORIZONS[-1]:g}"]) == regime
    for seen in found.values():
        for missed, (low, high) in zip(seen["missed"], seen["bounds"], strict=True):
            assert low - 1e-9 <= missed <= high + 1e-9
