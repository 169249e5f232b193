"""Intervals with outward rounding: what an expression can be on a box."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any, NamedTuple

from flint import arb, ctx, fmpq
from sympy import (
    Abs,
    E,
    Expr,
    Max,
    Min,
    Symbol,
    exp,
    log,
    pi,
    tanh,
)

from proofs.language import Logistic, Softplus


class NotDefined(ArithmeticError):
    """Somewhere on the box, a part of the expression may have no real value."""


class Enclosure(NamedTuple):
    """The reals from `low` to `high`, both exact or infinite; an open end is not attained."""

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

    @property
    def negated(self) -> "Enclosure":
        """The members with the other sign."""
        return Enclosure(_opposite(self.high), _opposite(self.low), self.high_open, self.low_open)

    def intersection(self, other: "Enclosure") -> "Enclosure":
        """Return what both hold, for two enclosures of the same quantity."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Enclosure(low, high, low_open, not high_closed)

    def __str__(self) -> str:
        low, high = self.low.str(6, radius=False), self.high.str(6, radius=False)
        return low if low == high else f"[{low}, {high}]"


def _opposite(end: Any) -> Any:
    # A plain minus sign would round to the precision of the moment.
    return end.neg(exact=True)


def _outward(low: Any, high: Any, low_open: bool = False, high_open: bool = False) -> Enclosure:
    """Round outward; an end that overflows or is not a number becomes infinite."""
    low, high = low.lower(), high.upper()
    if not low.is_finite():
        low, low_open = arb.neg_inf(), True
    if not high.is_finite():
        high, high_open = arb.pos_inf(), True
    return Enclosure(low, high, low_open, high_open)


def _constant(ball: Any) -> Enclosure:
    return _outward(ball, ball)


def _sum(a: Enclosure, b: Enclosure) -> Enclosure:
    return _outward(a.low + b.low, a.high + b.high, a.low_open or b.low_open, a.high_open or b.high_open)


def _product_of_ends(x: Any, y: Any) -> Any:
    # An infinite end bounds finite values, and zero times each of those is zero.
    return arb(0) if x == 0 or y == 0 else x * y


def _product(a: Enclosure, b: Enclosure) -> Enclosure:
    if a.low < 0 and a.high <= 0:
        return _product(a.negated, b).negated
    if b.low < 0 and b.high <= 0:
        return _product(a, b.negated).negated
    if a.low >= 0 and b.low >= 0:
        low, high = _product_of_ends(a.low, b.low), _product_of_ends(a.high, b.high)
        low_open = a.positive and b.positive and (low == 0 or a.low_open or b.low_open)
        return _outward(low, high, low_open, high != 0 and (a.high_open or b.high_open))
    ends = [_product_of_ends(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return _outward(min(end.lower() for end in ends), max(end.upper() for end in ends))


def _reciprocal(a: Enclosure) -> Enclosure:
    if a.negated.positive:
        return _reciprocal(a.negated).negated
    if not a.positive:
        raise NotDefined
    low = 1 / a.high if a.high.is_finite() else arb(0)
    high = 1 / a.low if a.low > 0 else arb.pos_inf()
    return _outward(low, high, a.high_open, a.low_open)


def absolute_enclosure(a: Enclosure) -> Enclosure:
    """The absolute values of an interval."""
    if a.low >= 0:
        return a
    if a.high <= 0:
        return a.negated
    high, high_closed = max((a.high, not a.high_open), (_opposite(a.low), not a.low_open))
    return Enclosure(arb(0), high, False, not high_closed)


def _increasing(a: Enclosure, function: Callable[[Any], Any], least: Any, most: Any) -> Enclosure:
    """Enclose an increasing function that stays strictly between `least` and `most`."""
    low = function(a.low).lower() if a.low.is_finite() else least
    high = function(a.high).upper() if a.high.is_finite() else most
    inside_low, inside_high = bool(low > least), bool(high < most)
    return Enclosure(
        low if inside_low else least,
        high if inside_high else most,
        a.low_open if inside_low else True,
        a.high_open if inside_high else True,
    )


def _power(a: Enclosure, exponent: Any) -> Enclosure:
    """Enclose a power with a rational exponent other than 0."""
    if exponent < 0:
        return _reciprocal(_power(a, -exponent))
    p, q = int(exponent.p), int(exponent.q)
    if q > 1 and a.low < 0:
        raise NotDefined
    if q > 1 or p % 2 == 0:
        a = absolute_enclosure(a)
    low, high = (x if x == 0 or not x.is_finite() else (x**p).root(q) if q > 1 else x**p for x in a[:2])
    return _outward(low, high, a.low_open, a.high_open)


def _logarithm(a: Enclosure) -> Enclosure:
    if not a.positive:
        raise NotDefined
    low = a.low.log() if a.low > 0 else arb.neg_inf()
    high = a.high.log() if a.high.is_finite() else arb.pos_inf()
    return _outward(low, high, a.low_open, a.high_open)


def _exponential(a: Enclosure) -> Enclosure:
    return _increasing(a, arb.exp, arb(0), arb.pos_inf())


def _maximum(a: Enclosure, b: Enclosure) -> Enclosure:
    low, low_open = max((a.low, a.low_open), (b.low, b.low_open))
    high, high_closed = max((a.high, not a.high_open), (b.high, not b.high_open))
    return Enclosure(low, high, low_open, not high_closed)


def _minimum(a: Enclosure, b: Enclosure) -> Enclosure:
    return _maximum(a.negated, b.negated).negated


_FUNCTIONS: Mapping[Any, Callable[[Enclosure], Enclosure]] = {
    exp: _exponential,
    log: _logarithm,
    tanh: lambda a: _increasing(a, arb.tanh, arb(-1), arb(1)),
    Logistic: lambda a: _increasing(a, lambda x: 1 / (1 + (-x).exp()), arb(0), arb(1)),
    Softplus: lambda a: _increasing(
        a,
        lambda x: x + (-x).exp().log1p() if x > 0 else x.exp().log1p(),
        arb(0),
        arb.pos_inf(),
    ),
    Abs: absolute_enclosure,
}

EnclosedBox = Mapping[Symbol, Enclosure]

_Operation = Callable[[EnclosedBox, Sequence[Enclosure]], Enclosure]


def _operation(node: Expr) -> _Operation:
    """Return how a node's enclosure follows from those of its arguments."""
    if node.is_Symbol:
        return lambda box, _: box[node]
    if node.is_Rational:
        return lambda _box, _: _constant(arb(fmpq(int(node.p), int(node.q))))
    if node is E:
        return lambda _box, _: _constant(arb.const_e())
    if node is pi:
        return lambda _box, _: _constant(arb.pi())
    if node.is_Add:
        return lambda _, arguments: reduce(_sum, arguments)
    if node.is_Mul:
        return lambda _, arguments: reduce(_product, arguments)
    if node.is_Pow and node.exp.is_Rational:
        return lambda _, arguments: _power(arguments[0], node.exp)
    if node.is_Pow:
        return lambda _, arguments: _exponential(_product(_logarithm(arguments[0]), arguments[1]))
    if isinstance(node, Max):
        return lambda _, arguments: reduce(_maximum, arguments)
    if isinstance(node, Min):
        return lambda _, arguments: reduce(_minimum, arguments)
    if node.func in _FUNCTIONS:
        function = _FUNCTIONS[node.func]
        return lambda _, arguments: function(arguments[0])
    known = ", ".join(sorted(function.__name__ for function in _FUNCTIONS))
    raise ValueError(f"expression {node}: it cannot be enclosed (allowed: {known}, Max, Min and arithmetic)")


@lru_cache(maxsize=10_000)
def operations_of(expression: Expr) -> tuple[tuple[_Operation, tuple[int, ...]], ...]:
    """List the operations that make up an expression, with the places of their arguments; every part once."""
    places: dict[Expr, int] = {}
    operations: list[tuple[_Operation, tuple[int, ...]]] = []

    def visit(node: Expr) -> int:
        if node not in places:
            arguments = tuple(visit(argument) for argument in node.args)
            operations.append((_operation(node), arguments))
            places[node] = len(operations) - 1
        return places[node]

    visit(expression)
    return tuple(operations)


def enclose(expression: Expr, box: EnclosedBox, bits: int) -> Enclosure:
    """Return an interval that holds every value of the expression on a box.

    Raises:
        NotDefined: if a part of it may have no real value on the box.
        ValueError: if it holds a function that cannot be enclosed.

    >>> x = Symbol("x", real=True)
    >>> print(enclose(x**2 - x / 3, {x: Enclosure(arb(-3), arb(3))}, bits=53))
    [-1.00000, 10.0000]
    """
    values: list[Enclosure] = []
    with ctx.workprec(bits):
        for operation, arguments in operations_of(expression):
            values.append(operation(box, [values[place] for place in arguments]))
    return values[-1]
