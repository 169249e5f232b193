"""Where cells are measured: in processes on this machine, or on a Dask cluster."""

from __future__ import annotations

import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Protocol

from verify.errors import RequestError
from verify.studies.tasks import ATTEMPTS, Outcome, Task, measure_cell, one_line, own_fingerprint

TICK_SECONDS = 0.1
PATIENCE_SECONDS = 5.0
LOST_SECONDS = 30.0
COUNT_SECONDS = 5.0
"""Workers of a cluster come and go: they are counted again after this time."""
STDERR = 2
"""What a cell prints must not stand between the results on stdout."""

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
"""Read by the libraries when they are first imported."""


class Executor(Protocol):
    """Measures cells side by side."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        """Outcomes as cells finish, in any order; `None` now and then, when nothing has finished for a moment.

        Raises:
            RequestError: if no worker can be had any more.
        """
        ...

    def close(self) -> None:
        """Let the workers go; cells that they are measuring are given up."""
        ...


class Processes:
    """Processes on this machine, each with one thread.

    A worker that dies takes only the cell that it was measuring with it. That cell is tried once more at the
    end, alone, so that neither it nor its neighbours can be blamed wrongly. Workers end when this process does,
    however it does.

    Raises:
        RequestError: if a worker cannot be started.
    """

    def __init__(self, workers: int) -> None:
        self._workers: list[_Worker] = []
        try:
            self._workers.extend(_Worker() for _ in range(workers))
        except OSError as error:
            self.close()
            raise RequestError(f"--workers: {workers} processes cannot be started ({error.strerror})") from None

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        """Outcomes as cells finish."""
        waiting = iter(tasks)
        suspects: deque[Task] = deque()
        suspected: set[str] = set()
        while True:
            for worker in self._workers:
                if worker.task is None and (task := next(waiting, None)) is not None:
                    worker.give(task)
            if all(worker.task is None for worker in self._workers):
                if not suspects:
                    return
                self._workers[0].give(suspects.popleft())
            ready = wait([worker.connection for worker in self._workers if worker.task is not None], TICK_SECONDS)
            if not ready:
                yield None
            for place, worker in enumerate(self._workers):
                task = worker.task
                if task is None or worker.connection not in ready:
                    continue
                try:
                    outcome = worker.take()
                except EOFError:
                    ended = worker.bury()
                    self._workers[place] = _Worker()
                    if task.key not in suspected:
                        suspected.add(task.key)
                        suspects.append(task)
                        continue
                    outcome = Outcome(task.key, None, f"its worker died ({ended})", ATTEMPTS)
                if outcome is not None:
                    yield outcome

    def close(self) -> None:
        """Stop the workers."""
        for worker in self._workers:
            worker.bury()


class _Worker:
    """One process, and the task that it is measuring.

    It is started with a command of its own rather than by `multiprocessing`, which would run the user's script
    once more.
    """

    def __init__(self) -> None:
        self.task: Task | None = None
        self.connection, far = Pipe()
        self._ready = False
        paths = [os.path.abspath(path) for path in sys.path]
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({far.fileno()})"]
        # Ctrl-C reaches every process of a terminal; this one alone is to act on it, and children inherit masks.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                command, env=environment, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL, stdout=STDERR
            )
        except BaseException:
            self.connection.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            far.close()

    def give(self, task: Task) -> None:
        """Hand it a task; one that has died is found out when it is asked for the outcome."""
        self.task = task
        with suppress(OSError):
            self.connection.send(task)

    def take(self) -> Outcome | None:
        """The outcome of its task, or nothing yet, if it has only become ready.

        Raises:
            EOFError: if it has died.
            RequestError: if it has died before it was ready for any task.
        """
        try:
            answer: Outcome | None = self.connection.recv()
        except (EOFError, OSError):
            if not self._ready:
                raise RequestError(f"--workers: a worker process could not start ({self.bury()})") from None
            raise EOFError from None
        if answer is None:
            self._ready = True
        else:
            self.task = None
        return answer

    def bury(self) -> str:
        """End it; returns how it ended."""
        self._process.kill()
        self.connection.close()
        status = self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def serve(descriptor: int) -> None:
    """What a worker process does: measure what it is told, until the other end of its connection is gone."""
    connection: Connection = Connection(descriptor)
    told: queue.SimpleQueue[Task] = queue.SimpleQueue()

    def listen() -> None:
        # In a thread, so that the end of the parent is noticed in the middle of a cell as well.
        try:
            while True:
                told.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    connection.send(None)
    while True:
        connection.send(measure_cell(told.get()))


def _ask(address: str) -> None:
    """Have the scheduler answer once: a client that fails to reach one leaves its thread and its event loop behind."""
    import asyncio

    from distributed import rpc

    async def ask() -> None:
        async with rpc(address, timeout=PATIENCE_SECONDS) as scheduler:
            await scheduler.identity()

    asyncio.run(ask())


class Dask:
    """Workers of a Dask cluster that runs already; they must have the same `verify`, and the system, installed.

    Raises:
        RequestError: if Dask is not installed, the scheduler does not answer, or a worker has other code.
    """

    def __init__(self, address: str, system: str, code: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise RequestError("--scheduler: Dask is not installed (pip install 'verify[cluster]')") from None
        self._address = address
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tasks: dict[Any, Task] = {}
        self._room = 0
        self._counted = -math.inf
        try:
            with ThreadPoolExecutor(1) as thread:  # the caller's may be running an event loop, as a notebook's does
                thread.submit(_ask, address).result()
            self._client: Any = Client(address, timeout=PATIENCE_SECONDS, set_as_default=False)
        except Exception as error:
            raise RequestError(f"--scheduler: {address} cannot be reached ({one_line(error)})") from None
        try:
            codes = self._client.run(own_fingerprint, system, on_error="return")
        except Exception as error:
            self.close()
            raise RequestError(f"--scheduler: the workers of {address} do not answer ({one_line(error)})") from None
        for worker, found in codes.items():
            if found != code:
                self.close()
                said = f"fails with {one_line(found)}" if isinstance(found, BaseException) else f"has code {found}"
                raise RequestError(f"--scheduler: the worker {worker} {said} (all need code {code}, as here)")

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        """Outcomes as cells finish."""
        waiting = iter(tasks)
        heard = time.monotonic()
        while True:
            try:
                self._fill(waiting)
            except Exception as error:
                raise RequestError(f"--scheduler: {self._address} was lost ({one_line(error)})") from None
            if not self._tasks:
                return
            try:
                future = self._finished.get(timeout=TICK_SECONDS)
            except queue.Empty:
                if self._client.status == "running":
                    heard = time.monotonic()
                elif time.monotonic() - heard > LOST_SECONDS:
                    raise RequestError(f"--scheduler: {self._address} was lost") from None
                yield None
                continue
            if future.status not in ("finished", "error"):  # nobody here cancels
                raise RequestError(f"--scheduler: {self._address} was lost (a cell under way was given up there)")
            task = self._tasks.pop(future)
            try:
                outcome: Outcome = future.result()
            except Exception as error:
                outcome = Outcome(task.key, None, one_line(error), ATTEMPTS)
            future.release()
            yield outcome

    def _fill(self, waiting: Iterator[Task]) -> None:
        """Have enough under way that all workers are busy, and find the next cells there when they finish."""
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._room = 2 * max(1, sum(self._client.nthreads().values()))
            self._counted = time.monotonic()
        while len(self._tasks) < self._room and (task := next(waiting, None)) is not None:
            future = self._client.submit(measure_cell, task, pure=False, key=f"verify-{task.key}")
            self._tasks[future] = task
            future.add_done_callback(self._finished.put)

    def close(self) -> None:
        """Give up what is under way, and leave the cluster as it was."""
        with suppress(Exception):  # the scheduler may be gone
            self._client.cancel(list(self._tasks))
        with suppress(Exception):
            self._client.close(timeout=PATIENCE_SECONDS)
