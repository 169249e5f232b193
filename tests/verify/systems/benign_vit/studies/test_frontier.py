"""Where statements come into force, and that a violated one is found and can be run again."""

import json
import shlex

import pytest

from verify.checking.verdicts import Verdict
from verify.io.request import make_request
from verify.io.settings import parse_words
from verify.studies.design import design
from verify.studies.study import Finding, NoQuestion, Row
from verify.systems.benign_vit.studies.frontier import (
    FRONTIER,
    STATEMENTS,
    Followed,
    bracket,
    judge_frontier,
    measure_followed,
)
from verify.systems.benign_vit.studies.judged import CONTROLS

LEMMA = next(lemma for lemma in STATEMENTS if lemma.name == "stage-one-values")
HOLDS, NOT_MET = Verdict.HOLDS.value, Verdict.HYPOTHESIS_NOT_MET.value


def row(size: int, verdict: str = HOLDS, share: float = 1.0, T1: int | None = 5, replicate: int = 0) -> Row:
    """A cell in which the statement came out so, and every other one held."""
    statements = {}
    for lemma in (*STATEMENTS, *CONTROLS):
        own = lemma is LEMMA
        statements[lemma.name] = {
            "verdict": verdict if own else HOLDS,
            "relative_margin": 0.5,
            "first_violation": 3 if own and verdict == Verdict.VIOLATED.value else None,
            "reason": "so it came out" if own and verdict != HOLDS else "",
            "hypotheses": [{"claim": "", "smallest_margin": 0.0, "share": share if own else 1.0} for _ in lemma.given],
        }
    events = {"T1": T1, "T2": 9, "T3": None, "attention_saturated": 12}
    parameters = Followed(d_h=size).model_dump(mode="json")
    return Row(parameters, replicate, 7, {"events": events, "steps": 20, "statements": statements})


def finding(rows: list[Row], statement: str) -> Finding:
    (found,) = [each for each in judge_frontier(rows, NoQuestion()).findings if each.statement == statement]
    return found


def test_the_frontier_lies_between_the_last_failure_and_the_first_size_that_stays() -> None:
    rows = [row(100), row(1000, NOT_MET), row(10**4), row(10**5)]
    found = bracket(LEMMA, rows)
    assert (found.below, found.above, found.why) == (1000, 10**4, "so it came out")
    told = finding(rows, LEMMA.name)
    assert (told.verdict, told.estimate, told.interval) == (Verdict.HOLDS, 1e4, (1e3, 1e4))


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (row(1000, share=0.5, replicate=1), "its hypothesis held at 50%"),
        (row(1000, T1=None, replicate=1), "T1 did not occur"),
        (row(1000, Verdict.INCONCLUSIVE.value, replicate=1), "so it came out"),
    ],
)
def test_one_seed_on_which_it_is_not_in_force_is_enough(spoilt: Row, why: str) -> None:
    found = bracket(LEMMA, [row(100), row(1000), spoilt, row(10**4)])
    assert (found.below, found.above) == (1000, 10**4)
    assert found.why.startswith(why)


def test_a_statement_that_is_never_in_force_is_not_counted_as_support() -> None:
    told = finding([row(100), row(1000, NOT_MET)], LEMMA.name)
    assert told.verdict is Verdict.HYPOTHESIS_NOT_MET
    assert told.estimate is None


def test_a_violation_anywhere_refutes_and_names_the_cell() -> None:
    rows = [row(100, Verdict.VIOLATED.value), row(1000), row(10**4)]
    told = finding(rows, LEMMA.name)
    assert told.verdict is Verdict.REFUTED
    assert told.estimate is None
    program, command, system, option, *words, seed_option, seed = shlex.split(told.reason.partition(": ")[2])
    assert (program, command, option, seed_option) == ("verify", "run", "--set", "--seed")
    request = make_request(system, settings=parse_words(words), seed=int(seed))
    assert request.seed == 7
    assert request.problem.model_dump() == Followed(d_h=100).problem(test_samples=0).model_dump()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    settings = {"regime": "benign,harmful", "d_h": "100,1e4,1e8", "N": "4", "seeds": "1", "max_steps": "1024"}
    cells = design(FRONTIER, settings, seed=0, code="tests").cells
    return [Row(c.parameters.model_dump(mode="json"), 0, c.seed, measure_followed(c.parameters, c.seed)) for c in cells]


def test_no_statement_is_violated_and_the_planted_one_is(rows: list[Row]) -> None:
    judged = judge_frontier(rows, NoQuestion())
    for found in judged.findings:
        assert (found.verdict is Verdict.REFUTED) == found.control, found
    assert {found.statement for found in judged.findings if found.control} == {
        "stage-one-loss-derivative-bound-an-eighth"
    }
    json.dumps(judged.results, allow_nan=False)
    json.dumps([row.result for row in rows], allow_nan=False)
    for sheet in judged.sheets:
        assert all(len(line) == len(sheet.columns) for line in sheet.rows)


def test_the_step_of_stage_two_speaks_of_benign_problems_alone(rows: list[Row]) -> None:
    told = {
        each.about.partition(",")[0]: each
        for each in judge_frontier(rows, NoQuestion()).findings
        if each.statement == "stage-two-step"
    }
    assert told["harmful"].verdict is Verdict.HYPOTHESIS_NOT_MET
    assert "benign == 1" in told["harmful"].reason
