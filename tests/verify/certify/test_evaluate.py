"""Statements evaluated in balls: every node holds what 50 digits say, events are proved, choices are certain."""

import re
from itertools import product
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb
from sympy import Tuple

from proofs.language import Claim, Derived, Event, Lemma, Observable
from proofs.language.definitions import observables_behind
from proofs.language.recurrence import Member, recurrences_behind
from verify.certify.arrays import balls
from verify.certify.evaluate import Evaluation, Statements
from verify.certify.memory import Memory, Undecided, decided, margin_of
from verify.checking.balls import working_precision
from verify.systems.base import find_system, system_names

STEPS = 6


def held(ball: Any, exact: Any) -> bool:
    return bool(arb(ball).overlaps(arb(mpmath.nstr(exact, 45), abs(arb(mpmath.nstr(exact, 45))) * arb("1e-43"))))


@pytest.mark.parametrize("stretches", [(6,), (1, 2, 3)])
def test_both_sides_hold_the_exact_values_at_every_step(mock: SimpleNamespace, stretches: tuple[int, ...]) -> None:
    problem = mock.draw(0, 0.05)
    states = mock.train(problem, STEPS)
    exact = {name: balls(states[name]) for name in ("value", "query")}
    lemmas = list(mock.lemmas.values())
    reference = mock.reference(problem, {name: states[name] for name in exact}, exact_next=False)
    with working_precision(150):
        evaluation = Evaluation(Statements(lemmas, [], frozenset(exact)), problem)
        wrong, seen, first = [], 0, 0
        for steps in stretches:
            stretch = {name: array[first : first + steps + 1] for name, array in exact.items()}
            for found in evaluation.evaluate(stretch, first):
                for place in product(*map(range, found.shape)):
                    letters = (index.name for index in found.claim.indices)
                    where = dict(zip(letters, place, strict=False))
                    for name in ("lhs", "rhs"):
                        ball = np.broadcast_to(getattr(found.sides, name), found.shape)[place]
                        value = reference.value(getattr(found.claim, name), found.first_step + place[-1], where)
                        seen += 1
                        if not held(ball, value):
                            wrong.append((found.lemma.name, name, found.first_step + place[-1], where, ball, value))
            first += steps
    assert not wrong, wrong[0]
    assert seen > 1000
    stage = mock.lemmas["since_event"].stage
    assert evaluation.events == {each.name: reference.event(each) for each in (stage.start, stage.end)}


@pytest.mark.parametrize("relation", ["<=", "<", ">=", ">", "=="])
def test_a_relation_is_decided_in_both_directions_or_left_open(relation: str) -> None:
    two, blurred = balls([2.0]), np.array([arb(2, 1)], dtype=object)
    expected = {
        ("below", "<="): (True, False),
        ("below", "<"): (True, False),
        ("below", ">="): (False, True),
        ("below", ">"): (False, True),
        ("below", "=="): (False, True),
        ("same", "<="): (True, False),
        ("same", "<"): (False, True),
        ("same", ">="): (True, False),
        ("same", ">"): (False, True),
        ("same", "=="): (True, False),
    }
    for left, right, name in ((balls([1.0]), two, "below"), (two, two, "same"), (blurred, two, "open")):
        holds, fails = decided(margin_of(left, relation, right), relation)
        assert (holds[0], fails[0]) == expected.get((name, relation), (False, False))


def test_what_is_no_number_decides_nothing() -> None:
    for relation in ("<=", "<", ">=", ">", "=="):
        holds, fails = decided(margin_of(balls([1.0]), relation, np.array([arb("nan")], dtype=object)), relation)
        assert not holds[0]
        assert not fails[0]


def event_of(sides: list[Any], claimed: float) -> int | None:
    memory = Memory({}, {0: "big"})
    memory.begin(0, len(sides) - 1)
    body = np.array(sides, dtype=object)
    memory.event(0, [(body, ">=", balls(claimed), np.array([True]), False)], ())
    return memory.events.get(0)


def test_an_event_is_the_first_step_at_which_it_is_certain_and_false_before() -> None:
    assert event_of([arb(1), arb(1, 0.5), arb(3, 0.5)], 2.0) == 2
    assert event_of([arb(1), arb(1)], 2.0) is None


def test_an_event_that_may_have_happened_earlier_is_not_told() -> None:
    with pytest.raises(Undecided, match="whether big happens at step 1"):
        event_of([arb(1), arb(2, 0.5), arb(3)], 2.0)


def test_an_uncertain_choice_of_elements_is_not_made() -> None:
    mask = Observable("mask", constant=True, words="a 0/1 number")
    value = Observable("value", state=True, words="a number")
    lemma = Lemma(words="a statement", claim=Claim(value, "<=", 1, where=mask), source=Derived("tests"))
    open_mask = {"mask": np.array(arb(0.5, 0.1), dtype=object)}
    evaluation = Evaluation(Statements([lemma], [], frozenset(["value"])), open_mask)
    with pytest.raises(Undecided, match="which elements"):
        evaluation.evaluate({"value": balls([0.0, 0.0])}, 0)


def test_events_wait_for_those_before_them() -> None:
    value = Observable("value", state=True, words="a number")
    first = Event("first", Claim(value, ">=", 2), words="large")
    second = Event("second", Claim(value, "<=", 3), words="small again", since=first)
    lemma = Lemma(words="a statement", claim=Claim(value, "<=", 9), source=Derived("tests"))
    evaluation = Evaluation(Statements([lemma], [first, second], frozenset(["value"])), {})
    evaluation.evaluate({"value": balls([1.0, 4.0, 3.0])}, 0)
    assert evaluation.events == {"first": 1, "second": 2}


@pytest.mark.parametrize("name", system_names())
def test_no_number_of_a_statement_is_rounded_when_it_is_printed(name: str) -> None:
    """Floats in the source would be: all but the ones that turn truth into numbers, and those that ask for it."""
    system = find_system(name)
    lemmas = [lemma for lemma in system.lemmas() if lemma.judged_in_a_run]
    claims = [claim for each in lemmas for claim in (*each.claims, *each.given)]
    claims += [claim for event in system.events() for claim in event.claims]
    sides = [side for claim in claims for side in (claim.lhs, claim.rhs)]
    members = [member for each in recurrences_behind(Tuple(*sides)) for member in each.members]
    formulas = [*sides, *(part for member in members for part in (member.start, member.update))]
    named = {each for formula in formulas for each in observables_behind(formula)}
    recorded = frozenset(
        each.name for each in named if not each.constant and each.definition is None and not isinstance(each, Member)
    )
    program = Statements(lemmas, system.events(), recorded).program(tuple(lemmas)).program
    source = program.constants_source + program.stretch_source
    assert "number(" in source
    assert set(re.findall(r"[0-9]*\.[0-9]+(?:e-?[0-9]+)?", source)) <= {"1.0", "0.5"}
    assert set(re.findall(r"\S+ \S+ 1\.0|\S+ \S+ 0\.5", source)) <= set(re.findall(r"\S+ \* 1\.0|\S+ > 0\.5", source))
