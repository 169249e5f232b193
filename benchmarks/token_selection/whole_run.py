"""Whole runs from the same arrays: what it takes to begin, and the steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.meeting import Outcome
from benchmarks.timing import Spread
from benchmarks.token_selection.meetings import PUBLISHED, REDUCED, published, reduced_engine
from verify.systems.token_selection.instance import Instance

STEPS = 1_000
AIMED = 300.0


@dataclass(frozen=True)
class WholeRun:
    """What it takes to begin, that with the steps, and the latter over the reduced engine's."""

    name: str
    beginning: Spread
    whole: Spread
    ratio: Spread


def measure(instance: Instance, outcome: Outcome) -> list[WholeRun]:
    """Begin as often as there were rounds, and add the steps at the time they took in the round."""
    beginnings = {REDUCED: np.empty(outcome.meeting.rounds), PUBLISHED: np.empty(outcome.meeting.rounds)}
    for turn in range(outcome.meeting.rounds):
        for begin in (reduced_engine, published):
            name, seconds = _beginning(begin, instance)
            beginnings[name][turn] = seconds
    wholes = {name: seconds + STEPS * outcome.seconds_of(name) for name, seconds in beginnings.items()}
    return [
        WholeRun(name, Spread.of(beginnings[name]), Spread.of(whole), Spread.of(whole / wholes[REDUCED]))
        for name, whole in wholes.items()
    ]


def _beginning(begin: Callable[[Instance], Contestant], instance: Instance) -> tuple[str, float]:
    begun = time.process_time()
    contestant = begin(instance)
    return contestant.name, time.process_time() - begun
