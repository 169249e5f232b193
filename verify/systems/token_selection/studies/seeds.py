"""What does not depend on the seed: the regimes' presets by gradient descent of constant step size, on many seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proofs.language import Lemma
from proofs.token_selection.order import benign_selection, harmful_selection, window_without_overfitting
from verify.engines.drive import STRETCH_STEPS
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between
from verify.systems.token_selection.problem import PRESETS, Problem
from verify.systems.token_selection.studies.family import groups, in_every_cell, record
from verify.systems.token_selection.system import TokenSelection

SYSTEM = TokenSelection()

Case = Literal["not-overfitting", "overfitting-later", "benign", "harmful"]

HALF = float(harmful_selection.claims[0].rhs)


class Seeded(BaseModel):
    """A preset, drawn in few coordinates: a uniform start is replaced by a Gaussian one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    case: Case = Field("benign", description="which preset")
    start: Literal["gaussian", "orthogonal"] = Field("gaussian", description="law of W at the start")
    test_samples: int = Field(5000, ge=2, le=10**6, description="test samples of each class")

    def problem(self) -> Problem:
        """The preset's problem."""
        settings = {"start": self.start, "drawn": "reduced", "test_samples": self.test_samples}
        return Problem.model_validate({**PRESETS[self.case].settings, **settings})


def measure_seed(cell: Seeded, seed: int) -> dict[str, Any]:
    """Shares of clean and noisy samples fitted at the end, and the test quantities there and at the start."""
    problem = cell.problem()
    prepared = SYSTEM.prepare(problem, seed, "reduced")
    dynamics, y, y_clean = prepared.dynamics, prepared.instance.y, prepared.instance.y_clean
    start = _test(dynamics)
    while dynamics.step < problem.max_steps:
        stretch = dynamics.advance(min(STRETCH_STEPS, problem.max_steps - dynamics.step), -1.0, [])
        output = stretch.arrays["output"][stretch.steps]
    fitted, end = y * output > 0.0, _test(dynamics)
    return {
        "clean_fitted": float(fitted[y == y_clean].mean()),
        "noisy_fitted": float(fitted[y != y_clean].mean()),
        "start_error": start["test_error"],
        **{name: end[name] for name in ("test_error", "test_selection", "test_attention")},
    }


def _test(dynamics: Any) -> dict[str, float]:
    here = dynamics.advance(0, -1.0, [dynamics.step]).kept[dynamics.step]
    return SYSTEM.test_quantities(*dynamics.test_outputs(here))


def unfitted_window(end: Mapping[str, float]) -> bool:
    """All clean samples are fitted, no noisy one is, and test samples select their signal."""
    return end["clean_fitted"] == 1.0 and end["noisy_fitted"] == 0.0 and end["test_selection"] > HALF


def memorised(end: Mapping[str, float]) -> bool:
    """Some noisy sample is fitted, and test samples select their signal."""
    return end["noisy_fitted"] > 0.0 and end["test_selection"] > HALF


def harmed(end: Mapping[str, float]) -> bool:
    """Every sample is fitted, and test samples select other tokens."""
    return end["clean_fitted"] == end["noisy_fitted"] == 1.0 and end["test_selection"] <= HALF


EXPECTED: Mapping[str, tuple[Lemma, Callable[[Mapping[str, float]], bool], str]] = {
    "not-overfitting": (window_without_overfitting, unfitted_window, "clean labels alone fitted, P_select > 1/2"),
    "overfitting-later": (benign_selection, memorised, "the window ends: noisy labels fitted, P_select > 1/2"),
    "benign": (benign_selection, memorised, "noisy labels fitted, P_select > 1/2"),
    "harmful": (harmful_selection, harmed, "every label fitted, P_select <= 1/2"),
}

SWAPPED: Mapping[str, str] = {
    "not-overfitting": "harmful",
    "overfitting-later": "not-overfitting",
    "benign": "harmful",
    "harmful": "benign",
}
"""A regime that each preset is not in."""


def judge_seeds(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Whether every seed of a preset is in its regime, and how far its quantities spread."""
    findings: list[Finding] = []
    lines = []
    for (case, start), members in groups(rows, "case", "start").items():
        ends = [row.measured for row in members]
        for regime, wrong in ((case, ""), (SWAPPED[case], "another regime")):
            lemma, holds, words = EXPECTED[regime]
            about = f"{case} {start}: {words}"
            findings.append(in_every_cell(lemma, [holds(end) for end in ends], about, wrong=wrong))
        lines.append([f"{case} {start}", str(len(ends)), *(between([end[name] for end in ends]) for name in COLUMNS)])
    sheet = Sheet("At the end, smallest to largest over seeds", ("preset", "seeds", *COLUMNS.values()), lines)
    return Judgement({"findings": record(findings)}, findings, [sheet])


COLUMNS: Mapping[str, str] = {
    "clean_fitted": "clean fitted",
    "noisy_fitted": "noisy fitted",
    "start_error": "test error at the start",
    "test_error": "test error",
    "test_selection": "P_select",
    "test_attention": "test attention",
}

SEEDS = Study(
    name="seeds",
    words="the regimes' presets by gradient descent on many seeds: what does not depend on the seed, and the spread",
    cell=Seeded,
    axes={"case": tuple(EXPECTED)},
    seeds=10,
    measure=measure_seed,
    judge=judge_seeds,
    measured_as="seeds",
)
