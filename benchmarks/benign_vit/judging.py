"""What it costs to check every statement at every step, at the default preset."""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.timing import Spread
from verify.checking.judge import Judge
from verify.engines.drive import Goal, drive
from verify.engines.schedule import Schedule
from verify.systems.benign_vit import SYSTEM
from verify.systems.benign_vit.problem import PRESETS, Problem

STEPS = 39_622
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Time per step, bare and with all statements checked, and the judged over the bare, paired within rounds.

    A judged run checks one stretch while it makes the next: wall time is what a user with two cores waits,
    processor time what both threads take.
    """

    clock: str
    bare: Spread
    judged: Spread
    ratio: Spread
    more: Spread


def measure() -> list[Cost]:
    """Interleave bare and judged runs of the default preset."""
    _train(judged=True, steps=1024)
    _train(judged=False, steps=1024)
    rounds = np.array([[_train(judged, STEPS) for judged in (False, True)] for _ in range(ROUNDS)]) / STEPS
    costs = []
    for clock, times in zip(("wall", "processor"), np.moveaxis(rounds, 2, 0), strict=True):
        bare, judged = times.T
        costs.append(
            Cost(clock, Spread.of(bare), Spread.of(judged), Spread.of(judged / bare), Spread.of(judged - bare))
        )
    return costs


def _train(judged: bool, steps: int) -> tuple[float, float]:
    problem = Problem(**{**PRESETS["benign"].settings, "test_samples": 0})
    prepared = SYSTEM.prepare(problem, 0, "reduced", checked=judged)
    judge = Judge(SYSTEM.name, lambda: (SYSTEM.lemmas(), SYSTEM.events()), prepared) if judged else None
    wall, processor = time.perf_counter(), time.process_time()
    drive(prepared.dynamics, Goal(steps, 0.0, steps), Schedule(steps, every=steps), [], judge=judge)
    return time.perf_counter() - wall, time.process_time() - processor
