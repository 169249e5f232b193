"""The regime of a problem by the fitted boundary, and its uncertainty."""

import pytest

from verify.studies.design import design
from verify.systems.benign_vit.studies.regime import REGIME, Question, judge_regime

from .test_boundary import rows_of


@pytest.mark.parametrize(("ratio", "regime"), [(2.0, "benign"), (0.1, "harmful"), (0.447, "undecided")])
def test_the_side_of_a_known_boundary_is_told(ratio: float, regime: str) -> None:
    results = judge_regime(rows_of(2.0, 200.0, noise=0.02), Question(N=1000, SNR=ratio)).results
    assert results["regime"] == regime
    assert results["threshold_SNR"] == pytest.approx(0.447, rel=0.1)
    assert results["extrapolation"] == pytest.approx(1000 / 32)


def test_the_threshold_is_less_sure_further_out() -> None:
    rows = rows_of(2.0, 200.0, noise=0.02)
    widths = []
    for samples in (16, 1000, 10**6):
        low, high = judge_regime(rows, Question(N=samples, SNR=2.0)).results["threshold_SNR_interval"]
        widths.append(high / low)
    assert widths[0] < widths[1] < widths[2]
    assert judge_regime(rows, Question(N=16, SNR=2.0)).results["extrapolation"] == 1.0


def test_laws_that_disagree_leave_it_undecided() -> None:
    """With exponent 1.8 the fitted line and N SNR^2 alone part far out."""
    rows = rows_of(1.8, 150.0, noise=0.001)
    asked = Question(N=10**7, SNR=0.0030)
    results = judge_regime(rows, asked).results
    low, high = sorted((results["threshold_SNR"], results["threshold_SNR_by_square_law"]))
    assert low < asked.SNR < high
    assert results["regime"] == "undecided"


def test_the_problem_asked_about_is_no_axis() -> None:
    asked = design(REGIME, {"N": "1000", "SNR": "2", "M": "2"}, 0, "")
    assert {cell.parameters.M for cell in asked.cells} == {2}  # type: ignore[attr-defined]
    assert max(cell.parameters.N for cell in asked.cells) == 32  # type: ignore[attr-defined]


def test_without_a_boundary_there_is_no_answer() -> None:
    results = judge_regime(rows_of(2.0, 200.0)[:1], Question(N=1000, SNR=2.0)).results
    assert results["regime"] == "undecided"
