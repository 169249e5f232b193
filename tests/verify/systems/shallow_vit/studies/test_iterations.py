"""Exponents of steps are judged by cells of known truth; the law's constants by independent quadrature."""

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import numpy as np
import pytest

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, NoQuestion, Row
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.iteration_law import ITERATION_LAW, constants, judge_falling
from verify.systems.shallow_vit.studies.iterations import ITERATIONS, LENGTH, judge_iterations
from verify.systems.shallow_vit.studies.limit import pass_through
from verify.systems.shallow_vit.studies.training import train

Findings = Callable[..., list[Finding]]


def steps(trained: float, frozen: float) -> Callable[[Mapping[str, Any], int], Mapping[str, Any]]:
    def result(parameters: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
        exponent = frozen if parameters["attention"] == "frozen" else trained
        noise = np.exp(0.05 * np.random.default_rng(seed).standard_normal())
        return {"steps": float(30 * (LENGTH / parameters["n_star"]) ** exponent * noise)}

    return result


def test_exponents_of_steps_are_told_apart(made_up: Callable[..., Any], findings_of: Findings) -> None:
    judgement = judge_iterations(made_up(ITERATIONS, steps(1.0, 1.4)), NoQuestion())
    assert [each.verdict for each in findings_of(judgement, "aligned-iterations")] == [Verdict.SUPPORTED]
    assert [each.verdict for each in findings_of(judgement, "frozen-iterations")] == [Verdict.SUPPORTED]
    assert {each.verdict for each in findings_of(judgement, "iterations-bounded", control=True)} == {Verdict.REFUTED}


def test_planted_exponents_are_refuted(made_up: Callable[..., Any], findings_of: Findings) -> None:
    judgement = judge_iterations(made_up(ITERATIONS, steps(1.3, 1.0)), NoQuestion())
    for statement in ("aligned-iterations", "frozen-iterations", "iterations-bounded"):
        assert [each.verdict for each in findings_of(judgement, statement)] == [Verdict.REFUTED], statement


def test_cells_that_did_not_arrive_are_told(made_up: Callable[..., Any]) -> None:
    judgement = judge_iterations(made_up(ITERATIONS, lambda parameters, seed: {"steps": None}), NoQuestion())
    assert {each.verdict for each in judgement.findings} == {Verdict.INCONCLUSIVE}
    of_a_family = len(ITERATIONS.axes["n_star"]) * ITERATIONS.seeds
    assert f"{of_a_family} of {of_a_family} did not arrive" in judgement.notes[0]


def test_trained_attention_arrives_sooner(measured: Callable[..., Any]) -> None:
    rows = measured(ITERATIONS, n_star="16", seeds="2")
    for start in ("aligned", "perp"):
        trained, frozen = (
            [
                row.measured["steps"]
                for row in rows
                if row.parameters == {**row.parameters, "start": start, "attention": how}
            ]
            for how in ("trained", "frozen")
        )
        assert max(trained) < min(frozen)


@pytest.mark.parametrize("M", [4, 5, 8])
def test_constants_agree_with_quadrature_of_their_formula(M: int) -> None:
    def lead(angle: Any) -> Any:
        inner = mpmath.sqrt(2 * M) / (4 * (M - 2)) * (mpmath.cosh(2 * angle) - 1)
        return mpmath.sqrt(M) / (mpmath.sqrt(2) * (M - 2)) * mpmath.sinh(inner)

    doubled = mpmath.findroot(lambda angle: lead(angle) - mpmath.log(2), 1)
    whole, part = (mpmath.quad(lambda angle: mpmath.exp(-lead(angle)), [0, doubled, *ends]) for ends in ([2, 3], []))
    assert constants(M) == pytest.approx((float(whole), float(part)), rel=1e-8)


def test_constants_agree_with_the_flow_they_solve() -> None:
    """Values turn by theta' = e^z, scores by 2 phi' = sqrt(2M)/(M - 2) sinh(theta) cosh(theta) theta'."""
    M, step, theta, phi, time = 4, 1e-4, 0.0, 0.0, 0.0
    while theta < 2.0:
        lead = np.sqrt(M) / (np.sqrt(2) * (M - 2)) * np.sinh(2 * phi)
        if lead > 50.0:
            break
        time += step * np.exp(-lead)
        phi += step * np.sqrt(2 * M) / (2 * (M - 2)) * np.sinh(theta + step / 2) * np.cosh(theta + step / 2)
        theta += step
    assert time == pytest.approx(constants(M)[0], abs=5e-4)


@pytest.fixture(scope="module")
def law_rows(measured: Callable[..., Any]) -> list[Row]:
    return list(measured(ITERATION_LAW, M="4", alpha="0.08,0.02,0.01", pace="0.004", seeds="6"))


def test_real_runs_follow_the_law_and_wrong_ones_do_not(law_rows: list[Row], findings_of: Findings) -> None:
    judgement = judge_falling(law_rows, NoQuestion())
    ranged = findings_of(judgement, "iteration-law-at-finite-share")
    assert len(ranged) == 6
    assert Verdict.REFUTED not in {each.verdict for each in ranged}
    assert sum(each.verdict is Verdict.SUPPORTED for each in ranged) >= 3
    assert {each.verdict for each in findings_of(judgement, "iteration-law")} == {Verdict.SUPPORTED}
    wrong = findings_of(judgement, "iteration-law-at-finite-share", control=True)
    assert {each.verdict for each in wrong} == {Verdict.REFUTED}
    assert any("frozen" in each.words for each in wrong)
    assert any("constant of M = 5" in each.words for each in wrong)


def test_a_planted_constant_is_refuted(law_rows: list[Row], findings_of: Findings) -> None:
    def planted(row: Row) -> Row:
        result = {name: None if value is None else 1.6 * value for name, value in row.measured.items()}
        return Row(row.parameters, row.replicate, row.seed, result)

    judgement = judge_falling([planted(row) for row in law_rows], NoQuestion())
    found = findings_of(judgement, "iteration-law-at-finite-share")
    assert {each.verdict for each in found} == {Verdict.REFUTED}
    assert {each.verdict for each in findings_of(judgement, "iteration-law")} == {Verdict.REFUTED}


def test_the_limit_of_many_tokens_is_what_long_samples_come_to() -> None:
    """Steps on the enumerated law of longer and longer samples come near those on the two samples of the limit."""
    settings = {"N": 4, "M": 4, "d": 4, "m": 16, "sigma": 0.0, "delta": 0.0, "step_size": 0.05, "loss_every": 1}
    away = []
    for length in (10, 40, 400):
        problem = Problem(L=length, n_star=length // 10, population=True, **settings)
        total = pass_through(problem, 0.1, seed=3).total
        assert total is not None
        away.append(abs(train(problem, 3).steps / total - 1.0))
    assert away[-1] < 0.03
    assert away[-1] < away[0]
