"""The values of an axis as users write them: `4,8,16`, or `1..16:20`, twenty values spaced evenly in the logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from verify.errors import RequestError

MOST_VALUES = 10_000


def axis_values(name: str, text: str) -> list[str]:
    """The values that a word names, as text for the field that will read them.

    Raises:
        RequestError: if a range is not one.

    Examples:
        >>> axis_values("M", "2,4")
        ['2', '4']
        >>> axis_values("SNR", "1..16:3")
        ['1', '4', '16']
    """
    values: list[str] = []
    for part in text.split(","):
        values.extend(_spaced(name, part) if ".." in part else [part.strip()])
    if len(values) > MOST_VALUES:
        raise RequestError.of(name, text, f"at most {MOST_VALUES} values")
    return list(dict.fromkeys(values))


def _spaced(name: str, text: str) -> list[str]:
    ends, _, count = text.partition(":")
    low, _, high = ends.partition("..")
    try:
        return [f"{value:.6g}" for value in spaced(float(low), float(high), int(count))]
    except ValueError:
        raise RequestError.of(name, text, "LOW..HIGH:COUNT with 0 < LOW < HIGH and COUNT from 2") from None


def spaced(low: float, high: float, count: int) -> list[float]:
    """Values spaced evenly in the logarithm, ends included.

    Raises:
        ValueError: unless `0 < low < high` and `2 <= count`.

    Examples:
        >>> spaced(1, 100, 3)
        [1.0, 10.0, 100.0]
    """
    if not (0 < low < high < np.inf and 2 <= count <= MOST_VALUES):
        raise ValueError("not a range")
    return [float(f"{value:.6g}") for value in np.geomspace(low, high, count)]


def spaced_counts(low: int, high: int, count: int) -> list[int]:
    """Whole numbers spaced about evenly in the logarithm, each once, ends included.

    Examples:
        >>> spaced_counts(4, 32, 6)
        [4, 6, 9, 14, 21, 32]
    """
    return sorted({round(value) for value in spaced(low, high, count)})


def written(values: Sequence[Any]) -> str:
    """The values as a word that can be given again.

    Examples:
        >>> written([4, 10**8, 0.25, 123456789])
        '4,1e+08,0.25,123456789'
    """
    return ",".join(map(_written, values))


def _written(value: Any) -> str:
    short = f"{value:g}" if isinstance(value, int | float) else str(value)
    return short if isinstance(value, str) or float(short) == value else repr(value)
