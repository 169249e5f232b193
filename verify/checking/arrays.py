"""What generated source calls on arrays whose last axis is the step."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofs.language.programs import Contraction

Array = NDArray[np.float64]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_STEP = "T"
_WORTH_A_PRODUCT_PER_STEP = 4096


def power(base: Array, exponent: int) -> Array:
    """A positive integer power by repeated squaring, at most `exponent` roundings.

    >>> power(np.array([3.0]), 5)
    array([243.])
    """
    result = base if exponent % 2 else None
    square = base
    while exponent := exponent // 2:
        square = square * square
        if exponent % 2:
            result = square if result is None else result * square
    assert result is not None
    return result


def logistic(argument: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow.

    >>> logistic(np.array([0.0, 800.0, -800.0]))
    array([0.5, 1. , 0. ])
    """
    small = np.asarray(np.abs(argument))
    np.negative(small, out=small)
    np.exp(small, out=small)
    result = np.where(argument >= 0, 1.0, small)
    small += 1.0
    result /= small
    return result


def softplus(argument: Array) -> Array:
    """log(1 + exp(x)) without overflow or cancellation.

    >>> softplus(np.array([-800.0, 800.0]))
    array([  0., 800.])
    """
    return np.maximum(argument, 0.0) + np.log1p(np.exp(-np.abs(argument)))


def softmax(scores: Array, axis: int) -> Array:
    """Exponentials over their sum along an axis."""
    shifted = scores - np.max(scores, axis=axis, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= np.sum(shifted, axis=axis, keepdims=True)
    return np.asarray(shifted)


def extreme(pick: np.ufunc, body: Array, axes: tuple[int, ...], masked: tuple[Any, ...]) -> Array:
    """The largest (np.maximum) or smallest value over axes; `masked` is empty, or (mask, value of none)."""
    if not masked:
        return np.asarray(pick.reduce(body, axis=axes, keepdims=True))
    mask, empty = masked
    if len(axes) == 1 and mask.size == mask.shape[axes[0]]:
        chosen = np.flatnonzero(mask)
        if chosen.size:
            return np.asarray(pick.reduce(np.take(body, chosen, axis=axes[0]), axis=axes, keepdims=True))
    least = -np.inf if pick is np.maximum else np.inf
    picked = pick.reduce(np.where(mask, body, least), axis=axes, keepdims=True)
    return np.asarray(np.where(np.any(mask, axis=axes, keepdims=True), picked, empty))


def flattened(array: Array, shape: tuple[int, ...]) -> Array:
    """A row of steps for every element of an array that may lack axes of the shape.

    >>> flattened(np.zeros((1, 3, 5)), (2, 3)).shape
    (6, 5)
    """
    return np.broadcast_to(array, (*shape, array.shape[-1])).reshape(prod(shape), -1)


class SumOfProducts:
    """One contraction, planned from the sizes that it first meets; products of constants are made only then.

    >>> product = SumOfProducts(Contraction(((0, 1), (1,)), (False, True), (True, False), (0,)), dimensions=2)
    >>> product(np.ones((2, 3, 1)), np.ones((1, 3, 5))).shape
    (2, 1, 5)
    """

    def __init__(self, contraction: Contraction, dimensions: int) -> None:
        self._contraction = contraction
        self._selections = [
            (*(slice(None) if axis in axes else 0 for axis in range(dimensions)), slice(None) if step else 0)
            for axes, step in zip(contraction.operands, contraction.stepwise, strict=True)
        ]
        stepwise = any(contraction.stepwise)
        self._wanted = _lettered(contraction.remaining, stepwise)
        self._expand = (
            *(slice(None) if axis in contraction.remaining else None for axis in range(dimensions)),
            slice(None) if stepwise else None,
        )
        self._plan: _Plan | None = None

    def __call__(self, *operands: Array) -> Array:
        """The sum of products; all arrays have all axes."""
        arrays = [operand[selection] for operand, selection in zip(operands, self._selections, strict=True)]
        if self._plan is None:
            letters = map(_lettered, self._contraction.operands, self._contraction.stepwise)
            self._plan = _Plan(arrays, list(letters), self._contraction.constant, self._wanted)
        return self._plan(arrays)[self._expand]


def _lettered(axes: Sequence[int], step: bool) -> str:
    return "".join(_LETTERS[axis] for axis in axes) + (_STEP if step else "")


class _Plan:
    """Pairs of operands in the order in which they are multiplied; a product goes to the end of the list."""

    def __init__(self, arrays: Sequence[Array], letters: Sequence[str], constant: Sequence[bool], wanted: str) -> None:
        self._sizes = {
            letter: size
            for array, own in zip(arrays, letters, strict=True)
            for letter, size in zip(own, array.shape, strict=True)
        }
        self._wanted = wanted
        moving = [place for place, fixed in enumerate(constant) if not fixed]
        fixed = [place for place, fixed in enumerate(constant) if fixed]
        self._moving = moving
        others = [set(letters[place]) for place in moving]
        self._fixed, fixed_letters = self._folded(
            [arrays[place] for place in fixed], [letters[place] for place in fixed], others
        )
        self._pairs: list[tuple[int, int, _Product]] = []
        waiting = [*fixed_letters, *(letters[place] for place in moving)]
        while len(waiting) > 1:
            first, second = min(combinations(range(len(waiting)), 2), key=lambda pair: self._cost(waiting, pair))
            right, left = waiting.pop(second), waiting.pop(first)
            product = _Product(left, right, set(wanted).union(*waiting), self._sizes)
            self._pairs.append((first, second, product))
            waiting.append(product.letters)
        self._last = _Sum(waiting[0], set(wanted))
        self._order = [self._last.letters.index(letter) for letter in wanted]

    def _cost(self, waiting: Sequence[str], pair: tuple[int, int]) -> tuple[bool, int]:
        """Pairs that share an axis first, then those with the least work."""
        one, other = (set(waiting[place]) for place in pair)
        return not one & other, prod(self._sizes[letter] for letter in one | other)

    def _folded(
        self, arrays: list[Array], letters: list[str], others: Sequence[set[str]]
    ) -> tuple[list[Array], list[str]]:
        """Constants multiplied with one another wherever the product is no larger than its larger factor."""
        for first, second in combinations(range(len(arrays)), 2):
            rest = [set(each) for place, each in enumerate(letters) if place not in (first, second)]
            product = _Product(letters[first], letters[second], set(self._wanted).union(*rest, *others), self._sizes)
            size = prod(self._sizes[letter] for letter in product.letters)
            if size <= max(arrays[first].size, arrays[second].size):
                arrays[second], letters[second] = product(arrays[first], arrays[second]), product.letters
                del arrays[first], letters[first]
                return self._folded(arrays, letters, others)
        return arrays, letters

    def __call__(self, arrays: Sequence[Array]) -> Array:
        waiting = [*self._fixed, *(arrays[place] for place in self._moving)]
        for first, second, product in self._pairs:
            right, left = waiting.pop(second), waiting.pop(first)
            waiting.append(product(left, right))
        return self._last(waiting[0]).transpose(self._order)


class _Sum:
    """The sum of an array over the letters that nobody wants."""

    def __init__(self, letters: str, wanted: set[str]) -> None:
        self._axes = tuple(place for place, letter in enumerate(letters) if letter not in wanted)
        self.letters = "".join(letter for letter in letters if letter in wanted)

    def __call__(self, array: Array) -> Array:
        return np.add.reduce(array, axis=self._axes) if self._axes else array


class _Product:
    """The product of two arrays, summed over letters that nobody wants; if it can be, one matrix product."""

    def __init__(self, left: str, right: str, wanted: set[str], sizes: Mapping[str, int]) -> None:
        self._sums = _Sum(left, wanted | set(right)), _Sum(right, wanted | set(left))
        left, right = (total.letters for total in self._sums)
        self._swapped = _STEP in left and _STEP not in right
        if self._swapped:
            left, right = right, left
        summed = "".join(letter for letter in left if letter in right and letter not in wanted)
        batch = "".join(letter for letter in left if letter in right and letter in wanted)
        own = tuple("".join(each for each in side if each not in summed + batch) for side in (left, right))
        work = prod(sizes[letter] for letter in own[0] + summed + own[1])
        self._per_step = batch == _STEP and work >= _WORTH_A_PRODUCT_PER_STEP
        self._is_matrix_product = bool(summed) and (not batch or self._per_step)
        self._kept = tuple(len(each) for each in own)
        if self._is_matrix_product:
            self._size = prod(sizes[letter] for letter in summed)
            orders = batch + own[0] + summed, batch + summed + own[1]
            self._orders = tuple(
                tuple(side.index(letter) for letter in order) for side, order in zip((left, right), orders, strict=True)
            )
            self.letters = own[0] + own[1] + batch
        else:
            result = (batch + own[0] + own[1]).replace(_STEP, "")
            self.letters = result + (_STEP if _STEP in batch + own[0] + own[1] else "")
            self._formula = f"{left},{right}->{self.letters}"

    def __call__(self, left: Array, right: Array) -> Array:
        left, right = self._sums[0](left), self._sums[1](right)
        if self._swapped:
            left, right = right, left
        if not self._is_matrix_product:
            return np.asarray(np.einsum(self._formula, left, right))
        first, second = left.transpose(self._orders[0]), right.transpose(self._orders[1])
        batch = first.shape[: int(self._per_step)]
        kept = first.shape[len(batch) :][: self._kept[0]] + second.shape[second.ndim - self._kept[1] :]
        product = first.reshape(*batch, -1, self._size) @ second.reshape(*batch, self._size, -1)
        product = product.reshape(batch + kept)
        return np.moveaxis(product, 0, -1) if batch else product
