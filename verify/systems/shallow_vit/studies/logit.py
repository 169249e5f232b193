"""A probability that rises with a size and falls with a hardship: where it is one half, and how that scales.

The model is `logit p = b_0 + b_1 log N + b_2 log x`, so N at one half is proportional to `x^(-b_2/b_1)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, expit, stdtrit

from verify.statistics import CONFIDENCE
from verify.systems.shallow_vit.kernels import Array

Interval = tuple[float, float]

MOST_NEWTON_STEPS = 50
COEFFICIENTS = 3
SIGNIFICANT = 0.05
LARGEST_LOGIT = 30.0
"""Fitted logits beyond it mean that some line separates successes from failures: the likelihood has no maximum."""


@dataclass(frozen=True)
class Logit:
    """The fit, with the covariance of its coefficients (3, 3) and how well the model describes the cells.

    `misfit` is the probability of a Pearson statistic as large as that of the cells, were the model true; `dispersion`
    is that statistic over its `freedom`. Variances are multiplied by the dispersion where it exceeds 1, and the
    quantile is Student's (Finney, Probit Analysis, chapter 4), whether or not the misfit is significant: a test first
    would overlook moderate scatter between cells, and the interval would miss twice as often as it says.
    """

    coefficients: Array
    covariance: Array
    misfit: float
    dispersion: float
    freedom: int
    confidence: float

    @property
    def misfits(self) -> bool:
        """Whether the cells do not follow the model."""
        return self.misfit < SIGNIFICANT

    @property
    def slope(self) -> float:
        """The exponent of the size at one half in x."""
        return float(-self.coefficients[2] / self.coefficients[1])

    @property
    def interval(self) -> Interval:
        """Fieller's interval of the slope; unbounded where the size hardly matters.

        Source: Fieller, Journal of the Royal Statistical Society B 16 (1954).
        """
        (_, by_size, by_x), V = self.coefficients, self.covariance * max(1.0, self.dispersion)
        square = float(stdtrit(self.freedom, 0.5 + self.confidence / 2.0)) ** 2
        # The slopes r with (b_2 + r b_1)^2 <= t^2 Var(b_2 + r b_1): a quadratic in r.
        a = by_size**2 - square * V[1, 1]
        b = by_size * by_x - square * V[1, 2]
        c = by_x**2 - square * V[2, 2]
        if a <= 0.0:
            return -math.inf, math.inf
        root = math.sqrt(max(b * b - a * c, 0.0))
        return float((-b - root) / a), float((-b + root) / a)

    def half(self, x: float) -> float:
        """The size at which the probability is one half."""
        constant, by_size, by_x = self.coefficients
        return float(np.exp(-(constant + by_x * math.log(x)) / by_size))


def fit_logit(
    sizes: Sequence[float], xs: Sequence[float], successes: Sequence[bool], confidence: float = CONFIDENCE
) -> Logit:
    """The maximum of the likelihood over single trials, by Newton's method.

    Raises:
        ValueError: with fewer than 4 different cells, or where the likelihood has no maximum.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> N, x = np.tile([50.0, 100.0, 200.0], 400), np.repeat([0.1, 0.2], 600)
        >>> fit = fit_logit(N, x, list(rng.random(1200) < expit(2 * np.log(N * x / 15))))
        >>> fit.interval[0] < -1.0 < fit.interval[1]
        True
    """
    size, x, won = np.log(np.asarray(sizes, float)), np.log(np.asarray(xs, float)), np.asarray(successes, float)
    cells, cell_of = np.unique(np.column_stack([size, x]), axis=0, return_inverse=True)
    freedom = len(cells) - COEFFICIENTS
    if freedom < 1 or np.ptp(cells[:, 0]) == 0.0 or np.ptp(cells[:, 1]) == 0.0:
        raise ValueError(f"{len(cells)} different cells, a fit needs 4 that differ in both")
    trials = np.bincount(cell_of.reshape(-1)).astype(float)
    wins = np.bincount(cell_of.reshape(-1), weights=won)
    middle = cells.mean(axis=0)
    design = np.column_stack([np.ones(len(cells)), cells - middle])
    coefficients = np.zeros(COEFFICIENTS)
    for _ in range(MOST_NEWTON_STEPS):
        p = expit(design @ coefficients)
        information = design.T @ (design * (trials * p * (1.0 - p))[:, None])
        if np.linalg.cond(information) > 1e12:
            raise ValueError("a line separates successes from failures")
        move = np.linalg.solve(information, design.T @ (wins - trials * p))
        coefficients += move
        if np.abs(move).max() < 1e-10:
            break
    else:
        raise ValueError("the likelihood has no maximum")
    if np.abs(design @ coefficients).max() > LARGEST_LOGIT:
        raise ValueError("a line separates successes from failures")
    pearson = float(np.sum((wins - trials * p) ** 2 / (trials * p * (1.0 - p))))
    shift = np.eye(COEFFICIENTS)
    shift[0, 1:] = -middle
    return Logit(
        coefficients=shift @ coefficients,
        covariance=shift @ np.linalg.inv(information) @ shift.T,
        misfit=float(chdtrc(freedom, pearson)),
        dispersion=pearson / freedom,
        freedom=freedom,
        confidence=confidence,
    )
