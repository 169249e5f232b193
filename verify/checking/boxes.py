"""Boxes of real numbers, with ends that may be infinite or left out: how they are cut, and points in them."""

from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from math import ceil, floor
from typing import NamedTuple

from flint import arb
from sympy import (
    Expr,
    Integer,
    Symbol,
    oo,
)

from verify.checking.intervals import EnclosedBox, Enclosure, enclose

SCATTERED_POINTS = 63


class Side(NamedTuple):
    """One side of a box, its ends exact real numbers or infinite; an open end does not belong to it."""

    low: Expr
    high: Expr
    low_open: bool = False
    high_open: bool = False

    @property
    def is_point(self) -> bool:
        """Whether it is a single number."""
        return bool(self.low == self.high)

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return bool(self.low != -oo and self.high != oo)

    def enclosure(self, bits: int) -> Enclosure:
        """Return the interval of its members, rounded outward."""
        low, high = enclose_number(self.low, bits).low, enclose_number(self.high, bits).high
        return Enclosure(low, high, self.low_open or self.low == -oo, self.high_open or self.high == oo)

    def certainly_holds(self, number: Expr, bits: int) -> bool:
        """Whether a number certainly belongs to it."""
        return (_certainly_below(self.low, number, bits) or (number == self.low and not self.low_open)) and (
            _certainly_below(number, self.high, bits) or (number == self.high and not self.high_open)
        )

    def parts(self, cut: Expr) -> tuple["Side", ...]:
        """Return its parts below and above a cut, which belongs to both; itself if the cut is not inside."""
        if not (_certainly_below(self.low, cut, 256) and _certainly_below(cut, self.high, 256)):
            return (self,)
        return self._replace(high=cut, high_open=False), self._replace(low=cut, low_open=False)


Box = Mapping[Symbol, Side]


@lru_cache(maxsize=100_000)
def enclose_number(value: Expr, bits: int) -> Enclosure:
    """An enclosure of a number without variables, infinities included."""
    if value in (oo, -oo):
        end = arb.pos_inf() if value == oo else arb.neg_inf()
        return Enclosure(end, end)
    return enclose(value, {}, bits)


def _certainly_below(lower: Expr, upper: Expr, bits: int) -> bool:
    return bool(enclose_number(lower, bits).high < enclose_number(upper, bits).low)


def enclosed_box(box: Box, bits: int) -> EnclosedBox:
    """A box with its ends as enclosures."""
    return {variable: side.enclosure(bits) for variable, side in box.items()}


def _simplest_between(low: Expr, high: Expr) -> Expr:
    """Return the fraction with the smallest denominator in a closed interval of rationals."""
    if low <= 0 <= high:
        return Integer(0)
    if high < 0:
        return -_simplest_between(-high, -low)
    whole = Integer(ceil(low))
    if whole <= high:
        return whole
    below = Integer(floor(low))
    return below + 1 / _simplest_between(1 / (high - below), 1 / (low - below))


def _rational(value: Expr) -> Expr:
    if value.is_Rational:
        return value
    mantissa, exponent = enclose_number(value, 256).low.man_exp()
    return Integer(int(mantissa)) * Integer(2) ** int(exponent)


def where_to_cut(side: Side) -> Expr:
    """Return where to cut a side in two: at a simple fraction, since claims tend to be tight at those."""
    if side.is_point:
        return side.low
    if _certainly_below(side.high, Integer(0), 64) or side.high == 0:
        return -where_to_cut(Side(-side.high, -side.low))
    if _certainly_below(side.low, Integer(0), 64):
        return Integer(0)
    if side.high == oo:
        start = Integer(ceil(_rational(side.low)))
        return max(Integer(1), 2 * start, start**2)
    low, high = _rational(side.low), _rational(side.high)
    if high > 16 and low < 1:
        return Integer(1)
    if low > 0 and high > 16 * low:
        return Integer(2) ** ((_magnitude(low) + _magnitude(high)) // 2)
    width = high - low
    simplest = _simplest_between(low + width / 64, high - width / 64)
    if 16 * simplest.q**2 * width < 1:
        return simplest
    return _simplest_between(low + width / 4, high - width / 4)


def _magnitude(value: Expr) -> int:
    return int(value.p).bit_length() - int(value.q).bit_length()


def point_box(values: Mapping[Symbol, Expr]) -> Box:
    """The box that is a single point."""
    return {variable: Side(value, value) for variable, value in values.items()}


def corners(box: Box) -> Iterator[dict[Symbol, Expr]]:
    """The corners of a box, none where a variable has no finite end."""
    ends = [{end for end in (side.low, side.high) if end not in (oo, -oo)} for side in box.values()]
    for corner in product(*ends):
        yield dict(zip(box, corner, strict=True))


def scattered_points(box: Box) -> Iterator[dict[Symbol, Expr]]:
    """Yield points all over a box: where a search without any proof would cut it."""
    queue = deque([box])
    for number in range(SCATTERED_POINTS):
        box = queue.popleft()
        middle = {variable: where_to_cut(side) for variable, side in box.items()}
        yield middle
        variable = list(box)[number.bit_length() % len(box)]
        queue.extend({**box, variable: part} for part in box[variable].parts(middle[variable]))
