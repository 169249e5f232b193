"""The plugin in tests of its users: what passes, what fails and how it says so, and what it imports."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import verify
from verify import asserting

pytest_plugins = ["pytester"]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TRUE, FALSE = EXAMPLES / "attention_by_scores.py", EXAMPLES / "attention_by_scores_too_sharp.py"
INSTALLED = any(point.value == "verify.pytest_plugin" for point in entry_points(group="pytest11"))

HEAD = """
    import pytest

    TINY = {"N": 4, "M": 3, "d": 1e6, "d_h": 1e6, "test_samples": 0}
"""


@pytest.fixture(autouse=True)
def imported(unjudged: None, tmp_path: Path) -> None:
    """Import what a run imports: pytester takes back what its tests do, and some modules stand no second import."""
    verify.run("benign-vit", preset="small", steps=0, lemmas=TRUE).save(tmp_path / "first")
    asserting.verified_folder(tmp_path / "first")


@pytest.fixture
def outcome(pytester: pytest.Pytester) -> Any:
    """Run pytest on a file of tests; what its tests are told of, as one text."""

    def call(body: str, *options: str, **counts: int) -> str:
        pytester.makepyfile(HEAD + body)
        loaded = [] if INSTALLED else ["-p", "verify.pytest_plugin"]
        result = pytester.runpytest_inprocess(*loaded, "-p", "no:cacheprovider", "--strict-markers", *options)
        result.assert_outcomes(**counts)
        return result.stdout.str()

    return call


def test_a_run_is_made_once_a_session_and_shared(outcome: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    carry_out = asserting.verified_run
    monkeypatch.setattr(asserting, "verified_run", lambda *words: made.append(words) or carry_out(*words))
    outcome(
        f"""
    pytestmark = pytest.mark.verify("benign-vit", settings=TINY, steps=20, seed=3, lemmas={str(TRUE)!r})

    def test_holds(verified):
        verified.assert_holds("attention-by-scores")
        verified.assert_nothing_violated()

    def test_states(verified):
        assert list(verified.trajectory["step"][[0, -1]]) == [0, 20]
        assert set(verified.stages) >= {{"T1", "T2"}}

    @pytest.mark.verify("benign-vit", settings=TINY, steps=10)
    def test_the_nearest_marker_counts(verified):
        assert verified.trajectory["step"][-1] == 10
    """,
        passed=3,
    )
    assert len(made) == 2


def test_a_failure_tells_lemma_step_place_both_sides_and_how_to_repeat_it(outcome: Any, command: Any) -> None:
    text = outcome(
        f"""
    @pytest.mark.verify("benign-vit", settings=TINY, steps=60, seed=3, lemmas={str(FALSE)!r})
    def test_holds(verified):
        verified.assert_holds("attention-by-scores-too-sharp")
    """,
        failed=1,
    )
    assert "benign-vit/attention-by-scores-too-sharp: violated" in text
    assert "first violated at step 5" in text
    assert re.search(r"worst at step \d+ \(key \d, query \d, sample \d\)", text)
    left, right = (float(side) for side in re.search(r"left side (\S+), right side (\S+)", text).groups())
    assert left > right
    replay = shlex.split(re.search(r"replay: (.*)", text)[1])
    found = command(*replay[1:])
    assert found.status == 1
    assert "attention-by-scores-too-sharp is violated at step 5" in found.out


def test_what_was_not_put_to_the_test_does_not_hold_and_is_no_violation(outcome: Any, pytester: Any) -> None:
    pytester.makepyfile(
        mine="""
        from proofs.benign_vit.symbols import loss
        from proofs.language import Claim, Derived, Lemma

        never = Lemma(words="Nothing.", claim=Claim(loss, "<=", 0), given=[Claim(loss, "<", 0)], source=Derived("here"))
        """
    )
    text = outcome(
        """
    pytestmark = pytest.mark.verify("benign-vit", settings=TINY, steps=5, lemmas="mine.py")

    def test_holds(verified):
        verified.assert_holds("never")

    def test_is_not_violated(verified):
        verified.assert_nothing_violated()
    """,
        failed=1,
        passed=1,
    )
    assert "benign-vit/never: hypothesis not met: its hypothesis never held: loss < 0" in text


def test_a_strict_session_keeps_an_instance_that_violates_again(outcome: Any, command: Any) -> None:
    text = outcome(
        f"""
    @pytest.mark.verify("benign-vit", settings=TINY, steps=60, seed=3, lemmas={str(FALSE)!r})
    def test_states(verified):
        verified.assert_nothing_violated()
    """,
        "--verify-strict",
        failed=1,
    )
    assert "attention-by-scores-too-sharp is violated at step 5 (key" in text
    replay = shlex.split(re.search(r"replay: (.*)", text)[1])
    assert "--instance" in replay
    found = command(*replay[1:])
    assert found.status == 1
    assert "is violated at step 0" in found.out


def test_a_saved_run_is_loaded(outcome: Any, command: Any, tmp_path: Path) -> None:
    words = ("--set", "N=4", "M=3", "d=1e6", "d_h=1e6", "--steps", 20, "--seed", 3, "--lemmas", FALSE)
    assert command("run", "benign-vit", *words, "--out", tmp_path / "saved").status == 1
    text = outcome(
        f"""
    @pytest.mark.verify(folder={str(tmp_path / "saved")!r})
    def test_holds(verified):
        assert verified.trajectory["step"][-1] == 20
        verified.assert_holds("attention-by-scores-too-sharp")
    """,
        failed=1,
    )
    assert "first violated at step 5" in text
    assert f"--config {tmp_path / 'saved' / 'problem.toml'}" in text


def test_wrong_requests_are_told_in_a_line(outcome: Any) -> None:
    text = outcome(
        """
    def test_without_marker(verified):
        pass

    @pytest.mark.verify("benign")
    def test_without_system(verified):
        pass

    @pytest.mark.verify("benign-vit", settings={"N": 0})
    def test_wrong_field(verified):
        pass

    @pytest.mark.verify(folder="nowhere")
    def test_nowhere(verified):
        pass

    @pytest.mark.verify("benign-vit", folder="nowhere")
    def test_both(verified):
        pass

    @pytest.mark.verify("benign-vit", settings=TINY, steps=1)
    def test_unknown_lemma(verified):
        verified.assert_holds("near-half")
    """,
        errors=5,
        failed=1,
    )
    for line in (
        "the fixture needs its marker",
        "SYSTEM: 'benign' is not allowed",
        "N: 0 is not allowed",
        "nowhere holds no run",
        "either a system or a folder",
        "benign-vit has no 'near-half'",
    ):
        assert line in text


def test_the_plugin_imports_nothing_that_takes_time() -> None:
    """Every pytest run of a user loads it."""
    code = (
        "import sys, pytest; before = set(sys.modules); import verify.pytest_plugin; print(*set(sys.modules) - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) == {"verify", "verify.pytest_plugin"}
