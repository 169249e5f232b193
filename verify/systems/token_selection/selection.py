"""Which token a fresh test sample selects: an exact probability, as its scores are independent and Gaussian."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import brentq
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


@cache
def half_lead(tokens: int) -> float:
    """The lead over `tokens - 1` standard normal numbers at which another one is the largest half the time.

    Examples:
        >>> round(half_lead(8), 3), abs(half_lead(2)) < 1e-9
        (1.342, True)
    """

    def excess(lead: float) -> float:
        return first_is_largest(np.full(tokens - 1, lead)) - 0.5

    return float(brentq(excess, -1.0, 10.0, xtol=1e-12))


def test_leads(problem: Problem, direction: Array) -> Array:
    """Mean leads (2, T - 1) of a test sample's token 0 over its others, class by class, in standard deviations.

    `direction` (d,) is `u = W^T p`, not 0, in coordinates whose first two are those of the signals. A score of a token
    is normal with standard deviation `sigma |u|`, independently of the others.
    """
    own, other = signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
    signals = problem.m * direction[:2]
    means = np.outer(signals, own) + np.outer(signals[::-1], other)
    return np.asarray((means[:, :1] - means[:, 1:]) / (problem.sigma * np.linalg.norm(direction)))


def test_selection(problem: Problem, direction: Array) -> float:
    """The probability that a test sample of either class attends most to its signal; `direction` as above."""
    if not direction.any():
        return 1.0 / problem.T
    return float(np.mean([first_is_largest(leads) for leads in test_leads(problem, direction)]))
