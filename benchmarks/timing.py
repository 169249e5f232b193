"""Time per step of several contestants, interleaved: what else the machine does meets all of them.

Times are processor time of this process, which runs one thread: waiting for a busy core does not count.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.contestants import Array, Contestant

TURN_SECONDS = 0.06
MOST_STEPS = 4096


@dataclass(frozen=True)
class Spread:
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, sample: Array) -> "Spread":
        """The spread of a sample."""
        low, median, high = np.quantile(sample, [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high))


def interleaved(contestants: Sequence[Contestant], rounds: int) -> Array:
    """Seconds per step, (contestants, rounds); in each round every contestant has one turn."""
    turns = [_steps_of_a_turn(contestant) for contestant in contestants]
    times = np.empty((len(contestants), rounds))
    for turn in range(rounds):
        for place in range(len(contestants)):
            k = (place + turn) % len(contestants)
            times[k, turn] = _turn(contestants[k], turns[k]) / turns[k]
    return times


def ratios(times: Array, to: int) -> list[Spread]:
    """Each contestant's time over that of contestant `to`, paired within rounds."""
    return [Spread.of(row / times[to]) for row in times]


def _steps_of_a_turn(contestant: Contestant) -> int:
    steps = 1
    while steps < MOST_STEPS and _turn(contestant, steps) < TURN_SECONDS / 2.0:
        steps *= 2
    return steps


def _turn(contestant: Contestant, steps: int) -> float:
    """Seconds of so many steps, without what a call costs that makes none.

    The first step brings the contestant's memory back, and is not timed.
    """
    contestant.train(1)
    begun = time.process_time()
    contestant.train(0)
    ready = time.process_time()
    contestant.train(steps)
    return (time.process_time() - ready) - (ready - begun)
