"""Derivatives of a loss by single entries of its weights, without its gradient: by complex steps and by differences."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

COMPLEX_STEP = 1e-30
"""So small that its square is nothing beside 1: the complex step has no truncation error."""

DIFFERENCE_STEP = float(np.finfo(float).eps) ** (1 / 3)
"""Relative step of central differences: balances truncation, step^2, against rounding, eps / step."""


def references(
    by_sympy: Mapping[str, Array],
    loss_of: Callable[..., complex],
    weights: Mapping[str, Array],
    entries: Mapping[str, Integers],
) -> dict[str, dict[str, Array]]:
    """Method -> weight -> the gradient at the weight's entries (K, 2).

    `loss_of` is the loss with some of the weights replaced by keyword, holomorphic in them.
    """

    def by(method: Callable[..., Array]) -> dict[str, Array]:
        def alone(name: str) -> Callable[[NDArray[Any]], complex]:
            return lambda weight: loss_of(**{name: weight})

        return {name: method(alone(name), weights[name], some) for name, some in entries.items()}

    return {
        "sympy": {name: by_sympy[name][tuple(some.T)] for name, some in entries.items()},
        "complex step": by(complex_step),
        "central differences": by(central_difference),
    }


def complex_step(loss_of: Callable[[NDArray[Any]], complex], weight: Array, entries: Integers) -> Array:
    """`Im L(W + i h E) / h` at entries (K, 2) of one weight: exact to rounding.

    Examples:
        >>> complex_step(lambda W: complex(np.sum(W**3)), np.array([[2.0]]), np.array([[0, 0]]))
        array([12.])
    """
    moved = (loss_of(each) for each in _moved(weight, entries, 1j * COMPLEX_STEP))
    return np.array([loss.imag / COMPLEX_STEP for loss in moved])


def central_difference(loss_of: Callable[[NDArray[Any]], complex], weight: Array, entries: Integers) -> Array:
    """`(L(W + h E) - L(W - h E)) / 2h` at entries (K, 2) of one weight; wrong where a kink lies between.

    Examples:
        >>> found = central_difference(lambda W: complex(np.sum(W**2)), np.array([[2.0]]), np.array([[0, 0]]))
        >>> abs(found[0] - 4.0) < 1e-9
        np.True_
    """
    step = DIFFERENCE_STEP * float(np.abs(weight).max() or 1.0)
    up, down = (np.array([loss_of(each).real for each in _moved(weight, entries, by)]) for by in (step, -step))
    return np.asarray((up - down) / (2.0 * step))


def mean_logistic_loss(margin: NDArray[Any]) -> complex:
    """The mean of `log(1 + exp(-z))` over margins, holomorphic in them.

    Examples:
        >>> mean_logistic_loss(np.array([0.0, 800.0, -800.0])) == (np.log(2.0) + 800.0) / 3.0
        True
    """
    # Without overflow on either side; both branches are the same holomorphic function.
    falling = np.log1p(np.exp(-np.where(margin.real > 0, margin, 0)))
    rising = np.log1p(np.exp(np.where(margin.real > 0, 0, margin))) - margin
    return complex(np.mean(np.where(margin.real > 0, falling, rising)))


def _moved(weight: Array, entries: Integers, by: complex) -> Iterator[NDArray[Any]]:
    """The weight with one entry moved, for each entry; one array that is moved and put back."""
    moved = weight.astype(type(by))
    for i, j in entries:
        before = moved[i, j]
        moved[i, j] += by
        yield moved
        moved[i, j] = before
