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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

from flint import arb
from sympy import (
    Abs,
    Add,
    Dummy,
    Expr,
    Float,
    Integer,
    Interval,
    Matrix,
    Symbol,
    diff,
    exp,
    expand,
    expand_log,
    log,
    oo,
    sympify,
    tanh,
)
from sympy.functions.elementary.hyperbolic import HyperbolicFunction

from proofs.language import ScalarInequality, Softplus, real_variable
from proofs.language.statements import Relation
from verify.checking.boxes import (
    Box,
    Side,
    corners,
    enclose_number,
    enclosed_box,
    point_box,
    scattered_points,
    where_to_cut,
)
from verify.checking.intervals import NotDefined, absolute_enclosure, enclose, operations_of
from verify.checking.rewriting import MOST_TERMS, as_fraction, count_terms, enclose_forms, normal_form

Status = Literal["proved", "refuted", "undecided"]

# How many derivatives a proof of monotonicity may nest; few are tried first, and there are many in several
# variables.
DERIVATIVES_IN_ONE = (1, 2, 6)

DERIVATIVES_IN_MANY = (1, 2)

MOST_OPERATIONS = 300

# No box reaches further than this without being the tail itself.
FARTHEST_CUT = Integer(2) ** 1024

DEEPEST_CUT = 200

BOXES_BEFORE_TURNING = 16

MOST_OPEN_KINKS = 3


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


@lru_cache(maxsize=10_000)
def _derivative(expression: Expr, variable: Symbol) -> Expr:
    return normal_form(diff(expression, variable))


@lru_cache(maxsize=10_000)
def _simplifies_to_zero(expression: Expr) -> bool:
    """Whether an expression is 0 as a rational function of exponentials, logarithms and its variables."""
    if count_terms(expression) > MOST_TERMS:
        return False
    logarithms = {node: log(1 + exp(node.args[0])) for node in expression.atoms(Softplus)}
    return bool(as_fraction(expand_log(expression.xreplace(logarithms))) == 0)


def _is_zero(expression: Expr, box: Box, bits: int) -> bool:
    """Whether an expression is 0 on the whole box by algebra; a value that is not 0 saves the trouble."""
    middle = point_box({variable: where_to_cut(side) for variable, side in box.items()})
    value = enclose_forms(expression, enclosed_box(middle, 4 * bits), 4 * bits)
    if value is None or value.positive or value.negated.positive:
        return False
    corner = {variable: side.low for variable, side in box.items() if side.is_point}
    return _simplifies_to_zero(normal_form(normal_form(expression).subs(corner)))


def _resolved(margin: Expr, box: Box, bits: int) -> Expr:
    """Replace the absolute values inside which the sign can be shown on the whole box."""
    pending = True
    while pending:
        pending = False
        for kink in _kinks(margin):
            for signed in (kink.args[0], -kink.args[0]):
                if _is_shown(signed, box, False, bits, derivatives=2):
                    margin, pending = normal_form(margin.xreplace({kink: signed})), True
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
    enclosure = enclose_forms(margin, enclosed_box(box, bits), bits)
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
    return len(operations_of(margin)) <= MOST_OPERATIONS and any(
        _grows_from_face(margin, box, variable, from_low, strict, bits, derivatives, enclosure.low)
        for variable, side in box.items()
        if not side.is_point and along in (None, variable)
        for from_low in (True, False)
    )


def _is_shown_for_both_signs(margin: Expr, box: Box, strict: bool, bits: int, derivatives: int) -> bool:
    """Whether a margin is shown with `u` and also with `-u` in place of some `|u|`, which is one of them."""
    kink = _kinks(margin)[0]
    return all(
        _is_shown(normal_form(margin.xreplace({kink: signed})), box, strict, bits, derivatives)
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
    value = enclose_forms(margin, enclosed_box(face, bits), bits)
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
    if _kinks(margin) or len(variables) < 2 or enclose_forms(margin, enclosed_box(box, bits), bits) is None:
        return False
    hessian = Matrix(
        len(variables),
        len(variables),
        lambda i, j: _derivative(_derivative(margin, variables[i]), variables[j]),
    )
    for order in range(1, len(variables) + 1):
        minor = enclose_forms(normal_form(hessian[:order, :order].det()), enclosed_box(box, bits), bits)
        if minor is None or not minor.positive:
            return False
    flat_there = [margin, *(_derivative(margin, variable) for variable in variables)]
    return any(all(_is_zero(quantity, point_box(corner), bits) for quantity in flat_there) for corner in corners(box))


class _Search:
    """Branch and bound for one claim `left <= right` (`<` if `strict`) on one domain."""

    def __init__(self, sides: tuple[Expr, Expr], strict: bool, domain: Box) -> None:
        self.sides, self.strict, self.domain = sides, strict, domain
        self.margin = normal_form(sides[1] - sides[0])
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
        self.margin = normal_form(self.margin.subs(solved))

    def _lies_outside(self, box: Box, bits: int) -> bool:
        """Whether no point of a box belongs to the domain."""
        for variable, place in self.coordinates.items():
            reached = enclose(place, enclosed_box(box, bits), bits)
            allowed = self.domain[variable].enclosure(bits)
            if reached.high < allowed.low or reached.low > allowed.high:
                return True
        return False

    def _is_settled(self, box: Box, bits: int) -> bool:
        """Whether the claim is shown on a box, both sides being defined there."""
        enclosed = enclosed_box(box, bits)
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
        at = point_box(witness)
        for finer in (bits, 4 * bits):
            try:
                left, right = (enclose(side, enclosed_box(at, finer), finer) for side in self.sides)
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
            return min(unbounded, key=lambda variable: abs(where_to_cut(box[variable])))
        margin, enclosed = _resolved(self.margin, box, bits), enclosed_box(box, bits)

        def change(variable: Symbol) -> Any:
            width = enclosed[variable].high - enclosed[variable].low
            slope = None if _kinks(margin) else enclose_forms(_derivative(margin, variable), enclosed, bits)
            steepest = absolute_enclosure(slope).high if slope is not None else arb.pos_inf()
            return (steepest * width).mid() if steepest.is_finite() else width

        return max(box, key=change)

    def run(self, touching: Mapping[Symbol, Sequence[Expr]], bits: int, most_boxes: int, looked_at: int = 0) -> Outcome:
        """Search until the claim is shown on every box, is false at a point, or the boxes are used up."""
        first_boxes = self._first_boxes(touching)
        for point in chain(chain.from_iterable(map(corners, first_boxes)), scattered_points(self.box)):
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
            middle = {variable: where_to_cut(side) for variable, side in box.items()}
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
    return exact if len(exact) <= 20 else enclose_number(value, 64).low.str(12, radius=False)


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
    at = enclosed_box(point_box(outcome.witness), outcome.bits)
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
    operations_of(left - right)
    return left, right, domain
