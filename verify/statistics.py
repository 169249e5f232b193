"""Intervals at a stated confidence."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

CONFIDENCE = 0.95


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
