"""Certified runs: precision that finds itself, checkpoints, certificates and what they refuse."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb

import verify
from verify.certify import run as running
from verify.certify.certificate import certificate, check_certificate, differences, read_certificate
from verify.certify.folder import certify_into
from verify.certify.run import CHECKPOINT, CertifiedRun, Interrupted, certify
from verify.checking.verdicts import Evidence, Verdict
from verify.cli import INTERRUPTED
from verify.errors import RequestError
from verify.io.request import make_request
from verify.systems.benign_vit import SYSTEM
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.files import save_instance
from verify.systems.benign_vit.problem import Problem

SMALL = {"N": 2, "M": 3, "d": 10**6, "d_h": 10**6, "test_samples": 0}
WORDS = ("benign-vit", "--set", "N=2", "M=3", "d=1e6", "d_h=1e6", "test_samples=0")
STEPS = 18
BOUNDED = next(place for place, lemma in enumerate(SYSTEM.lemmas()) if lemma.name == "output-bounded-by-values")
"""The place of a bound among the statements."""


def request(steps: int | None = STEPS, **settings: Any) -> Any:
    return make_request("benign-vit", settings=SMALL | settings, steps=steps)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certified") / "run"


@pytest.fixture(scope="module")
def finished(folder: Path) -> CertifiedRun:
    return certify_into(folder, request())


def test_every_statement_that_was_put_to_the_test_holds(finished: CertifiedRun) -> None:
    found = {(each.verdict, each.evidence) for each in finished.judged}
    assert found <= {
        (Verdict.HOLDS, Evidence.CERTIFIED),
        (Verdict.HOLDS, Evidence.PROVED),
        (Verdict.NOT_JUDGED, Evidence.NONE),
        (Verdict.HYPOTHESIS_NOT_MET, Evidence.NONE),
    }
    assert (finished.bits, finished.exit_status, finished.steps) == (128, 0, STEPS)
    assert all(each.statement.proof is not None for each in finished.judged if each.evidence is Evidence.PROVED)


def test_float_runs_lie_inside_the_enclosures(finished: CertifiedRun) -> None:
    """Not as a proof, but the two engines are about the same trajectory."""
    run = verify.run("benign-vit", settings=SMALL, steps=STEPS)
    assert abs(float(run.trajectory["loss"][-1]) - float(finished.loss)) < 1e-14
    assert run.stages == finished.stages
    floats = {each["lemma"]: each for each in run.verdicts}
    for each in finished.judged:
        assert floats[each.name]["verdict"] == each.verdict.value
        if each.evidence is Evidence.CERTIFIED and each.worst is not None and floats[each.name]["claims"]:
            assert floats[each.name]["checked_steps"] == max(claim.checked_steps for claim in each.claims)


def test_a_run_without_steps_ends_at_the_first_state_that_reaches_its_target() -> None:
    target = 0.692
    found = certify(request(steps=None, loss_target=target))
    run = verify.run("benign-vit", settings=SMALL | {"loss_target": target})
    assert found.steps == int(run.trajectory["step"][-1])
    assert found.loss <= target
    assert found.stages["T3"] == found.steps


def test_too_few_bits_begin_again_with_more(monkeypatch: pytest.MonkeyPatch, finished: CertifiedRun) -> None:
    monkeypatch.setattr(running, "FIRST_BITS", 56)
    found = certify(request())
    assert [bits for bits, _, _ in found.tried] == [56]
    assert found.bits > 56
    assert found.loss.overlaps(finished.loss)
    assert [each.verdict for each in found.judged] == [each.verdict for each in finished.judged]


def test_a_precision_that_is_asked_for_is_kept_and_what_it_cannot_tell_is_inconclusive() -> None:
    found = certify(request(), precision=53)
    assert (found.bits, found.tried) == (53, [])
    assert any(each.verdict is Verdict.INCONCLUSIVE for each in found.judged)


def test_an_event_that_stays_open_leaves_nothing_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = SYSTEM.enclosing

    def blurred(self: Any, prepared: Any) -> Any:
        dynamics = honest(prepared)
        dynamics.value = dynamics.value + arb(0, 1)
        return dynamics

    monkeypatch.setattr(type(SYSTEM), "enclosing", blurred)
    found = certify(request(), precision=128)
    assert "cannot tell whether" in found.given_up
    assert {each.verdict for each in found.judged} == {Verdict.INCONCLUSIVE, Verdict.NOT_JUDGED}


def interrupting(after: int) -> Callable[[], bool]:
    asked = iter(range(10**6))
    return lambda: next(asked) >= after


def test_an_interrupted_run_goes_on_and_ends_with_the_same_record(tmp_path: Path, finished: CertifiedRun) -> None:
    with pytest.raises(Interrupted, match=CHECKPOINT):
        certify_into(tmp_path / "run", request(), interrupted=interrupting(0))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CHECKPOINT]
    begun = json.loads((tmp_path / "run" / CHECKPOINT).read_text())
    assert begun["of"]["steps"] == STEPS
    again = certify_into(tmp_path / "run", request())
    assert again.record() == finished.record()
    assert not (tmp_path / "run" / CHECKPOINT).exists()


def test_a_checkpoint_of_another_run_is_refused_and_force_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        certify_into(tmp_path / "run", request(), interrupted=interrupting(0))
    with pytest.raises(RequestError, match="another steps"):
        certify_into(tmp_path / "run", request(steps=STEPS + 1))
    assert certify_into(tmp_path / "run", request(steps=3), force=True).steps == 3


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        certify_into(tmp_path / "run", request(), interrupted=interrupting(0))
    path = tmp_path / "run" / CHECKPOINT
    path.write_text(path.read_text()[:-100])
    with pytest.raises(RequestError, match="is no checkpoint"):
        certify_into(tmp_path / "run", request())


def test_ctrl_c_says_what_is_kept(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.cli._interruptions", lambda: interrupting(0))
    status, _, err = command("certify", *WORDS, "--steps", STEPS, "--out", tmp_path / "run")
    assert status == INTERRUPTED
    assert "the same command goes on" in err


class TestCertificates:
    @pytest.fixture
    def path(self, folder: Path, finished: CertifiedRun, tmp_path: Path) -> Path:
        copy = tmp_path / "certificate.json"
        copy.write_bytes((folder / "certificate.json").read_bytes())
        return copy

    def test_it_holds_at_another_precision(self, path: Path, command: Any) -> None:
        status, out, err = command("certify", "--check", path)
        assert (status, err) == (0, "")
        assert "holds: verified again at 192 bits" in out

    def test_it_names_what_was_proved(self, path: Path, finished: CertifiedRun) -> None:
        content = read_certificate(path)
        assert content["instance_sha256"] == finished.instance_hash
        assert content["precision"] == 128
        low, high = content["final_loss"]
        assert low <= float(finished.loss) <= high
        assert high - low < 1e-15
        for statement in content["statements"]:
            for claim in statement["claims"]:
                for ends in claim["enclosures"].values():
                    assert ends[0] <= ends[1]

    def test_a_truncated_one_is_refused(self, path: Path, refusal: Callable[..., str]) -> None:
        path.write_text(path.read_text()[:-200])
        assert "is not a whole certificate" in refusal("certify", "--check", path)

    def test_a_changed_one_is_refused(self, path: Path, refusal: Callable[..., str]) -> None:
        path.write_text(path.read_text().replace('"steps": 18', '"steps": 17'))
        assert "was changed" in refusal("certify", "--check", path)

    def test_a_missing_one_is_refused(self, tmp_path: Path, refusal: Callable[..., str]) -> None:
        assert "cannot be read" in refusal("certify", "--check", tmp_path / "none.json")

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda c: c.update(stages={**c["stages"], "T1": 3}), "stages is"),
            (lambda c: c.update(final_loss=[0.1, 0.2]), "the final loss is in"),
            (lambda c: c["statements"][BOUNDED].update(verdict="violated"), "output-bounded-by-values: holds"),
            (lambda c: c["statements"][BOUNDED]["claims"][0].update(checked_steps=7), "checked_steps is 19, not 7"),
            (lambda c: c["statements"][BOUNDED]["claims"][0]["enclosures"].update(margin=[5.0, 6.0]), "margin is in"),
            (lambda c: c["statements"][BOUNDED]["claims"][0].update(at_step=9), "smallest relative margin is at step"),
            (lambda c: c["statements"].pop(), "it is about other statements"),
        ],
    )
    def test_what_a_forged_one_claims_is_found_out(
        self, path: Path, finished: CertifiedRun, change: Callable[[Any], Any], told: str
    ) -> None:
        content = read_certificate(path)
        assert content["statements"][BOUNDED]["lemma"] == "benign-vit/output-bounded-by-values"
        assert list(differences(content, certificate(finished))) == []
        change(content)
        assert told in next(differences(content, certificate(finished)))

    def test_a_forged_one_is_refused(self, path: Path, refusal: Callable[..., str]) -> None:
        content = read_certificate(path) | {"final_loss": [0.1, 0.2]}
        digest = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps({**content, "sha256": digest}))
        assert "does not hold: the final loss is in" in refusal("certify", "--check", path)

    def test_one_for_another_instance_is_refused(self, tmp_path: Path, refusal: Callable[..., str]) -> None:
        problem = Problem(N=2, M=2, d=9, d_h=3, SNR=2.0)
        files = []
        for seed in (0, 1):
            files.append(tmp_path / f"{seed}.npz")
            save_instance(draw(problem, seed, full=True).with_step_size(0.1), files[-1])
        made = certify_into(tmp_path / "run", make_request("benign-vit", instance=files[0], steps=3))
        assert check_certificate(tmp_path / "run" / "certificate.json").instance_hash == made.instance_hash
        line = refusal("certify", "--check", tmp_path / "run" / "certificate.json", "--instance", files[1])
        assert "is for another instance" in line

    def test_the_precision_must_be_another(self, path: Path, refusal: Callable[..., str]) -> None:
        assert "another precision" in refusal("certify", "--check", path, "--precision", 128)

    def test_it_names_everything_else_itself(self, path: Path, refusal: Callable[..., str]) -> None:
        assert "--check" in refusal("certify", "benign-vit", "--check", path)


@pytest.mark.parametrize("word", ["0", "52", "8193", "many", "-1", "1.5"])
def test_a_wrong_precision_is_refused(word: str, refusal: Callable[..., str]) -> None:
    assert "auto or an integer from 53 to 8192" in refusal("certify", *WORDS, "--precision", word)


def test_a_certified_run_needs_a_system(refusal: Callable[..., str]) -> None:
    assert refusal("certify").startswith("SYSTEM")


def test_json_goes_to_stdout_alone(command: Any) -> None:
    status, out, err = command("certify", *WORDS, "--steps", 2, "--json")
    record = json.loads(out)
    assert status == 0
    assert "in ball arithmetic" in err
    assert record["arithmetic"] == "balls"
    assert record["precision"] == 128
    assert {each["evidence"] for each in record["verdicts"]} >= {"certified", "none"}


def test_a_false_statement_of_the_user_is_violated_for_certain(command: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from sympy import Abs, Rational\n"
        "from proofs.benign_vit.symbols import loss_derivative, n, output\n"
        "from proofs.language import Claim, Derived, Lemma\n"
        "eighth = Lemma(words='Too sharp.', source=Derived('here'),\n"
        "    claim=Claim(Abs(loss_derivative[n] - Rational(1, 2)), '<=', Abs(output[n]) / 8))\n"
    )
    status, out, _ = command("certify", *WORDS, "--steps", 2, "--lemmas", tmp_path / "mine.py")
    assert status == 1
    assert "violated from 0 (certified)" in out


def test_the_hash_tells_instances_apart() -> None:
    first = draw(Problem(N=2, M=2, d=9, d_h=3), 0)
    changed = np.array(first.X)
    changed.flat[0] = np.nextafter(changed.flat[0], 1e9)
    other = type(first)(**{**vars(first), "X": changed})
    assert running.instance_hash(first) == running.instance_hash(type(first)(**vars(first)))
    assert running.instance_hash(first) != running.instance_hash(other)
