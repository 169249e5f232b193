"""Arrays of balls: what the generated source of statements calls, where every number is enclosed.

Entries are `flint.arb` in arrays of objects. A comparison of balls is true only if it is certain, so what decides
asks both ways; `np.maximum` and its like compare, and must not be used. The working precision is `flint.ctx.prec`.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from math import inf, log2
from types import SimpleNamespace
from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from verify.checking.arrays import flattened, power
from verify.checking.balls import FUNCTIONS

Balls = NDArray[Any]
"""An array of objects, each a ball."""

Bools = NDArray[np.bool_]


def balls(array: Any) -> Balls:
    """An array of numbers that are taken as they are: binary64 numbers and integers are balls of radius 0.

    >>> balls([0.5, 0.1])[0].is_exact()
    True
    """
    return np.asarray(_ball(np.asarray(array).astype(object)), dtype=object)


def _exact(value: Any) -> arb:
    if isinstance(value, arb):
        return value
    return arb(int(value)) if isinstance(value, int | np.integer) else arb(float(value))


_ball = np.frompyfunc(_exact, 1, 1)
_entrywise = {
    name: np.frompyfunc(method, 1, 1)
    for name, method in (
        ("exp", arb.exp),
        ("log", arb.log),
        ("expm1", arb.expm1),
        ("log1p", arb.log1p),
        ("sinh", arb.sinh),
        ("cosh", arb.cosh),
        ("tanh", arb.tanh),
        ("abs", abs),
    )
}


def root(ball: arb) -> arb:
    """The square root of a number that is known not to be negative, though its ball may reach below zero.

    >>> root(arb(0, 1)).contains(1), root(arb(-2)).is_finite()
    (True, False)
    """
    if ball > 0 or ball.is_zero():
        return ball.sqrt()
    return arb(0).union(ball.upper().sqrt())


def _either(pick: Callable[[arb, arb], arb]) -> Callable[[Any, Any], Any]:
    """The larger or smaller of two balls; nothing at all (None) is neither."""

    def picked(left: Any, right: Any) -> Any:
        return right if left is None else left if right is None else pick(left, right)

    return picked


sqrt = np.frompyfunc(root, 1, 1)
larger = np.frompyfunc(_either(arb.max), 2, 1)
smaller = np.frompyfunc(_either(arb.min), 2, 1)


def square(array: Any) -> Balls:
    """The square of every entry."""
    return np.asarray(array * array)


def reduced(pick: np.ufunc, array: Any, axes: tuple[int, ...]) -> Balls:
    """The largest or smallest over axes, which stay with length one."""
    return np.asarray(reduce(lambda part, axis: pick.reduce(part, axis=axis, keepdims=True), axes, array), dtype=object)


def extreme(pick: np.ufunc, body: Any, axes: tuple[int, ...], masked: tuple[Any, ...]) -> Balls:
    """The largest or smallest over axes; `masked` is empty, or (mask, value of none)."""
    if not masked:
        return reduced(pick, body, axes)
    mask, empty = masked
    picked = reduced(pick, np.where(mask, body, None), axes)
    return np.asarray(np.where(picked == np.array(None), empty, picked), dtype=object)


def logistic(argument: Balls) -> Balls:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + _entrywise["exp"](-argument)), dtype=object)


def softplus(argument: Balls) -> Balls:
    """log(1 + exp(x))."""
    return np.asarray(_entrywise["log1p"](_entrywise["exp"](argument)), dtype=object)


def softmax(scores: Balls, axis: int) -> Balls:
    """Exponentials over their sum along an axis; dividing by one of them first leaves the narrowest ball.

    >>> softmax(balls([0.0, 0.0]), 0)[0].contains(0.5)
    True
    """
    differences = np.expand_dims(scores, axis) - np.expand_dims(scores, axis + 1)
    return np.asarray(1 / np.sum(_entrywise["exp"](differences), axis=axis + 1), dtype=object)


def product(left: Balls, right: Balls) -> Balls:
    """A product of matrices of balls."""
    return entries(matrix(left) * matrix(right))


def matrix(array: Any) -> arb_mat:
    """A matrix of balls from an array with two axes."""
    array = np.asarray(array)
    return arb_mat(*array.shape, [_exact(entry) for entry in array.ravel()])


def entries(of: arb_mat) -> Balls:
    """The entries of a matrix as an array."""
    array = np.empty(of.nrows() * of.ncols(), dtype=object)
    array[:] = of.entries()
    return array.reshape(of.nrows(), of.ncols())


def size_in_bits(number: arb) -> float:
    """The logarithm to base 2 of an upper bound on a number's size; no float64 holds the bound itself.

    >>> size_in_bits(arb((1, -5000)))
    -5000.0
    """
    if not number.is_finite():
        return inf
    mantissa, exponent = abs(number).upper().man_exp()
    return log2(int(mantissa)) + int(exponent) if mantissa else -inf


def radius_in_bits(array: Any) -> float:
    """The logarithm to base 2 of the largest radius in an array; infinite where a ball is not finite.

    >>> radius_in_bits(balls([1.0, 2.0]))
    -inf
    """
    return max((size_in_bits(each.rad()) if each.is_finite() else inf for each in np.ravel(array)), default=-inf)


NAMES: Mapping[str, Any] = {
    "np": SimpleNamespace(
        **_entrywise,
        sqrt=sqrt,
        maximum=larger,
        minimum=smaller,
        power=np.power,
        sum=np.sum,
        equal=np.equal,
        arange=np.arange,
        reshape=np.reshape,
    ),
    **FUNCTIONS,
    "power": power,
    "logistic": logistic,
    "softplus": softplus,
    "softmax": softmax,
    "extreme": extreme,
    "flattened": flattened,
}
"""What stands for the names in the source of a program in an exact scope."""
