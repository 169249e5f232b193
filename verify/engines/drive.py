"""Drives a dynamics stretch by stretch to its end, showing each stretch to observers."""

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

    The judge sees a stretch in a thread of its own while the next one is made; the observers see it after the
    judge. Both get a twin of the dynamics, on which they can run a stretch again. The products use one
    thread: small ones lose by more, and the bits of a run must not depend on the machine's load.

    Raises:
        RequestError: if the loss is not finite before any step is made.
    """
    twin = dynamics.twin()
    with threadpool_limits(limits=1), ThreadPoolExecutor(max_workers=1) as thread:
        stretch = _next_stretch(dynamics, goal, schedule)
        while True:
            judged = None if judge is None else thread.submit(judge.observe, stretch, twin)
            ending = _ending(stretch, goal)
            following = _next_stretch(dynamics, goal, schedule) if ending is None else None
            stop = _judgement(judged)
            here = twin.save()
            for observer in observers:
                observer.observe(stretch, twin)
            if stop is not None:
                dynamics.restore(here)
                return stop.ending
            if ending is None and interrupted():
                ending = Ending.INTERRUPTED
            if following is None or ending is not None:
                if following is not None:
                    dynamics.restore(following.start)
                assert ending is not None
                return ending
            stretch = following


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
    steps = min(STRETCH_STEPS, max(1, STRETCH_BYTES // dynamics.bytes_per_step), goal.horizon - here)
    keep = schedule.within(here + 1 if here else 0, here + steps)
    most = max(2, STRETCH_BYTES // dynamics.bytes_per_kept)  # the state at the start, and one that is a step on
    if len(keep) > most:
        keep = keep[:most]
        steps = keep[-1] - here
    return dynamics.advance(steps, goal.stopping_loss, keep)
