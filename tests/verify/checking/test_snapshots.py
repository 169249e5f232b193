"""What a run follows by a sample is judged in full at snapshots, and the record tells the two apart."""

import io
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Abs

from proofs.benign_vit.exact import balancedness_drift, vectorised_qk
from proofs.benign_vit.stage_two import stage_two_step
from proofs.benign_vit.symbols import balance, probe_norm, z
from proofs.language import ByHand, Claim, Derived, Lemma
from verify import runs
from verify.checking.snapshots import STEPS, due, judged_in_full
from verify.checking.verdicts import LemmaVerdict, Verdict
from verify.controls import Plant
from verify.engines import drive as driving
from verify.io.request import make_request
from verify.report.text import print_run
from verify.runs import Run, carry_out
from verify.systems.benign_vit import system
from verify.systems.benign_vit.system import BenignVit

SMALL = {"N": 4, "M": 3, "d": 10**6, "d_h": 10**6, "test_samples": 0}
BALANCE = frozenset({"balance"})


def judged(**asked: Any) -> Run:
    return carry_out(make_request("benign-vit", **({"settings": SMALL, "steps": 70} | asked)))


def drift(run: Run) -> LemmaVerdict:
    return next(each for each in run.judged if each.statement is balancedness_drift)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_every_snapshot_is_due_once_wherever_stretches_are_cut(lengths: list[int]) -> None:
    cuts = [0, *np.cumsum(lengths).tolist()]
    found = [step for first, last in pairwise(cuts) for step in due(first, last)]
    assert found == [step for step in STEPS if step < cuts[-1]]


@pytest.mark.parametrize("settings", [SMALL, {**SMALL, "d": 60, "d_h": 12}], ids=["reduced", "small"])
@pytest.mark.parametrize("stretch", [7, 512])
def test_the_record_tells_snapshots_from_steps(
    settings: dict[str, Any], stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "STRETCH_STEPS", stretch)
    verdict = drift(judged(settings=settings))
    followed, whole = verdict.claims
    assert verdict.verdict is followed.verdict is whole.verdict is Verdict.HOLDS
    assert (followed.checked_steps, followed.snapshots) == (70, ())
    assert (whole.checked_steps, whole.snapshots) == (2, (0, 8))
    assert whole.resolution is not None
    assert 0.0 < whole.resolution < 1e-2
    record = verdict.record()
    assert record["in_full"] == {
        "snapshots": 2,
        "resolution": whole.resolution,
        "relative_margin": whole.relative_margin,
        "reason": "",
    }
    assert record["checked_steps"] == 70
    assert verdict.worst is followed


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_the_start_alone_is_resolved(engine: str) -> None:
    verdict = drift(judged(settings={**SMALL, "d": 60, "d_h": 12, "r": 8.0}, engine=engine, steps=1))
    followed, whole = verdict.claims
    assert verdict.verdict is Verdict.HOLDS
    assert whole.snapshots == (0,)
    for claim in (followed, whole):
        assert claim.resolution is not None
        assert claim.resolution < 1e-2


def test_what_resolves_nothing_does_not_hold() -> None:
    followed, whole = drift(judged(settings={**SMALL, "step_size": 1e-22}, steps=3)).claims
    assert whole.resolution is not None
    assert whole.resolution >= 1.0
    assert followed.verdict is whole.verdict is Verdict.INCONCLUSIVE


def test_without_a_step_there_is_no_snapshot() -> None:
    assert drift(judged(steps=0)).in_full is None


def test_an_error_that_the_probes_miss_violates_the_run() -> None:
    (control,) = [each for each in BenignVit().controls() if each.name == "keys-pushed-past-the-probes"]
    with control.plant.planted():
        findings = control.look()
    assert [name for name, finding in findings.items() if not finding.passed] == ["balancedness-drift-in-full"]


def test_a_snapshot_can_end_a_strict_run(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = runs.prepare

    def doubled(request: Any) -> Any:
        prepared = prepare(request)
        in_full = prepared.in_full
        assert in_full is not None

        def begin() -> Any:
            dynamics, constants = in_full.begin()
            return dynamics, {**constants, "step_size": 2.0 * constants["step_size"]}

        return replace(prepared, in_full=replace(in_full, begin=begin))

    monkeypatch.setattr(runs, "prepare", doubled)
    run = carry_out(make_request("benign-vit", settings=SMALL, steps=20), strict=True)
    assert run.violation is not None
    assert run.violation.lemma is balancedness_drift
    assert (run.steps, run.exit_status) == (0, 1)
    assert [claim.verdict for claim in drift(run).claims] == [Verdict.HOLDS, Verdict.VIOLATED]
    assert drift(run).verdict is Verdict.VIOLATED
    assert drift(run).worst is drift(run).claims[1]


def test_what_takes_too_much_is_left_to_the_probes_and_says_so() -> None:
    with Plant(system, "MOST_PROJECTIONS", lambda most: 10).planted():
        run = judged(steps=3)
    verdict = drift(run)
    assert (verdict.verdict, len(verdict.claims)) == (Verdict.HOLDS, 1)
    found = verdict.record()["in_full"]
    assert found["snapshots"] == 0
    assert found["reason"].startswith("rank 20: a state has 5,040 projections, in full are taken up to 10")
    shown = io.StringIO()
    print_run(run, shown, None)
    assert f"by a sample alone: balancedness-drift: {found['reason']}" in shown.getvalue()


def test_only_what_one_step_tells_is_judged_in_full() -> None:
    (claim,) = balancedness_drift.claims
    assert judged_in_full(claim, balancedness_drift, BALANCE)
    assert not any(judged_in_full(each, vectorised_qk, BALANCE) for each in vectorised_qk.claims)
    staged = Lemma(words="in a stage", claims=[claim], source=Derived("tests"), stage=stage_two_step.stage)
    assert not judged_in_full(claim, staged, BALANCE)


@pytest.mark.parametrize("proof", [None, ByHand("tests")])
def test_ties_at_a_snapshot_rest_on_a_proof(proof: ByHand | None, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = Claim(Abs(balance[z]), "<=", Abs(balance[z]) * (1 + probe_norm[z]))  # 0 <= 0 at the start
    tie = Lemma(words="a statement of the tests", claims=[bounded], source=Derived("tests"), proof=proof)
    tie.name = "tie"
    honest = BenignVit.lemmas
    monkeypatch.setattr(BenignVit, "lemmas", lambda self: [*honest(self), tie])
    verdict = next(each for each in judged(steps=3).judged if each.statement is tie)
    followed, whole = verdict.claims
    directions = 20 * 21 // 2
    assert followed.verdict is Verdict.HOLDS
    assert (whole.verdict, whole.undecided, whole.decided_by_proof) == (
        (Verdict.INCONCLUSIVE, directions, 0) if proof is None else (Verdict.HOLDS, 0, directions)
    )
