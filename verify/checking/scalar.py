"""Inequalities between real numbers, decided on whole intervals by branch and bound.

`prove` cuts the domain into boxes and looks for a reason that the margin `right - left` is nonnegative on each:

- an enclosure: every operation on intervals is rounded outward with Arb, so the margin's interval holds every value
  that it takes on the box. Intervals may be unbounded, which settles tails where one side is bounded;
- monotonicity: the margin is nonnegative on one face of the box, and its derivative across the box has the right
  sign, which is shown in the same two ways. Where both sides touch, this repeats until a derivative keeps its sign.

A point at which the claim is certainly false ends the search; a box for which neither is found is cut in two.
Absolute values and maxima are resolved on each box where the sign inside them can be shown, and only enclosed
elsewhere. Nothing is ever concluded from values at sample points, except that the claim is false at one of them.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, reduce
from math import isqrt
from typing import Any, Literal, NamedTuple

from flint import arb, ctx, fmpq
from sympy import (
    Abs,
    Dummy,
    E,
    Expr,
    Float,
    Integer,
    Interval,
    Max,
    Min,
    PolynomialError,
    Rational,
    Symbol,
    diff,
    exp,
    expand,
    factor,
    log,
    nan,
    oo,
    pi,
    powsimp,
    simplify,
    sympify,
    tanh,
    zoo,
)
from sympy.functions.elementary.hyperbolic import HyperbolicFunction

from proofs.language.nodes import Logistic, Softplus
from proofs.language.statements import ScalarInequality

Relation = Literal["<=", ">=", "<", ">", "=="]
Status = Literal["proved", "refuted", "undecided"]

MOST_DERIVATIVES = 6
LARGEST_OPERATION_COUNT = 300


class NotDefined(ArithmeticError):
    """A part of the expression may have no real value somewhere on the box."""


# --- intervals -------------------------------------------------------------------------------------------------


class Enclosure(NamedTuple):
    """The reals from `low` to `high`, which are exact or infinite; an open end is not attained."""

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False

    @property
    def nonnegative(self) -> bool:
        """Whether no member is negative."""
        return bool(self.low >= 0)

    @property
    def positive(self) -> bool:
        """Whether every member is positive."""
        return bool(self.low > 0 or (self.low == 0 and self.low_open))

    def intersection(self, other: "Enclosure") -> "Enclosure":
        """Return the members of both, given that they hold a common value."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Enclosure(low, high, low_open, not high_closed)


def _outward(low: Any, high: Any, low_open: bool = False, high_open: bool = False) -> Enclosure:
    """Round two ball ends outward; an end that is infinite or not a number becomes infinite and open."""
    low, high = low.lower(), high.upper()
    if not low.is_finite():
        low, low_open = arb.neg_inf(), True
    if not high.is_finite():
        high, high_open = arb.pos_inf(), True
    return Enclosure(low, high, low_open, high_open)


def _exactly(ball: Any) -> Enclosure:
    return _outward(ball, ball)


def _negated(a: Enclosure) -> Enclosure:
    return Enclosure(-a.high, -a.low, a.high_open, a.low_open)


def _sum(a: Enclosure, b: Enclosure) -> Enclosure:
    return _outward(a.low + b.low, a.high + b.high, a.low_open or b.low_open, a.high_open or b.high_open)


def _end_product(x: Any, y: Any) -> Any:
    # An end at infinity bounds values that are all finite, and zero times each of them is zero.
    return arb(0) if x == 0 or y == 0 else x * y


def _product(a: Enclosure, b: Enclosure) -> Enclosure:
    if a.high <= 0:
        return _negated(_product(_negated(a), b))
    if b.high <= 0:
        return _negated(_product(a, _negated(b)))
    if a.low >= 0 and b.low >= 0:
        return _outward(
            _end_product(a.low, b.low), _end_product(a.high, b.high), a.positive and b.positive and (
                a.low_open or b.low_open
            ), a.high_open or b.high_open
        )
    ends = [_end_product(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return _outward(min(ends, key=lambda end: end.lower()), max(ends, key=lambda end: end.upper()))
