"""The problems on which contestants meet."""

import math
from dataclasses import dataclass

from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.problem import Problem

SEED = 0
STEP = 2.0
"""Step size in units of 1/m, m the largest squared token norm: the loss moves visibly within ten steps."""


@dataclass(frozen=True)
class Meeting:
    """A size at which all contestants run.

    `target` is how many times faster the reduced engine is meant to be than PyTorch on the full weights in
    float32; losses are compared over `compared` steps, times taken in `rounds` rounds.
    """

    d: int
    d_h: int
    target: float
    compared: int
    rounds: int
    N: int = 20
    M: int = 4

    def __str__(self) -> str:
        return f"N={self.N}, M={self.M}, d={self.d}, d_h={self.d_h}"

    def instance(self) -> Instance:
        """The problem's arrays, drawn in full."""
        return draw(problem(self.N, self.M, self.d, self.d_h), SEED, full=True)


MEETINGS = (
    Meeting(d=2_000, d_h=64, target=50.0, compared=20, rounds=11),
    Meeting(d=2_000, d_h=1_024, target=250.0, compared=20, rounds=11),
    Meeting(d=20_000, d_h=1_024, target=3_000.0, compared=4, rounds=5),
)


def problem(N: int, M: int, d: int, d_h: int) -> Problem:
    """A benign problem of this size."""
    return Problem.model_validate({"N": N, "M": M, "d": d, "d_h": d_h, "r": STEP * math.sqrt(d_h)})
