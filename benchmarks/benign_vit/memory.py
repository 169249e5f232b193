"""Peak memory of a run against its number of steps, each in a process of its own."""

import subprocess
import sys
from dataclasses import dataclass

STEPS = (10**4, 10**5, 10**6)

PROGRAM = """
import re, sys
import verify
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.problem import Problem
verify.simulate(draw(Problem(N=4, M=2), 0), steps=int(sys.argv[1]))
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
"""


@dataclass(frozen=True)
class Peak:
    """Peak resident memory of a process that trained for so many steps."""

    steps: int
    mebibytes: float


def measure() -> list[Peak]:
    """The peaks, as Linux reports them (a child's `ru_maxrss` would start at its parent's)."""
    return [Peak(steps, _peak_kibibytes(steps) / 1024) for steps in STEPS]


def _peak_kibibytes(steps: int) -> int:
    finished = subprocess.run([sys.executable, "-c", PROGRAM, str(steps)], check=True, capture_output=True, text=True)
    return int(finished.stdout)
