"""The reader's numbers: read, refused, kept with the run and shown beside every name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import RequestError
from verify.numbering import Numbering, read_numbering, saved_numbering

from .report.conftest import FALSE, NUMBERING

NAMES = ["near-half", "bound", "loss-decreases"]

WRONG = {
    "": "has no table [lemmas]",
    "lemmas = 3": "has no table [lemmas]",
    "x = 1": "unknown key 'x' (keys: paper lemmas)",
    "paper = 3": "paper is 3 (a text is allowed)",
    "[lemmas": "is not valid TOML",
    '[lemmas]\n"L" = 3': "'L' is 3 (a name or a list of names is allowed)",
    '[lemmas]\n"L" = []': "'L' is [] (a name or a list of names is allowed)",
    '[lemmas]\n"L" = ["near-half", 3]': "a name or a list of names is allowed",
    '[lemmas]\n"" = "near-half"': "'' is no number",
    '[lemmas]\n"a\\nb" = "near-half"': "is no number",
    '[lemmas]\n"L" = "near-haf"': "L: benign-vit has no 'near-haf' (did you mean near-half?)",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "n.toml"
    path.write_text(text)
    with pytest.raises(RequestError) as refused:
        read_numbering(path, NAMES, "benign-vit")
    assert str(refused.value).startswith(f"--numbering: {path}")
    assert WRONG[text] in str(refused.value)


@given(
    st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=20),
    st.dictionaries(
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple),
        min_size=1,
    ),
)
def test_what_is_written_is_read_again(tmp_path_factory: Any, paper: str, lemmas: dict[str, tuple[str, ...]]) -> None:
    path = tmp_path_factory.mktemp("n") / "numbering.toml"
    path.write_text(Numbering(paper, lemmas).text(), encoding="utf-8")
    assert saved_numbering(path.parent) == read_numbering(path, NAMES, "s") == Numbering(paper, lemmas)


def test_a_run_shows_and_keeps_numbers(command: Any, tmp_path: Path, unjudged: None) -> None:
    (tmp_path / "n.toml").write_text(NUMBERING)
    tiny = ("run", "benign-vit", "--set", "N=4", "M=3", "d=1e6", "d_h=1e6", "--seed", 3, "--lemmas", FALSE)
    words = (*tiny, "--numbering", tmp_path / "n.toml", "--strict", "--out", tmp_path / "run")
    status, out, _ = command(*words)
    assert status == 1
    assert "in your paper" in out
    assert "Lemma <1> & 2: attention-by-scores-too-sharp is violated at step 5" in out
    assert saved_numbering(tmp_path / "run").paper == "a paper, v2"
    assert "Lemma &lt;1&gt;" in command("table", tmp_path / "run").out
    command(*tiny, "--out", tmp_path / "run", "--steps", 1, "--force")
    assert not (tmp_path / "run" / "numbering.toml").exists()
    assert not (tmp_path / "run" / "replay.npz").exists()


def test_show_names_the_number(command: Any, tmp_path: Path) -> None:
    (tmp_path / "n.toml").write_text(
        'paper = "v3"\n[lemmas]\n"Lemma A" = "quarter-lipschitz"\n"B" = "loss-decreases"\n'
    )
    numbered = ("--numbering", tmp_path / "n.toml")
    assert "\nLemma A of v3\n" in command("show", "benign-vit/quarter-lipschitz", *numbered).out
    assert "loss-decreases (B) (bound): " in command("show", "benign-vit", *numbered).out


def test_a_wrong_name_ends_the_request_before_the_run(refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "n.toml").write_text('[lemmas]\n"Lemma 1" = "loss-decrease"\n')
    told = refusal("run", "benign-vit", "--numbering", "n.toml", "--out", "run")
    assert told == "--numbering: n.toml: Lemma 1: benign-vit has no 'loss-decrease' (did you mean loss-decreases?)"
