"""What all tests share: a Hypothesis profile, the command line in this process, the reference trajectory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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


SERVER = r"""
import json, os, signal, sys, time
from verify.cli import main

TOUCHING = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "tempfile.mkdtemp")

def command(words, folder, die_at):
    "Carry out a command; die by SIGKILL before the event of that number that touches the folder. Returns their number."
    seen = 0
    def watch(event, about):
        nonlocal seen
        if event in TOUCHING and folder in str(about[0]):
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
    sys.addaudithook(watch)
    sys.argv = ["verify", *words]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0), seen

def forked(words, folder, die_at, die_after):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        os.write(writing, json.dumps(command(words, folder, die_at)).encode())
        os._exit(0)
    os.close(writing)
    if die_after is not None:
        time.sleep(die_after)
        os.kill(child, signal.SIGKILL)
    with open(reading, "rb") as stream:
        told = stream.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else None

for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(forked(**asked)), flush=True)
"""
"""Answers each line with exit status and number of events, or with nothing if the command was killed.

It imports once and forks for every command, so that kills fall on the command and not on imports.
"""


@contextmanager
def _serving(imports: str) -> Iterator[Callable[..., Any]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-c", imports + SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def ask(words: list[str], folder: Path, die_at: int = -1, die_after: float | None = None) -> Any:
            asked = {"words": words, "folder": str(folder), "die_at": die_at, "die_after": die_after}
            server.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
            server.stdin.flush()  # type: ignore[union-attr]
            return json.loads(server.stdout.readline())  # type: ignore[union-attr]

        try:
            yield ask
        finally:
            server.stdin.close()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Commands in processes that are killed: `with serving(imports) as ask: ask(words, folder, die_at=3)`."""
    return _serving
