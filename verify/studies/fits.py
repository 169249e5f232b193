"""Power laws fitted by least squares in the logarithms, with Student's exact intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from verify.statistics import CONFIDENCE

Interval = tuple[float, float]


@dataclass(frozen=True)
class PowerLaw:
    """`y = constant * x^exponent`, fitted to `points` observations, and how well they determine it.

    `log_constant` is kept as the constant itself may leave the range of floats. `deviation` is the standard
    deviation of log y about the line, estimated with `points - 2` degrees of freedom; `centre` and `spread` are
    the mean of log x and the sum of its squared distances from it. `x` and `y` are the observations.
    Intervals are at `confidence`, one quantity at a time.
    """

    exponent: float
    log_constant: float
    confidence: float
    points: int
    deviation: float
    centre: float
    spread: float
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    @property
    def constant(self) -> float:
        """The fitted value at x = 1."""
        return _exp(self.log_constant)

    @property
    def exponent_interval(self) -> Interval:
        """Student's interval of the exponent."""
        half = self._quantile * self.deviation / math.sqrt(self.spread)
        return self.exponent - half, self.exponent + half

    @property
    def constant_interval(self) -> Interval:
        """Student's interval of the constant."""
        half = self._quantile * self.deviation * math.sqrt(self._leverage(0.0))
        return _between(self.log_constant, half)

    def predict(self, x: float) -> tuple[float, Interval]:
        """The fitted value at x, and the interval in which one new observation there lies.

        Raises:
            ValueError: unless x is positive.

        Examples:
            >>> value, (low, high) = power_law([1, 2, 4], [3.0, 5.9, 12.1]).predict(8)
            >>> round(value, 1), low < 24 < high
            (24.1, True)
        """
        if not 0 < x < math.inf:
            raise ValueError(f"x = {x}, a power law is about positive numbers")
        log_value = self.log_constant + self.exponent * math.log(x)
        half = self._quantile * self.deviation * math.sqrt(1.0 + self._leverage(math.log(x)))
        return _exp(log_value), _between(log_value, half)

    @property
    def _quantile(self) -> float:
        return float(stdtrit(self.points - 2, 0.5 + self.confidence / 2.0))

    def _leverage(self, log_x: float) -> float:
        """The variance of the fitted log y at x, in units of that of an observation."""
        return 1.0 / self.points + (log_x - self.centre) ** 2 / self.spread


def power_law(x: Sequence[float], y: Sequence[float], confidence: float = CONFIDENCE) -> PowerLaw:
    """Fit `y = constant * x^exponent` to single observations (one a seed), by least squares in the logarithms.

    The intervals are exact if log y scatters about the line normally, with one variance and independently.

    Raises:
        ValueError: with fewer than 3 observations or 2 different x, or where a number is not positive and finite.

    Examples:
        >>> fit = power_law([1, 10, 100], [2.0, 20.0, 200.0])
        >>> round(fit.exponent, 9), round(fit.constant, 9)
        (1.0, 2.0)
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} x and {len(y)} y: not as many")
    positions, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(positions) < 3:
        raise ValueError(f"{len(positions)} observations, a power law needs 3")
    if len(np.unique(positions)) < 2:
        raise ValueError("all x are equal, a power law needs 2 different ones")
    for name, numbers in (("x", positions), ("y", values)):
        if not np.all((numbers > 0) & np.isfinite(numbers)):
            raise ValueError(f"some {name} is not a positive finite number")
    log_x, log_y = np.log(positions), np.log(values)
    centre = float(log_x.mean())
    away = log_x - centre
    spread = float(away @ away)
    exponent = float(away @ (log_y - log_y.mean())) / spread
    log_constant = float(log_y.mean()) - exponent * centre
    residual = log_y - log_constant - exponent * log_x
    deviation = math.sqrt(float(residual @ residual) / (len(log_x) - 2))
    observed = tuple(map(float, positions)), tuple(map(float, values))
    return PowerLaw(exponent, log_constant, confidence, len(log_x), deviation, centre, spread, *observed)


@dataclass(frozen=True)
class Fit:
    """A power law with the names of what it relates, for readers."""

    law: PowerLaw
    x_name: str
    y_name: str


def _between(logarithm: float, half: float) -> Interval:
    return _exp(logarithm - half), _exp(logarithm + half)


def _exp(logarithm: float) -> float:
    """The exponential, infinite where it is too large for a float."""
    try:
        return math.exp(logarithm)
    except OverflowError:
        return math.inf
