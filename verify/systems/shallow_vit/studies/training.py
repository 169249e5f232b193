"""What the cells of studies share: one problem trained to its end, with test quantities there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verify.engines.drive import STRETCH_STEPS
from verify.systems.shallow_vit.draw import draw
from verify.systems.shallow_vit.kernels import Array
from verify.systems.shallow_vit.problem import ArraysGiven, Problem
from verify.systems.shallow_vit.system import PATTERNS, ShallowVit
from verify.systems.shallow_vit.testing import enumerate_law, test_law

SYSTEM = ShallowVit()


@dataclass(frozen=True)
class Trained:
    """The end of a training run: its last step and loss, the scores there (M, M) (key, query), test quantities."""

    steps: int
    loss: float
    score_map: Array
    test: Mapping[str, float]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {"steps": self.steps, "loss": self.loss, **self.test}


def train(problem: Problem, seed: int, shuffled: bool = False, engine: str = "auto") -> Trained:
    """Train to the loss target, or for `max_steps` steps, without judging; `shuffled` permutes the labels before.

    Examples:
        >>> end = train(Problem(N=8, L=12, m=16, n_star=4, loss_target=0.3), seed=0)
        >>> end.loss <= 0.3, end.test["test_error"] == end.test["test_error_high"]
        (True, True)
    """
    if shuffled:
        instance = draw(problem, seed)
        labels = np.random.default_rng(seed).permutation(instance.y)
        settings = problem.model_dump(include=set(ArraysGiven.model_fields)) | {"test_samples": 0}
        prepared = SYSTEM.prepare_arrays(
            replace(instance, y=labels), ArraysGiven.model_validate(settings), seed, PATTERNS
        )
    else:
        prepared = SYSTEM.prepare(problem, seed, engine)
    dynamics = prepared.dynamics
    while True:
        steps = min(STRETCH_STEPS, problem.max_steps - dynamics.step)
        stretch = dynamics.advance(steps, problem.loss_target, [])
        loss = float(stretch.arrays["loss"][stretch.steps])
        if not loss > problem.loss_target or dynamics.step >= problem.max_steps:
            break
    kept = dynamics.advance(0, -1.0, [dynamics.step]).kept[dynamics.step]
    score_map = kept.score_map if hasattr(kept, "score_map") else kept.W_K.T @ kept.W_Q
    outputs = dynamics.test_outputs(kept)
    if shuffled:
        law = test_law(problem, np.eye(problem.M), seed)
        # Rounding is not followed in this control.
        outputs = None if law is None else law.seen(prepared.instance.a, score_map, kept.W_V.T @ kept.W_O.T, 0.0)
    test = {} if outputs is None else SYSTEM.test_quantities(*outputs)
    return Trained(dynamics.step, loss, score_map, test)


def attention_on_law(problem: Problem, score_map: Array) -> tuple[float, float]:
    """Attention to relevant tokens averaged over the data law (tau = 0): of all queries, and of irrelevant ones.

    Examples:
        >>> problem = Problem(L=10, n_star=2)
        >>> [round(each, 12) for each in attention_on_law(problem, np.zeros((4, 4)))]
        [0.2, 0.2]
    """
    labels, counts, probability = enumerate_law(problem)
    weight = counts[:, None, :] * np.exp(score_map.T - score_map.max(axis=0)[:, None])
    attention = weight / weight.sum(axis=2, keepdims=True)
    relevant = attention[np.arange(len(labels)), :, np.where(labels > 0, 0, 1)]
    queries = probability[:, None] * counts
    others = queries[:, 2:]
    return float((queries * relevant).sum() / queries.sum()), float((others * relevant[:, 2:]).sum() / others.sum())
