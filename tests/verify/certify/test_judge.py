"""Verdicts on enclosures: what is true or false by a hair is told apart, what is open stays open."""

from typing import Any

import numpy as np
import pytest
from flint import arb
from sympy import Rational

from proofs.language import ByHand, Claim, Derived, Event, Index, IndexSet, Lemma, Observable, change
from verify.certify.arrays import balls
from verify.certify.judge import CertifiedJudge, ends
from verify.checking.balls import working_precision
from verify.checking.verdicts import Evidence, LemmaVerdict, Verdict

SAMPLE = IndexSet("sample", size="N")
n = Index("n", SAMPLE)
value = Observable("value", SAMPLE, state=True, words="a number of a sample")
bound = Observable("bound", constant=True, words="a number")
HAIR = Rational(1, 10**25)
PROOF = ByHand("docs/statements.md#bounds")


def lemma(*claims: Claim, **options: Any) -> Lemma:
    made = Lemma(words="a statement", claims=claims, source=Derived("tests"), **options)
    made.name = "statement"
    return made


def judged(statement: Lemma, states: Any, constants: dict[str, Any] | None = None, bits: int = 128) -> CertifiedJudge:
    with working_precision(bits):
        judge = CertifiedJudge("system", [statement], [], constants or {"bound": 0.5}, ["value"], "reduced")
        judge.observe({"value": states}, 0)
    return judge


def verdict(*given: Any, **options: Any) -> LemmaVerdict:
    return judged(*given, **options).verdicts()[0]


def third(steps: int = 2) -> Any:
    """Balls around 1/3, which no binary number is."""
    with working_precision(128):
        return np.full((steps, 1), arb(1) / 3, dtype=object)


@pytest.mark.parametrize(
    ("relation", "by", "expected"),
    [
        ("<=", HAIR, Verdict.HOLDS),
        ("<=", -HAIR, Verdict.VIOLATED),
        ("<", HAIR, Verdict.HOLDS),
        ("<", -HAIR, Verdict.VIOLATED),
        (">=", -HAIR, Verdict.HOLDS),
        (">=", HAIR, Verdict.VIOLATED),
        (">", -HAIR, Verdict.HOLDS),
        (">", HAIR, Verdict.VIOLATED),
        ("==", HAIR, Verdict.VIOLATED),
    ],
)
def test_what_is_true_or_false_by_a_hair_is_told_apart(relation: Any, by: Any, expected: Verdict) -> None:
    found = verdict(lemma(Claim(value[n], relation, Rational(1, 3) + by)), third())
    assert (found.verdict, found.evidence) == (expected, Evidence.CERTIFIED)
    low, high = found.claims[0].enclosures["margin"]
    exact = abs(float(HAIR)) * (1 if expected is Verdict.HOLDS else -1)
    assert low <= exact <= high
    assert high - low < 1e-9 * abs(exact)


@pytest.mark.parametrize("relation", ["<=", "<", ">=", ">", "=="])
def test_a_tie_is_inconclusive_without_a_proof_and_rests_on_one_otherwise(relation: Any) -> None:
    claim = Claim(value[n], relation, Rational(1, 3))
    assert verdict(lemma(claim), third()).verdict is Verdict.INCONCLUSIVE
    proved = verdict(lemma(claim, proof=PROOF), third())
    assert (proved.verdict, proved.evidence) == (Verdict.HOLDS, Evidence.PROVED)


def test_a_blurred_comparison_does_not_rest_on_its_proof() -> None:
    claim = Claim(value[n], "<=", Rational(1, 3))
    wide = np.full((2, 1), arb(1 / 3, 0.01), dtype=object)
    found = judged(lemma(claim, proof=PROOF), wide)
    assert found.verdicts()[0].verdict is Verdict.INCONCLUSIVE
    assert found.lacks_bits(128) == found.blunt == "statement"


def test_a_tie_without_a_proof_asks_for_more_bits_up_to_a_limit() -> None:
    found = judged(lemma(Claim(value[n], "<=", Rational(1, 3))), third())
    assert (found.lacks_bits(128), found.lacks_bits(512), found.blunt) == ("statement", "", "")


def test_exact_numbers_decide_an_equality() -> None:
    found = verdict(lemma(Claim(value[n], "==", Rational(1, 4))), balls([[0.25], [0.25]]))
    assert (found.verdict, found.evidence) == (Verdict.HOLDS, Evidence.CERTIFIED)


def test_a_false_hypothesis_excuses_and_an_open_one_does_not() -> None:
    claim, hypothesis = Claim(value[n], "<=", 0), Claim(bound, "<=", Rational(1, 3))
    states = balls([[1.0], [1.0]])
    with working_precision(128):
        tie = {"bound": np.array(arb(1) / 3, dtype=object)}
    assert verdict(lemma(claim, given=[hypothesis]), states).verdict is Verdict.HYPOTHESIS_NOT_MET
    assert verdict(lemma(claim, given=[hypothesis]), states, {"bound": 0.25}).verdict is Verdict.VIOLATED
    assert verdict(lemma(claim, given=[hypothesis]), states, tie).verdict is Verdict.INCONCLUSIVE


def test_the_first_violation_is_the_first_step_and_the_worst_place_is_named() -> None:
    found = verdict(lemma(Claim(value[n], "<=", 1)), balls([[0.0, 0.0], [0.5, 2.0], [3.0, 0.0]])).claims[0]
    assert (found.first_violation, found.at_step, found.where) == (1, 2, {"sample": 0})
    assert found.checked_steps == 3


def test_steps_shared_by_stretches_count_once() -> None:
    statement = lemma(Claim(value[n], "<=", 1), Claim(change(value[n]), "<=", 1))
    with working_precision(128):
        judge = CertifiedJudge("system", [statement], [], {}, ["value"], "reduced")
        for first in (0, 2, 4):
            judge.observe({"value": balls(np.zeros((3, 1)))}, first)
    assert [claim.checked_steps for claim in judge.verdicts()[0].claims] == [7, 6]


def test_a_judge_goes_on_from_what_it_saved() -> None:
    event = Event("large", Claim(value[0], ">=", 2), words="large")
    statement = lemma(Claim(value[n], "<=", 5))
    stretches = [balls([[1.0], [1.5], [1.25]]), balls([[1.25], [3.0], [6.0]])]

    def made() -> CertifiedJudge:
        return CertifiedJudge("system", [statement], [event], {}, ["value"], "reduced")

    whole, first, second = made(), made(), made()
    for place, states in enumerate(stretches):
        whole.observe({"value": states}, 2 * place)
    first.observe({"value": stretches[0]}, 0)
    second.restore(first.save())
    second.observe({"value": stretches[1]}, 2)
    assert second.verdicts()[0].record() == whole.verdicts()[0].record()
    assert second.evaluation.events == whole.evaluation.events == {"large": 3}


def test_what_was_given_up_is_inconclusive_unless_violated() -> None:
    good, bad = (judged(lemma(Claim(value[n], "<=", limit)), balls([[1.0], [1.0]])) for limit in (2, 0))
    assert good.verdicts("too wide")[0].verdict is Verdict.INCONCLUSIVE
    assert bad.verdicts("too wide")[0].verdict is Verdict.VIOLATED


def test_ends_are_rounded_outward() -> None:
    with working_precision(128):
        ball = arb(1) / 3
    low, high = ends(ball)
    assert arb(low) < ball < arb(high)
    assert high - low < 1e-15
    assert ends(arb(0.5)) == (0.5, 0.5)
