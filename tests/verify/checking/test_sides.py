"""Both sides kept for readers: the same numbers as the statements', at the tightest place; laws in time."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import verify
from proofs.language import Claim, Derived, Lemma, accumulated, at_start, change
from verify.checking.compile import compile_lemmas
from verify.checking.sides import Laws, RecordedSides, is_law_in_time, sides_dataset
from verify.engines.schedule import Schedule
from verify.engines.stretch import Stretch

STEPS = 40


def stretches(arrays: dict[str, Any], ends: list[int]) -> list[tuple[int, dict[str, Any]]]:
    """The arrays in pieces; each begins with the last state of the one before."""
    cut = []
    for first, last in zip([0, *ends], [*ends, STEPS], strict=True):
        increments = slice(first, last)
        cut.append(
            (first, {name: a[increments] if len(a) == STEPS else a[first : last + 1] for name, a in arrays.items()})
        )
    return cut


@pytest.mark.parametrize("ends", [[], [7, 19], [1, 2, 39]])
def test_the_tightest_element_of_every_scheduled_step_is_kept(mock: SimpleNamespace, ends: list[int]) -> None:
    problem = mock.draw(3)
    arrays = mock.train(problem, STEPS)
    lemmas = [mock.lemmas[name] for name in ("near_half", "output_bound", "drift", "given", "masked", "uniform")]
    constants = {name: value for name, value in problem.items() if name not in ("value", "query")}
    whole = compile_lemmas(lemmas, mock.recorded).start(constants).evaluate(arrays, 0)
    kept = RecordedSides(Schedule(STEPS))
    session = compile_lemmas(lemmas, mock.recorded).start(constants)
    for first, part in stretches(arrays, ends):
        for outcome in session.evaluate(part, first).outcomes:
            kept.record(outcome)
    for outcome in whole.outcomes:
        rows = kept.rows.get((outcome.lemma.name, outcome.claim_number), {})
        margins = outcome.margin / (np.abs(outcome.lhs) + np.abs(outcome.rhs))
        for place, step in enumerate(outcome.steps.tolist()):
            about = np.broadcast_to(outcome.applies[place], margins[place].shape)
            if not about.any():
                assert step not in rows
                continue
            lhs, rhs = rows[step]
            margin = (
                -abs(lhs - rhs)
                if outcome.claim.relation == "=="
                else abs(lhs - rhs) * np.sign((rhs - lhs) * (1 if outcome.claim.relation in ("<", "<=") else -1))
            )
            size = abs(lhs) + abs(rhs)
            assert margin / size == pytest.approx(np.nanmin(np.where(about, margins[place], np.nan)), rel=1e-12)


def law(mock: SimpleNamespace, relation: str, factor: int) -> Lemma:
    value, p = mock.symbols.value, mock.symbols.p
    lemma = Lemma(
        words="values grow by their changes",
        kind="order",
        claim=Claim(factor * (value[p] - at_start(value[p])), relation, accumulated(change(value[p]))),  # type: ignore[arg-type]
        source=Derived("tests"),
    )
    lemma.name = f"law-{factor}"
    return lemma


def test_a_law_in_time_keeps_the_range_of_its_sides(mock: SimpleNamespace) -> None:
    problem = mock.draw(5)
    arrays = mock.train(problem, STEPS)
    constants = {name: value for name, value in problem.items() if name not in ("value", "query")}
    laws = Laws(lambda: [law(mock, "~", 1), law(mock, "Theta", 3)], constants, Schedule(STEPS))
    dynamics: Any = SimpleNamespace(observables=mock.recorded)
    for first, part in stretches(arrays, [11]):
        laws.observe(Stretch(first, len(part["loss"]) - 1, part, None), dynamics)
    grown = arrays["value"] - arrays["value"][0]
    for factor in (1, 3):
        for step, (rhs, lhs, low, high) in laws.rows[(f"law-{factor}", 0)].items():
            found = np.array([lhs, low, high]) / factor
            wanted = [np.median(grown[step]), grown[step].min(), grown[step].max()]
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(rhs, np.median(grown[step]), rtol=1e-9, atol=1e-12)


def test_which_lemmas_are_laws_in_time(mock: SimpleNamespace) -> None:
    assert is_law_in_time(law(mock, "~", 1))
    assert not is_law_in_time(law(mock, "O", 1))
    assert not any(is_law_in_time(each) for each in mock.lemmas.values())


def test_a_law_that_names_what_is_not_recorded_is_left_out(mock: SimpleNamespace) -> None:
    arrays = mock.train(mock.draw(5), STEPS)
    laws = Laws(lambda: [law(mock, "~", 1)], {}, Schedule(STEPS))
    dynamics: Any = SimpleNamespace(observables=("loss",))
    laws.observe(Stretch(0, STEPS, arrays, None), dynamics)
    assert laws.rows == {}


def test_a_run_keeps_the_sides_of_its_worst_places() -> None:
    finished = verify.run("benign-vit", settings={"N": 4, "d": 1e8, "d_h": 1e8, "test_samples": 0}, steps=20)
    sides = finished.sides
    steps = sides["step"].values.tolist()
    seen = 0
    for place, (name, number) in enumerate(zip(sides["lemma"].values, sides["number"].values, strict=True)):
        row = next(row for row in finished.verdicts if row["lemma"] == f"benign-vit/{name}")
        claim = row["claims"][number]
        if claim["at_step"] in steps and row["kind"] == "bound":
            at = steps.index(claim["at_step"])
            assert (sides["lhs"].values[place, at], sides["rhs"].values[place, at]) == (claim["lhs"], claim["rhs"])
            seen += 1
    assert seen > 10


def test_what_lies_beyond_the_end_is_dropped() -> None:
    sides = RecordedSides(Schedule(10), {("a", 0): {0: (1.0, 2.0), 5: (3.0, 4.0)}})
    kept = sides_dataset(sides, Laws(list, {}, Schedule(10)), last=4)
    assert kept["step"].values.tolist() == [0]
    assert kept["lhs"].values.tolist() == [[1.0]]
