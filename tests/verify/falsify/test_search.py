"""The search breaks what is false by a hair, and nothing that is true."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from proofs.language import Lemma
from verify.checking.balls import Decider
from verify.falsify.attack import Attack
from verify.falsify.search import Searched, search
from verify.falsify.trial import ArraysTrial
from verify.falsify.weaken import weakened
from verify.io.lemmas import load_lemmas
from verify.systems.base import find_system, system_names

CONJECTURES = Path(__file__).with_name("conjectures.py")
LONG = 60.0
"""More seconds than any of the false statements takes: the search ends when it has found them."""


def conjecture(name: str) -> Lemma:
    return next(lemma for lemma in load_lemmas(CONJECTURES, find_system("benign-vit")) if lemma.name == name)


def searched(name: str, lemma: Lemma, seconds: float, seed: int = 0) -> Searched:
    return search(find_system(name), lemma, seconds, seed, shrinking=1.0)


@pytest.mark.parametrize(
    "name", ["constant-too-good", "wrong-exponent", "outputs-smaller-than-values", "row-too-small"]
)
def test_a_statement_that_is_false_by_a_hair_is_broken(name: str) -> None:
    found = searched("benign-vit", conjecture(name), LONG).found
    assert found is not None
    assert found.broken.evidence == "balls"
    assert found.broken.place.margin < 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "lemma", "dropped"),
    [
        ("benign-vit", "signal-values-monotone", "1"),
        ("benign-vit", "signal-value-growth", "1"),
        ("token-selection", "query-norm-bounded", "1"),
        ("token-selection", "first-step", "2"),
        ("shallow-vit", "rest-at-unit-margins", "1"),
    ],
)
def test_a_statement_without_a_hypothesis_that_it_needs_is_broken(system: str, lemma: str, dropped: str) -> None:
    statement: Any = find_system(system).statements()[lemma]
    assert searched(system, weakened(statement, [dropped]), 4 * LONG).found is not None


@pytest.mark.parametrize("lemma", ["loss-derivative-near-half", "attention-within-row-spread"])
def test_what_rounding_alone_breaks_is_not_reported(lemma: str) -> None:
    """In float64 both fail somewhere: their sides agree to within rounding."""
    statement: Any = find_system("benign-vit").statements()[lemma]
    found = searched("benign-vit", statement, 3.0)
    assert found.found is None
    assert found.met
    assert found.closest is not None
    assert found.closest[1].margin <= 0.0  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("system", system_names())
def test_no_proved_statement_is_broken(system: str) -> None:
    for lemma in find_system(system).lemmas():
        if lemma.judged_in_a_run and lemma.proof is not None:
            assert searched(system, lemma, 4.0).found is None, lemma.name


def test_what_balls_refute_is_never_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with balls that call everything true, even a false statement stands."""
    monkeypatch.setattr(Decider, "decide", lambda *_: "holds")
    assert searched("benign-vit", conjecture("wrong-exponent"), 2.0).found is None


def test_hypotheses_that_are_never_met_count_as_nothing() -> None:
    found = searched("benign-vit", conjecture("about-nothing"), 1.0)
    assert (found.met, found.found, found.closest) == (0, None, None)
    assert found.determined > 0
    assert found.nearest_hypothesis is not None
    assert found.nearest_hypothesis < 0.0


@pytest.mark.parametrize("system", system_names())
def test_instances_made_to_break_statements_can_be_trained_and_saved(system: str, tmp_path: Path) -> None:
    found = find_system(system)
    attack = Attack(found, next(lemma for lemma in found.lemmas() if lemma.judged_in_a_run))

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(found.extremes())
    def check(instance: Any) -> None:
        assert not attack.look(ArraysTrial(instance, 2)).undetermined.startswith("the statements need")
        found.save_instance(instance, tmp_path / "F.npz")
        again, notes = found.load_instance(tmp_path / "F.npz")
        assert not notes
        np.testing.assert_equal(ArraysTrial(again, 2).key, ArraysTrial(instance, 2).key)

    check()
