"""What does not depend on the seed: the presets by gradient descent of constant step size, on many seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from proofs.language import Lemma
from proofs.token_selection.order import (
    benign_selection,
    generalisation_is_delayed,
    harmful_selection,
    window_without_overfitting,
)
from proofs.token_selection.stage_one import certain_departure, possible_departure
from proofs.token_selection.stages import QUARTER, departure
from verify.checking.compile import value_of
from verify.engines.drive import STRETCH_STEPS
from verify.engines.schedule import Schedule
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between
from verify.systems.token_selection.problem import PRESETS, Problem
from verify.systems.token_selection.studies.family import SELECTED, groups, in_every_cell, record
from verify.systems.token_selection.system import TokenSelection

SYSTEM = TokenSelection()

Case = Literal[
    "not-overfitting",
    "overfitting-later",
    "benign",
    "benign-delayed",
    "delayed-accuracy",
    "delayed-accuracy-orthogonal",
    "harmful",
]

ACCURATE = 0.95
"""Test accuracy that counts as generalisation where accuracy is what is delayed."""

LATER = 1000
"""A run is delayed that does not generalise within so many steps of fitting all."""

FIRST_STEPS = 100
"""Steps within which attention has left 1/T by a quarter in every preset."""


class Seeded(BaseModel):
    """A preset, drawn in few coordinates: a uniform start is replaced by a Gaussian one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    case: Case = Field("benign", description="which preset")
    start: Literal["preset", "gaussian", "orthogonal"] = Field(
        "preset", description="law of W at the start; preset: the preset's own"
    )
    test_samples: int = Field(5000, ge=2, le=10**6, description="test samples of each class")

    def problem(self) -> Problem:
        """The preset's problem."""
        settings = PRESETS[self.case].settings
        own = "orthogonal" if settings.get("start") == "orthogonal" else "gaussian"
        start = own if self.start == "preset" else self.start
        return Problem.model_validate(
            {**settings, "start": start, "drawn": "reduced", "test_samples": self.test_samples}
        )


def measure_seed(cell: Seeded, seed: int) -> dict[str, Any]:
    """What is fitted and when, test quantities at start and end, and when they generalise.

    Tests are made at steps spaced like a logarithm; `None` stands for never.
    """
    problem = cell.problem()
    prepared = SYSTEM.prepare(problem, seed, "reduced")
    dynamics, y, y_clean = prepared.dynamics, prepared.instance.y, prepared.instance.y_clean
    schedule, fit_step = Schedule(problem.max_steps), None
    tests: dict[int, dict[str, float]] = {}
    while dynamics.step < problem.max_steps:
        last = min(dynamics.step + STRETCH_STEPS, problem.max_steps)
        stretch = dynamics.advance(last - dynamics.step, -1.0, schedule.within(dynamics.step, last))
        fitted = y * stretch.arrays["output"][: stretch.steps + 1] > 0.0
        if fit_step is None and fitted.all(axis=1).any():
            fit_step = stretch.first + int(np.argmax(fitted.all(axis=1)))
        for step, kept in stretch.kept.items():
            tests[step] = _test(dynamics, kept)
    start, end = tests[0], tests[problem.max_steps]
    attends = SYSTEM.sampled_events["T_gen"]
    return {
        "clean_fitted": float(fitted[-1, y == y_clean].mean()),
        "noisy_fitted": float(fitted[-1, y != y_clean].mean()),
        "fit_step": fit_step,
        "attention_step": _first(tests, lambda seen: seen[attends.quantity] >= attends.at_least),
        "accuracy_step": _first(tests, lambda seen: 1.0 - seen["test_error"] >= ACCURATE),
        "start_error": start["test_error"],
        **{name: end[name] for name in ("test_error", "test_selection", "test_attention")},
        **end_of_first_quarter(problem, seed),
    }


def _test(dynamics: Any, kept: Any) -> dict[str, float]:
    return SYSTEM.test_quantities(*dynamics.test_outputs(kept))


def _first(tests: Mapping[int, Mapping[str, float]], there: Callable[[Mapping[str, float]], bool]) -> int | None:
    return next((step for step, seen in tests.items() if there(seen)), None)


def end_of_first_quarter(problem: Problem, seed: int) -> dict[str, int | None]:
    """The first step at which attention is a quarter of 1/T from it, and between which ones it had to be."""
    untested = problem.model_copy(update={"test_samples": 0})
    prepared = SYSTEM.prepare(untested, seed, "reduced", checked=True)
    arrays = prepared.dynamics.advance(FIRST_STEPS, -1.0, []).arrays
    steps: dict[str, int | None] = {}
    for name, observable in (
        ("quarter_earliest", possible_departure),
        ("quarter_step", departure),
        ("quarter_latest", certain_departure),
    ):
        beyond = np.flatnonzero(value_of(observable, prepared.constants, arrays) > float(QUARTER))
        steps[name] = int(beyond[0]) if len(beyond) else None
    return steps


def bracketed(end: Mapping[str, Any]) -> bool:
    """Whether attention leaves 1/T by a quarter when it had to; a latest step that never comes excludes nothing."""
    step, latest = end["quarter_step"], end["quarter_latest"]
    return step is not None and end["quarter_earliest"] <= step and (latest is None or step <= latest)


def unfitted_window(end: Mapping[str, float]) -> bool:
    """All clean samples are fitted, no noisy one is, and test samples select their signal."""
    return end["clean_fitted"] == 1.0 and end["noisy_fitted"] == 0.0 and end["test_selection"] > SELECTED


def memorised(end: Mapping[str, float]) -> bool:
    """Some noisy sample is fitted, and test samples select their signal."""
    return end["noisy_fitted"] > 0.0 and end["test_selection"] > SELECTED


def harmed(end: Mapping[str, float]) -> bool:
    """Every sample is fitted, and test samples select other tokens."""
    return end["clean_fitted"] == end["noisy_fitted"] == 1.0 and end["test_selection"] <= SELECTED


def delayed(end: Mapping[str, Any], quantity: str = "attention_step") -> bool:
    """Every sample is fitted; what a test sample attends to, or its class, is right much later, or not yet."""
    fit_step, later = end["fit_step"], end[quantity]
    return fit_step is not None and (later is None or later > fit_step + LATER)


EXPECTED: Mapping[str, tuple[Lemma, Callable[[Mapping[str, Any]], bool], str]] = {
    "not-overfitting": (window_without_overfitting, unfitted_window, "clean labels alone fitted, P_select > 1/2"),
    "overfitting-later": (benign_selection, memorised, "the window ends: noisy labels fitted, P_select > 1/2"),
    "benign": (benign_selection, memorised, "noisy labels fitted, P_select > 1/2"),
    "benign-delayed": (
        generalisation_is_delayed,
        delayed,
        f"test attention 1/2 not within {LATER} steps of T_fit",
    ),
    "delayed-accuracy": (benign_selection, memorised, "noisy labels fitted, P_select > 1/2"),
    "delayed-accuracy-orthogonal": (benign_selection, memorised, "noisy labels fitted, P_select > 1/2"),
    "harmful": (harmful_selection, harmed, "every label fitted, P_select <= 1/2"),
}

SWAPPED: Mapping[str, str] = {
    "not-overfitting": "harmful",
    "overfitting-later": "not-overfitting",
    "benign": "harmful",
    "benign-delayed": "harmful",
    "delayed-accuracy": "harmful",
    "delayed-accuracy-orthogonal": "harmful",
    "harmful": "benign",
}
"""A regime that each preset is not in."""


def judge_seeds(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Whether every seed of a preset is in its regime, when what happened, and how far its quantities spread."""
    findings: list[Finding] = []
    ends_table: list[list[str]] = []
    steps_table: list[list[str]] = []
    for (case, start), members in groups(rows, "case", "start").items():
        name = case if start == "preset" else f"{case} {start}"
        ends = [row.measured for row in members]
        for regime, wrong in ((case, ""), (SWAPPED[case], "another regime")):
            lemma, holds, words = EXPECTED[regime]
            findings.append(in_every_cell(lemma, [holds(end) for end in ends], f"{name}: {words}", wrong=wrong))
        for table, columns in ((ends_table, ENDS), (steps_table, STEPS)):
            told = (between([end[quantity] for end in ends]) for quantity in columns)
            table.append([name, str(len(ends)), *told])
    sheets = [
        Sheet("At the end, smallest to largest over seeds", ("preset", "seeds", *ENDS.values()), ends_table),
        Sheet("First steps, smallest to largest over seeds", ("preset", "seeds", *STEPS.values()), steps_table),
    ]
    return Judgement({"findings": record(findings)}, findings, sheets, _notes(rows))


def _notes(rows: Sequence[Row]) -> list[str]:
    """In how many cells a bracket holds, and accuracy is delayed where it is meant to be."""
    held = sum(bracketed(row.measured) for row in rows)
    notes = [f"tau_quarter lies between its two ends in {held} of {len(rows)} cells"]
    for (case, _), members in groups(rows, "case", "start").items():
        if case.startswith("delayed-accuracy"):
            late = sum(delayed(row.measured, "accuracy_step") for row in members)
            never = sum(row.measured["accuracy_step"] is None for row in members)
            notes.append(
                f"{case}: test accuracy {ACCURATE} not within {LATER} steps of T_fit"
                f" in {late} of {len(members)} cells, in {never} not within the run"
            )
    return notes


ENDS: Mapping[str, str] = {
    "clean_fitted": "clean fitted",
    "noisy_fitted": "noisy fitted",
    "start_error": "test error at the start",
    "test_error": "test error",
    "test_selection": "P_select",
    "test_attention": "test attention",
}

STEPS: Mapping[str, str] = {
    "fit_step": "T_fit",
    "attention_step": "T_gen",
    "accuracy_step": f"test accuracy {ACCURATE}",
    "quarter_earliest": "tau_quarter, at the earliest",
    "quarter_step": "tau_quarter",
    "quarter_latest": "tau_quarter, at the latest",
}

SEEDS = Study(
    name="seeds",
    words="the presets by gradient descent on many seeds: what does not depend on the seed, and when it happens",
    cell=Seeded,
    axes={"case": tuple(EXPECTED)},
    seeds=10,
    measure=measure_seed,
    judge=judge_seeds,
    measured_as="seeds",
)
