"""A bound on what float64 rounding does to an expression, derived from the expression itself.

The bound is again an expression, so it is printed, compiled and evaluated like any other. It is a running error
analysis: an error is either *relative*, at most `count * EPSILON * |x|`, which products and sums of nonnegative
terms preserve, or *absolute*, an expression of its own. One rounding changes a number by at most half of EPSILON
times its size; counting a whole EPSILON for each covers the products of errors and the rounding of the bound.
The state and the data are exact, a definition passes its error on, and a recorded next state differs from the exact
update by the rounding of the update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Abs, Add, Max, Min, Mul, Pow, Rational, exp, log, tanh

from proofs.language.errors import refuse
from proofs.language.nodes import (
    STEP,
    Accumulated,
    After,
    AtEvent,
    AtStart,
    Element,
    Extreme,
    Index,
    Logistic,
    Observable,
    Reduction,
    Same,
    Size,
    Softmax,
    Softplus,
    StepNumber,
    Total,
    free_indices,
    on_increments,
)
from proofs.language.definitions import Formula
from proofs.language.recurrence import Member
from proofs.language.statements import Claim

EPSILON = Rational(1, 2**52)
FUNCTION_ROUNDINGS = 8  # units in the last place that exp, log, tanh and the like may be wrong by, doubled


def nonnegative(expression: Any) -> bool:
    """Whether an expression cannot be negative, as far as its form and the declared signs tell."""
    match expression:
        case Abs() | exp() | Logistic() | Softplus() | Softmax() | Same() | Size() | StepNumber():
            return True
        case Observable():
            return expression.nonnegative
        case Element():
            return expression.observable.nonnegative
        case Add() | Mul() | Min():
            return all(map(nonnegative, expression.args))
        case Max():
            return any(map(nonnegative, expression.args))
        case Pow():
            return bool(expression.exp.is_even) or nonnegative(expression.base) or expression.exp == sympy.S.Half
        case Extreme():
            return nonnegative(expression.body) and nonnegative(expression.empty)
        case Total() | After() | AtStart() | AtEvent() | Accumulated() | tanh():
            return nonnegative(expression.args[0])
        case _:
            return bool(expression.is_number and expression.is_nonnegative)


class Count:
    """A number of roundings: a polynomial in sizes with nonnegative coefficients.

    >>> from proofs.language.nodes import IndexSet
    >>> N = Size(IndexSet("sample", size="N"))
    >>> (Count(2) + Count(1, N)).larger(Count(5)).expression
    N + 5
    """

    def __init__(self, number: int = 0, *sizes: Size) -> None:
        self.terms: dict[tuple[Size, ...], int] = {tuple(sorted(sizes, key=str)): number}

    @classmethod
    def _of(cls, terms: dict[tuple[Size, ...], int]) -> Count:
        count = cls()
        count.terms = terms
        return count

    def _merged(self, other: Count, how: Callable[[int, int], int]) -> Count:
        monomials = self.terms | other.terms
        return self._of({each: how(self.terms.get(each, 0), other.terms.get(each, 0)) for each in monomials})

    def __add__(self, other: Count | int) -> Count:
        other = Count(other) if isinstance(other, int) else other
        return self._merged(other, lambda mine, yours: mine + yours)

    def __mul__(self, factor: int) -> Count:
        return self._of({sizes: number * factor for sizes, number in self.terms.items()})

    def larger(self, other: Count) -> Count:
        """A count at least as large as both, whatever the sizes."""
        return self._merged(other, max)

    @property
    def expression(self) -> Any:
        return Add(*(number * Mul(*sizes) for sizes, number in self.terms.items()))


@dataclass(frozen=True)
class Error:
    """An error at most `relative * EPSILON * |x|`, or at most `absolute`."""

    relative: Count | None = None
    absolute: Any = None

    def bound(self, value: Any) -> Any:
        """The error of that value as an expression."""
        if self.relative is None:
            return self.absolute
        return self.relative.expression * EPSILON * Abs(value)


def exact() -> Error:
    """No error at all."""
    return Error(relative=Count())


def _sum_over(indices: Iterable[Index], expression: Any) -> Any:
    """The total of a sum, term by term, counting the indices that a term does not have."""
    totals = []
    for term in Add.make_args(expression):
        present = [index for index in indices if index in free_indices(term)]
        absent = Mul(*(Size(index.ranges_over) for index in indices if index not in free_indices(term)))
        totals.append(absent * (Total(term, *present) if present else term))
    return Add(*totals)


def _largest_over(node: Extreme, expression: Any) -> Any:
    present = [index for index in node.indices if index in free_indices(expression)]
    if not present:
        return expression
    if free_indices(node.where) & set(node.indices) <= set(present):
        return Extreme.__new__(_largest, expression, *present, where=node.where, empty=0)
    return _largest(expression, *present)


def _growth(error: Any) -> Any:
    """A bound on exp(error) - 1."""
    return error * exp(error)


class RoundingAnalysis:
    """Derives error bounds and remembers those of definitions, which become observables of their own."""

    def __init__(self, leaf_errors: Mapping[Any, Error] | None = None) -> None:
        self._known: dict[tuple[Any, bool], Error] = {(leaf, False): error for leaf, error in (leaf_errors or {}).items()}
        self._member_errors: dict[Member, Observable] = {}

    def margin_bound(self, claim: Claim) -> Any:
        """A bound on the rounding error of the difference of the two sides of a claim."""
        left = self.error(claim.lhs).bound(claim.lhs)
        right = self.error(claim.rhs).bound(claim.rhs)
        return left + right + EPSILON * Abs(claim.lhs - claim.rhs)

    def member_error(self, member: Member) -> Observable:
        """The observable that stands for the error of a member of a recurrence."""
        if member not in self._member_errors:
            name = f"rounding_of_{member.name}"
            self._member_errors[member] = Observable(name, words=f"rounding error of {member.name}", nonnegative=True)
        return self._member_errors[member]

    @property
    def member_errors(self) -> Mapping[Member, Observable]:
        return self._member_errors

    def error(self, expression: Any, later: bool = False) -> Error:
        """The error of an expression, or of its value one step later."""
        key = (expression, later)
        if key not in self._known:
            self._known[key] = self._derive(expression, later)
        return self._known[key]

    def _derive(self, node: Any, later: bool) -> Error:
        def value(part: Any) -> Any:
            return After(part) if later else part

        def bound(part: Any) -> Any:
            return self.error(part, later).bound(value(part))

        match node:
            case Member():
                return Error(absolute=value(self.member_error(node)))
            case Observable():
                return self._observable_error(node, (), later)
            case Element():
                return self._observable_error(node.observable, node.indices, later)
            case Size() | Same() | StepNumber():
                return exact()
            case After():
                return self.error(node.args[0], later=True)
            case AtStart():
                inner = self.error(node.args[0])
                return inner if inner.relative is not None else Error(absolute=AtStart(inner.absolute))
            case AtEvent():
                inner = self.error(node.args[0])
                return inner if inner.relative is not None else Error(absolute=AtEvent(inner.absolute, node.event))
            case Accumulated():
                return self._accumulated_error(node, value)
            case Add():
                return self._sum_error(node, later, value)
            case Mul():
                return self._product_error(node.args, later, value)
            case Pow():
                return self._power_error(node, later, value)
            case Abs():
                return self.error(node.args[0], later)
            case Max() | Min():
                return self._choice_error(node, later, bound)
            case Total():
                return self._total_error(node, later, value)
            case Extreme():
                return self._extreme_error(node, later, value)
            case Softmax():
                spread = bound(node.body) + 2 * EPSILON * Abs(value(node.body))
                widest = _largest(spread, node.index) if node.index in free_indices(spread) else spread
                relative = (Count(1, Size(node.index.ranges_over)) + 3 * FUNCTION_ROUNDINGS).expression * EPSILON
                return Error(absolute=value(node) * (_growth(2 * widest) + relative))
            case exp() | Logistic():
                if self.error(node.args[0], later).relative == 0:
                    return Error(relative=Count(FUNCTION_ROUNDINGS))
                return Error(absolute=value(node) * (_growth(bound(node.args[0])) + FUNCTION_ROUNDINGS * EPSILON))
            case Softplus():
                inner = bound(node.args[0])
                return Error(absolute=value(node) * (_growth(inner) + FUNCTION_ROUNDINGS * EPSILON))
            case tanh():
                return Error(absolute=bound(node.args[0]) + FUNCTION_ROUNDINGS * EPSILON * Abs(value(node)))
            case log():
                argument = node.args[0]
                distance = Max(Abs(value(argument)) - bound(argument), 0)
                return Error(absolute=bound(argument) / distance + FUNCTION_ROUNDINGS * EPSILON * Abs(value(node)))
            case _ if node.is_number:
                dyadic = node.is_Rational and node.q & (node.q - 1) == 0 and abs(node.p) < 2**53
                return exact() if dyadic else Error(relative=Count(1))
            case _:
                refuse(f"{node}", f"no rounding rule is known for {type(node).__name__}")
