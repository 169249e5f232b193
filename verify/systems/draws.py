"""Random streams of one seed, and Gaussian matrices of any width by their Gram matrices."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Stream(IntEnum):
    """The independent random streams of one seed."""

    LABELS = 0
    TOKENS = 1
    WEIGHTS = 2
    TEST = 3


def stream(seed: int, purpose: Stream) -> np.random.Generator:
    """A generator for one purpose: drawing more for one leaves the others as they are."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(int(purpose),))))


def gaussian_factor(rng: np.random.Generator, rows: int, width: int, stack: tuple[int, ...] = ()) -> Array:
    """A `rows x min(rows, width)` matrix whose Gram matrix has the law of a `rows x width` standard Gaussian's.

    With `stack`, so many independent ones: shape `(*stack, rows, min(rows, width))`.

    Bartlett's decomposition (lower triangular, `sqrt(chi^2(width - i))` on the diagonal, standard normal below)
    where `width >= rows`; otherwise the Gaussian matrix itself.

    Examples:
        >>> gaussian_factor(np.random.default_rng(0), 3, 10**15).shape
        (3, 3)
        >>> gaussian_factor(np.random.default_rng(0), 3, 2).shape
        (3, 2)
    """
    if width < rows:
        return rng.standard_normal((*stack, rows, width))
    factor = np.tril(rng.standard_normal((*stack, rows, rows)), -1)
    diagonal = np.arange(rows)
    factor[..., diagonal, diagonal] = np.sqrt(rng.chisquare(float(width) - diagonal, size=(*stack, rows)))
    return factor
