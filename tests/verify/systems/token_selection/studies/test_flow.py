"""Steps that follow the flow: against an independent solver of its closed equations, and against what it keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.integrate import solve_ivp

from verify.systems.token_selection.draw import draw
from verify.systems.token_selection.problem import Problem
from verify.systems.token_selection.studies.flow import LONGEST, follow, time_unit

MARKS = [1.0, 10.0, 100.0]


def tiny(**further: object) -> Problem:
    return Problem.model_validate(
        {"n": 4, "T": 4, "d": 10_000, "SNR": 0.3, "eta_f": 0.5, "start": "orthogonal", "drawn": "reduced", **further}
    )


def closed_flow(problem: Problem, seed: int) -> np.ndarray:
    """Scores at the marks by `a' = K c + (a.c) a/(s_0 + q)^2, q' = 2 a.c/(s_0 + q)` in effective time, from 0."""
    instance = draw(problem, seed)
    Z, value = instance.X.reshape(-1, instance.X.shape[2]), instance.X @ instance.nu
    gram, unit, s_0 = Z @ Z.T, time_unit(problem), problem.s_0

    def moves(_: float, state: np.ndarray) -> np.ndarray:
        score, energy = state[:-1].reshape(value.shape), s_0 + state[-1]
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        attention = weight / weight.sum(axis=1, keepdims=True)
        output = (attention * value).sum(axis=1)
        pull = instance.y / (1.0 + np.exp(instance.y * output)) / len(instance.y)
        drive = (pull[:, None] * attention * (value - output[:, None])).ravel()
        alignment = score.ravel() @ drive
        return np.append(gram @ drive + alignment * score.ravel() / energy**2, 2.0 * alignment / energy) * unit

    start = np.zeros(Z.shape[0] + 1)
    found = solve_ivp(moves, (0.0, MARKS[-1]), start, t_eval=MARKS, rtol=1e-10, atol=1e-12, method="LSODA")
    return np.asarray(found.y[:-1].T.reshape(len(MARKS), *value.shape))


@pytest.mark.kernels
def test_it_tends_to_the_flow_as_steps_shrink() -> None:
    problem = tiny()
    exact = closed_flow(problem, seed=3)
    coarse, fine = (
        np.abs(follow(problem, 3, MARKS, largest_move=move).score - exact).max(axis=(1, 2)) for move in (0.01, 0.005)
    )
    # Of first order: half the step, half the error.
    assert np.all(coarse < 0.05)
    assert fine / coarse == pytest.approx(0.5, abs=0.05)


@pytest.mark.kernels
@settings(max_examples=10)
@given(some.integers(0, 2**32), some.sampled_from(["orthogonal", "gaussian"]), some.integers(1, 3))
def test_the_direction_gives_the_scores_back(seed: int, start: str, half: int) -> None:
    course = follow(tiny(start=start, n=2 * half), seed, MARKS)
    rebuilt = np.einsum("ntd,kd->knt", course.instance.X, course.direction)
    assert rebuilt == pytest.approx(course.score, rel=1e-7, abs=1e-9)


@pytest.mark.kernels
def test_effective_time_is_time_weighted_by_the_energy() -> None:
    problem = tiny(d=500, SNR=1.0)
    course = follow(problem, 0, np.geomspace(1e-3, 100.0, 2000))
    energy = problem.s_0 + course.query_square
    summed = np.cumsum(np.diff(course.time) * (energy[1:] + energy[:-1]) / 2.0) / time_unit(problem)
    assert course.query_square[-1] > 0.2 * problem.s_0  # so that the weight matters
    assert summed == pytest.approx(course.effective_time[1:] - course.effective_time[0], rel=2e-3)


@pytest.mark.kernels
def test_the_fit_is_where_every_margin_turns_positive() -> None:
    marks = np.geomspace(0.1, 1e4, 400)
    course = follow(tiny(), 1, marks)
    first = int(np.argmax((course.margin > 0.0).all(axis=1)))
    assert marks[first - 1] <= course.fit_time <= marks[first]
    assert follow(tiny(), 1, [1e4], stop_at_fit=True).fit_time == pytest.approx(course.fit_time, rel=0.1)


def test_a_time_that_float64_does_not_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond"):
        follow(tiny(), 0, [10.0 * LONGEST])
