"""Scales that are off by a factor: what is rescaled, what stays in force, how far the boundary moves."""

import json

import pytest

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, Row
from verify.systems.benign_vit.studies.family import Cutoff
from verify.systems.benign_vit.studies.initialization import (
    STATEMENTS,
    Rescaled,
    judge_initialization,
    measure_rescaled,
)
from verify.systems.benign_vit.studies.judged import CONTROLS

FACTORS = (0.1, 1.0, 10.0)


@pytest.mark.parametrize("quantity", ["sigma_h", "sigma_V", "step_size"])
@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_one_quantity_is_off_and_nothing_else(quantity: str, factor: float) -> None:
    plain, moved = (Rescaled(quantity=quantity, factor=each).judged().model_dump() for each in (1.0, factor))
    assert moved.pop(quantity) == pytest.approx(factor * plain.pop(quantity))
    if quantity == "step_size" and factor < 1:
        assert moved.pop("max_steps") == plain.pop("max_steps") / factor, "as long a training in smaller steps"
    assert moved == plain


def row(factor: float, exponent: float, verdict: Verdict = Verdict.HOLDS, replicate: int = 0) -> Row:
    """A cell whose boundary follows a power of the factor; of the first statement the verdict is given."""
    statements = {
        lemma.name: {
            "verdict": (verdict if lemma is STATEMENTS[0] else Verdict.HOLDS).value,
            "relative_margin": 0.1,
            "first_violation": 4 if verdict is Verdict.VIOLATED and lemma is STATEMENTS[0] else None,
            "reason": "so it came out" if verdict is not Verdict.HOLDS and lemma is STATEMENTS[0] else "",
            "hypotheses": [{"claim": "", "smallest_margin": 0.0, "share": 1.0} for _ in lemma.given],
        }
        for lemma in (*STATEMENTS, *CONTROLS)
    }
    crossing = {"0.4": 200.0 * factor**exponent * (1 + 0.001 * replicate * (factor - 1.0))}
    result = {
        "events": {"T1": 5, "T2": 9, "T3": 30, "attention_saturated": 12},
        "steps": 30,
        "statements": statements,
        "crossing": crossing,
        "crossing_at_factor_1": {"0.4": 200.0},
    }
    return Row(Rescaled(factor=factor).model_dump(mode="json"), replicate, 3, result)


def findings(rows: list[Row]) -> dict[str, Finding]:
    return {each.statement: each for each in judge_initialization(rows, Cutoff(cutoff=0.4)).findings}


def shifts(rows: list[Row]) -> dict[float, str]:
    (family,) = judge_initialization(rows, Cutoff(cutoff=0.4)).results["families"].values()
    return {each["factor"]: each["says"] for each in family["boundary"]}


@pytest.mark.parametrize(("exponent", "says"), [(0.0, "stays"), (0.05, "stays"), (0.3, "moves"), (-0.3, "moves")])
def test_whether_the_boundary_stays(exponent: float, says: str) -> None:
    rows = [row(factor, exponent, replicate=replicate) for factor in FACTORS for replicate in (0, 1, 2)]
    assert shifts(rows) == {0.1: says, 1.0: "stays", 10.0: says}


def test_a_scattered_boundary_is_undecided() -> None:
    rows = [row(10.0, exponent, replicate=place) for place, exponent in enumerate((-0.3, 0.0, 0.3))]
    assert shifts(rows) == {10.0: "undecided"}


def test_a_boundary_out_of_reach_decides_nothing() -> None:
    rows = [row(0.1, 0.0, replicate=replicate) for replicate in (0, 1, 2)]
    lost = Row(rows[0].parameters, 3, 3, {**rows[0].measured, "crossing": {"0.4": None}})
    assert shifts(rows) == {0.1: "stays"}
    assert shifts([*rows, lost]) == {0.1: "undecided"}


def test_the_factors_at_which_a_statement_is_in_force() -> None:
    rows = [row(0.1, 0.0), row(1.0, 0.0), row(10.0, 0.0, Verdict.HYPOTHESIS_NOT_MET)]
    found = findings(rows)[STATEMENTS[0].name]
    assert (found.verdict, found.interval) == (Verdict.HOLDS, (0.1, 1.0))
    assert found.reason == "at 10: so it came out"
    broken = findings([*rows, row(10.0, 0.0, Verdict.VIOLATED, replicate=1)])[STATEMENTS[0].name]
    assert broken.verdict is Verdict.REFUTED
    assert "verify run benign-vit --set" in broken.reason


def test_a_cell_of_ten_times_the_step() -> None:
    cell = Rescaled(quantity="step_size", factor=10.0, N=4, d_h=10**4, max_steps=512)
    result = measure_rescaled(cell, 5)
    json.dumps(result, allow_nan=False)
    verdicts = {name: each["verdict"] for name, each in result["statements"].items()}
    assert verdicts["stage-one-loss-derivative-bound-an-eighth"] == Verdict.VIOLATED.value
    assert Verdict.VIOLATED.value not in {verdicts[lemma.name] for lemma in STATEMENTS}
    # Both crossings are near 2 C_p^2 = 200, on the same noise and the same start.
    assert 130 < result["crossing"]["0.4"] < 270
    assert result["crossing"]["0.4"] == pytest.approx(result["crossing_at_factor_1"]["0.4"], rel=0.15)
    judged = judge_initialization([Row(cell.model_dump(mode="json"), 0, 5, result)], Cutoff())
    json.dumps(judged.results, allow_nan=False)
    for sheet in judged.sheets:
        assert all(len(line) == len(sheet.columns) for line in sheet.rows)
