"""What all tests share: a Hypothesis profile, the command line in this process, the reference trajectory."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings

from verify.cli import main
from verify.systems.benign_vit import BenignVit

# Jitted code compiles on its first call: no deadline fits both that and the calls after it.
settings.register_profile("verify", deadline=None, derandomize=True, database=None)
settings.load_profile("verify")


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`verify WORDS ...` in this process."""

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["verify", *map(str, words)])
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as stopped:
                main()
        finally:
            signal.signal(signal.SIGINT, on_interrupt)
        out, err = capsys.readouterr()
        return Outcome(int(stopped.value.code or 0), out, err)

    return call


def _tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def refusal(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `verify WORDS ...` in `tmp_path`; it must be refused without a trace. Returns the one line."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> str:
        before = _tree(tmp_path)
        status, out, err = command(*words)
        assert status == 2
        assert out == ""
        assert err.startswith("verify: ")
        assert err.endswith("\n")
        assert len(err.splitlines()) == 1
        assert _tree(tmp_path) == before
        return err.removeprefix("verify: ").rstrip("\n")

    return call


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without statements: making them ready takes longer than a small run."""
    monkeypatch.setattr(BenignVit, "lemmas", lambda self: [])


@pytest.fixture(scope="session")
def reference_file() -> Path:
    """400 steps of `benign-vit` by an independent autograd program; `data/README.md` describes it."""
    return Path(__file__).parent / "data" / "benign_vit_autograd.npz"


@pytest.fixture(scope="session")
def reference(reference_file: Path) -> dict[str, np.ndarray]:
    with np.load(reference_file) as arrays:
        return dict(arrays)
