"""Axes: where a number lies between two ends, and at which numbers to put ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["linear", "log", "steps"]
"""`steps` is the logarithm of the step plus one: step 0 has a place, too."""

LARGEST, SMALLEST = 1e250, 1e-250
"""Numbers beyond these have no place: a run that leaves float64 passes them."""

MOST_TICKS = 6
WIDE = 50.0
"""Positive numbers that spread by more than this factor are shown on a logarithmic scale."""


def number(value: float | None, digits: int = 3) -> str:
    """A number for readers.

    Examples:
        >>> number(39622), number(-0.000123456), number(None), number(float("inf")), number(1e8)
        ('39,622', '−0.000123', '', '∞', '1e8')
    """
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e6:
        text = f"{int(value):,}"
    else:
        mantissa, e, exponent = f"{value:.{digits}g}".partition("e")
        text = f"{mantissa}e{int(exponent)}" if e else mantissa
    return text.replace("-", "−")


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`."""

    kind: Kind
    low: float
    high: float

    def at(self, values: Array) -> Array:
        """Places on the axis, 0 at its low end and 1 at its high one; NaN where a number has none.

        Examples:
            >>> Scale("log", 1.0, 100.0).at(np.array([1.0, 10.0, 100.0, -1.0]))
            array([0. , 0.5, 1. , nan])
        """
        with np.errstate(all="ignore"):
            low, high = _stretched(self.kind, np.array([self.low, self.high]))
            here = _stretched(self.kind, np.asarray(values, dtype=float))
            places = np.asarray((here - low) / (high - low))
        known = np.isfinite(places) & (np.abs(values) <= LARGEST)
        if self.kind == "log":
            known &= values > SMALLEST
        return np.where(known, places, np.nan)

    @property
    def ticks(self) -> list[float]:
        """Round numbers on the axis, ascending.

        Examples:
            >>> Scale("linear", 0.0, 1.0).ticks
            [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
            >>> Scale("steps", 0.0, 40000.0).ticks
            [0.0, 1.0, 10.0, 100.0, 1000.0, 10000.0]
            >>> Scale("log", 0.2, 0.8).ticks
            [0.2, 0.5]
        """
        if self.kind == "linear":
            return _round_numbers(self.low, self.high)
        if self.kind == "steps":
            return [0.0, *_powers(1.0, max(self.high, 1.0))]
        return _powers(self.low, self.high)


def _stretched(kind: Kind, values: Array) -> Array:
    if kind == "linear":
        return values
    if kind == "steps":
        return np.asarray(np.log1p(values))
    return np.asarray(np.log(values))


def _round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, at most `MOST_TICKS`."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step = next(
        factor * power for factor in (1, 2, 5, 10, 20, 50) if (high - low) / (factor * power) <= MOST_TICKS - 1 + 1e-9
    )
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [float(f"{(first + each) * step:.12g}") for each in range(count)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten between the ends, thinned out; also 2 and 5 times them where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside = [10.0**power for power in range(first, last + 1) if low <= 10.0**power <= high]
    if len(inside) >= 3:
        return inside[:: math.ceil(len(inside) / MOST_TICKS)]
    finer = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    between = [float(f"{each:.12g}") for each in finer if low <= each <= high]
    return between if len(between) >= 2 else _round_numbers(low, high)


def scale_for(values: Iterable[Sequence[float] | Array], kind: Kind | None = None, room: float = 0.04) -> Scale:
    """An axis on which all of the values have a place: logarithmic where they are positive and far apart.

    `kind` settles which; zeros and what is not finite have no place on a logarithmic axis. `room` is left at both ends,
    as a share.

    Examples:
        >>> scale_for([[0.001, 1.0]]).kind, scale_for([[-1.0, 1.0]]).kind
        ('log', 'linear')
        >>> scale_for([[0.0, 9.0]], "steps").high
        9.0
    """
    everything = np.concatenate([np.zeros(0), *(np.asarray(each, dtype=float).ravel() for each in values)])
    finite = everything[np.abs(everything) <= LARGEST]
    if kind is None:
        positive = finite[finite > SMALLEST]
        far_apart = len(positive) > 0 and positive.max() > WIDE * positive.min()
        kind = "log" if far_apart and (finite >= 0).all() and len(positive) > 0.7 * len(finite) else "linear"
    if kind == "log":
        finite = finite[finite > SMALLEST]
    if not len(finite):
        return Scale(kind, *((0.0, 1.0) if kind != "log" else (0.1, 1.0)))
    low, high = float(finite.min()), float(finite.max())
    if kind == "steps":
        return Scale(kind, 0.0, max(high, 1.0))
    if kind == "log":
        widened = math.exp(max(room * (math.log(high) - math.log(low)), 0.02))
        return Scale(kind, low / widened, high * widened)
    size = max(abs(low), abs(high), SMALLEST)
    space = room * (high - low) if high - low > 1e-9 * size else 0.1 * size
    return Scale(kind, low - space, high + space)
