"""What generated source calls on arrays whose last axis is the step."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    small = np.exp(-np.abs(argument))
    return np.where(argument >= 0, 1.0, small) / (1.0 + small)


def softplus(argument: Array) -> Array:
    """log(1 + exp(x)) without overflow or cancellation.

    >>> softplus(np.array([0.0, 800.0]))
    array([  0.69314718, 800.        ])
    """
    return np.maximum(argument, 0.0) + np.log1p(np.exp(-np.abs(argument)))


def softmax(scores: Array, axis: int) -> Array:
    """Exponentials over their sum along an axis."""
    shifted = scores - np.max(scores, axis=axis, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= np.sum(shifted, axis=axis, keepdims=True)
    return shifted


def extreme(pick: np.ufunc, body: Array, axes: tuple[int, ...], masked: tuple[Any, ...]) -> Array:
    """The largest (`pick` is np.maximum) or smallest value over axes; `masked` is empty or (mask, value if none)."""
    if not masked:
        return np.asarray(pick.reduce(body, axis=axes, keepdims=True))
    mask, empty = masked
    if len(axes) == 1 and mask.size == mask.shape[axes[0]]:
        chosen = np.flatnonzero(mask)
        if chosen.size:
            return np.asarray(pick.reduce(np.take(body, chosen, axis=axes[0]), axis=axes, keepdims=True))
    least = -np.inf if pick is np.maximum else np.inf
    picked = pick.reduce(np.where(mask, body, least), axis=axes, keepdims=True)
    return np.where(np.any(mask, axis=axes, keepdims=True), picked, empty)


@dataclass(frozen=True)
class _Labelled:
    """An array whose axes carry letters."""

    array: Array
    letters: str

    def total(self, letters: set[str]) -> "_Labelled":
        """The sum over some letters."""
        if not letters:
            return self
        axes = tuple(place for place, letter in enumerate(self.letters) if letter in letters)
        rest = "".join(letter for letter in self.letters if letter not in letters)
        return _Labelled(np.sum(self.array, axis=axes), rest)

    def ordered(self, letters: str) -> Array:
        """The array with its axes in that order."""
        return self.array.transpose([self.letters.index(letter) for letter in letters])


class SumOfProducts:
    """One contraction, whose order is planned from the sizes that it first meets.

    >>> product = SumOfProducts(Contraction(((0, 1), (1,)), (False, True), (0,)), dimensions=2)
    >>> product(np.ones((2, 3, 1)), np.ones((1, 3, 5))).shape
    (2, 1, 5)
    """

    def __init__(self, contraction: Contraction, dimensions: int) -> None:
        self._selections = [
            tuple(slice(None) if axis in axes else 0 for axis in range(dimensions))
            + (slice(None) if step else 0,)
            for axes, step in zip(contraction.operands, contraction.stepwise, strict=True)
        ]
        self._letters = [
            "".join(_LETTERS[axis] for axis in axes) + (_STEP if step else "")
            for axes, step in zip(contraction.operands, contraction.stepwise, strict=True)
        ]
        self._result = "".join(_LETTERS[axis] for axis in contraction.remaining)
        stepwise = any(contraction.stepwise)
        self._result += _STEP if stepwise else ""
        self._expand = tuple(
            slice(None) if axis in contraction.remaining else None for axis in range(dimensions)
        ) + (slice(None) if stepwise else None,)
        self._order: list[tuple[int, int]] | None = None

    def __call__(self, *operands: Array) -> Array:
        waiting = [
            _Labelled(operand[selection], letters)
            for operand, selection, letters in zip(operands, self._selections, self._letters, strict=True)
        ]
        if self._order is None:
            self._order = self._plan(waiting)
        for first, second in self._order:
            right = waiting.pop(second)
            left = waiting.pop(first)
            waiting.append(_pair(left, right, self._wanted(waiting)))
        (last,) = waiting
        last = last.total(set(last.letters) - set(self._result))
        return last.ordered(self._result)[self._expand]

    def _wanted(self, others: Sequence[_Labelled]) -> set[str]:
        return set(self._result).union(*(set(other.letters) for other in others))

    def _plan(self, operands: Sequence[_Labelled]) -> list[tuple[int, int]]:
        """Greedy: the pair with the least work first; places refer to the list with the products appended."""
        sizes = {
            letter: size
            for each in operands
            for letter, size in zip(each.letters, each.array.shape, strict=True)
        }
        letters = [set(each.letters) for each in operands]
        order: list[tuple[int, int]] = []
        while len(letters) > 1:
            pairs = [(first, second) for second in range(len(letters)) for first in range(second)]
            cost = {
                pair: prod(sizes[letter] for letter in letters[pair[0]] | letters[pair[1]]) for pair in pairs
            }
            first, second = min(pairs, key=lambda pair: (cost[pair], pair))
            merged = letters.pop(second) | letters.pop(first)
            letters.append(merged & set(self._result).union(*letters))
            order.append((first, second))
        return order


def _pair(left: _Labelled, right: _Labelled, wanted: set[str]) -> _Labelled:
    """The product of two arrays, summed over the letters that nobody wants any more."""
    left = left.total(set(left.letters) - wanted - set(right.letters))
    right = right.total(set(right.letters) - wanted - set(left.letters))
    if _STEP in left.letters and _STEP not in right.letters:
        left, right = right, left
    common = set(left.letters) & set(right.letters)
    summed = "".join(letter for letter in left.letters if letter in common - wanted)
    batch = "".join(letter for letter in left.letters if letter in common & wanted)
    own_left = "".join(letter for letter in left.letters if letter not in common)
    own_right = "".join(letter for letter in right.letters if letter not in common)
    if summed and not batch:
        return _matrix_product(left, right, own_left, summed, own_right)
    if (
        summed
        and batch == _STEP
        and _work(left, own_left) * right.array[..., 0].size >= _WORTH_A_PRODUCT_PER_STEP
    ):
        return _products_per_step(left, right, own_left, summed, own_right)
    result = "".join(letter for letter in batch + own_left + own_right if letter != _STEP)
    result += _STEP if _STEP in batch + own_left + own_right else ""
    return _Labelled(np.einsum(f"{left.letters},{right.letters}->{result}", left.array, right.array), result)


def _work(labelled: _Labelled, letters: str) -> int:
    return prod(labelled.array.shape[labelled.letters.index(letter)] for letter in letters)


def _matrix_product(
    left: _Labelled, right: _Labelled, own_left: str, summed: str, own_right: str
) -> _Labelled:
    size = _work(left, summed)
    first = left.ordered(own_left + summed)
    second = right.ordered(summed + own_right)
    product = first.reshape(-1, size) @ second.reshape(size, -1)
    return _Labelled(
        product.reshape(first.shape[: len(own_left)] + second.shape[len(summed) :]), own_left + own_right
    )


def _products_per_step(
    left: _Labelled, right: _Labelled, own_left: str, summed: str, own_right: str
) -> _Labelled:
    steps, size = left.array.shape[left.letters.index(_STEP)], _work(left, summed)
    first = left.ordered(_STEP + own_left + summed)
    second = right.ordered(_STEP + summed + own_right)
    product = first.reshape(steps, -1, size) @ second.reshape(steps, size, -1)
    shape = first.shape[: 1 + len(own_left)] + second.shape[1 + len(summed) :]
    letters = own_left + own_right + _STEP
    return _Labelled(
        _Labelled(product.reshape(shape), _STEP + own_left + own_right).ordered(letters), letters
    )
