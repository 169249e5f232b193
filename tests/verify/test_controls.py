"""Planted errors are caught, each by the check that it names; and no catch can be made up."""

import io
import json
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from proofs.benign_vit import symbols
from proofs.language import Observable
from verify.checking import compile as compiling
from verify.checking.compile import compiled_once
from verify.checking.run import Run
from verify.controls import Control, Finding, Plant, edit, edited, run_controls
from verify.report.controls import print_controls
from verify.scenes import Film, definitions
from verify.statistics import kolmogorov_smirnov
from verify.systems.benign_vit import SYSTEM, compiled, dynamics, kernels, system
from verify.systems.benign_vit.controls import BENIGN, uncompiled

HARMLESS = edit(kernels, "attend", "largest = max(largest, score[n, l, j])", "pass")
"""A softmax shifted by its first score in place of the largest: the same function."""


def of(controls: Sequence[Control]) -> Any:
    """A system that has nothing but controls."""
    return types.SimpleNamespace(controls=lambda: controls)


def controls_named(*names: str) -> list[Control]:
    found = {control.name: control for control in SYSTEM.controls()}
    return [found[name] for name in names]


def test_every_planted_error_is_caught_by_its_check_and_taken_away_again() -> None:
    owners = (kernels, compiled, dynamics, system, Run, compiling)
    before = [dict(vars(owner)) for owner in owners]
    found = run_controls(SYSTEM)
    assert {each.control.name: each.verdict for each in found if not each.caught} == {}
    assert [dict(vars(owner)) for owner in owners] == before
    names = [each.control.name for each in found]
    assert len(set(names)) == len(names) >= 25


def test_a_harmless_edit_escapes() -> None:
    (mean_forgotten,) = controls_named("mean-forgotten")
    (found,) = run_controls(of([replace(mean_forgotten, plant=HARMLESS)]))
    assert not found.caught
    assert found.verdict == "holds"
    assert found.also == []
    assert found.record()["by"] is None


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        ("events", edit(Run, "event", "np.argmax(happens)", "np.argmax(happens) - 1")),
        ("stages", edit(compiling, "stage_span", "min(first + increments, end)", "min(first + increments, end - 1)")),
        ("stages", edit(compiling, "stage_span", "max([first, *known])", "max([first, *known]) + 1")),
    ],
    ids=["event one step early", "stage one step too short", "stage begins one step late"],
)
def test_events_and_stages_are_held_from_both_sides(check: str, plant: Plant) -> None:
    (late,) = controls_named("event-one-step-late")
    (found,) = run_controls(of([replace(late, plant=plant, caught_by=check)]))
    assert found.caught


# The machinery, on a check that reads one number.

NUMBERS = types.ModuleType("numbers_of_a_test")
NUMBERS.number = 1  # type: ignore[attr-defined]


def look() -> dict[str, Finding]:
    number = NUMBERS.number
    return {"one": Finding(number == 1, f"{number}"), "odd": Finding(number % 2 == 1, f"{number}")}


def control(value: int, caught_by: str) -> Control:
    return Control("changed", "another number", Plant(NUMBERS, "number", lambda _: value), caught_by, look)


def test_only_the_named_check_counts() -> None:
    two, three, odd = run_controls(of([control(2, "one"), control(3, "one"), control(3, "odd")]))
    assert two.caught
    assert two.also == ["odd"]
    assert three.caught
    assert three.also == []
    assert not odd.caught
    assert odd.also == ["one"]
    assert two.record() == {
        "name": "changed",
        "words": "another number",
        "place": "numbers_of_a_test.number",
        "expected": "one",
        "caught": True,
        "by": "one",
        "verdict": "2",
        "also": ["odd"],
    }


def test_a_check_that_fails_without_the_error_catches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NUMBERS, "number", 4)
    (found,) = run_controls(of([control(2, "one")]))
    assert not found.caught
    assert found.verdict == "4 without the error too"


def test_statements_compiled_before_do_not_hide_an_error_nor_does_it_outlive_itself() -> None:
    before = compiled_once((), frozenset())
    assert compiled_once((), frozenset()) is before
    with Plant(NUMBERS, "number", lambda _: 2).planted():
        within = compiled_once((), frozenset())
        assert within is not before
    assert compiled_once((), frozenset()) is not within


def test_what_was_there_comes_back_after_an_exception() -> None:
    def interrupted() -> None:
        with Plant(NUMBERS, "number", lambda _: 2).planted():
            assert NUMBERS.number == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert NUMBERS.number == 1

    def broken_look() -> dict[str, Finding]:
        assert NUMBERS.number == 1
        return look()

    with pytest.raises(AssertionError):
        run_controls(of([replace(control(2, "one"), look=broken_look)]))
    assert NUMBERS.number == 1
    with pytest.raises(ZeroDivisionError), Plant(NUMBERS, "number", lambda number: number / 0).planted():
        pass
    assert NUMBERS.number == 1


class Pair:
    """Methods of every sort."""

    @staticmethod
    def first() -> int:
        return 1

    def second(self) -> int:
        return 2


def test_static_methods_come_back_as_such() -> None:
    with Plant(Pair, "first", lambda _: staticmethod(lambda: 5)).planted():
        assert Pair().first() == 5
    assert isinstance(vars(Pair)["first"], staticmethod)
    assert Pair().first() == 1


def test_an_edit_changes_one_text_of_a_function_or_method() -> None:
    assert edited(look, "% 2 == 1", "% 2 == 0")()["odd"] == Finding(False, "1")
    with Plant(NUMBERS, "number", lambda _: 2).planted():
        assert edited(look, "% 2 == 1", "% 2 == 0")()["odd"] == Finding(True, "2")
    with edit(Pair, "second", "return 2", "return 3").planted():
        assert Pair().second() == 3
    assert Pair().second() == 2


@pytest.mark.parametrize(("old", "times"), [("nowhere", 0), ("number", 6)])
def test_the_old_text_of_an_edit_occurs_once(old: str, times: int) -> None:
    with pytest.raises(ValueError, match=f"look: '{old}' occurs {times} times"):
        edited(look, old, "")


def test_places_are_named() -> None:
    assert HARMLESS.place == "kernels.attend"
    assert edit(Run, "event", "", "").place == "run.Run.event"
    assert Plant(symbols.score, "definition", lambda _: None).place == "score.definition"


# What the checks look at.


@pytest.fixture(scope="module")
def film() -> Film:
    with uncompiled():
        return Film(SYSTEM.prepare(BENIGN, 0, "reduced", checked=True).dynamics, steps=6)


def test_a_film_shows_what_the_run_recorded(film: Film) -> None:
    with uncompiled():
        made = SYSTEM.prepare(BENIGN, 0, "reduced", checked=True).dynamics.advance(6, -1.0, [])
    film.restore(2)
    shown = film.advance(3, -1.0, [])
    assert (shown.first, shown.steps) == (2, 3)
    for name, array in made.arrays.items():
        np.testing.assert_array_equal(shown.arrays[name], array[2 : 5 + (len(array) == 7)])
    query, score = shown.arrays["query"], shown.arrays["score"]
    np.testing.assert_allclose(np.sum(query**2, axis=2), shown.arrays["query_square"], rtol=1e-12)
    assert len(query) == len(score) == 4


def test_every_recorded_observable_that_has_a_definition_is_held_against_it(film: Film) -> None:
    defined = {
        each.name
        for each in vars(symbols).values()
        if isinstance(each, Observable) and each.definition is not None and each.name in film.observables
    }
    lemmas = [lemma for lemma in SYSTEM.lemmas() if lemma.judged_in_a_run]
    claims = definitions(lemmas, film.observables).claims
    assert {str(claim.lhs).partition("[")[0] for claim in claims} == defined
    assert {"attention", "loss", "query_change"} <= defined


samples = st.integers(5, 60).flatmap(lambda size: arrays(float, size, elements=st.floats(-2, 2, width=16)))


@given(samples, samples)
def test_kolmogorov_smirnov_is_that_of_scipy(left: np.ndarray, right: np.ndarray) -> None:
    wanted = stats.ks_2samp(left, right, method="asymp").statistic
    count = len(left) * len(right) / (len(left) + len(right))
    assert kolmogorov_smirnov(left, right) == pytest.approx(stats.kstwobign.sf(np.sqrt(count) * wanted))


# What users see.

SOME = ("mean-forgotten", "loss-summed")


@pytest.mark.parametrize("escapes", [False, True])
def test_the_command_tells_what_escaped(
    escapes: bool, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = controls_named(*SOME)
    if escapes:
        chosen[1] = replace(chosen[1], plant=HARMLESS)
    monkeypatch.setattr(type(SYSTEM), "controls", lambda self: chosen)
    status, out, err = command("controls", "benign-vit", "--json")
    printed = json.loads(out)
    assert status == int(escapes)
    assert printed["system"] == "benign-vit"
    assert [each["name"] for each in printed["controls"]] == list(SOME)
    assert [each["caught"] for each in printed["controls"]] == [True, not escapes]
    assert f"2 planted errors: {2 - escapes} caught, {int(escapes)} escaped" in err
    assert ("ESCAPED" in err) is escapes


def test_the_table_counts_the_checks_that_noticed_too() -> None:
    stream = io.StringIO()
    (found,) = run_controls(of([control(2, "one")]))
    clean = found.clean | {name: Finding(True, "") for name in "abc"}
    planted = found.planted | {name: Finding(False, "") for name in "abc"}
    print_controls([found, replace(found, clean=clean, planted=planted)], stream)
    printed = stream.getvalue()
    assert "another number" in printed
    assert "odd, a and 2 more" in printed
    assert "2 planted errors: 2 caught, 0 escaped" in printed
