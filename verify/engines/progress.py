"""Progress of a run: rate, loss, time left."""

import math
import sys
import time

from verify.engines.drive import Goal
from verify.engines.stretch import Dynamics, Stretch

QUIET_SECONDS = 2.0
LINE_SECONDS = 5.0
TICK_SECONDS = 0.2


class Progress:
    """An observer that tells on stderr how far a run is, once it takes longer than two seconds.

    On a terminal one line is rewritten; elsewhere a line is printed every few seconds.
    """

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Tell, if it is time to."""
        now = time.monotonic()
        wait = TICK_SECONDS if self._terminal else LINE_SECONDS
        if not stretch.last or now - self._started < QUIET_SECONDS or now - self._told < wait:
            return
        self._told = now
        self._shown = True
        line = self._line(stretch.last, float(stretch.arrays["loss"][stretch.steps]), now - self._started)
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._shown and self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _line(self, step: int, loss: float, seconds: float) -> str:
        rate = step / seconds
        return f"step {step:,}  loss {loss:.4g}  {rate:,.0f} steps/s  {self._time_left(step, loss, rate)}"

    def _time_left(self, step: int, loss: float, rate: float) -> str:
        at_most = (self._goal.horizon - step) / rate
        if self._goal.steps is not None or not 0.0 < self._goal.loss_target < loss:
            return f"{_clock(at_most)} left"
        # Late in training 1/loss grows by about the same amount every step.
        progress = self._goal.loss_target / loss
        guess = step * (1.0 - progress) / progress / rate if loss < 0.5 * math.log(2.0) else math.inf
        return f"about {_clock(guess)} left" if guess < at_most else f"at most {_clock(at_most)} left"


def _clock(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
