"""The problems on which contestants meet, and the two engines as contestants."""

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.contestants import Contestant, Engine
from benchmarks.meeting import Entrants, Meeting, Target
from benchmarks.token_selection.numpy_peer import NumpyWeights
from benchmarks.token_selection.torch_peers import TorchByHand, TorchModule
from verify.systems.token_selection.draw import draw
from verify.systems.token_selection.dynamics import FullWeights, Reduced
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.problem import Problem

SEED = 0
SAMPLES, TOKENS = 20, 8
STEP = 0.05
"""Ten times the default step size: the loss moves visibly within ten steps."""

REDUCED = "verify, reduced engine, float64"
PUBLISHED = "PyTorch, module, autograd, (X W) p as published, float32"


def problem(n: int, T: int, d: int) -> Problem:
    """A problem of the published kind: W starts uniform."""
    return Problem.model_validate({"n": n, "T": T, "d": d, "start": "uniform", "step_size": STEP})


def reduced_engine(instance: Instance) -> Engine:
    """Gradient descent on inner products of tokens."""
    return Engine(REDUCED, Reduced(instance, None))


def weights_engine(instance: Instance) -> Engine:
    """Gradient descent on the weights."""
    return Engine("verify, weights engine, float64", FullWeights(instance, None))


def published(instance: Instance) -> TorchModule:
    """The training loop of the published program, in its precision."""
    return TorchModule(instance, torch.float32, queries_first=False)


CONTESTANTS: tuple[Callable[[Instance], Contestant], ...] = (
    reduced_engine,
    weights_engine,
    NumpyWeights,
    published,
    partial(TorchModule, dtype=torch.float32, queries_first=True),
    partial(TorchByHand, dtype=torch.float32),
    partial(TorchByHand, dtype=torch.float64),
)


def arrays(d: int) -> Instance:
    """The arrays of one problem, in full."""
    return draw(problem(SAMPLES, TOKENS, d), SEED, keep_weights=True)


def enter(d: int) -> Entrants:
    """All contestants on the same arrays."""
    instance = arrays(d)
    return Entrants([contestant(instance) for contestant in CONTESTANTS], partial(NumpyWeights, instance))


def _meeting(d: int, compared: int, rounds: int) -> Meeting:
    """A size, and how many times faster the reduced engine is meant to be there than the published loop."""
    return Meeting(
        size=f"d={d}",
        enter=partial(enter, d),
        terms=d,
        compared=compared,
        rounds=rounds,
        targets=[Target(REDUCED, PUBLISHED, 1_000.0)],
    )


MEETINGS = {2_000: _meeting(d=2_000, compared=20, rounds=11), 4_500: _meeting(d=4_500, compared=12, rounds=7)}
"""By the dimension of tokens."""
