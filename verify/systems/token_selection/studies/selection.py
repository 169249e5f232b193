"""Which token a fresh test sample selects: an exact probability, as its scores are independent and Gaussian."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtr

from verify.systems.token_selection.draw import signal_shares
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.problem import Problem

NODES = 96
"""Of Gauss-Hermite quadrature; the integrands are products of normal distribution functions."""


def first_is_largest(leads: Array) -> float:
    """The probability that the first of T independent standard normal numbers, each ahead by a lead, is the largest.

    `leads` (T - 1,) are those of its mean over the means of the others.

    Examples:
        >>> round(first_is_largest(np.zeros(7)), 12)
        0.125
    """
    nodes, weights = _quadrature()
    return float(weights @ np.prod(ndtr(nodes[:, None] + leads), axis=1))


@cache
def _quadrature() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / np.sqrt(2.0 * np.pi)


def test_selection(problem: Problem, direction: Array) -> float:
    """The probability that a test sample of either class attends most to its signal.

    `direction` (d,) is `u = W^T p` in coordinates whose first two are those of the signals. A score of a token is
    normal with standard deviation `sigma |u|`, independently of the others.
    """
    length = problem.sigma * float(np.linalg.norm(direction))
    if length == 0.0:
        return 1.0 / problem.T
    own, other = signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
    signals = problem.m * direction[:2]
    means = (own * mine + other * theirs for mine, theirs in (signals, signals[::-1]))
    return float(np.mean([first_is_largest((mean[0] - mean[1:]) / length) for mean in means]))
