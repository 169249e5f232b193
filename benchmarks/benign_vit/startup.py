"""How long the command line takes to come to life, the second time it is called."""

import resource
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.timing import Spread

ROUNDS = 5

FIRST_STRETCH = """
import os, sys
from verify.systems.benign_vit.dynamics import Reduced
advance = Reduced.advance
def advance_and_end(*given):
    advance(*given)
    os._exit(0)
Reduced.advance = advance_and_end
from verify.cli import main
sys.argv = ["verify", "run", "benign-vit"]
main()
sys.exit("no step was made")
"""
"""A run that ends with its first stretch of steps."""

PROCESSES = {
    "`verify --help`": (["-m", "verify", "--help"], 0.5),
    "`verify run benign-vit`, to the end of its first stretch of steps": (["-c", FIRST_STRETCH], 3.0),
}


@dataclass(frozen=True)
class Startup:
    """Wall and processor time of a process and the time it is meant to stay under, seconds."""

    process: str
    wall: Spread
    processor: Spread
    target: float


def measure() -> list[Startup]:
    """Time each process after a first one that fills the caches."""
    startups = []
    for name, (words, target) in PROCESSES.items():
        _times(words)
        wall, processor = np.array([_times(words) for _ in range(ROUNDS)]).T
        startups.append(Startup(name, Spread.of(wall), Spread.of(processor), target))
    return startups


def _times(words: list[str]) -> tuple[float, float]:
    begun, spent = time.perf_counter(), _spent_by_children()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - begun, _spent_by_children() - spent


def _spent_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
