"""The problems on which contestants meet, and the engines as contestants."""

from collections.abc import Sequence
from functools import partial

import torch

from benchmarks.contestants import Engine
from benchmarks.meeting import Entrants, Meeting, Target
from benchmarks.shallow_vit.torch_peers import TorchAutograd, TorchByHand
from verify.systems.shallow_vit import SYSTEM
from verify.systems.shallow_vit.draw import Batches, draw
from verify.systems.shallow_vit.problem import Problem

SEED = 0
PATTERNS, GRAM, WEIGHTS = "patterns", "gram", "weights"
AUTOGRAD = "PyTorch, autograd, float32"

PROBLEM = Problem.model_validate({"N": 400, "L": 100, "d": 64, "m": 64, "B": 20, "test_samples": 0})
NOISY = PROBLEM.model_copy(update={"tau": 0.3})

ROUNDS = 15
FASTER_ON_WEIGHTS = 5.0
"""How many times faster than autograd in float32 the weights engine is meant to be."""


def title(kind: str) -> str:
    """How tables call an engine that looks at batches alone."""
    return f"verify, {kind} engine, batches alone, float64"


def engine(kind: str, problem: Problem) -> Engine:
    """An engine that looks at the samples of its batches alone."""
    alone = problem.model_copy(update={"loss_every": 10**6})
    return Engine(title(kind), SYSTEM.prepare(alone, SEED, kind).dynamics, observed="batch_loss")


def whole_engine(kind: str, problem: Problem) -> Engine:
    """An engine that looks at all samples as often as a run does."""
    dynamics = SYSTEM.prepare(problem, SEED, kind).dynamics
    return Engine(f"verify, {kind} engine, as a run is, float64", dynamics, observed="batch_loss")


def enter(problem: Problem, kinds: Sequence[str]) -> Entrants:
    """All contestants on the same arrays and batches; of the engines those that can train there."""
    instance, batches = draw(problem, SEED), Batches(problem.N, problem.B, SEED)
    contestants = [
        *(engine(kind, problem) for kind in kinds),
        *(whole_engine(kind, problem) for kind in kinds if kind == PATTERNS),
        *(
            peer(instance, batches, dtype)
            for dtype in (torch.float32, torch.float64)
            for peer in (TorchAutograd, TorchByHand)
        ),
    ]
    return Entrants(contestants, partial(TorchAutograd, instance, batches, torch.float64))


def _meeting(problem: Problem, aimed: dict[str, float], kinds: Sequence[str]) -> Meeting:
    """Engines, and how many times faster some are meant to be than PyTorch in float32."""
    return Meeting(
        size=f"L={problem.L}, d={problem.d}, m={problem.m}, N={problem.N}, B={problem.B}, tau={problem.tau:g}",
        enter=partial(enter, problem, kinds),
        terms=max(problem.L, problem.d, problem.m),
        compared=60,
        rounds=ROUNDS,
        targets=[Target(title(kind), AUTOGRAD, times) for kind, times in aimed.items()],
    )


MEETINGS = (
    _meeting(PROBLEM, {PATTERNS: 100.0, WEIGHTS: FASTER_ON_WEIGHTS}, (PATTERNS, GRAM, WEIGHTS)),
    _meeting(NOISY, {WEIGHTS: FASTER_ON_WEIGHTS}, (WEIGHTS, GRAM)),
)
