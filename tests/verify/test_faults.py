"""Runs that are killed at any moment, and two at once: what they leave is whole, or nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray

from verify.io.folder import MARK

QUICK, MANY = 5, 200
FINISH_EVERY = 10
"""After so many kills the command is left alone, and what it leaves is compared."""

Ask = Callable[..., Any]

RUN = ["run", "benign-vit", "--set", "N=4", "M=3", "d=1e6", "d_h=1e6", "test_samples=10", "--steps", "30"]
WARM = """
import verify
from verify.systems.benign_vit import BenignVit
BenignVit.lemmas = lambda self: []  # making statements ready would take most of the time
verify.run("benign-vit", settings={"N": 4, "M": 3, "d": 1e6, "d_h": 1e6, "test_samples": 10}, steps=2)
"""


@pytest.fixture(scope="module")
def runs(serving: Callable[..., Any]) -> Iterator[Ask]:
    with serving(WARM) as ask:
        yield ask


def contents(folder: Path) -> dict[str, Any]:
    """What the files of a run say; one that is half-written cannot be read."""
    found: dict[str, Any] = {}
    for path in folder.iterdir() if folder.exists() else ():
        if path.name.startswith(".verify-"):
            continue
        if path.suffix == ".nc":
            with xarray.open_dataset(path) as dataset:
                found[path.name] = dataset.load().to_dict()
        else:
            found[path.name] = json.loads(path.read_text()) if path.suffix == ".json" else path.read_text()
    return found


def killed_runs(ask: Ask, tmp_path: Path, kills: int) -> None:
    """Runs that replace each other, of two seeds in turn: what a folder holds is of one of them, and whole."""
    right = []
    for seed in (0, 1):
        began = time.monotonic()
        status, events = ask([*RUN, "--seed", str(seed), "--out", str(tmp_path / f"right{seed}")], tmp_path) or (9, 0)
        assert status == 0
        right.append(contents(tmp_path / f"right{seed}"))
    takes = time.monotonic() - began
    assert events > 5
    chance, folder, survivors = random.Random(0), tmp_path / "run", 0
    for number in range(kills):
        seed = number % 2
        words = [*RUN, "--seed", str(seed), "--out", str(folder), "--force"]
        moment = (
            {"die_at": chance.randrange(events)} if chance.random() < 0.7 else {"die_after": takes * chance.random()}
        )
        survivors += ask(words, folder, **moment) is not None
        found = contents(folder)
        assert all(found[name] in (right[0][name], right[1][name]) for name in found)
        if MARK in found:
            assert found in right
        if number % FINISH_EVERY == FINISH_EVERY - 1 or number == kills - 1:
            assert ask(words, folder) is not None
            assert contents(folder) == right[seed]
            assert not list(folder.glob(".*")), "what killed runs left is gone"
    assert survivors < kills


def test_killed_runs_leave_nothing_half_written(runs: Ask, tmp_path: Path) -> None:
    killed_runs(runs, tmp_path, QUICK)


@pytest.mark.slow
def test_many_killed_runs_leave_nothing_half_written(runs: Ask, tmp_path: Path) -> None:
    killed_runs(runs, tmp_path, MANY)


def test_a_folder_that_is_in_use_is_refused(runs: Ask, tmp_path: Path) -> None:
    """Two runs into one folder: the second is told before it begins, and the first loses nothing."""
    folder = tmp_path / "run"
    hold = f"""
import sys, pathlib
from verify.io.folder import hold_folder
with hold_folder(pathlib.Path({str(folder)!r}), False):
    print("held", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert runs([*RUN, "--out", str(folder)], folder)[0] == 2
        assert list(folder.iterdir()) == []
        holder.kill()
    assert runs([*RUN, "--out", str(folder)], folder)[0] == 0
    assert (folder / MARK).exists()
