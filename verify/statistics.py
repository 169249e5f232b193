"""Intervals at a stated confidence."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, kolmogorov, stdtrit

CONFIDENCE = 0.95

LEVEL = 1e-6
"""Probability that a right draw is refuted, shared out evenly among the statistics of a law (Bonferroni)."""


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided interval of a binomial probability.

    Source: Clopper and Pearson, Biometrika 26 (1934). Covers the truth with probability at least `confidence`.

    Examples:
        >>> low, high = clopper_pearson(0, 100)
        >>> low, round(high, 4)
        (0.0, 0.0362)
    """
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1.0 - tail))
    return low, high


def mean_interval(sample: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Student's interval of a mean (asymptotic where the sample is not Gaussian).

    Examples:
        >>> low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
    """
    count = len(sample)
    mean = float(np.mean(sample))
    if count < 2:
        return -math.inf, math.inf
    half = float(stdtrit(count - 1, 0.5 + confidence / 2.0)) * float(np.std(sample, ddof=1)) / math.sqrt(count)
    return mean - half, mean + half


def kolmogorov_smirnov(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """The asymptotic p-value of the largest distance between two empirical distribution functions.

    Examples:
        >>> a, b = np.linspace(0.0, 1.0, 200), np.linspace(0.3, 1.3, 200)
        >>> kolmogorov_smirnov(a, a), kolmogorov_smirnov(a, b) < 1e-6
        (1.0, True)
    """
    left, right = np.sort(left), np.sort(right)
    everywhere = np.concatenate([left, right])
    distance = np.max(
        np.abs(
            np.searchsorted(left, everywhere, side="right") / len(left)
            - np.searchsorted(right, everywhere, side="right") / len(right)
        )
    )
    return float(kolmogorov(distance * np.sqrt(len(left) * len(right) / (len(left) + len(right)))))
