"""Crossings are found where they are; the predicted constant is supported, others are refuted."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from proofs.token_selection.order import selection_boundary
from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, NoQuestion
from verify.systems.token_selection.studies.boundary import (
    BOUNDARY,
    HORIZONS,
    LIMIT,
    Located,
    judge_boundary,
    locate,
    measure_crossing,
)
from verify.systems.token_selection.studies.family import rhs

SETTINGS = {"start": "orthogonal", "seeds": "3"}


def known(factor: float, exponent: float = -0.3) -> Callable[[Any, int], dict[str, Any]]:
    """Crossings at a multiple of the predicted ones, up to `d^exponent` and, at a time, up to `1/log(time)`."""

    def result(cell: Located, replicate: int) -> dict[str, Any]:
        at = factor * rhs(selection_boundary.claims[0], cell.at(1.0))
        scatter = 1.0 + 0.1 * replicate
        crossing = {f"{time:g}": at * (1.0 + 0.5 * scatter / math.log(time)) for time in HORIZONS}
        return {"crossing": {**crossing, LIMIT: at * (1.0 + scatter * float(cell.d) ** exponent)}}

    return result


def verdicts(findings: Any, control: bool) -> list[Verdict]:
    return [each.verdict for each in findings if each.control is control]


def test_the_predicted_constant_is_supported_and_wrong_ones_are_refuted(rows: Any) -> None:
    findings: list[Finding] = judge_boundary(rows(BOUNDARY, SETTINGS, known(1.0)), NoQuestion()).findings
    assert verdicts(findings, control=False) == [Verdict.SUPPORTED] * 2
    assert verdicts(findings, control=True) == [Verdict.REFUTED] * 2


@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_another_constant_is_refuted(rows: Any, factor: float) -> None:
    findings = judge_boundary(rows(BOUNDARY, SETTINGS, known(factor)), NoQuestion()).findings
    assert verdicts(findings, control=False)[0] is Verdict.REFUTED


def test_a_wrong_variant_that_is_none_is_left_out(rows: Any) -> None:
    findings = judge_boundary(rows(BOUNDARY, {**SETTINGS, "eta_f": "0"}, known(1.0)), NoQuestion()).findings
    assert len(verdicts(findings, control=True)) == 1


def test_cells_without_a_crossing_support_nothing(rows: Any) -> None:
    lost = {"crossing": dict.fromkeys((*(f"{time:g}" for time in HORIZONS), LIMIT))}
    findings = judge_boundary(rows(BOUNDARY, SETTINGS, lambda *_: lost), NoQuestion()).findings
    assert {each.verdict for each in findings if not each.control} == {Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("centre", [0.2, 1.0, 5.0])
def test_bisection_finds_a_known_crossing(centre: float) -> None:
    found = locate(lambda beta: float(ndtr(np.log(beta / centre))), 1.0)
    assert found == pytest.approx(centre, rel=1e-6)


@pytest.mark.parametrize("level", [0.1, 0.9])
def test_a_level_that_never_crosses_has_no_crossing(level: float) -> None:
    assert locate(lambda _: level, 1.0) is None


@pytest.mark.kernels
def test_real_crossings_are_near_the_predicted_one() -> None:
    cell = Located(n=8, T=4, d=10**10, eta_f=0.25)
    crossing = measure_crossing(cell, seed=0)["crossing"]
    predicted = rhs(selection_boundary.claims[0], cell.at(1.0))
    assert crossing[LIMIT] / predicted == pytest.approx(1.0, abs=0.02)
    assert crossing[f"{HORIZONS[0]:g}"] > crossing[f"{HORIZONS[-1]:g}"] > crossing[LIMIT]
