"""Verdicts of whole runs: what is asserted, what is not, and what a violation leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Abs, Rational, Tuple, exp

import verify
from proofs.benign_vit.symbols import label, loss, loss_derivative, n, output, step_size
from proofs.language import Claim, Derived, Event, Lemma, Observable, Recurrence, Stage, at_start
from proofs.language.recurrence import recurrences_behind
from verify.checking import judge as judging
from verify.checking.balls import Decider
from verify.checking.verdicts import Evidence, Verdict
from verify.engines import drive as driving
from verify.io.request import make_request
from verify.runs import Run, carry_out
from verify.systems.benign_vit.system import BenignVit

SMALL = {"N": 4, "M": 3, "d": 10**6, "d_h": 10**6, "test_samples": 0}


def judged(own: list[Lemma] | None = None, strict: bool = False, monkeypatch: Any = None, **asked: Any) -> Run:
    if own is not None:
        for number, lemma in enumerate(own):
            lemma.name = f"own-{number}"
        honest = BenignVit.lemmas
        monkeypatch.setattr(BenignVit, "lemmas", lambda self: [*honest(self), *own])
    return carry_out(make_request("benign-vit", **({"settings": SMALL, "steps": 40} | asked)), strict=strict)


def lemma(*claims: Claim, **options: Any) -> Lemma:
    return Lemma(words="a statement of the tests", claims=claims, source=Derived("tests"), **options)


def eighth() -> Lemma:
    return lemma(Claim(Abs(loss_derivative[n] - Rational(1, 2)), "<=", Abs(output[n]) / 8))


def verdict(run: Run, name: str) -> Any:
    return next(each for each in run.judged if each.statement.name == name)


@pytest.fixture(scope="module")
def clean() -> Run:
    return judged()


def test_every_statement_of_a_clean_run_that_was_asked_for_holds(clean: Run) -> None:
    found = {each.verdict for each in clean.judged}
    assert found <= {Verdict.HOLDS, Verdict.NOT_JUDGED, Verdict.HYPOTHESIS_NOT_MET}
    assert clean.exit_status == 0
    assert sum(each.verdict is Verdict.HOLDS for each in clean.judged) >= 20


def test_states_are_checked_to_the_last_step_and_increments_to_the_last_but_one(clean: Run) -> None:
    assert verdict(clean, "output-bounded-by-values").worst.checked_steps == 41
    assert verdict(clean, "noise-value-growth").worst.checked_steps == 40


def test_a_stage_that_is_never_entered_is_no_success(clean: Run) -> None:
    growth = verdict(clean, "stage-two-step")
    assert clean.stages["T1"] is None or growth.verdict is not Verdict.HYPOTHESIS_NOT_MET
    if growth.verdict is Verdict.HYPOTHESIS_NOT_MET:
        assert "T1" in growth.reason
        assert growth.evidence is Evidence.NONE


def test_near_ties_are_decided_by_balls() -> None:
    run = judged(settings={**SMALL, "sigma_V": 1e-9, "step_size": 1e-12}, steps=5)
    near = verdict(run, "loss-derivative-near-half")
    assert near.verdict is Verdict.HOLDS
    assert near.record()["decided_by_balls"] > 0


def test_a_false_statement_is_violated_from_its_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    run = judged([eighth()], monkeypatch=monkeypatch)
    found = verdict(run, "own-0")
    assert (found.verdict, found.worst.first_violation, run.exit_status) == (Verdict.VIOLATED, 0, 1)
    record = found.record()
    assert record["lhs"] > record["rhs"]
    assert set(record["where"]) == {"sample"}


def test_a_hypothesis_that_is_never_true_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    vacuous = lemma(Claim(loss, "<=", 0), given=[Claim(step_size, "<", 0)])
    found = verdict(judged([vacuous], monkeypatch=monkeypatch), "own-0")
    assert found.verdict is Verdict.HYPOTHESIS_NOT_MET
    assert "never held" in found.reason
    assert found.hypotheses[0].share == 0.0


def test_a_tie_without_a_proof_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    tie = lemma(Claim(output[n], "<=", output[n] * label[n] ** 2))
    found = verdict(judged([tie], monkeypatch=monkeypatch, steps=2), "own-0")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.claims[0].undecided == 12


def test_balls_refute_nothing_that_rounding_of_the_steps_between_may_have_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decider, "decide", lambda self, claim, state, where, step: "violated" if step else "holds")
    since_the_start = lemma(Claim(output[n], "<=", at_start(output[n])))
    of_one_state = lemma(Claim(output[n], "<=", output[n] * label[n] ** 2))
    run = judged(
        [since_the_start, of_one_state], monkeypatch=monkeypatch, settings={**SMALL, "step_size": 1e-30}, steps=2
    )
    assert verdict(run, "own-0").verdict is Verdict.INCONCLUSIVE
    assert verdict(run, "own-1").verdict is Verdict.VIOLATED


def test_a_strict_run_stops_where_it_fails_and_leaves_a_replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    late = lemma(Claim(loss, ">=", Rational(6, 10)))
    asked = {"settings": {**SMALL, "r": 400.0}, "steps": 400}
    run = judged([late], strict=True, monkeypatch=monkeypatch, **asked)
    violation = run.violation
    assert violation is not None
    assert run.steps == violation.place.step > 0
    assert float(run.trajectory["loss"][-1]) < 0.6
    assert float(run.trajectory["loss"][-2]) >= 0.6 or run.trajectory["step"][-2] < run.steps - 1
    run.save(tmp_path / "out")
    replayed = carry_out(
        make_request("benign-vit", instance=tmp_path / "out" / "replay.npz", steps=violation.replay_step + 1),
        strict=True,
    )
    assert replayed.violation is not None
    assert replayed.violation.place.step == violation.replay_step == 0
    np.testing.assert_allclose(replayed.violation.place.lhs, violation.place.lhs, rtol=1e-12)


def test_the_library_raises_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = eighth()
    wrong.name = "own-0"
    honest = BenignVit.lemmas
    monkeypatch.setattr(BenignVit, "lemmas", lambda self: [*honest(self), wrong])
    with pytest.raises(judging.LemmaViolation, match="own-0 is violated at step 0"):
        verify.run("benign-vit", settings=SMALL, steps=3, strict=True)


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "STRETCH_STEPS", 7)


def test_where_stretches_are_cut_changes_no_verdict(clean: Run, short_stretches: None) -> None:
    cut = judged()
    for one, other in zip(clean.verdicts, cut.verdicts, strict=True):
        for name in ("lemma", "verdict", "at_step", "checked_steps", "worst_margin", "first_violation", "reason"):
            if name in ("worst_margin", "at_step") and one["kind"] == "exact":
                continue  # the tolerance of an identity is taken a stretch at a time
            assert one[name] == other[name], (one["lemma"], name)


def test_arrays_leave_parameters_of_the_law_open(tmp_path: Path) -> None:
    system = BenignVit()
    instance = system.instance_of(system.problem(N=4, M=3, d=50, d_h=10, test_samples=0), 0)
    system.save_instance(instance, tmp_path / "arrays.npz")
    run = carry_out(make_request("benign-vit", instance=tmp_path / "arrays.npz", steps=10))
    open_ones = [each for each in run.judged if "does not determine" in each.reason]
    assert [each.statement.name for each in open_ones] == ["logistic-growth-sandwich"]
    assert all(each.verdict is Verdict.NOT_JUDGED for each in open_ones)
    assert all(requirement.ratio is None for requirement in run.requirements if "sigma" in requirement.says)


def test_both_engines_give_one_set_of_verdicts() -> None:
    settings = {"N": 3, "M": 3, "d": 60, "d_h": 12, "r": 5.0, "test_samples": 0}
    runs = [judged(settings=settings, steps=60, engine=engine) for engine in ("reduced", "weights")]
    rows = zip(runs[0].verdicts, runs[1].verdicts, strict=True)
    assert [(one["lemma"], one["verdict"]) for one, _ in rows] == [
        (row["lemma"], row["verdict"]) for row in runs[1].verdicts
    ]
    assert runs[0].stages == runs[1].stages
    assert all(row["verdict"] != "violated" for row in runs[1].verdicts)


def test_a_constant_missing_inside_a_recurrence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Observable("absent", constant=True, words="a constant that no instance has")
    growth = Recurrence("growth_of_the_tests", words="grows by a constant")
    size = growth.member("size_of_the_tests", start=0, words="size")
    growth.updates({size: size + absent})
    found = verdict(judged([lemma(Claim(loss, "<=", size + 1))], monkeypatch=monkeypatch), "own-0")
    assert found.verdict is Verdict.NOT_JUDGED
    assert found.reason == "the instance does not determine absent"


def test_an_event_that_the_run_cannot_tell_is_no_event_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Observable("absent", constant=True, words="a constant that no instance has")
    far = Event("far", Claim(loss, "<=", absent), words="the loss is at a constant")
    honest = BenignVit.events
    monkeypatch.setattr(BenignVit, "events", lambda self: (*honest(self), far))
    staged = lemma(Claim(loss, "<=", 100), stage=Stage("far", start=far))
    run = judged([staged], monkeypatch=monkeypatch)
    assert "far" not in run.stages
    assert verdict(run, "own-0").reason == "the instance does not determine absent"


@pytest.mark.parametrize(
    ("system", "settings"),
    [
        ("benign-vit", {"test_samples": 0}),
        ("token-selection", {"test_samples": 0, "d": 200, "m": 4.0, "sigma": 0.5}),
    ],
)
def test_statements_with_recurrences_are_judged_in_a_run_as_users_make_it(system: str, settings: Any) -> None:
    run = carry_out(make_request(system, settings=settings, steps=12))
    recurring = [
        each
        for each in run.judged
        if isinstance(each.statement, Lemma)
        and each.statement.judged_in_a_run
        and recurrences_behind(Tuple(*(side for claim in each.statement.claims for side in (claim.lhs, claim.rhs))))
    ]
    assert len(recurring) >= 3
    assert {each.verdict for each in recurring} <= {Verdict.HOLDS, Verdict.HYPOTHESIS_NOT_MET}
    assert any(each.verdict is Verdict.HOLDS for each in recurring)


def test_sides_beyond_float64_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [
        lemma(Claim(exp(3000 * loss), "==", exp(3001 * loss))),
        lemma(Claim(exp(30 * loss), "==", exp(31 * loss))),
    ]
    run = judged(own=own, monkeypatch=monkeypatch)
    beyond, within = (verdict(run, f"own-{number}") for number in (0, 1))
    assert beyond.verdict is Verdict.INCONCLUSIVE
    assert within.verdict is Verdict.VIOLATED
