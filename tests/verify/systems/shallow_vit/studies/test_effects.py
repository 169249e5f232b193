"""Differences of test errors: intervals that cover, planted effects, and small real problems."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from proofs.language import Lemma
from proofs.shallow_vit import order
from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.studies.study import Finding, NoQuestion, Study
from verify.systems.shallow_vit.studies.effects import (
    BY_CHANCE,
    EQUAL,
    INITIAL_ERROR,
    PUSHED,
    REPAIRED,
    SHUFFLED,
    SPARSIFICATION,
    SPURIOUS,
    STRONG,
    TOKEN_NOISE,
    Started,
    Tokens,
    judge_initial_error,
    judge_sparsification,
    judge_token_noise,
)
from verify.systems.shallow_vit.studies.judged import difference, limits
from verify.systems.shallow_vit.studies.training import train

Findings = Callable[..., list[Finding]]
JUDGES: dict[str, tuple[Study, Any]] = {
    "tokens": (SPARSIFICATION, judge_sparsification),
    "start": (INITIAL_ERROR, judge_initial_error),
    "noise": (TOKEN_NOISE, judge_token_noise),
}


def test_the_interval_of_a_difference_covers_it() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(600):
        first, second = list(0.3 + 0.2 * rng.standard_normal(8)), list(0.05 * rng.standard_normal(20))
        low, high = difference(first, second, 0.9)[1]
        covered += low <= 0.3 <= high
    assert 0.87 <= covered / 600 <= 0.93


@pytest.mark.parametrize("few", [[], [0.1]])
def test_a_difference_needs_two_observations(few: list[float]) -> None:
    with pytest.raises(ValueError, match="needs 2 and 2"):
        difference(few, [0.1, 0.2], 0.9)


def test_ranges_are_read_from_statements() -> None:
    assert limits(order.token_noise_hurts.claims) == (np.nextafter(0.0, 1.0), np.inf)
    assert limits(order.removal_repairs.claims) == (-0.1, 0.1)
    assert limits(order.aligned_iterations.claims) == (0.9, 1.1)


def errors(by: Callable[[Mapping[str, Any]], float]) -> Callable[[Mapping[str, Any], int], Mapping[str, Any]]:
    def result(parameters: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
        error = by(parameters) + 0.02 * np.random.default_rng(seed).standard_normal()
        return {"test_error": error, "test_error_high": error, "steps": 1}

    return result


@pytest.mark.parametrize(
    ("name", "by", "supported", "refuted"),
    [
        ("noise", lambda cell: 0.1 * cell["tau"] * (cell["N"] < 64), ["token-noise-hurts", "noise-needs-samples"], []),
        ("noise", lambda cell: 0.4 - 0.1 * cell["tau"], [], ["token-noise-hurts"]),
        (
            "start",
            lambda cell: 0.3 * (cell["case"] == PUSHED),
            ["directed-error-hurts", order.random_value_error_is_harmless],
            [],
        ),
        ("start", lambda cell: 0.3 * (cell["case"] != "no-error"), [], [order.random_head_error_is_harmless]),
        ("tokens", lambda cell: 0.3 * (cell["case"] in (SPURIOUS, SHUFFLED)), ["removal-repairs", "labels-matter"], []),
        ("tokens", lambda cell: 0.3 * (cell["case"] == REPAIRED), [], ["removal-repairs", "error-of-equal-counts"]),
    ],
)
def test_planted_effects_are_seen(
    name: str,
    by: Callable[[Mapping[str, Any]], float],
    supported: list[str | Lemma],
    refuted: list[str | Lemma],
    made_up: Callable[..., Any],
    findings_of: Findings,
) -> None:
    study, judge = JUDGES[name]
    judgement = judge(made_up(study, errors(by)), NoQuestion())
    for statements, verdict in ((supported, Verdict.SUPPORTED), (refuted, Verdict.REFUTED)):
        for each in statements:
            found = findings_of(judgement, each if isinstance(each, str) else each.name)
            assert {one.verdict for one in found} == {verdict}, each


def test_wrong_variants_are_refuted(made_up: Callable[..., Any]) -> None:
    by: dict[str, Callable[[Mapping[str, Any]], float]] = {
        "noise": lambda cell: 0.1 * cell["tau"],
        "start": lambda cell: 0.3 * (cell["case"] == PUSHED),
        "tokens": lambda cell: {"2-of-36": 0.4, SPURIOUS: 0.5}.get(cell["case"], 0.1),
    }
    for name, (study, judge) in JUDGES.items():
        controls = [each for each in judge(made_up(study, errors(by[name])), NoQuestion()).findings if each.control]
        assert controls
        assert {each.verdict for each in controls} == {Verdict.REFUTED}


def test_nothing_is_learnt_from_equal_counts_or_wrong_labels(measured: Callable[..., Any]) -> None:
    rows = measured(SPARSIFICATION, case=f"{EQUAL},{SHUFFLED}", seeds="3")
    equal, shuffled = ([row.measured for row in rows if row.parameters["case"] == case] for case in (EQUAL, SHUFFLED))
    assert all(each["test_error"] == pytest.approx(0.5, abs=1e-9) for each in equal)
    assert min(each["test_error"] for each in shuffled) > 0.2


def test_spurious_tokens_mislead_and_dropping_them_repairs(measured: Callable[..., Any]) -> None:
    rows = measured(SPARSIFICATION, case=f"{BY_CHANCE},{SPURIOUS},{REPAIRED}", seeds="2")
    found = {row.parameters["case"]: row.measured["test_error"] for row in rows}
    assert found[SPURIOUS] == pytest.approx(0.5)
    assert found[BY_CHANCE] == found[REPAIRED] == 0.0


def test_token_noise_is_drawn_in_few_coordinates_where_there_are_many(measured: Callable[..., Any]) -> None:
    low, high = (
        np.mean([row.measured["test_error"] for row in measured(TOKEN_NOISE, N="8", tau=f"{STRONG}", d=d, seeds="3")])
        for d in ("40", "1e6")
    )
    # In many dimensions noise hardly meets the patterns of a fresh sample.
    assert high < low


def test_shuffling_is_a_permutation_of_the_labels_alone() -> None:
    problem = Tokens(case=SHUFFLED).problem()
    right, wrong = train(problem, 5), train(problem, 5, shuffled=True)
    assert wrong.test["test_error"] > right.test["test_error"]
    assert train(problem, 5, shuffled=True).test == wrong.test


def test_an_unknown_case_is_refused() -> None:
    with pytest.raises(RequestError, match="case"):
        Started(case="nonsense")
