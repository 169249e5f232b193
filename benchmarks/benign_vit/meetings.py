"""The problems on which contestants meet, and the two engines as contestants."""

import math
from functools import partial

from benchmarks.benign_vit.numpy_peer import NumpyWeights
from benchmarks.benign_vit.torch_peers import torch_peers
from benchmarks.contestants import Contestant, Engine
from benchmarks.meeting import Entrants, Meeting, Target
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.dynamics import FullWeights, Reduced
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.problem import Problem

SEED = 0
SAMPLES, TOKENS = 20, 4
STEP = 2.0
"""Step size in units of 1/m, m the largest squared token norm: the loss moves visibly within ten steps."""

REDUCED = "verify, reduced engine, float64"
WEIGHTS = "verify, weights engine, float64"
PEERS = ("PyTorch, full weights, autograd, float32", "PyTorch, full weights, by hand, float32")


def problem(N: int, M: int, d: int, d_h: int) -> Problem:
    """A benign problem of this size."""
    return Problem.model_validate({"N": N, "M": M, "d": d, "d_h": d_h, "r": STEP * math.sqrt(d_h)})


def reduced_engine(instance: Instance) -> Engine:
    """Gradient descent in token space."""
    return Engine(REDUCED, Reduced(instance, TokenTable.of(instance), None))


def weights_engine(instance: Instance) -> Engine:
    """Gradient descent on the weight matrices."""
    return Engine(WEIGHTS, FullWeights(instance, TokenTable.of(instance), None))


def enter(d: int, d_h: int) -> Entrants:
    """All contestants on the arrays of one problem, drawn in full."""
    instance = draw(problem(SAMPLES, TOKENS, d, d_h), SEED, full=True)
    contestants: list[Contestant] = [
        reduced_engine(instance),
        weights_engine(instance),
        NumpyWeights(instance),
        *torch_peers(instance),
    ]
    return Entrants(contestants, partial(NumpyWeights, instance))


def _meeting(d: int, d_h: int, aimed: float, compared: int, rounds: int) -> Meeting:
    """A size, and how many times faster the reduced engine is meant to be there than PyTorch in float32."""
    return Meeting(
        size=f"d={d}, d_h={d_h}",
        enter=partial(enter, d, d_h),
        terms=d,
        compared=compared,
        rounds=rounds,
        targets=[Target(REDUCED, peer, aimed) for peer in PEERS],
    )


MEETINGS = (
    _meeting(d=2_000, d_h=64, aimed=50.0, compared=20, rounds=11),
    _meeting(d=2_000, d_h=1_024, aimed=250.0, compared=20, rounds=11),
    _meeting(d=20_000, d_h=1_024, aimed=3_000.0, compared=4, rounds=5),
)
