"""How long the command line takes to come to life, the second time it is called."""

import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.contestants import Array
from benchmarks.timing import Spread

ROUNDS = 5

COMMANDS = {
    "`verify --help`": (["--help"], 0.5),
    "`verify run benign-vit --steps 1`, whole": (["run", "benign-vit", "--steps", "1"], 3.0),
}


@dataclass(frozen=True)
class Startup:
    """Wall time of a command and the time it is meant to stay under, seconds."""

    command: str
    seconds: Spread
    target: float


def measure() -> list[Startup]:
    """Time each command after a first call that fills the caches."""
    return [Startup(name, Spread.of(_times(words)), target) for name, (words, target) in COMMANDS.items()]


def _times(words: list[str]) -> Array:
    times = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "verify", *words], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return np.array(times[1:])
