"""Studies in processes: killed, resumed, interrupted, two at a time, in any order, on a cluster."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import verify

pytestmark = pytest.mark.usefixtures("tiny")

Measured = Callable[[], Sequence[str]]
Contents = Callable[[Path], list[tuple[Any, ...]]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cells.db"


@pytest.mark.slow
def test_order_and_workers_do_not_change_a_bit(store: Path, contents: Contents) -> None:
    other = store.with_name("other.db")
    verify.study("tiny", "line", {"x": [3, 2, 1]}, workers=2, store=store)
    verify.study("tiny", "line", {"x": [1, 2, 3]}, workers=1, store=other)
    assert contents(store) == contents(other)


VERIFY = (sys.executable, "-m", "verify", "study", "tiny", "line")
LONG = ("--set", "x=1..100:12", "wait=0.05", "seeds=1")


def start(store: Path, *words: str) -> subprocess.Popen[str]:
    command = [*VERIFY, "--store", str(store), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(happens: Callable[[], bool], seconds: float = 30.0) -> None:
    last = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < last
        time.sleep(0.01)


ENDLESS = ("--workers", "1", "--set", "x=1..100:100", "wait=0.5", "seeds=1", "--json")


def test_a_second_process_is_told_and_ctrl_c_stops_the_first(
    store: Path, measured: Measured, contents: Contents
) -> None:
    with start(store, *ENDLESS) as first:
        wait_for(lambda: len(measured()) > 2)
        with start(store, *LONG) as second:
            out, err = second.communicate()
        assert (second.returncode, out) == (2, "")
        assert err.startswith(f"verify: --store: {store} is in use by another process ({first.pid})")
        assert len(err.splitlines()) == 1
        assert first.poll() is None
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=10.0)
    assert (first.returncode, out) == (130, "")
    stored = contents(store)
    assert 1 <= len(stored) < 100
    assert err.splitlines()[-2:] == [
        f"{len(stored)} of 100 cells are stored in {store}; the same command goes on from there",
        "verify: interrupted",
    ]
    assert "Traceback" not in err


def killed_and_resumed(
    store: Path, measured: Measured, contents: Contents, moments: Sequence[int], workers: int
) -> None:
    """Kill a study whenever so many more cells have begun, then let it finish.

    Each time at most one cell a worker is lost, and the store ends as if nothing had happened.
    """
    words = (*LONG, "--workers", str(workers))
    for kills, moment in enumerate(moments, start=1):
        begun = len(measured())
        with start(store, *words) as process:
            wait_for(lambda: len(measured()) >= begun + moment or process.poll() is not None)  # noqa: B023
            time.sleep(random.random() * 0.1)
            process.kill()
            process.communicate()
        stored = contents(store) if store.exists() and store.stat().st_size else []
        assert len(measured()) - len(stored) <= kills * workers
    with start(store, *words, "--json") as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["cells"] == 12
    assert len(measured()) - 12 <= len(moments) * workers
    undisturbed = store.with_name("undisturbed.db")
    verify.study("tiny", "line", dict(word.split("=") for word in LONG[1:]), store=undisturbed)
    assert contents(store) == contents(undisturbed)


@pytest.mark.usefixtures("here")
def test_kill_loses_at_most_what_is_under_way(store: Path, measured: Measured, contents: Contents) -> None:
    killed_and_resumed(store, measured, contents, [4], workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_kill_at_random_moments(attempt: int, store: Path, measured: Measured, contents: Contents) -> None:
    random.seed(attempt)
    killed_and_resumed(store, measured, contents, [random.randrange(5) for _ in range(3)], workers=2)


@pytest.mark.slow
def test_kill_while_the_store_is_being_made(store: Path) -> None:
    """Delays around the time at which the file appears."""
    for place in range(6):
        with start(store, *LONG) as process:
            wait_for(lambda: store.exists())
            time.sleep(0.004 * place)
            process.kill()
            process.communicate()
        with start(store, "--set", "x=1", "seeds=1") as process:
            process.communicate()
        assert process.returncode == 0
        store.unlink()


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_store(store: Path, contents: Contents) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        address = cluster.scheduler_address
        verify.study("tiny", "line", {"trouble": "raise"}, scheduler=address, store=store)
    verify.study("tiny", "line", {"trouble": "raise"}, workers=2, store=store.with_name("here.db"))
    assert contents(store) == contents(store.with_name("here.db"))


TINY_DIAGRAM = {"N": [4, 6], "SNR": [1, 30], "seeds": 1, "d": 10**6, "max_steps": 20, "test_samples": 10}


def test_the_phase_diagram_of_benign_vit(store: Path, contents: Contents, request: pytest.FixtureRequest) -> None:
    found = verify.study("benign-vit", "phase-diagram", TINY_DIAGRAM, workers=1, store=store)
    assert (len(found.rows), len(found.failures)) == (4, 0)
    assert json.loads(json.dumps(found.record(), allow_nan=False))["cells"] == 4
    request.getfixturevalue("here")
    other = store.with_name("other.db")
    verify.study("benign-vit", "phase-diagram", {**TINY_DIAGRAM, "SNR": [30, 1]}, store=other)
    assert contents(store) == contents(other)
