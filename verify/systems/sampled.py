"""Quantities of test samples with their 95 % intervals, by the names `X`, `X_low`, `X_high`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from verify.statistics import clopper_pearson, mean_interval


def mean_quantity(name: str, sample: NDArray[np.float64]) -> dict[str, float]:
    """A mean over samples, with Student's interval.

    Examples:
        >>> mean_quantity("loss", np.array([1.0, 1.0, 1.0]))
        {'loss': 1.0, 'loss_low': 1.0, 'loss_high': 1.0}
    """
    return _with_ends(name, float(np.mean(sample)), mean_interval(sample))


def share_quantity(name: str, count: int, trials: int) -> dict[str, float]:
    """A share of samples, with the interval of Clopper and Pearson.

    Examples:
        >>> share = share_quantity("error", 0, 100)
        >>> share["error"], share["error_low"], round(share["error_high"], 4)
        (0.0, 0.0, 0.0362)
    """
    return _with_ends(name, count / trials, clopper_pearson(count, trials))


def _with_ends(name: str, value: float, interval: tuple[float, float]) -> dict[str, float]:
    return {name: value, f"{name}_low": interval[0], f"{name}_high": interval[1]}


def shown(state: Mapping[str, NDArray[np.float64]], name: str) -> str:
    """A quantity of a recorded state with its interval, for readers."""
    value, low, high = (float(state[name + end]) for end in ("", "_low", "_high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
