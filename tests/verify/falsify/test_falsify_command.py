"""`verify falsify` from the request to the command that repeats what it found."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.falsify import necessity
from verify.falsify.necessity import necessity_table, table_lines
from verify.falsify.weaken import ALL
from verify.systems.base import find_system

Refusal = Callable[..., str]

CONJECTURES = Path(__file__).with_name("conjectures.py")


def replayed(command: Any, words: str) -> tuple[int, dict[str, str]]:
    """Exit status and verdicts of the printed command."""
    status, out, _ = command(*shlex.split(words)[1:], "--json")
    return status, {row["lemma"]: row["verdict"] for row in json.loads(out)["verdicts"]}


@pytest.mark.parametrize(
    ("system", "lemma", "options", "broken"),
    [
        ("benign-vit", "loss-decreases", (), "loss-decreases"),
        ("benign-vit", "signal-values-monotone", ("--without", "4"), "signal-values-monotone-without-4"),
        ("benign-vit", "wrong-exponent", ("--lemmas", CONJECTURES), "wrong-exponent"),
        pytest.param("token-selection", "sufficient-descent", (), "sufficient-descent", marks=pytest.mark.slow),
        pytest.param(
            "shallow-vit",
            "rest-at-unit-margins",
            ("--without", "1"),
            "rest-at-unit-margins-without-1",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_is_found_repeats_with_the_printed_command(
    system: str,
    lemma: str,
    options: tuple[object, ...],
    broken: str,
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ("falsify", f"{system}/{lemma}", *options)
    status, out, err = command(*asked, "--seconds", 60, "--shrinking", 1, "--json")
    record = json.loads(out)
    assert status == 1
    assert "A counterexample was found." in err
    found = record["counterexample"]
    assert found["replay"] in err
    assert Path(found["file"]).parent == Path("results/falsify")
    assert not (tmp_path / ".hypothesis").exists()
    status, verdicts = replayed(command, found["replay"])
    assert status == 1
    assert verdicts[f"{system}/{broken}"] == "violated"
    # Kept counterexamples are tried first: the next search ends with its first instance.
    status, out, _ = command(*asked, "--seconds", 60, "--shrinking", 1e-9, "--json")
    assert (status, json.loads(out)["instances"]) == (1, 1)


def test_not_found_is_never_called_true(command: Any, tmp_path: Path) -> None:
    status, out, _ = command("falsify", "benign-vit/output-bounded-by-values", "--seconds", 1, "--out", tmp_path)
    assert status == 0
    assert "No counterexample was found. This is no proof." in out
    assert "smallest relative margin" in out
    assert list(tmp_path.iterdir()) == []


def test_hypotheses_never_met_do_not_read_like_evidence(command: Any, tmp_path: Path) -> None:
    asked = ("falsify", "benign-vit/about-nothing", "--lemmas", CONJECTURES, "--seconds", 1, "--out", tmp_path)
    status, out, _ = command(*asked)
    assert status == 0
    assert "Nothing was tested: its hypotheses were never met." in out
    assert "No counterexample" not in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("benign-vit/phase-boundary",), "is of kind order: no single instance can break it; judged by verify study"),
        (("benign-vit/noise-norms",), "is of kind probability"),
        (("benign-vit/reduced-draw",), "is of kind law"),
        (("benign-vit/quarter-lipschitz",), "is about all real numbers"),
        (("benign-vit/loss-decrease",), "did you mean loss-decreases"),
        (("benign-vit",), "LEMMA: '' is not allowed"),
        (("benign/loss-decreases",), "SYSTEM: 'benign' is not allowed"),
        (("benign-vit/loss-decreases", "--without", "1"), "it has no hypotheses"),
        (("benign-vit/loss-decreases", "--seconds", "0"), "--seconds: 0.0 is not allowed"),
        (("benign-vit/loss-decreases", "--seconds", "nan"), "--seconds: nan is not allowed"),
        (("benign-vit/loss-decreases", "--seed", "-1"), "--seed: -1 is not allowed"),
        (("benign-vit", "--necessity", "--without", "1"), "--necessity: it drops the hypotheses itself"),
        (("benign-vit/about-nothing", "--lemmas", CONJECTURES, "--without", "1"), "--without: the lemma stands in"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(words: tuple[object, ...], says: str, refusal: Refusal) -> None:
    assert says in refusal("falsify", *words)


def test_the_necessity_table_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lemma: Any = find_system("benign-vit").statements()["signal-values-monotone"]
    monkeypatch.setattr(necessity, "_questions", lambda _: [(lemma, "4", "readout > 0"), (lemma, ALL, "all of them")])
    first = necessity_table("benign-vit", 5.0, out=tmp_path)
    assert [row.verdict for row in first] == ["broken", "broken"]

    def must_not_search(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(necessity, "falsify", must_not_search)
    assert necessity_table("benign-vit", 5.0, out=tmp_path) == first
    with pytest.raises(AssertionError):
        necessity_table("benign-vit", 6.0, out=tmp_path)
    lines = table_lines("benign-vit", first)
    assert lines[0] == "## benign-vit"
    assert len({line.count("|") for line in lines[2:]}) == 1
