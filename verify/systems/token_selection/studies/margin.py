"""The shortest direction that gives every selected token a lead of 1 over the others of its sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from verify.systems.token_selection.kernels import Array, Integers

SOLVED = 1e-8
"""Largest residual of the optimality conditions at which a direction counts as the shortest."""


@dataclass(frozen=True)
class MaxMargin:
    """`direction` (d,) and the nonnegative `multipliers` (n, T) that it is made of, 0 for selected tokens.

    `residual` is the largest violation of the optimality conditions, relative: leads are at least 1, and equal to 1
    where the multiplier is positive.
    """

    direction: Array
    multipliers: Array
    residual: float


def max_margin(tokens: Array, selected: Integers) -> MaxMargin:
    """Minimise `|u|` subject to `u . (x_selected - x_t) >= 1` for every other token t of every sample.

    Shapes: `tokens` (n, T, d), `selected` (n,). By least-distance programming, a nonnegative least squares problem
    (Lawson and Hanson, Solving Least Squares Problems, chapter 23).

    Raises:
        ArithmeticError: if no direction separates the selected tokens, or optimality fails by more than `SOLVED`.

    Examples:
        >>> found = max_margin(np.array([[[2.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]), np.array([0, 0]))
        >>> np.round(found.direction, 9), found.residual < 1e-12
        (array([0.5, 1. ]), True)
    """
    samples, count, _ = tokens.shape
    others = np.arange(count) != selected[:, None]
    leads = (tokens[np.arange(samples), selected][:, None, :] - tokens)[others]
    scale = float(np.sqrt((leads**2).sum(axis=1).mean()))
    # Only inner products matter; a triangle in place of all coordinates keeps the problem small.
    triangle = np.linalg.qr(leads.T / scale, mode="r")
    system = np.vstack([triangle, np.ones(len(leads))])
    target = np.zeros(len(system))
    target[-1] = 1.0
    multipliers, _ = nnls(system, target, maxiter=30 * len(leads))
    remainder = float(target[-1] - multipliers.sum())
    if remainder <= SOLVED:
        raise ArithmeticError("no direction separates the selected tokens from all others")
    multipliers /= remainder * scale**2
    direction = multipliers @ leads
    slack = leads @ direction - 1.0
    binding = np.abs(slack[multipliers > 0.0]).max(initial=0.0)
    residual = float(max(binding, -slack.min(), 0.0))
    if not residual <= SOLVED:
        raise ArithmeticError(f"the shortest direction was found to {residual:.1e} only")
    full = np.zeros((samples, count))
    full[others] = multipliers
    return MaxMargin(direction, full, residual)
