"""Sweeps over all elements of a claim: each element is read once, where NumPy would write an array for every operation.

Arrays have an axis for each index and then the step; an axis of length one stands for any length. Plain functions:
`swept_inequality` and the others jit them when they are first called, tests also call them as they are.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
"""Added to the scale of a relative margin, so that 0/0 is 0."""

DIMENSIONS = 5
"""Axes that a sweep takes: four indices and the step."""

MOST_TERMS = 8
"""Terms of an equality that a sweep takes."""

_EVERYWHERE = np.ones((1,) * DIMENSIONS, dtype=np.bool_)
_NOTHING = np.zeros((1,) * DIMENSIONS)


class SweptInequality(NamedTuple):
    """The smallest margin, and the smallest relative margin below the one that was known, if any is, with its place.

    `clear` is false where a margin is no number: nothing is said then.
    """

    clear: bool
    least: float
    relative: float
    place: tuple[int, ...] | None


class SweptEquality(NamedTuple):
    """The smallest relative margin below the one that was known, if any is, with its place; the widest tolerance.

    `clear` is false where an element fails or is no number, or a tolerance is not finite: nothing is said then.
    """

    clear: bool
    relative: float
    place: tuple[int, ...] | None
    widest: float


def takes(shape: Sequence[int], terms: int = 0) -> bool:
    """Whether a sweep takes a claim of this shape, whose sides have so many terms."""
    return len(shape) <= DIMENSIONS and terms <= MOST_TERMS


def swept_inequality(
    smaller: Array, larger: Array, applying: Bools | None, shape: tuple[int, ...], known: float
) -> SweptInequality:
    """Sweep over `smaller <= larger` where it applies; `known` is a relative margin seen before.

    The margin is `larger - smaller`, relative to `|smaller| + |larger|`; of equal ones the first counts.

    Examples:
        >>> swept_inequality(np.array([1.0, 3.0]), np.array([4.0]), None, (2,), np.inf)
        SweptInequality(clear=True, least=1.0, relative=0.14285714285714285, place=(1,))
    """
    place = np.empty(DIMENSIONS, dtype=np.int64)
    padded = _padded(smaller), _padded(larger), _mask(applying), _sizes(shape)
    clear, least, relative, found = _jitted().inequality(*padded, known, place)
    return SweptInequality(clear, least, relative, _place(place, shape) if found else None)


def exceeds(smaller: Array, larger: Array, bound: Array, applying: Bools | None, shape: tuple[int, ...]) -> bool:
    """Whether every margin `larger - smaller` is above its bound where the claim applies.

    Examples:
        >>> exceeds(np.array([1.0, 3.0]), np.array([4.0]), np.array([2.0, 0.5]), None, (2,))
        True
    """
    found: bool = _jitted().exceeds(_padded(smaller), _padded(larger), _padded(bound), _mask(applying), _sizes(shape))
    return found


def swept_equality(
    lhs: Array,
    rhs: Array,
    terms: Sequence[Array],
    tolerance: Any,
    applying: Bools | None,
    shape: tuple[int, ...],
    known: float,
) -> SweptEquality:
    """Sweep over `|lhs - rhs| <= tolerance` where it applies; `known` is a relative margin seen before.

    The margin is `tolerance - |lhs - rhs|`, relative to the sum of the terms; of equal ones the first counts.

    Examples:
        >>> one = np.ones(1)
        >>> swept_equality(one, np.array([1.0, 1.5]), [one, one], 1.0, None, (2,), np.inf)
        SweptEquality(clear=True, relative=0.25, place=(1,), widest=1.0)
    """
    place = np.empty(DIMENSIONS, dtype=np.int64)
    scale = tuple(map(_padded, terms)) + (_NOTHING,) * (MOST_TERMS - len(terms))
    padded = _padded(lhs), _padded(rhs), scale, len(terms), _padded(tolerance), _mask(applying), _sizes(shape)
    clear, relative, widest, found = _jitted().equality(*padded, known, place)
    return SweptEquality(clear, relative, _place(place, shape) if found else None, widest)


def largest(array: Array, applying: Bools | None, shape: tuple[int, ...]) -> float:
    """The largest value where the claim applies, at least 0; NaN if one is.

    Examples:
        >>> largest(np.array([1.0, 3.0]), np.array([True, False]), (2,))
        1.0
    """
    found: float = _jitted().largest(_padded(array), _mask(applying), _sizes(shape))
    return found


def _padded(array: Any) -> Array:
    array = np.asarray(array, dtype=np.float64)
    return np.asarray(array[(None,) * (DIMENSIONS - array.ndim) + (...,)])


def _mask(applying: Bools | None) -> Bools:
    return _EVERYWHERE if applying is None else applying[(None,) * (DIMENSIONS - applying.ndim) + (...,)]


def _sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (DIMENSIONS - len(shape)) + shape


def _place(place: Integers, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, place[DIMENSIONS - len(shape) :]))


def row(array: Any, i: int, j: int, k: int, l: int) -> Any:
    """The steps of one element; one value if it does not depend on the step."""
    a = i if array.shape[0] > 1 else 0
    b = j if array.shape[1] > 1 else 0
    c = k if array.shape[2] > 1 else 0
    d = l if array.shape[3] > 1 else 0
    return array[a, b, c, d]


def copy_row(to: Any, steps: Any) -> None:
    """Fill a buffer with the steps of one element: side by side in memory, a vector unit takes several at once."""
    if steps.shape[0] == 1:
        to[:] = steps[0]
    else:
        for t in range(to.shape[0]):
            to[t] = steps[t]


def sweep_inequality(
    smaller: Array, larger: Array, applying: Bools, shape: tuple[int, ...], known: float, place: Integers
) -> tuple[bool, float, float, bool]:
    """Whether all margins are numbers, the smallest, and the smallest relative one below `known`, if there is one."""
    steps = shape[4]
    low, high, margin, relative = np.empty(steps), np.empty(steps), np.empty(steps), np.empty(steps)
    applies = np.empty(steps, dtype=np.bool_)
    least, best, found = np.inf, known, False
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                for l in range(shape[3]):
                    copy_row(low, row(smaller, i, j, k, l))
                    copy_row(high, row(larger, i, j, k, l))
                    copy_row(applies, row(applying, i, j, k, l))
                    less = 0
                    for t in range(steps):
                        margin[t] = high[t] - low[t] if applies[t] else np.inf
                        relative[t] = margin[t] / (abs(low[t]) + abs(high[t]) + SMALLEST) if applies[t] else np.inf
                        # Also true of what is no number.
                        less += not (margin[t] >= least and relative[t] >= best)
                    if less == 0:
                        continue
                    for t in range(steps):
                        if np.isnan(margin[t]) or np.isnan(relative[t]):
                            return False, least, best, found
                        least = min(least, margin[t])
                        if relative[t] < best:
                            best, found = relative[t], True
                            place[0], place[1], place[2], place[3], place[4] = i, j, k, l, t
    return True, least, best, found


def all_exceed(smaller: Array, larger: Array, bound: Array, applying: Bools, shape: tuple[int, ...]) -> bool:
    """Whether every margin is above its bound where the claim applies."""
    steps = shape[4]
    low, high, least = np.empty(steps), np.empty(steps), np.empty(steps)
    applies = np.empty(steps, dtype=np.bool_)
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                for l in range(shape[3]):
                    copy_row(low, row(smaller, i, j, k, l))
                    copy_row(high, row(larger, i, j, k, l))
                    copy_row(least, row(bound, i, j, k, l))
                    copy_row(applies, row(applying, i, j, k, l))
                    certain = 0
                    for t in range(steps):
                        certain += (not applies[t]) | (high[t] - low[t] > least[t])
                    if certain < steps:
                        return False
    return True


def sweep_equality(
    lhs: Array,
    rhs: Array,
    terms: tuple[Array, ...],
    number: int,
    tolerance: Array,
    applying: Bools,
    shape: tuple[int, ...],
    known: float,
    place: Integers,
) -> tuple[bool, float, float, bool]:
    """Whether all elements hold, the smallest relative margin below `known`, the widest tolerance, if one is below."""
    steps = shape[4]
    left, right, allowed, scale = np.empty(steps), np.empty(steps), np.empty(steps), np.empty(steps)
    term, relative, applies = np.empty(steps), np.empty(steps), np.empty(steps, dtype=np.bool_)
    best, widest, found = known, 0.0, False
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                for l in range(shape[3]):
                    copy_row(left, row(lhs, i, j, k, l))
                    copy_row(right, row(rhs, i, j, k, l))
                    copy_row(allowed, row(tolerance, i, j, k, l))
                    copy_row(applies, row(applying, i, j, k, l))
                    scale[:] = SMALLEST
                    for each in range(number):
                        copy_row(term, row(terms[each], i, j, k, l))
                        for t in range(steps):
                            scale[t] += term[t]
                    holding = less = 0
                    for t in range(steps):
                        distance = abs(left[t] - right[t])
                        relative[t] = (allowed[t] - distance) / scale[t] if applies[t] else np.inf
                        holding += (not applies[t]) | ((distance <= allowed[t]) & (allowed[t] < np.inf))
                        less += (not relative[t] >= best) | (applies[t] & (allowed[t] > widest))
                    if holding < steps:
                        return False, best, widest, found
                    if less == 0:
                        continue
                    for t in range(steps):
                        if np.isnan(relative[t]):
                            return False, best, widest, found
                        if applies[t]:
                            widest = max(widest, allowed[t])
                        if relative[t] < best:
                            best, found = relative[t], True
                            place[0], place[1], place[2], place[3], place[4] = i, j, k, l, t
    return True, best, widest, found


def largest_applying(array: Array, applying: Bools, shape: tuple[int, ...]) -> float:
    """The largest value where the claim applies, at least 0; NaN if one is."""
    steps = shape[4]
    values, applies = np.empty(steps), np.empty(steps, dtype=np.bool_)
    found = 0.0
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                for l in range(shape[3]):
                    copy_row(values, row(array, i, j, k, l))
                    copy_row(applies, row(applying, i, j, k, l))
                    more = 0
                    for t in range(steps):
                        more += applies[t] & (not values[t] <= found)
                    if more:
                        for t in range(steps):
                            if applies[t] and np.isnan(values[t]):
                                return np.nan
                            if applies[t]:
                                found = max(found, values[t])
    return found


class _Jitted(NamedTuple):
    inequality: Callable[..., tuple[bool, float, float, bool]]
    exceeds: Callable[..., bool]
    equality: Callable[..., tuple[bool, float, float, bool]]
    largest: Callable[..., float]


@cache
def _jitted() -> _Jitted:
    from numba import njit, types
    from numba.extending import register_jitable

    for inner in (row, copy_row):
        register_jitable(inner)
    number, size = types.float64, types.int64
    array = types.Array(number, DIMENSIONS, "A", readonly=True)
    applying = types.Array(types.boolean, DIMENSIONS, "A", readonly=True)
    terms, shape = types.UniTuple(array, MOST_TERMS), types.UniTuple(size, DIMENSIONS)
    seen = number, types.Array(size, 1, "C")

    def jit(sweep: Callable[..., Any], *given: Any) -> Callable[..., Any]:
        # One signature for arrays however they lie in memory. error_model="numpy": a division by zero gives inf.
        made: Callable[..., Any] = njit(given, cache=True, error_model="numpy", nogil=True)(sweep)
        return made

    return _Jitted(
        jit(sweep_inequality, array, array, applying, shape, *seen),
        jit(all_exceed, array, array, array, applying, shape),
        jit(sweep_equality, array, array, terms, size, array, applying, shape, *seen),
        jit(largest_applying, array, applying, shape),
    )
