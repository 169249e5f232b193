"""A study from its cells to its judgement: what is measured, kept, measured again, and said."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import verify
from verify.errors import RequestError
from verify.studies.run import StudyInterrupted, StudyRun, carry_out_study

pytestmark = pytest.mark.usefixtures("here")

Measured = Callable[[], Sequence[str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cells.db"


def line(store: Path, workers: int = 1, **settings: Any) -> StudyRun:
    return verify.study("tiny", "line", settings, workers=workers, store=store)


def test_all_cells_are_measured_once_and_judged(store: Path, measured: Measured) -> None:
    found = line(store)
    assert [(row.parameters["x"], row.replicate) for row in found.rows] == [
        (x, replicate) for x in (1.0, 2.0, 3.0) for replicate in (0, 1)
    ]
    assert len(measured()) == 6
    assert found.judgement.results["cells"] == 6
    assert line(store).record() == found.record()
    assert len(measured()) == 6


def test_a_store_grows_by_what_is_missing(store: Path, measured: Measured) -> None:
    first = line(store, x=[1, 3])
    more = line(store, x=[3, 2, 1], seeds=3)
    assert len(measured()) == 4 + 5
    assert {row.seed: row.result for row in more.rows}.items() >= {row.seed: row.result for row in first.rows}.items()
    assert line(store, x=[1, 3]).rows == first.rows


def test_another_question_is_asked_of_the_same_cells(store: Path, measured: Measured) -> None:
    line(store)
    asked = line(store, N=1000)
    assert (asked.judgement.results["asked"], asked.design.question.model_dump()["N"]) == (1000, 1000)
    assert all(row.parameters["N"] == 4 for row in asked.rows)
    verify.study("tiny", "other", store=store)
    assert len(measured()) == 6


def test_other_cells_are_refused(store: Path) -> None:
    line(store)
    with pytest.raises(RequestError, match="holds cells of tiny, line, not of tiny, third"):
        verify.study("tiny", "third", store=store)


def test_other_code_measures_anew_and_says_so(store: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    first = line(store, x=[1], seeds=1)
    assert first.notes == []
    with monkeypatch.context() as changed:
        changed.setattr("verify.studies.run.code_fingerprint", lambda system: "0ther")
        other = line(store, x=[1], seeds=1)
    assert other.rows == []
    assert "the worker would measure with other code" in other.failures[0].error
    assert other.failures[0].seed == first.rows[0].seed
    assert len(measured()) == 1
    assert line(store, x=[1], seeds=1).notes == ["1 cells of the store were measured by other code and are not used"]


def test_the_default_store_is_named_after_system_and_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = verify.study("tiny", "other", {"x": 1}, workers=1)
    assert found.store == Path("results/tiny-line.db")
    assert found.store.exists()


def test_cells_that_fail_are_recorded_while_the_rest_goes_on(store: Path, measured: Measured) -> None:
    found = line(store, trouble="raise", seeds=1)
    assert [row.parameters["x"] for row in found.rows] == [1.0]
    assert [(row.error, row.attempts) for row in found.failures] == [("ValueError: too large", 2)] * 2
    record = found.record()
    assert (record["cells"], record["failed"]) == (3, 2)
    assert [failure["error"] for failure in record["failures"]] == ["ValueError: too large"] * 2
    again = line(store, trouble="raise", seeds=1)
    assert [row.attempts for row in again.failures] == [4, 4]
    assert len(measured()) == 1 + 4 + 4


def test_where_every_cell_fails_nothing_is_judged(store: Path) -> None:
    found = line(store, trouble="nan", x=1, seeds=1)
    assert (found.exit_status, found.record()["verdicts"], found.record()["results"]) == (1, [], {})
    assert found.notes == ["nothing is judged: no cell could be measured"]
    assert found.failures[0].error == "ValueError: the result y.deep.1 is nan (finite numbers are allowed)"


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("one") / "cells.db"


@pytest.mark.parametrize(
    ("verdict", "control", "status"),
    [
        ("supported", "refuted", 0),
        ("consistent", "refuted", 0),
        ("inconclusive", "refuted", 0),
        ("hypothesis not met", "refuted", 0),
        ("refuted", "refuted", 1),
        ("supported", "supported", 1),
        ("supported", "inconclusive", 0),
    ],
)
def test_exit_status(verdict: str, control: str, status: int, one_cell: Path) -> None:
    assert line(one_cell, x=1, seeds=1, verdict=verdict, control=control).exit_status == status


def test_the_record(store: Path) -> None:
    record = line(store, x=[1, 2], seeds=1, N=9, verdict="inconclusive").record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["results"]["asked"] == 9
    assert record["settings"] == {
        "axes": {"x": [1.0, 2.0]},
        "seeds": 1,
        "question": {"N": 9, "verdict": "inconclusive", "control": "refuted"},
    }
    assert record["verdicts"] == [
        {
            "lemma": "tiny/law",
            "kind": "order",
            "verdict": "inconclusive",
            "evidence": "none",
            "about": "exponent",
            "estimate": 1.0,
            "interval": None,
            "rule": "the rule",
            "words": "the words",
            "reason": "",
            "provenance": "paper",
        }
    ]
    assert [(control["verdict"], control["evidence"]) for control in record["controls"]] == [("refuted", "sampled")]
    assert record["notes"] == ["a note"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"workers": 0}, "--workers: 0 is not allowed"),
        ({"workers": 10**9}, "--workers: 1000000000 is not allowed"),
        ({"seed": -1}, "--seed: -1 is not allowed"),
        ({"settings": {"y": 1}}, "y: no such field of the study line"),
        ({"settings": {"x": [-1]}}, "x: '-1' is not allowed"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_made(words: dict[str, Any], says: str, store: Path) -> None:
    with pytest.raises(RequestError) as refused:
        verify.study("tiny", "line", store=store.parent / "new" / "cells.db", **words)
    assert says in str(refused.value)
    assert list(store.parent.iterdir()) == []


def test_an_interruption_keeps_what_has_finished(store: Path, measured: Measured) -> None:
    with pytest.raises(StudyInterrupted) as stopped:
        carry_out_study("tiny", "line", {}, workers=1, store=store, interrupted=lambda: len(measured()) >= 4)
    stored = int(str(stopped.value).split()[0])
    assert 3 <= stored <= 4
    assert str(stopped.value) == (f"{stored} of 6 cells are stored in {store}; the same command goes on from there")
    before = len(measured())
    assert len(line(store).rows) == 6
    assert len(measured()) - before == 6 - stored
