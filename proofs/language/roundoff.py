"""A bound on what float64 rounding does to an expression, derived from the expression itself.

The bound is again an expression, so it is printed, compiled and evaluated like any other. It is a running
error analysis: an error is either *relative*, at most `count * EPSILON * |x|`, which products and sums of
nonnegative terms preserve, or *absolute*, an expression of its own. One rounding changes a number by at most
half of EPSILON times its size; counting a whole EPSILON for each covers the products of errors and the
rounding of the bound. The state and the data are exact, a definition passes its error on, and a recorded next
state differs from the exact update by the rounding of the update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Abs, Add, Max, Min, Mul, Pow, Rational, cosh, exp, log, sinh, sqrt, tanh

from proofs.language.errors import refusal
from proofs.language.nodes import (
    STEP,
    Accumulated,
    After,
    AtEvent,
    AtStart,
    Element,
    Expm1,
    Extreme,
    Formula,
    Index,
    Largest,
    Log1p,
    Logistic,
    Observable,
    Same,
    Size,
    Softmax,
    Softplus,
    StepNumber,
    Total,
    free_indices,
)
from proofs.language.recurrence import Member
from proofs.language.statements import Claim

EPSILON = Rational(1, 2**52)
TINY = Rational(1, 2**1074)  # the smallest float64: added to a root it changes none but that of an exact 0
FUNCTION_ROUNDINGS = 8  # libraries promise 4 units in the last place for functions; a fraction and a sum follow


def nonnegative(expression: Any) -> bool:
    """Whether an expression cannot be negative, as far as its form and the declared signs tell."""
    match expression:
        case Abs() | exp() | cosh() | Logistic() | Softplus() | Softmax() | Same() | Size() | StepNumber():
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
        case Total() | After() | AtStart() | AtEvent() | Accumulated() | tanh() | sinh() | Expm1() | Log1p():
            return nonnegative(expression.args[0])
        case _:
            return bool(expression.is_number and expression.is_nonnegative)


def _absolute(value: Any) -> Any:
    """The absolute value, left alone: sympy would take apart what may not be real, such as a root."""
    if isinstance(value, Mul):
        return Mul(*map(_absolute, value.args))
    if isinstance(value, Abs | exp | cosh | Logistic | Softplus | Softmax | Size):
        return value
    if value.is_number:
        return abs(value)
    return Abs(value, evaluate=False)


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
        """The count as an expression in sizes."""
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
        return self.relative.expression * EPSILON * _absolute(value)


def exact() -> Error:
    """No error at all."""
    return Error(relative=Count())


def _over_indices(total: Callable[..., Any], indices: Iterable[Index], expression: Any) -> Any:
    """A reduction over those of the indices that the expression has."""
    present = [index for index in indices if index in free_indices(expression)]
    return total(expression, *present) if present else expression


def _sum_over(indices: Iterable[Index], expression: Any) -> Any:
    """The total of a sum, term by term, each one product; an index that a term lacks counts its size."""
    terms = []
    for term in Add.make_args(expression):
        absent = [Size(index.ranges_over) for index in indices if index not in free_indices(term)]
        terms.append(Mul(*absent) * _over_indices(Total, indices, term))
    return Add(*terms)


def _growth(error: Any) -> Any:
    """A bound on exp(error) - 1."""
    return error * exp(error, evaluate=False)


def _relative_to(value: Any, error: Any) -> Any:
    """A bound on the logarithm of the ratio between a value and one that differs by at most the error."""
    return error / Max(_absolute(value) - error, 0, evaluate=False)


class RoundingAnalysis:
    """Derives errors of expressions; the absolute ones of definitions become observables of their own.

    >>> x = Observable("x", words="a state", state=True)
    >>> RoundingAnalysis().margin_bound(Claim(x**2, "<=", 1)) / EPSILON
    2*Abs(x**2) + Abs(x**2 - 1)
    """

    def __init__(self, leaf_errors: Mapping[Any, Error] | None = None) -> None:
        self._known = {(leaf, False): error for leaf, error in (leaf_errors or {}).items()}
        self.named: dict[tuple[Observable, str], Observable] = {}
        self.member_errors: dict[Member, Observable] = {}

    def margin_bound(self, claim: Claim) -> Any:
        """A bound on the rounding error of the difference of the two sides of a claim."""
        left, right = (self.error(side).bound(side) for side in (claim.lhs, claim.rhs))
        return left + right + EPSILON * _absolute(claim.lhs - claim.rhs)

    def error(self, expression: Any, later: bool = False) -> Error:
        """The error of an expression, or that of its value one step later."""
        key = (expression, later)
        if key not in self._known:
            self._known[key] = _Rule(self, later).error(expression)
        return self._known[key]

    def sizes(self, claim: Claim) -> tuple[Any, ...]:
        """The absolute terms of both sides; of a sum claimed to vanish, its absolute summands together."""
        terms = [term for side in (claim.lhs, claim.rhs) for term in Add.make_args(side) if term != 0]
        if len(terms) == 1 and isinstance(terms[0], Total):
            return (_sum_over(terms[0].indices, _Rule(self, later=False).size(terms[0].body)),)
        return tuple(map(_absolute, terms))

    def member_error(self, member: Member) -> Observable:
        """The observable that stands for the error of a member of a recurrence."""
        if member not in self.member_errors:
            self.member_errors[member] = Observable(
                f"rounding_of_{member.name}",
                *member.index_sets,
                words=f"rounding error of {member.name}",
                nonnegative=True,
            )
        return self.member_errors[member]


@dataclass(frozen=True)
class _Rule:
    """The rule for each kind of node, now or one step later."""

    analysis: RoundingAnalysis
    later: bool

    def value(self, part: Any) -> Any:
        return After(part) if self.later else part

    def size(self, part: Any) -> Any:
        """The absolute value; of a product factor by factor, so that a total of it is still one product."""
        if isinstance(part, Mul):
            return Mul(*map(self.size, part.args))
        return _absolute(self.value(part))

    def bound(self, part: Any) -> Any:
        return self.analysis.error(part, self.later).bound(self.value(part))

    def relative(self, part: Any) -> Count | None:
        return self.analysis.error(part, self.later).relative

    def relatives(self, parts: Iterable[Any]) -> list[Count] | None:
        """The relative counts of the parts, if all have one."""
        counts = [self.relative(part) for part in parts]
        return None if None in counts else [count for count in counts if count is not None]

    def error(self, node: Any) -> Error:
        match node:
            case Observable():
                return self._observable(node, ())
            case Element():
                return self._observable(node.observable, node.indices)
            case Size() | Same() | StepNumber():
                return exact()
            case After():
                return self.analysis.error(node.args[0], later=True)
            case AtStart() | AtEvent():
                inner = self.analysis.error(node.args[0])
                if inner.relative is not None:
                    return inner
                return Error(absolute=node.func(inner.absolute, *node.args[1:]))
            case Accumulated():
                return self._accumulated(node)
            case Add():
                return self._sum(node)
            case Mul():
                return self._product(node.args)
            case Pow():
                return self._power(node)
            case Abs():
                return self.analysis.error(node.args[0], self.later)
            case Max() | Min():
                return self._choice(node)
            case Total():
                return self._total(node)
            case Extreme():
                return self._extreme(node)
            case Softmax():
                return self._softmax(node)
            case exp() | Expm1() | sinh() | cosh() | tanh() | Logistic() | Softplus() | log() | Log1p():
                return self._function(node)
            case _ if node.is_number:
                dyadic = node.is_Rational and node.q & (node.q - 1) == 0 and abs(node.p) < 2**53
                return exact() if dyadic else Error(relative=Count(1))
            case _:
                raise refusal(f"{node}", f"no rounding rule is known for {type(node).__name__}")

    def _observable(self, observable: Observable, indices: tuple[Any, ...]) -> Error:
        if isinstance(observable, Member):
            error = self.analysis.member_error(observable)
            return Error(absolute=self.value(error[indices] if indices else error))
        if observable.state:
            return self._next_state(observable, indices) if self.later else exact()
        if observable.rounding is not None:
            error = self.value(self._named(observable, "rounding", observable.rounding, indices).absolute)
            if self.later and observable.passed_on is not None:
                error += self._passed_through(observable, observable.passed_on, indices)
            return Error(absolute=error)
        if observable.definition is not None:
            return self._defined(observable, observable.definition, indices)
        if observable.constant:
            return exact()
        why = "it is neither data nor state and has no definition"
        raise refusal(f"observable {observable.name}", why, observable.place)

    def _next_state(self, observable: Observable, indices: tuple[Any, ...]) -> Error:
        """The error of a recorded next state, whose exact value follows from the recorded present one."""
        itself = observable[indices] if indices else observable
        if observable.next_value is not None:
            error = self.analysis.error(observable.next_value.expression)
            error = self._passed_on(observable, "rounded_update", observable.next_value, error, indices)
        elif observable.rounding is not None:
            error = Error(relative=Count(1))
        else:
            raise refusal(
                f"after({observable.name})",
                "neither update nor rounding says how it is computed",
                observable.place,
            )
        if observable.rounding is None:
            return error
        said = self._named(observable, "rounding", observable.rounding, indices).absolute
        return Error(absolute=said + After(said) + error.bound(After(itself)))

    def _passed_through(self, observable: Observable, formula: Formula, indices: tuple[Any, ...]) -> Any:
        """What the rounding of the next state does to an observable whose author says how far it is passed on."""
        state = formula.expression.atoms(Element) or formula.expression.atoms(Observable)
        moved = formula.expression.xreplace({each: self.bound(each) for each in state})
        return self._named(observable, "passed_on", Formula(formula.indices, moved), indices).absolute

    def _defined(self, observable: Observable, formula: Formula, indices: tuple[Any, ...]) -> Error:
        error = self.analysis.error(formula.expression, self.later and not observable.constant)
        if error.relative is None:
            itself = observable[formula.indices] if formula.indices else observable
            error = Error(absolute=error.absolute.xreplace({formula.expression: itself}))
        return self._passed_on(observable, f"rounded{'_later' if self.later else ''}", formula, error, indices)

    def _passed_on(
        self, observable: Observable, kind: str, formula: Formula, error: Error, indices: tuple[Any, ...]
    ) -> Error:
        if error.relative is not None:
            return error
        return self._named(observable, kind, Formula(formula.indices, error.absolute), indices)

    def _named(self, observable: Observable, kind: str, formula: Formula, indices: tuple[Any, ...]) -> Error:
        """An absolute error as an observable of its own, at the given indices."""
        slots = [slot for slot, dummy in enumerate(formula.indices) if dummy in free_indices(formula.expression)]
        key = observable, kind
        if key not in self.analysis.named:
            named = Observable(
                f"{kind}_{observable.name}",
                *(observable.index_sets[slot] for slot in slots),
                words=f"rounding error of {observable.name}",
                constant=observable.constant,
                nonnegative=True,
            )
            named.definition = Formula(tuple(formula.indices[slot] for slot in slots), formula.expression)
            self.analysis.named[key] = named
        named = self.analysis.named[key]
        return Error(absolute=named[tuple(indices[slot] for slot in slots)] if slots else named)

    def _accumulated(self, node: Accumulated) -> Error:
        body, since = node.args
        error = self.analysis.error(body)
        if error.relative is not None:
            terms = node if nonnegative(body) else Accumulated(Abs(body), since)
            return Error(absolute=self.value((error.relative.expression + STEP) * EPSILON * terms))
        terms = STEP * EPSILON * Accumulated(Abs(body), since)
        return Error(absolute=self.value(Accumulated(error.absolute, since) + terms))

    def _sum(self, node: Add) -> Error:
        counts = self.relatives(node.args)
        roundings = len(node.args) - 1
        if counts is not None and all(map(nonnegative, node.args)):
            return Error(relative=_largest_count(counts) + roundings)
        partial_sums = self.size(node) if roundings == 1 else roundings * Add(*map(self.size, node.args))
        return Error(absolute=Add(*map(self.bound, node.args)) + EPSILON * partial_sums)

    def _product(self, factors: tuple[Any, ...]) -> Error:
        certain = [factor for factor in factors if self.relative(factor) is not None]
        uncertain = [factor for factor in factors if self.relative(factor) is None]
        count = Count(max(sum(not _power_of_two(factor) for factor in factors) - 1, 0))
        for each in self.relatives(certain) or ():
            count = count + each
        if not uncertain:
            return Error(relative=count)
        error = count.expression * EPSILON * Mul(*map(self.size, factors))
        reach = Mul(*map(self.size, certain))
        for number, factor in enumerate(uncertain):
            error += reach * self.bound(factor) * Mul(*map(self.size, uncertain[number + 1 :]))
            reach *= self.size(factor) + self.bound(factor)
        return Error(absolute=error)

    def _power(self, node: Pow) -> Error:
        base, exponent = node.args
        if not exponent.is_Rational:
            return self._function(exp(exponent * log(base), evaluate=False))
        count = self.relative(base)
        roundings = (
            max(int(abs(exponent)), 1) if exponent.is_Integer or exponent == sympy.S.Half else FUNCTION_ROUNDINGS
        )
        if count is not None:
            return Error(relative=count * max(int(sympy.ceiling(abs(exponent))), 1) + roundings)
        own = roundings * EPSILON * self.size(node)
        error = self.bound(base)
        if exponent == sympy.S.Half:
            return Error(absolute=Min(error / (self.size(node) + TINY), sqrt(error), evaluate=False) + own)
        if exponent.is_Integer and exponent > 0:
            return Error(absolute=exponent * error * (self.size(base) + error) ** (exponent - 1) + own)
        return Error(absolute=self.size(node) * _growth(abs(exponent) * _relative_to(self.value(base), error)) + own)

    def _choice(self, node: Any) -> Error:
        counts = self.relatives(node.args)
        one_sign = (any if isinstance(node, Max) else all)(map(nonnegative, node.args))
        if counts is not None and one_sign:
            return Error(relative=_largest_count(counts))
        return Error(absolute=Add(*map(self.bound, node.args)))

    def _total(self, node: Total) -> Error:
        terms = Count(1, *(Size(index.ranges_over) for index in node.indices))
        count = self.relative(node.body)
        if count is not None and nonnegative(node.body):
            return Error(relative=count + terms)
        partial_sums = EPSILON * _sum_over(node.indices, self.size(node.body))
        if count is not None:
            return Error(absolute=(count + terms).expression * partial_sums)
        return Error(absolute=_sum_over(node.indices, self.bound(node.body)) + terms.expression * partial_sums)

    def _extreme(self, node: Extreme) -> Error:
        count = self.relative(node.body)
        if count is not None and nonnegative(node):
            return Error(relative=count + 1)

        def largest(expression: Any, *indices: Index) -> Any:
            masked = free_indices(node.where) & set(node.indices) <= set(indices)
            return Largest(expression, *indices, where=node.where if masked else None)

        return Error(absolute=_over_indices(largest, node.indices, self.bound(node.body)) + EPSILON * Abs(node.empty))

    def _softmax(self, node: Softmax) -> Error:
        shift = self.bound(node.body) + 2 * EPSILON * self.size(node.body)
        roundings = Count(1, Size(node.index.ranges_over)) + 3 * FUNCTION_ROUNDINGS
        spread = _growth(2 * _over_indices(Largest, [node.index], shift))
        return Error(absolute=self.size(node) * ((1 - self.value(node)) * spread + roundings.expression * EPSILON))

    def _function(self, node: Any) -> Error:
        (argument,) = node.args
        if isinstance(node, tanh) and (count := self.relative(argument)) is not None:
            return Error(relative=count + FUNCTION_ROUNDINGS)
        own = FUNCTION_ROUNDINGS * EPSILON * self.size(node)
        inner = self.bound(argument)
        if isinstance(node, log):
            passed_on = _relative_to(self.value(argument), inner)
        elif inner == 0:
            return Error(relative=Count(FUNCTION_ROUNDINGS))
        elif isinstance(node, Log1p):
            passed_on = _relative_to(1 + self.value(argument), inner)
        elif isinstance(node, Expm1):
            passed_on = exp(self.value(argument)) * _growth(inner)
        elif isinstance(node, sinh):
            passed_on = cosh(self.value(argument)) * _growth(inner)
        elif isinstance(node, tanh):
            passed_on = (1 - self.value(node) ** 2) * inner * exp(2 * inner)
        elif isinstance(node, Logistic):
            passed_on = self.size(node) * (1 - self.value(node)) * _growth(inner)
        elif isinstance(node, Softplus):
            passed_on = Min(self.size(node) * _growth(inner), inner, evaluate=False)
        else:
            passed_on = self.size(node) * _growth(inner)
        return Error(absolute=passed_on + own)


def _largest_count(counts: Iterable[Count]) -> Count:
    largest = Count()
    for count in counts:
        largest = largest.larger(count)
    return largest


def _power_of_two(factor: Any) -> bool:
    if not factor.is_Rational:
        return False
    size = max(abs(factor.p), factor.q)
    return min(abs(factor.p), factor.q) == 1 and size & (size - 1) == 0
