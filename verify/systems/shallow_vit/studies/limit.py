"""Training on the data law in its limit of many tokens: every sample has every irrelevant pattern equally often.

Two samples are left, one of each label, with shares for counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verify.engines.drive import STRETCH_STEPS
from verify.systems.shallow_vit.draw import draw
from verify.systems.shallow_vit.dynamics import Course, OnWeights
from verify.systems.shallow_vit.instance import samples_of_counts
from verify.systems.shallow_vit.problem import Problem


@dataclass(frozen=True)
class Passage:
    """Steps until the loss is at its target and until attention to relevant tokens has doubled (`None`: never).

    `active_readout` is the sum of `a_r^2` over the neurons that irrelevant tokens make active at the start.
    """

    total: int | None
    doubling: int | None
    active_readout: float


def pass_through(problem: Problem, share: float, seed: int) -> Passage:
    """Train from the initial weights of a problem at a share of relevant tokens, whatever its counts are.

    Examples:
        >>> problem = Problem(sigma=0.0, delta=0.0, xi=1e-5, loss_every=1)
        >>> passage = pass_through(problem, 0.1, seed=0)
        >>> 0 < passage.doubling < passage.total
        True
    """
    instance, patterns = draw(problem, seed), problem.M
    counts = np.full((2, patterns), (1.0 - share) / (patterns - 2))
    counts[:, :2] = share * np.eye(2)
    samples, row_of = samples_of_counts(np.array([1.0, -1.0]), counts, np.full(2, 0.5))
    relevant = np.zeros((2, patterns))
    relevant[np.arange(2), np.where(samples.label > 0, 0, 1)] = 1.0
    course = Course(
        samples=samples,
        row_of=row_of,
        relevant=relevant,
        readout=instance.a,
        batches=None,
        batch=2,
        watched=np.array([0]),
        step_size=problem.step_size,
        attention_step=problem.attention_step,
        loss_every=problem.loss_every,
        radius=1.0,
        terms=0,
    )
    dynamics = OnWeights(instance, course, None, None, instance.patterns)
    hidden = instance.W_O @ instance.W_V
    assert instance.patterns is not None
    active = hidden @ instance.patterns[2:].sum(axis=0) > 0.0
    doubling = None
    while True:
        stretch = dynamics.advance(min(STRETCH_STEPS, problem.max_steps - dynamics.step), problem.loss_target, [])
        doubled = np.flatnonzero(stretch.arrays["relevant_attention"] >= 2.0 * share)
        if doubling is None and len(doubled):
            doubling = int(stretch.first + doubled[0])
        arrived = bool(stretch.arrays["loss"][stretch.steps] <= problem.loss_target)
        if arrived or dynamics.step >= problem.max_steps:
            return Passage(dynamics.step if arrived else None, doubling, float(instance.a[active] @ instance.a[active]))
