"""Gradient flow from W^T W = s_0 I closes in the direction u and q = |p|^2; steps depart from it like their size."""

import numpy as np
import pytest

from verify.systems.token_selection.draw import draw
from verify.systems.token_selection.dynamics import FullWeights
from verify.systems.token_selection.problem import Problem

PROBLEM = Problem.model_validate(
    {"n": 6, "T": 4, "d": 30, "m": 4.0, "sigma": 0.7, "start": "orthogonal", "drawn": "full", "test_samples": 0}
)
TIME = 8.0


def defect(step_size: float) -> float:
    """`| |u|^2 - q (s_0 + q) | / |u|^2` after a fixed time."""
    dynamics = FullWeights(draw(PROBLEM, 0).with_step_size(step_size), None)
    dynamics.advance(round(TIME / step_size), -1.0, [])
    weights = dynamics.instance()
    q, u = float(weights.p @ weights.p), weights.p @ weights.W
    return abs(float(u @ u) - q * (PROBLEM.s_0 + q)) / float(u @ u)


def test_the_defect_halves_with_the_step() -> None:
    coarse, middle, fine = (defect(step_size) for step_size in (0.04, 0.02, 0.01))
    assert 1e-5 < fine < 0.1, "a defect of rounding alone would say nothing"
    assert coarse / middle == pytest.approx(2.0, abs=0.15)
    assert middle / fine == pytest.approx(2.0, abs=0.1)


def test_w_grows_along_u_alone() -> None:
    """`W^T W = s_0 I + q u u^T / |u|^2` up to the same defect."""
    dynamics = FullWeights(draw(PROBLEM, 0).with_step_size(0.005), None)
    dynamics.advance(round(TIME / 0.005), -1.0, [])
    weights = dynamics.instance()
    q, u = float(weights.p @ weights.p), weights.p @ weights.W
    grown = weights.W.T @ weights.W - PROBLEM.s_0 * np.eye(PROBLEM.d)
    departure = np.linalg.norm(grown - q * np.outer(u, u) / float(u @ u))
    assert departure < 0.01 * np.linalg.norm(grown)
