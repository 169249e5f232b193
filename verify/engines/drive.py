"""Drives a dynamics stretch by stretch to its end, showing each stretch to observers."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
import scipy.linalg  # noqa: F401  (loads the BLAS behind Numba's products, so that it can be told how many threads to use)
from threadpoolctl import threadpool_limits

from verify.engines.schedule import Schedule
from verify.engines.stretch import Dynamics, Stretch
from verify.errors import RequestError

STRETCH_STEPS = 512
STRETCH_BYTES = 64 * 2**20
AHEAD = 6
"""Stretches that may wait for the judge: enough to make steps while it reads the statements."""


class Ending(Enum):
    """Why a run ended; the value is the sentence shown to the user."""

    TARGET = "The training loss reached its target."
    STEPS = "The requested steps were made."
    LIMIT = "The run made max_steps steps before its loss reached the target."
    DIVERGED = "The loss left the range of float64: the step size is too large for these arrays."
    INTERRUPTED = "The run was interrupted; what was finished is kept."
    VIOLATED = "A statement was violated, and the run is strict."


class StopRun(Exception):
    """Raised by a judge to end the run at the step to which it has taken the twin."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.value)
        self.ending = ending


class Observer(Protocol):
    """Sees every stretch of a run, in order."""

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Look at a stretch just made; `dynamics` is free to run it again."""
        ...


@dataclass(frozen=True)
class Goal:
    """When a run ends: after exactly `steps` steps, or at `loss_target`, after `max_steps` at the latest."""

    steps: int | None
    loss_target: float
    max_steps: int

    @property
    def horizon(self) -> int:
        """The largest step that the run can reach."""
        return self.max_steps if self.steps is None else self.steps

    @property
    def stopping_loss(self) -> float:
        """The loss at which the dynamics stops by itself; below every loss if the steps are counted."""
        return self.loss_target if self.steps is None else -1.0


def drive(
    dynamics: Dynamics,
    goal: Goal,
    schedule: Schedule,
    observers: Sequence[Observer],
    interrupted: Callable[[], bool] = lambda: False,
    judge: Observer | None = None,
) -> Ending:
    """Make steps until the goal is reached; memory does not grow with their number.

    The judge works in a thread of its own, up to `AHEAD` stretches behind the steps; the observers see a stretch after
    the judge. Both get a twin of the dynamics, on which they can run a stretch again. The products use one
    thread: small ones lose by more, and the bits of a run must not depend on the machine's load.

    Raises:
        RequestError: if the loss is not finite before any step is made.
    """
    for_judge, for_observers = dynamics.twin(), dynamics.twin()
    waiting: deque[tuple[Stretch, Future[None] | None]] = deque()
    ending: Ending | None = None
    with threadpool_limits(limits=1), ThreadPoolExecutor(max_workers=1) as thread:
        while True:
            while ending is None and len(waiting) < (1 if judge is None else AHEAD):
                stretch = _next_stretch(dynamics, goal, schedule)
                ending = _ending(stretch, goal)
                waiting.append((stretch, None if judge is None else thread.submit(judge.observe, stretch, for_judge)))
            stretch, judged = waiting.popleft()
            stop = _judgement(judged)
            for observer in observers:
                observer.observe(stretch, for_observers)
            if stop is not None:
                _give_up(waiting)
                dynamics.restore(for_judge.save())
                return stop.ending
            if not waiting and ending is not None:
                return ending
            if ending is not Ending.INTERRUPTED and interrupted():
                begun = _give_up(waiting)
                dynamics.restore(begun.start if begun is not None else dynamics.save())
                ending = Ending.INTERRUPTED
                if not waiting:
                    return ending


def _give_up(waiting: deque[tuple[Stretch, Future[None] | None]]) -> Stretch | None:
    """Drop the stretches that the judge has not begun with; returns the first of them."""
    first = None
    while waiting and (waiting[-1][1] is None or waiting[-1][1].cancel()):
        first = waiting.pop()[0]
    return first


def _judgement(judged: Future[None] | None) -> StopRun | None:
    """Wait for the judge; what it stopped the run with, if it did."""
    try:
        if judged is not None:
            judged.result()
    except StopRun as stop:
        return stop
    return None


def _ending(stretch: Stretch, goal: Goal) -> Ending | None:
    """Why the run ends with this stretch, if it does."""
    loss = float(stretch.arrays["loss"][stretch.steps])
    if not np.isfinite(loss):
        if not stretch.last:
            raise RequestError("the loss at the start is not finite: the arrays leave the range of float64")
        return Ending.DIVERGED
    if loss <= goal.stopping_loss:
        return Ending.TARGET
    if stretch.last >= goal.horizon:
        return Ending.LIMIT if goal.steps is None else Ending.STEPS
    return None


def _next_stretch(dynamics: Dynamics, goal: Goal, schedule: Schedule) -> Stretch:
    here = dynamics.step
    steps = min(STRETCH_STEPS, max(1, STRETCH_BYTES // AHEAD // dynamics.bytes_per_step), goal.horizon - here)
    keep = schedule.within(here + 1 if here else 0, here + steps)
    most = max(2, STRETCH_BYTES // dynamics.bytes_per_kept)  # the state at the start, and one that is a step on
    if len(keep) > most:
        keep = keep[:most]
        steps = keep[-1] - here
    return dynamics.advance(steps, goal.stopping_loss, keep)
