"""Inequalities between real numbers, decided on whole intervals by branch and bound.

`prove` cuts the domain into boxes and looks on each for a reason why the margin `right - left` is
nonnegative:

- an enclosure. Every operation on intervals is rounded outward with Arb, so the margin's interval holds all
  values of the margin on the box. Intervals may be unbounded, which settles tails with one bounded side;
- monotonicity. The margin is nonnegative on a face of the box, and its derivative across the box has the
  right sign, both shown in these same two ways. Where the sides touch, this goes on to the first derivative
  that keeps its sign;
- convexity. The margin is convex on the box, and vanishes with its gradient at a corner.

A box with none of them is cut in two; a point at which the claim is certainly false ends the search. Absolute
values are resolved on each box on which the sign inside can be shown; elsewhere both signs are tried.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import chain, product
from math import ceil, comb, floor, prod
from typing import Any, Literal, NamedTuple

from flint import arb, ctx, fmpq
from sympy import (
    Abs,
    Add,
    Dummy,
    E,
    Expr,
    Float,
    Function,
    Integer,
    Interval,
    Matrix,
    Max,
    Min,
    Symbol,
    diff,
    exp,
    expand,
    expand_log,
    expand_power_exp,
    factor,
    fraction,
    gcd,
    log,
    oo,
    pi,
    powsimp,
    sympify,
    tanh,
    together,
)
from sympy.functions.elementary.hyperbolic import HyperbolicFunction

from proofs.language import Logistic, ScalarInequality, Softplus, real_variable
from proofs.language.statements import Relation

Status = Literal["proved", "refuted", "undecided"]

# How many derivatives a proof of monotonicity may nest; few are tried first, and there are many in several
# variables.
DERIVATIVES_IN_ONE = (1, 2, 6)
DERIVATIVES_IN_MANY = (1, 2)
# Expressions with more terms or operations are not rewritten or differentiated, which could take minutes.
MOST_TERMS = 200
MOST_OPERATIONS = 300
LARGEST_POWER = 8
# No box reaches further than this without being the tail itself.
FARTHEST_CUT = Integer(2) ** 1024
DEEPEST_CUT = 200
BOXES_BEFORE_TURNING = 16
MOST_OPEN_KINKS = 3
SCATTERED_POINTS = 63


@dataclass(frozen=True)
class Outcome:
    """What was found out about a claim.

    `witness` is a point at which a refuted claim is certainly false; `boxes` counts the boxes looked at,
    `bits` is the precision on the smallest of them, and `words` says the same in a sentence, with the place
    where an undecided search stopped.
    """

    status: Status
    witness: Mapping[Symbol, Expr] | None
    boxes: int
    bits: int
    words: str


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


def _absolute(a: Enclosure) -> Enclosure:
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
        a = _absolute(a)
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
    Abs: _absolute,
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
def _operations(expression: Expr) -> tuple[tuple[_Operation, tuple[int, ...]], ...]:
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
        for operation, arguments in _operations(expression):
            values.append(operation(box, [values[place] for place in arguments]))
    return values[-1]


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
        low, high = _number(self.low, bits).low, _number(self.high, bits).high
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
def _number(value: Expr, bits: int) -> Enclosure:
    if value in (oo, -oo):
        end = arb.pos_inf() if value == oo else arb.neg_inf()
        return Enclosure(end, end)
    return enclose(value, {}, bits)


def _certainly_below(lower: Expr, upper: Expr, bits: int) -> bool:
    return bool(_number(lower, bits).high < _number(upper, bits).low)


def _enclosed(box: Box, bits: int) -> EnclosedBox:
    return {variable: side.enclosure(bits) for variable, side in box.items()}


# Rewriting: forms of one expression that are equal as functions but are enclosed more or less tightly.


def _exponential_over_constants(base: Expr) -> tuple[Expr, Expr, Expr] | None:
    """Return (a, b, u) if the expression is `a + b exp(u)` with positive numbers a and b."""
    if not (base.is_Add and len(base.args) == 2):
        return None
    for constant, term in (base.args, base.args[::-1]):
        scale, exponential = term.as_independent(*term.free_symbols) if term.is_Mul else (Integer(1), term)
        if isinstance(exponential, exp) and constant.is_number and constant.is_positive and scale.is_positive:
            return constant, scale, exponential.args[0]
    return None


def _logistic(argument: Expr) -> Expr:
    return (1 + tanh(argument / 2)) / 2


@lru_cache(maxsize=10_000)
def _normal(expression: Expr) -> Expr:
    """Write every logistic function by tanh, and every maximum by an absolute value.

    Then the derivatives of logistic functions are polynomials in them, and `phi (1 - phi) <= 1/4` a square.
    """
    if not expression.args:
        return expression
    if expression.is_Mul:
        expression = _with_merged_exponentials(expression)
    shape = _exponential_over_constants(expression.args[0])
    if shape is not None and expression.is_Pow and expression.exp.is_Integer and expression.exp < 0:
        a, b, u = shape
        return (_logistic(-_normal(u) - log(b / a)) / a) ** (-expression.exp)
    if shape is not None and isinstance(expression, log):
        a, b, u = shape
        return log(a) + Softplus(_normal(u) + log(b / a))
    arguments = [_normal(argument) for argument in expression.args]
    if isinstance(expression, Logistic):
        return _logistic(arguments[0])
    if isinstance(expression, Max | Min):
        sign = 1 if isinstance(expression, Max) else -1
        return reduce(lambda a, b: (a + b + sign * Abs(a - b)) / 2, arguments)
    return expression.func(*arguments)


def _with_merged_exponentials(product: Expr) -> Expr:
    """Write `exp(u) / (a + b exp(u))` as `1 / (b + a exp(-u))` inside a product."""
    for power in product.args:
        shape = _exponential_over_constants(power.base) if power.is_Pow and power.exp == -1 else None
        if shape is not None and exp(shape[2]) in product.args:
            a, b, u = shape
            return product / power / exp(u) / (b + a * exp(-u))
    return product


def _expanded(expression: Expr) -> Expr:
    return expand(expression, power_exp=False, power_base=False, log=False)


@lru_cache(maxsize=50_000)
def _terms(expression: Expr) -> int:
    """Return how many terms an expression has at most when it is multiplied out."""
    if expression.is_Add:
        return sum(map(_terms, expression.args))
    if expression.is_Mul:
        return prod(map(_terms, expression.args))
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return comb(_terms(expression.base) + int(expression.exp) - 1, int(expression.exp))
    return max(map(_terms, expression.args), default=1)


def _with_powers_merged(expression: Expr) -> Expr:
    return powsimp(_expanded(expression), combine="exp")


def _as_fraction(expression: Expr) -> Expr:
    """Write an expression as one fraction, with exponentials for tanh, to show its sign in a tail."""
    exponentials = {node: 1 - 2 / (exp(2 * node.args[0]) + 1) for node in expression.atoms(tanh)}
    numerator, denominator = fraction(together(expand_power_exp(expression.xreplace(exponentials))))
    return _factored(numerator) / denominator if _terms(numerator) <= MOST_TERMS else expression


def _near_upper_limits(expression: Expr) -> Expr:
    """Write `tanh(u)` and `Softplus(u)` by their distance from their asymptotes for large u.

    Written so, a distance far below the working precision is not lost to rounding.
    """
    near = {node: 1 - 2 * Logistic(-2 * node.args[0]) for node in expression.atoms(tanh)}
    near |= {node: node.args[0] + Softplus(-node.args[0]) for node in expression.atoms(Softplus)}
    return _expanded(expression.xreplace(near))


def _near_lower_limits(expression: Expr) -> Expr:
    near = {node: 2 * Logistic(2 * node.args[0]) - 1 for node in expression.atoms(tanh)}
    return _expanded(expression.xreplace(near))


def _factored(expression: Expr) -> Expr:
    """Expand and factor an expression as a polynomial in its functions, `exp(2 u)` a square of `exp(u)`.

    sympy's own choice of unknowns would take `exp(10**9 x)` for a power of `exp(x)` with that exponent.
    """
    expanded = _expanded(expression)
    functions = expanded.atoms(Function)
    unknowns = {function: Dummy() for function in functions}
    multiples: dict[Expr, dict[Expr, Expr]] = {}
    for function in functions:
        if isinstance(function, exp):
            multiple, rest = function.args[0].as_coeff_Mul()
            multiples.setdefault(rest, {})[function] = multiple
    meant = {unknown: function for function, unknown in unknowns.items()}
    for rest, powers in multiples.items():
        unit, base = reduce(gcd, powers.values()), Dummy()
        if all(abs(multiple / unit) <= LARGEST_POWER for multiple in powers.values()):
            unknowns |= {function: base ** (multiple / unit) for function, multiple in powers.items()}
            meant[base] = exp(unit * rest)
    return factor(expanded.xreplace(unknowns)).xreplace(meant)


_REWRITINGS: Sequence[Callable[[Expr], Expr]] = (
    _expanded,
    _with_powers_merged,
    _factored,
    _near_upper_limits,
    _near_lower_limits,
    _as_fraction,
)


@lru_cache(maxsize=50_000)
def _rewritten(expression: Expr, place: int) -> Expr:
    return _REWRITINGS[place](expression) if _terms(expression) <= MOST_TERMS else expression


def _enclose_forms(expression: Expr, box: EnclosedBox, bits: int) -> Enclosure | None:
    """Intersect the enclosures of an expression's forms, up to the first that settles its sign.

    None if the expression may not be defined on the box.
    """
    try:
        best = enclose(expression, box, bits)
    except NotDefined:
        return None
    tried = {expression}
    for place in range(len(_REWRITINGS)):
        if best.positive or best.negated.positive:
            break
        form = _rewritten(expression, place)
        if form not in tried:
            tried.add(form)
            with suppress(NotDefined):
                best = best.intersection(enclose(form, box, bits))
    return best


@lru_cache(maxsize=10_000)
def _derivative(expression: Expr, variable: Symbol) -> Expr:
    return _normal(diff(expression, variable))


@lru_cache(maxsize=10_000)
def _simplifies_to_zero(expression: Expr) -> bool:
    """Whether an expression is 0 as a rational function of exponentials, logarithms and its variables."""
    if _terms(expression) > MOST_TERMS:
        return False
    logarithms = {node: log(1 + exp(node.args[0])) for node in expression.atoms(Softplus)}
    return bool(_as_fraction(expand_log(expression.xreplace(logarithms))) == 0)


def _is_zero(expression: Expr, box: Box, bits: int) -> bool:
    """Whether an expression is 0 on the whole box by algebra; a value that is not 0 saves the trouble."""
    middle = _point({variable: _cut(side) for variable, side in box.items()})
    value = _enclose_forms(expression, _enclosed(middle, 4 * bits), 4 * bits)
    if value is None or value.positive or value.negated.positive:
        return False
    corner = {variable: side.low for variable, side in box.items() if side.is_point}
    return _simplifies_to_zero(_normal(_normal(expression).subs(corner)))


# Where to cut.


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
    mantissa, exponent = _number(value, 256).low.man_exp()
    return Integer(int(mantissa)) * Integer(2) ** int(exponent)


def _cut(side: Side) -> Expr:
    """Return where to cut a side in two: at a simple fraction, since claims tend to be tight at those."""
    if side.is_point:
        return side.low
    if _certainly_below(side.high, Integer(0), 64) or side.high == 0:
        return -_cut(Side(-side.high, -side.low))
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


def _point(values: Mapping[Symbol, Expr]) -> Box:
    return {variable: Side(value, value) for variable, value in values.items()}


def _corners(box: Box) -> Iterator[dict[Symbol, Expr]]:
    ends = [{end for end in (side.low, side.high) if end not in (oo, -oo)} for side in box.values()]
    for corner in product(*ends):
        yield dict(zip(box, corner, strict=True))


def _scattered(box: Box) -> Iterator[dict[Symbol, Expr]]:
    """Yield points all over a box: where a search without any proof would cut it."""
    queue = deque([box])
    for number in range(SCATTERED_POINTS):
        box = queue.popleft()
        middle = {variable: _cut(side) for variable, side in box.items()}
        yield middle
        variable = list(box)[number.bit_length() % len(box)]
        queue.extend({**box, variable: part} for part in box[variable].parts(middle[variable]))


# Reasons why a margin is nonnegative on a box.


def _resolved(margin: Expr, box: Box, bits: int) -> Expr:
    """Replace the absolute values inside which the sign can be shown on the whole box."""
    pending = True
    while pending:
        pending = False
        for kink in _kinks(margin):
            for signed in (kink.args[0], -kink.args[0]):
                if _is_shown(signed, box, False, bits, derivatives=2):
                    margin, pending = _normal(margin.xreplace({kink: signed})), True
                    break
    return margin


@lru_cache(maxsize=10_000)
def _kinks(margin: Expr) -> tuple[Expr, ...]:
    """Return the absolute values that hold no other."""
    return tuple(sorted((kink for kink in margin.atoms(Abs) if not kink.args[0].has(Abs)), key=str))


def _is_shown(margin: Expr, box: Box, strict: bool, bits: int, derivatives: int, along: Symbol | None = None) -> bool:
    """Whether a margin is shown to be nonnegative (positive, if `strict`) on a box.

    At most so many derivatives are nested, in the variable `along` alone if it is given.
    """
    margin = _resolved(margin, box, bits)
    enclosure = _enclose_forms(margin, _enclosed(box, bits), bits)
    if enclosure is None:
        return False
    if enclosure.positive or (enclosure.nonnegative and not strict):
        return True
    if derivatives == 0 or enclosure.negated.positive:
        return False
    if not strict and _is_zero(margin, box, bits):
        return True
    if kinks := _kinks(margin):
        return len(kinks) <= MOST_OPEN_KINKS and _is_shown_for_both_signs(margin, box, strict, bits, derivatives)
    return len(_operations(margin)) <= MOST_OPERATIONS and any(
        _grows_from_face(margin, box, variable, from_low, strict, bits, derivatives, enclosure.low)
        for variable, side in box.items()
        if not side.is_point and along in (None, variable)
        for from_low in (True, False)
    )


def _is_shown_for_both_signs(margin: Expr, box: Box, strict: bool, bits: int, derivatives: int) -> bool:
    """Whether a margin is shown with `u` and also with `-u` in place of some `|u|`, which is one of them."""
    kink = _kinks(margin)[0]
    return all(
        _is_shown(_normal(margin.xreplace({kink: signed})), box, strict, bits, derivatives)
        for signed in (kink.args[0], -kink.args[0])
    )


def _grows_from_face(
    margin: Expr,
    box: Box,
    variable: Symbol,
    from_low: bool,
    strict: bool,
    bits: int,
    derivatives: int,
    least: Any,
) -> bool:
    """Whether a margin, at least `least`, is nonnegative on a face and does not decrease across the box.

    At an open end of the domain the face itself does not count: zero is enough there if the margin then
    increases.
    """
    side = box[variable]
    end, end_is_open = (side.low, side.low_open) if from_low else (side.high, side.high_open)
    if end in (oo, -oo):
        return False
    face = {**box, variable: Side(end, end)}
    value = _enclose_forms(margin, _enclosed(face, bits), bits)
    if value is None or not _is_shown(margin, face, strict and not end_is_open, bits, derivatives):
        return False
    slope = _derivative(margin, variable) * (1 if from_low else -1)
    # Where the face is far from touching, smaller boxes do as well as further derivatives.
    nearly_touches = not value.low * 16 > -least
    return _is_shown(
        slope,
        box,
        strict and end_is_open,
        bits,
        derivatives - 1 if nearly_touches or not side.is_bounded else 0,
        along=variable,
    )


def _curves_up_from_touch(margin: Expr, box: Box, bits: int) -> bool:
    """Whether a margin is convex on a box and vanishes with its gradient at one of the box's corners."""
    margin = _resolved(margin, box, bits)
    variables = [variable for variable, side in box.items() if not side.is_point]
    if _kinks(margin) or len(variables) < 2 or _enclose_forms(margin, _enclosed(box, bits), bits) is None:
        return False
    hessian = Matrix(
        len(variables),
        len(variables),
        lambda i, j: _derivative(_derivative(margin, variables[i]), variables[j]),
    )
    for order in range(1, len(variables) + 1):
        minor = _enclose_forms(_normal(hessian[:order, :order].det()), _enclosed(box, bits), bits)
        if minor is None or not minor.positive:
            return False
    flat_there = [margin, *(_derivative(margin, variable) for variable in variables)]
    return any(all(_is_zero(quantity, _point(corner), bits) for quantity in flat_there) for corner in _corners(box))


class _Search:
    """Branch and bound for one claim `left <= right` (`<` if `strict`) on one domain."""

    def __init__(self, sides: tuple[Expr, Expr], strict: bool, domain: Box) -> None:
        self.sides, self.strict, self.domain = sides, strict, domain
        self.margin = _normal(sides[1] - sides[0])
        self.box: dict[Symbol, Side] = dict(domain)
        self.coordinates: dict[Symbol, Expr] = {variable: variable for variable in domain}

    def turn_to_a_kink(self) -> bool:
        """Make `h = a - b` a coordinate if the claim contains `|a - b|`, so that boxes can end where it is 0.

        The new box holds the old domain, and more. Returns whether such an absolute value was found.
        """
        for kink in sorted(self.margin.atoms(Abs), key=str):
            polynomial = kink.args[0].as_poly(*self.box)
            if polynomial is None or polynomial.total_degree() != 1:
                continue
            weights = {v: c for v in self.box if (c := polynomial.coeff_monomial(v)) != 0}
            replaced = [v for v in weights if v in self.domain]
            if len(weights) < 2 or not replaced or not all(c.is_Rational for c in weights.values()):
                continue
            self._replace_coordinate(replaced[-1], weights, polynomial.coeff_monomial(1))
            return True
        return False

    def _replace_coordinate(self, old: Symbol, weights: Mapping[Symbol, Expr], constant: Expr) -> None:
        new = Dummy(str(Add(constant, *[weights[v] * v for v in weights])), real=True)
        reached = [sorted((weight * self.box[v].low, weight * self.box[v].high)) for v, weight in weights.items()]
        lows, highs = zip(*reached, strict=True)
        others = Add(*[weights[v] * v for v in weights if v != old])
        solved = {old: (new - others - constant) / weights[old]}
        del self.box[old]
        self.box[new] = Side(constant + Add(*lows), constant + Add(*highs))
        self.coordinates = {v: expand(place.xreplace(solved)) for v, place in self.coordinates.items()}
        self.margin = _normal(self.margin.subs(solved))

    def _lies_outside(self, box: Box, bits: int) -> bool:
        """Whether no point of a box belongs to the domain."""
        for variable, place in self.coordinates.items():
            reached = enclose(place, _enclosed(box, bits), bits)
            allowed = self.domain[variable].enclosure(bits)
            if reached.high < allowed.low or reached.low > allowed.high:
                return True
        return False

    def _is_settled(self, box: Box, bits: int) -> bool:
        """Whether the claim is shown on a box, both sides being defined there."""
        enclosed = _enclosed(box, bits)
        try:
            left, right = (enclose(side.xreplace(self.coordinates), enclosed, bits) for side in self.sides)
        except NotDefined:
            return False
        if left.high < right.low or (left.high == right.low and not self.strict):
            return True
        derivatives = DERIVATIVES_IN_ONE if len(box) == 1 else DERIVATIVES_IN_MANY
        if any(_is_shown(self.margin, box, self.strict, bits, order) for order in derivatives):
            return True
        return not self.strict and _curves_up_from_touch(self.margin, box, bits)

    def _violation_at(self, point: Mapping[Symbol, Expr], bits: int) -> dict[Symbol, Expr] | None:
        """Return a point of the search as a point of the domain, if the claim is certainly false there."""
        witness = {variable: place.subs(point) for variable, place in self.coordinates.items()}
        if not all(self.domain[variable].certainly_holds(value, bits) for variable, value in witness.items()):
            return None
        at = _point(witness)
        for finer in (bits, 4 * bits):
            try:
                left, right = (enclose(side, _enclosed(at, finer), finer) for side in self.sides)
            except NotDefined:
                return None
            if right.high < left.low or (self.strict and right.high == left.low):
                return witness
            if left.high < right.low:
                return None
        left, right = self.sides
        return witness if self.strict and _is_zero(right - left, at, bits) else None

    def _widest(self, box: Box, bits: int) -> Symbol:
        """Return the side to cut: an unbounded one, or else that along which the margin may change most."""
        unbounded = [variable for variable, side in box.items() if not side.is_bounded]
        if unbounded:
            return min(unbounded, key=lambda variable: abs(_cut(box[variable])))
        margin, enclosed = _resolved(self.margin, box, bits), _enclosed(box, bits)

        def change(variable: Symbol) -> Any:
            width = enclosed[variable].high - enclosed[variable].low
            slope = None if _kinks(margin) else _enclose_forms(_derivative(margin, variable), enclosed, bits)
            steepest = _absolute(slope).high if slope is not None else arb.pos_inf()
            return (steepest * width).mid() if steepest.is_finite() else width

        return max(box, key=change)

    def run(self, touching: Mapping[Symbol, Sequence[Expr]], bits: int, most_boxes: int, looked_at: int = 0) -> Outcome:
        """Search until the claim is shown on every box, is false at a point, or the boxes are used up."""
        first_boxes = self._first_boxes(touching)
        for point in chain(chain.from_iterable(map(_corners, first_boxes)), _scattered(self.box)):
            if witness := self._violation_at(point, bits):
                return Outcome("refuted", witness, looked_at, bits, "")
        queue = deque((box, 0) for box in first_boxes)
        finest, stuck = bits, None
        while queue:
            box, cuts = queue.popleft()
            if looked_at == most_boxes:
                stuck = box
                break
            looked_at, finer = looked_at + 1, bits + 64 * (cuts // 16)
            finest = max(finest, finer)
            if self._lies_outside(box, finer) or self._is_settled(box, finer):
                continue
            middle = {variable: _cut(side) for variable, side in box.items()}
            if witness := self._violation_at(middle, finer):
                return Outcome("refuted", witness, looked_at, finest, "")
            variable = self._widest(box, finer)
            if cuts == DEEPEST_CUT or abs(middle[variable]) > FARTHEST_CUT:
                stuck = box
                continue
            parts = box[variable].parts(middle[variable])
            queue.extend(({**box, variable: part}, cuts + 1) for part in parts)
        if stuck is None:
            return Outcome("proved", None, looked_at, finest, f"proved on {looked_at} boxes at {finest} bits")
        return self._undecided(stuck, looked_at, finest)

    def _first_boxes(self, touching: Mapping[Symbol, Sequence[Expr]]) -> list[Box]:
        """Cut the box where the sides are said to touch, and where absolute values have their kinks."""
        boxes: list[Box] = [self.box]
        for variable in self.box:
            points = set(touching.get(variable, ()))
            for kink in self.margin.atoms(Abs):
                line = kink.args[0].as_poly(variable) if kink.free_symbols == {variable} else None
                if line is not None and line.degree() == 1:
                    points.add(-line.nth(0) / line.nth(1))
            for point in points:
                boxes = [{**box, variable: part} for box in boxes for part in box[variable].parts(point)]
        return boxes

    def _undecided(self, box: Box, boxes: int, bits: int) -> Outcome:
        sides = {place.name: f"[{_in_print(side.low)}, {_in_print(side.high)}]" for place, side in box.items()}
        where = ", ".join(f"{name} in {side}" for name, side in sides.items())
        return Outcome("undecided", None, boxes, bits, f"undecided after {boxes} boxes; open: {where}")


def _in_print(value: Expr) -> str:
    exact = str(value)
    return exact if len(exact) <= 20 else _number(value, 64).low.str(12, radius=False)


def prove(
    lhs: Expr,
    relation: Relation,
    rhs: Expr,
    variables: Mapping[Symbol, Interval],
    *,
    touching: Mapping[Symbol, Sequence[Expr]] | None = None,
    bits: int = 128,
    boxes: int = 1000,
) -> Outcome:
    """Decide whether `lhs relation rhs` holds for all real values of the variables in their intervals.

    "proved" and "refuted" are certain; "undecided" means that the boxes were used up, or that a side is
    nowhere shown to be defined. Ends of intervals are exact numbers or infinite. `touching` names exact
    numbers, such as `log(3)`, at which the two sides are equal; fractions are found without it. `bits` is
    the precision to start at.

    Raises:
        ValueError: if a symbol has no interval or is declared more than real, a side holds a float or a
            function that cannot be enclosed, or the relation is none of `<= >= < > ==`.

    >>> z = Symbol("z", real=True)
    >>> prove(Abs(1 / (1 + exp(z)) - Integer(1) / 2), "<=", Abs(z) / 4, {z: Interval(-oo, oo)}).status
    'proved'
    >>> print(prove(z, "<=", z**2, {z: Interval(-oo, oo)}).words)
    false at z = 1/2: 0.500000 <= 0.250000 does not hold
    """
    left, right, domain = _checked(sympify(lhs), sympify(rhs), variables)
    up, down = (left, right), (right, left)
    directions = {"<=": [up], "<": [up], ">=": [down], ">": [down], "==": [up, down]}
    if relation not in directions:
        raise ValueError(f"relation: {relation!r} is not allowed (allowed: {' '.join(directions)})")
    hints = {variable: [sympify(point) for point in points] for variable, points in (touching or {}).items()}
    outcome = Outcome("proved", None, 0, bits, "")
    for sides in directions[relation]:
        found = _decided(sides, relation in ("<", ">"), domain, hints, bits, boxes)
        if found.status == "refuted" or outcome.status == "proved":
            outcome = found
    if outcome.witness is None:
        return outcome
    at = _enclosed(_point(outcome.witness), outcome.bits)
    both = [str(enclose(side, at, outcome.bits)) for side in (left, right)]
    where = ", ".join(f"{variable} = {_in_print(value)}" for variable, value in outcome.witness.items())
    return replace(outcome, words=f"false at {where}: {both[0]} {relation} {both[1]} does not hold")


def _decided(
    sides: tuple[Expr, Expr],
    strict: bool,
    domain: Box,
    touching: Mapping[Symbol, Sequence[Expr]],
    bits: int,
    boxes: int,
) -> Outcome:
    """Search in the claim's own variables, then in coordinates that are turned to its absolute values."""
    turned = _Search(sides, strict, domain)
    if not turned.turn_to_a_kink():
        return turned.run(touching, bits, boxes)
    first = _Search(sides, strict, domain).run(touching, bits, min(boxes // 2, BOXES_BEFORE_TURNING))
    if first.status != "undecided":
        return first
    while turned.turn_to_a_kink():
        pass
    return turned.run(touching, bits, boxes, looked_at=first.boxes)


def prove_inequality(inequality: ScalarInequality, **budget: Any) -> Outcome:
    """Decide a scalar inequality of `proofs`, on its domain or, without one, on the whole real line."""
    ends = {variable: inequality.domain.get(variable, (-oo, oo)) for variable in inequality.variables}
    variables = {variable: Interval(low, high) for variable, (low, high) in ends.items()}
    claim = inequality.claim
    return prove(claim.lhs, claim.relation, claim.rhs, variables, **budget)


def _checked(left: Expr, right: Expr, variables: Mapping[Symbol, Interval]) -> tuple[Expr, Expr, dict[Symbol, Side]]:
    """Return both sides in functions that can be enclosed, and the domain; refuse what is not exact."""
    domain = {}
    for variable, interval in variables.items():
        if variable.assumptions0 != real_variable("_").assumptions0:
            raise ValueError(f"{variable}: it must be declared real and nothing else")
        if not isinstance(interval, Interval):
            raise ValueError(f"{variable}: {interval} is not allowed (an Interval of more than one number)")
        domain[variable] = Side(interval.start, interval.end, bool(interval.left_open), bool(interval.right_open))
    for side in (left, right):
        if missing := side.free_symbols - set(domain):
            raise ValueError(f"{min(missing, key=str)}: it has no interval")
        if floats := side.atoms(Float):
            raise ValueError(f"{min(floats)}: a float is not allowed (an exact number)")
    left, right = (
        side.replace(
            lambda node: isinstance(node, HyperbolicFunction) and not isinstance(node, tanh),
            lambda node: node.rewrite(exp),
        )
        for side in (left, right)
    )
    _operations(left - right)
    return left, right, domain
