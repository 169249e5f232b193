"""Attention on the data law against a sum over tokens; its cap; what the study says of made-up and of real cells."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, NoQuestion
from verify.systems.shallow_vit.draw import places_of_counts
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.attention import ATTENTION, CONFUSED, FROZEN, LONG, UNIT_STEPS, judge_attention
from verify.systems.shallow_vit.studies.training import attention_on_law
from verify.systems.shallow_vit.testing import enumerate_law

Findings = Callable[..., list[Finding]]


@pytest.mark.parametrize("n_sharp", [0, 1])
def test_attention_on_the_law_is_a_sum_over_tokens(n_sharp: int) -> None:
    problem = Problem(L=8, M=4, n_star=2, n_sharp=n_sharp)
    P = np.random.default_rng(0).standard_normal((4, 4))
    labels, counts, probability = enumerate_law(problem)
    everywhere, others, queries = 0.0, 0.0, 0.0
    for label, places, weight in zip(labels, places_of_counts(counts), probability, strict=True):
        own = 0 if label > 0 else 1
        for query in places:
            scores = np.exp(P[places, query])
            attended = float(scores[places == own].sum() / scores.sum())
            everywhere += weight * attended / len(places)
            others += weight * attended * (query >= 2)
            queries += weight * (query >= 2)
    assert attention_on_law(problem, P) == pytest.approx((everywhere, others / queries))


def test_no_scores_exceed_the_cap() -> None:
    rng = np.random.default_rng(1)
    problem = Problem(L=12, M=4, n_star=4, n_sharp=2)
    seen = [
        attention_on_law(problem, scale * rng.standard_normal((4, 4))) for scale in (0.1, 3.0, 50.0) for _ in range(60)
    ]
    assert max(others for _, others in seen) <= 4 / 6 + 1e-12
    # Irrelevant queries fill the cap; those of relevant patterns turn to their own kind.
    own_kind = np.zeros((4, 4))
    own_kind[:2] = 30.0
    own_kind[[0, 1], [0, 1]] += np.log(2.0)
    everywhere, others = attention_on_law(problem, own_kind)
    assert others == pytest.approx(4 / 6)
    assert everywhere > 4 / 6 + 0.01, "of all queries it can be more"


def cells(attention: Callable[[str], float]) -> Callable[[Mapping[str, Any], int], Mapping[str, Any]]:
    def result(parameters: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
        seen = attention(parameters["case"]) + 1e-3 * np.random.default_rng(seed).standard_normal()
        return {"attention": seen, "attention_of_others": min(seen, 0.79), "loss": 0.0}

    return result


def as_published(case: str) -> float:
    """1 - eta^(1/2) at unit norm, in every other case 0.999."""
    return 1.0 - UNIT_STEPS[case] ** 0.5 / 2.0 if case in UNIT_STEPS else 0.999


def test_cells_as_published_support_the_published_law(made_up: Callable[..., Any], findings_of: Findings) -> None:
    judgement = judge_attention(made_up(ATTENTION, cells(as_published)), NoQuestion())
    (wrong,) = findings_of(judgement, "attention-near-one", control=True)
    assert wrong.verdict is Verdict.SUPPORTED
    assert Verdict.REFUTED in {each.verdict for each in findings_of(judgement, "attention-stops-short")}


def test_flat_attention_is_refuted(made_up: Callable[..., Any], findings_of: Findings) -> None:
    judgement = judge_attention(made_up(ATTENTION, cells(lambda case: 0.08)), NoQuestion())
    assert {each.verdict for each in findings_of(judgement, "attention-grows")} == {Verdict.REFUTED}
    assert {each.verdict for each in findings_of(judgement, "attention-fills-its-cap")} == {Verdict.REFUTED}


def test_a_cell_beyond_the_cap_is_refuted(made_up: Callable[..., Any], findings_of: Findings) -> None:
    def beyond(parameters: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
        return {"attention": 0.5, "attention_of_others": 0.81, "loss": 0.0}

    judgement = judge_attention(made_up(ATTENTION, beyond), NoQuestion())
    assert [each.verdict for each in findings_of(judgement, "attention-capped")] == [Verdict.REFUTED]


def test_real_attention_grows_with_the_scale_and_stays_where_it_is_frozen(
    measured: Callable[..., Any], findings_of: Findings
) -> None:
    cases = ",".join(("unit", LONG, f"{LONG}{CONFUSED}", FROZEN))
    judgement = judge_attention(measured(ATTENTION, case=cases, seeds="3"), NoQuestion())
    assert [each.verdict for each in findings_of(judgement, "attention-capped")] == [Verdict.SUPPORTED]
    (frozen,) = findings_of(judgement, "attention-grows", control=True)
    assert frozen.verdict is Verdict.REFUTED
    assert frozen.estimate == pytest.approx(0.08)
    unit, *others = (each.estimate for each in findings_of(judgement, "attention-grows"))
    assert unit is not None
    assert 0.3 < unit < 0.7
    assert max(each for each in others if each is not None) > 0.95
