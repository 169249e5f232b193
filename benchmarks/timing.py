"""Time per step of several contestants, interleaved, so that whatever else the machine does meets all of them."""

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
    """Seconds per step, (contestants, rounds); every round gives each contestant one turn of about the same length."""
    turns = [_steps_of_a_turn(contestant) for contestant in contestants]
    times = np.empty((len(contestants), rounds))
    for turn in range(rounds):
        for place in range(len(contestants)):
            k = (place + turn) % len(contestants)
            times[k, turn] = _seconds_per_step(contestants[k], turns[k])
    return times


def ratios(times: Array, to: int) -> list[Spread]:
    """Each contestant's time over that of contestant `to`, paired within rounds."""
    return [Spread.of(row / times[to]) for row in times]


def _steps_of_a_turn(contestant: Contestant) -> int:
    contestant.train(1)
    return int(np.clip(TURN_SECONDS / _seconds_per_step(contestant, 2), 2, MOST_STEPS))


def _seconds_per_step(contestant: Contestant, steps: int) -> float:
    """Without what a call costs that makes no step."""
    begun = time.perf_counter()
    contestant.train(0)
    ready = time.perf_counter()
    contestant.train(steps)
    return (time.perf_counter() - ready - (ready - begun)) / steps
