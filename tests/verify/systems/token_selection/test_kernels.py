"""Kernels against formulas written anew, in 50 digits where cancellation could hide an error."""

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from proofs.language import Largest
from proofs.token_selection import symbols
from verify.systems.token_selection import compiled, kernels
from verify.systems.token_selection.dynamics import workspace
from verify.systems.token_selection.instance import Instance

pytestmark = pytest.mark.kernels

few = settings(max_examples=50)
SCORES = arrays(np.float64, (2, 4), elements=st.floats(-300, 300))


@few
@given(score=SCORES)
def test_effective_gaps(score: np.ndarray) -> None:
    gap = np.empty_like(score)
    kernels.lead(score, gap)
    with mpmath.workdps(50):
        for n, t in np.ndindex(score.shape):
            others = mpmath.fsum(mpmath.exp(mpmath.mpf(score[n, s]) - score[n, t]) for s in range(4) if s != t)
            exact = mpmath.log(3) - mpmath.log(others)
            assert abs(gap[n, t] - exact) <= gap_rounding(gap[n, t])


def gap_rounding(gap: float) -> float:
    """What the statements take for the rounding of a recorded effective gap, of four tokens."""
    formula = symbols.effective_gap.rounding
    assert formula is not None
    named = symbols.effective_gap[formula.indices]
    return float(formula.expression.xreplace({symbols.T: sympy.Integer(4), named: sympy.Float(gap, 30)}))


@few
@given(score=SCORES, moved=arrays(np.float64, (2, 4), elements=st.floats(-1e-3, 1e-3)))
def test_what_scores_lack_is_passed_on_to_effective_gaps(score: np.ndarray, moved: np.ndarray) -> None:
    formula = symbols.effective_gap.passed_on
    assert formula is not None
    assert formula.expression == 2 * Largest(symbols.score[symbols.n, symbols.s], symbols.s)
    before, after = np.empty_like(score), np.empty_like(score)
    kernels.lead(score, before)
    kernels.lead(score + moved, after)
    assert np.all(np.abs(after - before) <= 2 * np.abs(moved).max(axis=1, keepdims=True) + 1e-10)


@few
@given(instance=st.from_type(Instance))
def test_the_forward_pass_and_the_drives(instance: Instance) -> None:
    samples, tokens, _, _ = instance.shape
    score = (instance.X @ (instance.W.T @ instance.p)).copy()
    value = instance.value
    for function in (kernels.forward, compiled.forward):
        work = workspace(samples, tokens)
        loss = function(score, value, instance.y, work)
        attention = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        output = (attention * value).sum(axis=1)
        slope = 1.0 / (1.0 + np.exp(instance.y * output))
        drive = (slope * instance.y)[:, None] * attention * (value - output[:, None]) / samples
        np.testing.assert_allclose(loss, np.mean(np.log1p(np.exp(-instance.y * output))), rtol=1e-12)
        np.testing.assert_allclose(work.attention, attention, rtol=1e-12)
        np.testing.assert_allclose(work.loss_derivative, slope, rtol=1e-12)
        np.testing.assert_allclose(work.score_drive, drive, rtol=1e-11, atol=1e-15)


def test_saturated_scores_stay_finite() -> None:
    score = np.array([[800.0, -800.0, 0.0]])
    work = workspace(1, 3)
    loss = compiled.forward(score, np.array([[2000.0, 1.0, -3.0]]), np.array([-1.0]), work)
    assert loss == 2000.0
    np.testing.assert_array_equal(work.attention, [[1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(work.loss_derivative, [1.0])


def test_steps_take_no_memory() -> None:
    """Every array of a step is a buffer of the workspace: the kernels create none."""
    import inspect

    for name, function in vars(kernels).items():
        if inspect.isfunction(function) and function.__module__ == kernels.__name__:
            source = inspect.getsource(function)
            for creator in ("np.empty", "np.zeros", "np.ones", "np.full", ".copy("):
                assert creator not in source, name
