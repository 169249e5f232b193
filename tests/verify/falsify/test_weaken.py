"""Dropping hypotheses, in memory and in the file that repeats a counterexample."""

from pathlib import Path
from typing import Any

import pytest

from verify.errors import RequestError
from verify.falsify.weaken import chosen, droppable, source_of, weakened
from verify.io.lemmas import load_lemmas
from verify.systems.base import find_system


@pytest.mark.parametrize(
    ("lemma", "words", "dropped"),
    [
        ("signal-values-monotone", ["1,3"], ("1", "3")),
        ("signal-values-monotone", ["3", "1"], ("1", "3")),
        ("signal-values-monotone", ["all"], ("1", "2", "3", "4")),
        ("stage-one-values", ["all"], ("1", "stage")),
        ("stage-one-values", ["stage"], ("stage",)),
    ],
)
def test_the_file_holds_the_weakened_lemma(
    lemma: str, words: list[str], dropped: tuple[str, ...], tmp_path: Path
) -> None:
    stated: Any = find_system("benign-vit").statements()[lemma]
    assert chosen(stated, words) == dropped
    weaker = weakened(stated, dropped)
    assert len(weaker.given) == len(stated.given) - len(set(dropped) - {"stage"})
    file = tmp_path / "weaker.py"
    file.write_text(source_of("benign-vit", stated, dropped))
    (again,) = load_lemmas(file, find_system("benign-vit"))
    assert (again.name, again.claims, list(again.given), again.stage, again.kind) == (
        weaker.name,
        weaker.claims,
        list(weaker.given),
        weaker.stage,
        weaker.kind,
    )


@pytest.mark.parametrize("words", [["5"], ["0"], ["stage"], ["1,all"], [""]])
def test_a_hypothesis_that_is_not_there_is_refused(words: list[str]) -> None:
    stated: Any = find_system("benign-vit").statements()["signal-values-monotone"]
    with pytest.raises(RequestError, match=r"^--without: .* is not allowed"):
        chosen(stated, words)


def test_a_lemma_without_hypotheses_has_none_to_drop() -> None:
    stated: Any = find_system("benign-vit").statements()["loss-decreases"]
    assert droppable(stated) == {}
    with pytest.raises(RequestError, match="it has no hypotheses"):
        chosen(stated, ["all"])
