"""Training by gradient descent whose steps follow the flow: each as long as the scores allow.

The dynamics is that of `verify.systems.token_selection.dynamics.Reduced`, which closes step by step whatever the step
sizes; a step here moves no score by more than a stated amount, so that decades of time take few steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from verify.systems.token_selection.draw import draw
from verify.systems.token_selection.dynamics import Geometry, workspace
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.kernels import (
    Array,
    Fixed,
    Integers,
    State,
    Workspace,
    follow_representer,
    forward,
    move,
    pull_back,
    pull_coefficients,
)
from verify.systems.token_selection.problem import Problem

LARGEST_MOVE = 0.05
"""How far a step moves a score at most."""

MOST_STEPS = 2_000_000

LONGEST = 1e14
"""Latest effective time, in its unit: beyond about 1e15, where attention to all but one token is below the roundoff of
a value, what drives a score is rounding."""

NEVER = np.inf


class Kept(NamedTuple):
    """States at marks: `score` (K, n, T), `coefficient` pi and `pull` w (K, N), `numbers` (K, 2) of q and of time."""

    score: Array
    coefficient: Array
    pull: Array
    numbers: Array


def flow(
    fixed: Fixed,
    state: State,
    work: Workspace,
    start_scale: float,
    largest_move: float,
    marks: Array,
    stop_at_fit: bool,
    kept: Kept,
    fitted: Array,
) -> int:
    """Step through the ascending `marks` of effective time, and keep the state at each; returns the marks kept.

    Effective time grows by `h (s_0 + q)` a step. `fitted` (2,) gets the effective time and the time at which first
    every sample is fitted; with `stop_at_fit` all ends there.
    """
    samples = fixed.labels.shape[0]
    time = effective = 0.0
    at = 0
    for _ in range(MOST_STEPS):
        forward(state.score, fixed.value, fixed.labels, work)
        if fitted[0] == NEVER:
            smallest = NEVER
            for n in range(samples):
                smallest = min(smallest, fixed.labels[n] * work.output[n])
            if smallest > 0.0:
                fitted[0], fitted[1] = effective, time
                if stop_at_fit:
                    return at
        query_square = state.numbers[0]
        if effective >= marks[at]:
            pull_coefficients(
                fixed, state.representer, state.coefficient, state.start_coefficient, state.numbers[1], work
            )
            kept.score[at] = state.score
            kept.coefficient[at] = state.coefficient
            kept.pull[at] = work.pull
            kept.numbers[at, 0], kept.numbers[at, 1] = query_square, time
            at += 1
            if at == marks.shape[0]:
                return at
        pull_back(fixed, state, work)
        np.dot(state.representer, work.gram_drive, work.representer_drive)
        speed = 0.0
        for i in range(work.map_drive.shape[0]):
            speed = max(speed, abs(work.map_drive[i] + query_square * work.gram_drive[i]))
        energy = start_scale + query_square
        step_size = (marks[at] - effective) / energy
        arrives = speed * step_size <= largest_move
        if not arrives:
            step_size = largest_move / speed
        move(state, work, step_size)
        follow_representer(
            state.representer, state.coefficient, state.start_coefficient, state.numbers, work, step_size
        )
        time += step_size
        effective = marks[at] if arrives else effective + step_size * energy
    return at


# What the flow calls is known to Numba once `compiled` is imported, which the dynamics does.
_flow = njit(cache=True, error_model="numpy", nogil=True)(flow)


@dataclass(frozen=True)
class Course:
    """What training came to at marks of effective time.

    Shapes: `effective_time`, `time`, `query_square` (K,), `score` (K, n, T), `direction` (K, d) is `u = W^T p` in the
    coordinates of `instance`, whose first two are those of the signals. Effective times are in units of
    `n / (sigma^2 d)`, in which a score moves by about 1. `fit_time` is the one at which first every training sample was
    fitted, infinite where none was.
    """

    problem: Problem
    instance: Instance
    effective_time: Array
    time: Array
    query_square: Array
    score: Array
    direction: Array
    fit_time: float

    @property
    def attention(self) -> Array:
        """Attention (K, n, T)."""
        weight = np.exp(self.score - self.score.max(axis=2, keepdims=True))
        return np.asarray(weight / weight.sum(axis=2, keepdims=True))

    @property
    def margin(self) -> Array:
        """`Y f` (K, n)."""
        return np.asarray(self.instance.y * (self.attention * self.instance.value).sum(axis=2))

    @property
    def selected(self) -> Integers:
        """The token of each sample with the largest score (K, n)."""
        return np.asarray(self.score.argmax(axis=2))

    @property
    def noisy(self) -> NDArray[np.bool_]:
        """Which samples have a flipped label (n,)."""
        return np.asarray(self.instance.y != self.instance.y_clean)

    @property
    def signal_score(self) -> Array:
        """Mean score of the two signals (K,)."""
        return np.asarray(self.problem.m * self.direction[:, :2].sum(axis=1) / 2.0)


def time_unit(problem: Problem) -> float:
    """`n / (sigma^2 d)`, the effective time in which a score moves by about 1."""
    return problem.n / (problem.sigma**2 * problem.d)


def follow(
    problem: Problem,
    seed: int,
    marks: Sequence[float] | Array,
    largest_move: float = LARGEST_MOVE,
    stop_at_fit: bool = False,
) -> Course:
    """Train through ascending marks of effective time, in units of `n / (sigma^2 d)`.

    Raises:
        ValueError: if the last mark is beyond `LONGEST`.
        ArithmeticError: if the last mark is not reached in `MOST_STEPS` steps, or scores leave the range of floats.

    Examples:
        >>> course = follow(Problem(n=4, d=10**8, SNR=0.5, start="orthogonal", drawn="reduced"), 0, [1.0, 1000.0])
        >>> course.score.shape, bool(course.fit_time < 1000.0)
        ((2, 4, 8), True)
    """
    if marks[-1] > LONGEST:
        raise ValueError(f"effective time {marks[-1]:g} is beyond {LONGEST:g}")
    instance = draw(problem, seed)
    geometry = Geometry(instance)
    samples, tokens, _, _ = instance.shape
    total, unit = samples * tokens, time_unit(problem)
    fixed = Fixed(
        value=instance.value,
        labels=instance.y,
        gram=geometry.gram,
        start_map=geometry.start_map,
        start_score=geometry.start_score,
        numbers=np.array([0.0, geometry.start_square]),
    )
    state = State(
        score=geometry.start_score.reshape(samples, tokens).copy(),
        token_map=geometry.start_map.copy(),
        representer=np.zeros((total, total)),
        coefficient=np.zeros(total),
        start_coefficient=np.zeros(total),
        numbers=np.array([geometry.start_square, 1.0]),
    )
    places = np.asarray(marks, dtype=np.float64) * unit
    kept = Kept(
        score=np.empty((len(places), samples, tokens)),
        coefficient=np.empty((len(places), total)),
        pull=np.empty((len(places), total)),
        numbers=np.empty((len(places), 2)),
    )
    fitted = np.array([NEVER, NEVER])
    work = workspace(samples, tokens)
    made = _flow(fixed, state, work, problem.s_0, largest_move, places, stop_at_fit, kept, fitted)
    if made < len(places) and not (stop_at_fit and np.isfinite(fitted[0])):
        raise ArithmeticError(f"effective time {marks[-1]:g} was not reached in {MOST_STEPS} steps")
    direction = kept.coefficient[:made] @ geometry.mapped + kept.pull[:made] @ geometry.tokens
    if not np.isfinite(direction).all():
        raise ArithmeticError("scores leave the range of floats")
    return Course(
        problem=problem,
        instance=instance,
        effective_time=places[:made] / unit,
        time=kept.numbers[:made, 1],
        query_square=kept.numbers[:made, 0],
        score=kept.score[:made],
        direction=direction,
        fit_time=float(fitted[0] / unit),
    )
