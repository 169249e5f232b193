"""Who measures: the same bits whoever it is, in whatever order; what dies, and what is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from verify.errors import RequestError
from verify.studies import workers as module
from verify.studies.fingerprint import code_fingerprint
from verify.studies.tasks import Outcome, Task, measure_cell
from verify.studies.workers import Dask, Executor, Processes
from verify.systems.base import find_system

pytestmark = pytest.mark.usefixtures("tiny")

Measured = Callable[[], Sequence[str]]


def tasks(count: int, **parameters: Any) -> list[Task]:
    code = code_fingerprint(find_system("tiny"))
    return [
        Task(f"key{place}", "tiny", "line", {"x": float(place), **parameters}, 7 + place, code)
        for place in range(count)
    ]


def outcomes(executor: Executor, asked: list[Task]) -> list[Outcome]:
    with closing(executor):
        return [outcome for outcome in executor.run(asked) if outcome is not None]


def results(found: list[Outcome]) -> dict[str, str | None]:
    assert len({outcome.key for outcome in found}) == len(found)
    return {outcome.key: outcome.result for outcome in found}


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def until(happens: Callable[[], bool], seconds: float = 20.0) -> None:
    last = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < last
        time.sleep(0.02)


def test_bits_do_not_depend_on_who_measures_nor_in_which_order(measured: Measured) -> None:
    asked = tasks(6, wait=0.1)
    assert results(outcomes(Processes(2), asked[::-1])) == results([measure_cell(task) for task in asked])
    assert {line.split()[0] for line in measured()[6:]} == {str(os.getpid())}
    assert len({line.split()[0] for line in measured()[:6]}) == 2


def test_a_cell_that_kills_its_worker_is_tried_again_and_then_told(measured: Measured) -> None:
    asked = [*tasks(3, trouble="exit"), *tasks(5)[3:]]
    found = {outcome.key: outcome for outcome in outcomes(Processes(1), asked)}
    assert {key for key, outcome in found.items() if outcome.result is None} == {"key2"}
    assert (found["key2"].error, found["key2"].attempts) == ("its worker died (exit status 3)", 2)
    assert [float(line.split()[1]) for line in measured()] == [0.0, 1.0, 2.0, 3.0, 4.0, 2.0]


@pytest.mark.slow
def test_a_cell_whose_worker_died_once_is_measured() -> None:
    found = outcomes(Processes(1), tasks(4, trouble="exit-once"))
    assert results(found) == results([measure_cell(task) for task in tasks(4)])


def test_a_worker_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "__name__", "no_such_module")
    with pytest.raises(RequestError, match=r"a worker process could not start \(exit status 1\)"):
        outcomes(Processes(1), tasks(1))


def test_a_worker_has_one_thread_and_does_not_hear_ctrl_c(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with closing(Processes(1)) as executor:
        pid = executor._workers[0]._process.pid
        os.kill(pid, signal.SIGINT)
        found = [each for each in executor.run(tasks(2)) if each is not None]
        settings = dict(pair.partition("=")[::2] for pair in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    assert {settings[name] for name in module.ONE_THREAD} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert [bool(outcome.result) for outcome in found] == [True, True]
    assert {line.split()[0] for line in measured()} == {str(pid)}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_closing_ends_a_worker_in_the_middle_of_a_cell(measured: Measured) -> None:
    with closing(Processes(1)) as executor:
        heard = executor.run(tasks(2, wait=60.0))
        while not measured():
            assert next(heard) is None
        assert next(heard) is None
    assert gone(int(measured()[0].split()[0]))


ORPHANS = """
from verify.studies.workers import Processes
from verify.studies.tasks import Task
from verify.studies.fingerprint import code_fingerprint
from verify.systems.base import find_system
code = code_fingerprint(find_system("tiny"))
tasks = [Task(str(place), "tiny", "line", {"wait": 60.0}, place, code) for place in range(2)]
list(Processes(1).run(tasks))
"""


def test_a_worker_ends_when_its_parent_is_killed_in_the_middle_of_a_cell(
    measured: Measured,
) -> None:
    """The script has no `__main__` guard either."""
    with subprocess.Popen([sys.executable, "-c", ORPHANS]) as parent:
        until(lambda: len(measured()) == 1)
        worker = int(measured()[0].split()[0])
        assert not gone(worker)
        parent.kill()
    assert worker != parent.pid
    until(lambda: gone(worker), seconds=5.0)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_does_not_answer_is_told_within_seconds(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    pytest.importorskip("distributed")
    started, threads = time.monotonic(), threading.active_count()
    with pytest.raises(RequestError, match=f"--scheduler: {address} cannot be reached"):
        Dask(address, "tiny", "c0de")
    assert time.monotonic() - started < 10.0
    assert threading.active_count() == threads


def test_without_dask_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RequestError, match=r"--scheduler: Dask is not installed \(pip install 'verify\[cluster\]'\)"):
        Dask("tcp://127.0.0.1:9", "tiny", "c0de")


@pytest.fixture
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bits(cluster: Any) -> None:
    asked = tasks(6)
    code = asked[0].code
    assert results(outcomes(Dask(cluster.scheduler_address, "tiny", code), asked[::-1])) == results(
        [measure_cell(task) for task in asked]
    )
    failing = {
        outcome.key: outcome.error
        for outcome in outcomes(Dask(cluster.scheduler_address, "tiny", code), tasks(3, trouble="raise"))
    }
    assert failing == {"key0": "", "key1": "", "key2": "ValueError: too large"}


@pytest.mark.slow
def test_a_dask_worker_that_dies_takes_only_its_cell(cluster: Any) -> None:
    asked = tasks(3, trouble="exit")
    found = {each.key: each for each in outcomes(Dask(cluster.scheduler_address, "tiny", asked[0].code), asked)}
    assert found["key0"].result == measure_cell(asked[0]).result
    assert found["key2"].result is None
    assert found["key2"].error.startswith("KilledWorker")


@pytest.mark.slow
def test_dask_workers_of_other_code_or_without_the_system_are_refused(cluster: Any) -> None:
    with pytest.raises(RequestError, match=r"has code \w+ \(all need code 0ther, as here\)"):
        Dask(cluster.scheduler_address, "tiny", "0ther")
    with pytest.raises(RequestError, match="fails with RequestError: SYSTEM: 'nonsense' is not allowed"):
        Dask(cluster.scheduler_address, "nonsense", "c0de")


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOST_SECONDS", 1.0)
    asked = tasks(2, wait=30.0)
    executor = Dask(cluster.scheduler_address, "tiny", asked[0].code)
    with closing(executor):
        heard = executor.run(asked)
        next(heard)
        cluster.close()
        with pytest.raises(RequestError, match="was lost"):
            list(heard)
