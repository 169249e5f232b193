"""Crossings are where the test loss crosses, and fits give back boundaries that are known."""

from typing import Any

import numpy as np
import pytest

from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.studies.design import design
from verify.studies.study import Judgement, Row
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.studies import boundary
from verify.systems.benign_vit.studies.boundary import (
    CUTOFFS,
    PHASE_BOUNDARY,
    RESOLUTION,
    Located,
    fit_boundary,
    judge_boundary,
    locate,
    measure_crossings,
)
from verify.systems.benign_vit.studies.family import Training, predicted_crossing
from verify.systems.benign_vit.studies.training import Trained, train


def rows_of(exponent: float, constant: float, noise: float = 0.0, **family: Any) -> list[Row]:
    """Rows whose boundary is `N SNR^exponent = constant`, with scatter in the logarithm."""
    rng = np.random.default_rng(0)
    rows = []
    for replicate in range(3):
        for samples in (4, 6, 9, 14, 21, 32):
            ratio = (constant / samples) ** (1 / exponent) * np.exp(noise * rng.standard_normal())
            crossing = {f"{cutoff:g}": samples * ratio**2 for cutoff in CUTOFFS}
            parameters = Training(N=samples, **family).model_dump(mode="json")
            ends = [{"N_SNR2": 1.0, "loss": 0.01, "steps": 100, "test_loss": 0.4}]
            rows.append(Row(parameters, replicate, 0, {"crossing": crossing, "trained": ends}))
    return rows


def verdicts(judgement: Judgement, control: bool) -> dict[str, Verdict]:
    return {each.about.split(" at ")[0]: each.verdict for each in judgement.findings if each.control is control}


def test_a_known_boundary_comes_out_again() -> None:
    results = judge_boundary(rows_of(2.0, 200.0, noise=0.02), Located()).results
    assert results["slope_interval"][0] < 2.0 < results["slope_interval"][1]
    assert results["constant_interval"][0] < 2.0 < results["constant_interval"][1]
    assert results["slope"] == pytest.approx(2.0, rel=0.05)


def test_the_law_of_two_is_supported_and_one_and_three_are_refuted() -> None:
    judgement = judge_boundary(rows_of(2.0, 200.0, noise=0.02), Located())
    assert set(verdicts(judgement, control=False).values()) == {Verdict.SUPPORTED}
    assert set(verdicts(judgement, control=True).values()) == {Verdict.REFUTED}


@pytest.mark.parametrize("exponent", [1.0, 3.0])
def test_other_laws_refute_the_statement(exponent: float) -> None:
    judgement = judge_boundary(rows_of(exponent, 200.0, noise=0.02), Located())
    assert verdicts(judgement, control=False)["exponent"] is Verdict.REFUTED


def test_scatter_that_hides_the_law_is_inconclusive() -> None:
    judgement = judge_boundary(rows_of(2.0, 200.0, noise=1.5), Located())
    assert Verdict.SUPPORTED not in verdicts(judgement, control=False).values()


def test_another_constant_refutes_the_constant_alone() -> None:
    found = verdicts(judge_boundary(rows_of(2.0, 600.0, noise=0.02), Located()), control=False)
    assert found["exponent"] is Verdict.SUPPORTED
    assert found["constant / C_p^2"] is Verdict.REFUTED


def test_the_power_of_the_noise_multiplier_is_fitted_over_families() -> None:
    rows = [row for C_p in (5.0, 10.0, 20.0) for row in rows_of(2.0, 2 * C_p**2, noise=0.01, C_p=C_p)]
    power = judge_boundary(rows, Located()).results["powers"]["C_p"]
    assert power["interval"][0] < 2.0 < power["interval"][1]
    assert power["exponent"] == pytest.approx(2.0, abs=0.05)


def test_cells_without_a_crossing_are_counted_and_not_fitted() -> None:
    rows = rows_of(2.0, 200.0, noise=0.02)
    measured = {"crossing": dict.fromkeys(rows[0].measured["crossing"]), "trained": rows[0].measured["trained"]}
    lost = [Row(rows[0].parameters, 3, 0, measured)]
    results = judge_boundary([*rows, *lost], Located()).results
    assert results["boundaries"][0]["cells_without_crossing"] == 1
    assert results["slope"] == judge_boundary(rows, Located()).results["slope"]


def test_too_few_cells_are_inconclusive_with_the_reason() -> None:
    judgement = judge_boundary(rows_of(2.0, 200.0)[:1], Located())
    assert [each.verdict for each in judgement.findings] == [Verdict.INCONCLUSIVE]
    assert judgement.findings[0].reason
    assert judgement.results["slope"] is None


def test_a_boundary_that_rises_is_none() -> None:
    family = Training().family
    with pytest.raises(ValueError, match="does not fall"):
        fit_boundary(family, 0.4, [(n, float(n) ** 3 * 100) for n in (4, 8, 16, 32)])


def test_only_located_cutoffs_can_be_asked_for() -> None:
    with pytest.raises(RequestError, match=r"^cutoff: .*0\.25, 0\.4, 0\.5"):
        design(PHASE_BOUNDARY, {"cutoff": "0.3"}, 0, "")


@pytest.mark.parametrize("centre", [0.01, 1.0, 30.0])
def test_bisection_finds_the_crossings_of_a_known_curve(monkeypatch: pytest.MonkeyPatch, centre: float) -> None:
    def known(problem: Problem, seed: int) -> Trained:
        position = np.log(problem.N * problem.SNR**2 / (200.0 * centre))
        return Trained(1, 0.01, {"test_loss": 0.7 / (1.0 + np.exp(2.0 * position))})

    monkeypatch.setattr(boundary, "train", known)
    found = locate(lambda ratio: Problem(N=8, SNR=ratio), 200.0, seed=0)
    for cutoff, at in found.at.items():
        expected = 200.0 * centre * np.sqrt(0.7 / cutoff - 1.0)
        assert at is not None
        # Linear interpolation in a bracket of this width errs by its square.
        assert abs(np.log(at / expected)) < RESOLUTION**2


def test_a_test_loss_that_never_crosses_has_no_crossing(monkeypatch: pytest.MonkeyPatch) -> None:
    for level in (0.1, 0.69):
        monkeypatch.setattr(
            boundary, "train", lambda problem, seed, level=level: Trained(1, 0.01, {"test_loss": level})
        )
        assert set(locate(lambda ratio: Problem(N=8, SNR=ratio), 200.0, seed=0).at.values()) == {None}


def test_a_real_crossing_parts_the_regimes() -> None:
    cell = Training(N=4)
    crossing = measure_crossings(cell, seed=5)["crossing"]["0.4"]
    assert 1.3 < crossing / cell.C_p**2 < 2.7
    below, above = (train(cell.problem((factor * crossing / 4) ** 0.5), seed=5) for factor in (0.9, 1.1))
    assert above.test["test_loss"] < 0.4 < below.test["test_loss"]


def test_signals_and_large_noise_grow_equally_fast_at_the_predicted_crossing() -> None:
    """Under uniform attention: averaged over the noise, the ratio of their first increments is 1 there."""
    cell = Training(N=16, d=10**8, d_h=10**8)
    problem = cell.problem((predicted_crossing(cell.C_p) / cell.N) ** 0.5)
    prepared = boundary_system().prepare(problem.model_copy(update={"sigma_h": 0.0, "sigma_V": 0.0}), 0, "reduced")
    first = prepared.dynamics.advance(1, -1.0, []).arrays["value"]
    grown = np.abs(first[1] - first[0])
    position = prepared.coordinates["token_position"][1]
    # Norms and overlaps of noise in d = 1e8 dimensions vary by about 1e-4, times the 16 samples that overlap.
    assert grown[position == 0].mean() / grown[position == 1].mean() == pytest.approx(1.0, abs=16e-3)


def boundary_system() -> Any:
    from verify.systems.benign_vit.studies.training import SYSTEM

    return SYSTEM
