"""The command line: what is printed where, exit status, refusals in one line, interruption."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray

from verify.cli import INTERRUPTED, READER_LEFT, spread_settings
from verify.engines.drive import Ending

Refusal = Callable[..., str]

TINY = ("--set", "N=4", "M=3", "d=1e6", "d_h=1e6", "test_samples=10")
VERIFY = (sys.executable, "-m", "verify")


def strict_json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help(words: tuple[str, ...], command: Any) -> None:
    status, out, err = command(*words)
    assert (status, err) == (0, "")
    for name in ("list", "run", "gradients", "Exit status"):
        assert name in out


@pytest.mark.parametrize("subcommand", ["list", "run", "certify", "gradients"])
def test_every_command_has_help(subcommand: str, command: Any) -> None:
    status, out, _ = command(subcommand, "--help")
    assert status == 0
    assert "Usage: verify" in out


def test_list_names_systems_presets_and_fields(command: Any) -> None:
    status, out, err = command("list")
    assert (status, err) == (0, "")
    for name in ("benign-vit", "benign-asymptotic", "harmful", "small", "SNR", "test_law", "sigma_V"):
        assert name in out


def test_a_run_prints_its_stages(command: Any) -> None:
    status, out, err = command("run", "benign-vit", *TINY, "--steps", 20)
    assert (status, err) == (0, "")
    assert "20 steps." in out
    assert Ending.STEPS.value in out
    assert "reduced engine" in out


def test_json_stands_alone_on_stdout(command: Any, tmp_path: Path) -> None:
    words = ("run", "benign-vit", *TINY, "--steps", 20, "--json", "--seed", 3, "--out", tmp_path / "run")
    status, out, err = command(*words)
    assert status == 0
    record = strict_json(out)
    assert record == strict_json((tmp_path / "run" / "verdicts.json").read_text())
    assert record["problem"]["N"] == 4
    assert (record["seed"], record["steps"], record["engine"]) == (3, 20, "reduced")
    assert all(row["lemma"].startswith("benign-vit/") for row in record["verdicts"])
    assert "20 steps." in err


def test_a_run_and_its_verdicts_repeat_from_the_file_that_it_leaves(command: Any, tmp_path: Path) -> None:
    words = ("run", "benign-vit", *TINY, "--steps", 20, "--json", "--out")
    _, out, shown = command(*words, tmp_path / "first")
    assert re.search(
        r"holds: \d+   violated: 0   hypothesis not met: \d+   inconclusive: 0   not judged here: \d+$", shown, re.M
    )
    first = strict_json(out)
    again = ("run", "benign-vit", "--config", tmp_path / "first" / "problem.toml", "--json")
    assert strict_json(command(*again, "--out", tmp_path / "again").out) == first
    folders = [xarray.open_dataset(tmp_path / name / "trajectory.nc") for name in ("first", "again")]
    assert folders[0].identical(folders[1])
    for folder in folders:
        folder.close()


def test_ignored_arrays_are_noted(command: Any, reference_file: Path, unjudged: None) -> None:
    _, out, _ = command("run", "benign-vit", "--instance", reference_file, "--steps", 1)
    assert "note: benign_vit_autograd.npz: ignored array(s) attention, gradient_W_K" in out
    assert "note: no test loss" in out


def test_one_set_takes_several_words_and_stops_at_the_next_option() -> None:
    words = ["run", "s", "--set", "A=1", "B=2", "--out", "x=y", "--set", "C=3"]
    assert spread_settings(words) == [*("run", "s", "--set", "A=1", "--set", "B=2", "--out", "x=y", "--set", "C=3")]


def test_a_used_folder_is_replaced_only_by_force(
    command: Any, refusal: Refusal, tmp_path: Path, unjudged: None
) -> None:
    words = ("run", "benign-vit", *TINY, "--out", tmp_path / "run")
    assert command(*words, "--steps", 1).status == 0
    assert "holds another run" in refusal(*words, "--steps", 2)
    assert command(*words, "--steps", 3, "--force").status == 0
    assert strict_json((tmp_path / "run" / "verdicts.json").read_text())["steps"] == 3


REFUSED = {
    ("nonsense",): "nonsense",
    ("run",): "SYSTEM",
    ("run", "nonsense"): "SYSTEM: 'nonsense' is not allowed (benign-vit",
    ("run", "benign-vit", "extra"): "extra",
    ("run", "benign-vit", "--nonsense"): "--nonsense",
    ("run", "benign-vit", "--steps"): "--steps",
    ("run", "benign-vit", "--steps", "many"): "--steps",
    ("run", "benign-vit", "--steps", "-1"): "--steps: -1 is not allowed",
    ("run", "benign-vit", "--steps", "1.5"): "--steps",
    ("run", "benign-vit", "--seed", "-1"): "--seed: -1 is not allowed",
    ("run", "benign-vit", "--record-every", "0"): "--record-every: 0 is not allowed",
    ("run", "benign-vit", "--record-every", "1", "--steps", "1000000000"): "GiB of memory",
    ("run", "benign-vit", "--preset", "nonsense"): "--preset: 'nonsense' is not allowed (benign or harmful",
    ("run", "benign-vit", "--engine", "fast"): "--engine: 'fast' is not allowed (auto or reduced or weights)",
    ("run", "benign-vit", "--engine", "weights"): "the weights engine at N=20, M=4, d=1e+08, d_h=1e+08 needs",
    ("run", "benign-vit", "--set", "N"): "--set",
    ("run", "benign-vit", "--set", "N=1", "--set", "N=2"): "N: set twice (1 and 2)",
    ("run", "benign-vit", "--set", "width=1"): "width: no such field (fields: ",
    ("run", "benign-vit", "--set", "N=0"): "N: '0' is not allowed (should be greater than or equal to 1)",
    ("run", "benign-vit", "--set", "M=1"): "M: '1' is not allowed (should be greater than or equal to 2)",
    ("run", "benign-vit", "--set", "d=2"): "d: '2' is not allowed",
    ("run", "benign-vit", "--set", "d=-100"): "d: '-100' is not allowed",
    ("run", "benign-vit", "--set", "d_h=1e16"): "d_h: ",
    ("run", "benign-vit", "--set", "SNR=nan"): "SNR: 'nan' is not allowed",
    ("run", "benign-vit", "--set", "SNR=inf"): "SNR: 'inf' is not allowed",
    ("run", "benign-vit", "--set", "sigma_p=-1"): "sigma_p: '-1' is not allowed (should be greater than 0)",
    ("run", "benign-vit", "--set", "sigma_h=-1"): "sigma_h: '-1' is not allowed",
    ("run", "benign-vit", "--set", "sigma_p=1e-200"): "leave the range of float64",
    ("run", "benign-vit", "--set", "r=1", "step_size=1"): "r and step_size exclude each other",
    ("run", "benign-vit", "--set", "balanced=perhaps"): "balanced: 'perhaps' is not allowed",
    ("run", "benign-vit", "--config", "missing.toml"): "--config: missing.toml cannot be read",
    ("run", "benign-vit", "--config", "."): "--config: . is not a file",
    ("run", "benign-vit", "--instance", "missing.npz"): "--instance: missing.npz cannot be read",
    (
        "run",
        "benign-vit",
        "--out",
        os.devnull,
    ): f"--out: '{os.devnull}' is not allowed (a folder, not a file)",
    ("run", "benign-vit", "--out", f"{os.devnull}/run"): "cannot be written",
    ("run", "benign-vit", "--out", "x" * 300): "cannot be written",
    ("gradients", "benign-vit", "--set", "N=0"): "N: '0' is not allowed",
    ("gradients", "benign-vit", "--set", "N=1e6", "M=100"): "GiB of memory",
    ("gradients", "nonsense"): "SYSTEM",
    ("gradients", "benign-vit", "--preset", "nonsense"): "--preset",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_wrong_requests_are_refused_in_one_line(words: tuple[str, ...], refusal: Refusal) -> None:
    assert REFUSED[words] in refusal(*words)


def test_a_message_stays_one_line_whatever_it_quotes(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[problem]\n"wi\\ndth" = 3\n')
    assert "wi dth: no such field" in refusal("run", "benign-vit", "--config", "c.toml")
    refusal("run", "benign-vit", "--instance", "two\nlines")


def test_results_that_cannot_be_kept_are_refused_before_the_run(refusal: Refusal, tmp_path: Path) -> None:
    """The run alone would take hours."""
    (tmp_path / "file").touch()
    assert "a folder, not a file" in refusal("run", "benign-vit", "--steps", 10**9, "--out", "file")


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("run", "benign-vit", "--set", "N=0"), ("run", "benign-vit", "--engine", "weights")],
)
def test_a_process_is_refused_alike(words: tuple[str, ...], tmp_path: Path) -> None:
    found = subprocess.run([*VERIFY, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("verify: ")
    assert len(found.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_what_was_finished(tmp_path: Path) -> None:
    """Its progress shows on a terminal, which is told sooner than a pipe."""
    words = ("run", "benign-vit", *TINY, "--steps", str(10**9), "--out", "run")
    terminal, stderr = pty.openpty()
    with subprocess.Popen([*VERIFY, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr) as process:
        os.close(stderr)
        try:
            assert b"steps/s" in os.read(terminal, 4096)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(terminal)
    assert Ending.INTERRUPTED.value in out.decode()
    record = strict_json((tmp_path / "run" / "verdicts.json").read_text())
    assert record["ending"] == Ending.INTERRUPTED.value
    assert 0 < record["steps"] < 10**9
    with xarray.open_dataset(tmp_path / "run" / "trajectory.nc") as dataset:
        assert int(dataset["step"][-1]) == record["steps"]
        assert dataset.attrs["ending"] == Ending.INTERRUPTED.value
    assert (tmp_path / "run" / "problem.toml").exists()


RESIDENT = """
import resource, sys, verify
settings = {"N": 4, "M": 3, "d": 1e6, "d_h": 1e6, "test_samples": 10}
verify.run("benign-vit", settings=settings, steps=int(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_the_memory_of_a_judged_process_does_not_grow_with_its_steps() -> None:
    few, many = (
        int(subprocess.run([sys.executable, "-c", RESIDENT, str(steps)], capture_output=True, check=True).stdout)
        for steps in (10**4, 10**5)
    )
    assert many < 1.1 * few


def test_a_command_that_is_interrupted_otherwise_says_so(
    command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pressed(*words: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("verify.gradients.compare_gradients", pressed)
    status, out, err = command("gradients", "benign-vit")
    assert (status, out, err.splitlines()[-1]) == (INTERRUPTED, "", "verify: interrupted")


@pytest.mark.parametrize("words", [("list",), ("show", "benign-vit/loss-derivative-near-half")])
def test_output_that_cannot_be_written_is_told_in_one_line(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        found = subprocess.run([*VERIFY, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == "verify: the output cannot be written or read (No space left on device)\n"


def test_a_reader_that_has_left_is_no_violation() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    found = subprocess.run([*VERIFY, "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (found.returncode, found.stderr) == (READER_LEFT, "")


def test_words_that_are_no_text_are_refused(refusal: Refusal) -> None:
    assert refusal("run", "benign-vit", "--out", os.fsdecode(b"run\xff")) == r"run\udcff: not a word in UTF-8"


def test_too_little_memory_is_told_in_one_line(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(*words: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("verify.gradients.compare_gradients", take)
    assert refusal("gradients", "benign-vit") == "there is not enough memory for this request"
