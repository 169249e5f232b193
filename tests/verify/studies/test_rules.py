"""Rules: how often they are wrong on families with a known truth, and that they answer where the truth is clear."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from verify.checking.verdicts import Verdict
from verify.studies.fits import power_law
from verify.studies.rules import (
    EXPONENT_TOLERANCE,
    judge_at_most,
    judge_decay,
    judge_exponent,
    judge_limit,
    judge_probability,
    judge_range,
    shared_out,
)

Interval = tuple[float, float]
Rule = Callable[[Interval], Verdict]

CONFIDENCE, FAMILIES = 0.9, 1000
LEVEL = 1e-4
"""Probability that a right rule fails a test of its error rate."""
SIZES = np.geomspace(1e4, 1e12, 8)
TARGET = -0.25
HAIR = 1e-9

ends = st.floats(-5, 5)
intervals = st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


def verdicts(rule: Rule, exponent: float, scatter: float) -> Counter[Verdict]:
    rng = np.random.default_rng(3)
    found: Counter[Verdict] = Counter()
    for _ in range(FAMILIES):
        y = SIZES**exponent * np.exp(scatter * rng.standard_normal(len(SIZES)))
        found[rule(power_law(SIZES.tolist(), y.tolist(), CONFIDENCE).exponent_interval)] += 1
    return found


def rare(count: int, rate: float) -> bool:
    return count <= stats.binom.ppf(1.0 - LEVEL, FAMILIES, rate)


def order(interval: Interval) -> Verdict:
    return judge_exponent(interval, TARGET)


def at_most(interval: Interval) -> Verdict:
    return judge_at_most(interval, TARGET)


def between(interval: Interval) -> Verdict:
    return judge_range(interval, TARGET - 0.1, TARGET + 0.1)


EDGES: dict[str, tuple[Rule, float, int]] = {
    "order, from above": (order, TARGET + EXPONENT_TOLERANCE, 1),
    "order, from below": (order, TARGET - EXPONENT_TOLERANCE, -1),
    "at most": (at_most, TARGET + EXPONENT_TOLERANCE, 1),
    "decay": (judge_decay, 0.0, 1),
    "limit": (judge_limit, -EXPONENT_TOLERANCE, 1),
    "range, from above": (between, TARGET + 0.1, 1),
    "range, from below": (between, TARGET - 0.1, -1),
}
"""Rule, the last exponent for which its statement is true, and the direction in which it is false."""


@pytest.mark.parametrize("edge", EDGES)
def test_error_rates_at_the_edge_are_as_stated(edge: str) -> None:
    rule, exponent, false_side = EDGES[edge]
    tail = (1.0 - CONFIDENCE) / 2.0
    false = verdicts(rule, exponent + false_side * HAIR, scatter=0.1)
    true = verdicts(rule, exponent - false_side * HAIR, scatter=0.1)
    assert rare(false[Verdict.SUPPORTED], tail)
    assert rare(true[Verdict.REFUTED], tail)
    assert not rare(false[Verdict.SUPPORTED], tail / 4), "the rate is the stated one, not far below it"


@pytest.mark.parametrize("edge", EDGES)
def test_clear_truths_are_answered(edge: str) -> None:
    rule, exponent, false_side = EDGES[edge]
    assert verdicts(rule, exponent - false_side * 0.04, scatter=0.02)[Verdict.SUPPORTED] > 0.99 * FAMILIES
    assert verdicts(rule, exponent + false_side * 0.25, scatter=0.02)[Verdict.REFUTED] > 0.99 * FAMILIES


@pytest.mark.parametrize("edge", EDGES)
def test_families_that_scatter_widely_decide_little(edge: str) -> None:
    rule, exponent, _ = EDGES[edge]
    assert verdicts(rule, exponent, scatter=30.0)[Verdict.INCONCLUSIVE] > 0.85 * FAMILIES


@given(intervals, ends)
def test_an_order_is_supported_only_with_its_upper_order(interval: Interval, target: float) -> None:
    if judge_exponent(interval, target) is Verdict.SUPPORTED:
        assert judge_at_most(interval, target) is Verdict.SUPPORTED
    if judge_at_most(interval, target) is Verdict.REFUTED:
        assert judge_exponent(interval, target) is Verdict.REFUTED


@given(intervals, ends, ends)
def test_rules_move_with_what_they_judge(interval: Interval, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    mirrored = -interval[1], -interval[0]
    assert judge_range(mirrored, -high, -low) is judge_range(interval, low, high)


def test_nothing_is_said_of_what_is_no_number() -> None:
    unknown = float("nan"), float("nan")
    for rule, _, _ in EDGES.values():
        assert rule(unknown) is Verdict.INCONCLUSIVE


@settings(max_examples=30)
@given(
    trials=st.integers(20, 400),
    claimed=st.floats(0.05, 0.95),
    confidence=st.sampled_from([0.9, 0.99, 0.9999]),
)
def test_probabilities_are_misjudged_as_rarely_as_stated(trials: int, claimed: float, confidence: float) -> None:
    """Summed over the binomial law, at the truths hardest to judge."""
    chances = {Verdict.CONSISTENT: 0.0, Verdict.REFUTED: 0.0}
    for successes in range(trials + 1):
        verdict, _ = judge_probability(successes, trials, claimed, confidence)
        if verdict is not Verdict.INCONCLUSIVE:
            truth = claimed - 1e-12 if verdict is Verdict.CONSISTENT else claimed
            chances[verdict] += float(stats.binom.pmf(successes, trials, truth))
    tail = (1.0 - confidence) / 2.0
    assert chances[Verdict.CONSISTENT] <= tail * (1.0 + 1e-6)
    assert chances[Verdict.REFUTED] <= tail * (1.0 + 1e-6)


@given(st.floats(0.5, 0.9999), st.integers(1, 1000))
def test_shared_out_errors_add_up(confidence: float, judged: int) -> None:
    assert judged * (1.0 - shared_out(confidence, judged)) == pytest.approx(1.0 - confidence, rel=1e-6)
