"""Progress of a run: rate, loss, time left."""

import math

from verify.engines.drive import Goal
from verify.engines.stretch import Dynamics, Stretch
from verify.progress import ProgressLine, clock


class Progress:
    """An observer that tells on stderr how far a run is."""

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._shown = ProgressLine()

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Tell, if it is time to."""
        seconds = self._shown.due() if stretch.last else None
        if seconds is not None:
            self._shown.write(self._line(stretch.last, float(stretch.arrays["loss"][stretch.steps]), seconds))

    def close(self) -> None:
        """Clear the line."""
        self._shown.close()

    def _line(self, step: int, loss: float, seconds: float) -> str:
        rate = step / seconds
        return f"step {step:,}  loss {loss:.4g}  {rate:,.0f} steps/s  {self._time_left(step, loss, rate)}"

    def _time_left(self, step: int, loss: float, rate: float) -> str:
        at_most = (self._goal.horizon - step) / rate
        if self._goal.steps is not None or not 0.0 < self._goal.loss_target < loss:
            return f"{clock(at_most)} left"
        # Late in training 1/loss grows by about the same amount every step.
        progress = self._goal.loss_target / loss
        guess = step * (1.0 - progress) / progress / rate if loss < 0.5 * math.log(2.0) else math.inf
        return f"about {clock(guess)} left" if guess < at_most else f"at most {clock(at_most)} left"
