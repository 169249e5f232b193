"""How observables are defined in terms of others, and what every expression must satisfy."""

import sys
from collections.abc import Iterable
from typing import Any

import sympy

from proofs.language.errors import refusal
from proofs.language.nodes import (
    Element,
    Formula,
    Index,
    Observable,
    OwnNode,
    RealAtom,
    Reduction,
    Same,
    SmoothFunction,
    Softmax,
    free_indices,
    observables_in,
    on_increments,
)

_KNOWN = (
    sympy.Rational,
    sympy.NumberSymbol,
    sympy.Add,
    sympy.Mul,
    sympy.Pow,
    sympy.Abs,
    sympy.Max,
    sympy.Min,
    sympy.exp,
    sympy.log,
    sympy.sinh,
    sympy.cosh,
    sympy.tanh,
    sympy.Tuple,
    RealAtom,
    OwnNode,
    SmoothFunction,
)


def define(observable: Any, expression: Any) -> None:
    """Give an observable its definition; the indices on the left stand for its own.

    >>> from proofs.language.nodes import IndexSet, Total
    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> loss, margin = Observable("loss", words="loss"), Observable("margin", SAMPLE, words="margin")
    >>> define(loss, Total(margin[n] ** 2, n))
    >>> loss.definition.expression
    Total(margin[n]**2, n)
    """
    target, formula = _formula("definition", observable, expression)
    if target.state:
        raise refusal(f"definition of {target.name}", "it is part of the state: use update")
    if target.definition is not None:
        raise refusal(f"definition of {target.name}", f"it has one already ({target.place})")
    if target.constant and any(not each.constant for each in observables_in(formula.expression)):
        raise refusal(f"definition of {target.name}", "it is constant but its definition is not")
    if target in observables_behind(formula.expression):
        raise refusal(f"definition of {target.name}", "it leads back to itself")
    target.definition = formula


def update(observable: Any, expression: Any) -> None:
    """Give a state observable its value one step later, as an expression of the present step."""
    target, formula = _formula("update", observable, expression)
    if not target.state:
        raise refusal(f"update of {target.name}", "it is not part of the state: use define")
    if target.next_value is not None:
        raise refusal(f"update of {target.name}", f"it has one already ({target.place})")
    if on_increments(formula.expression):
        raise refusal(f"update of {target.name}", "it speaks of the next step")
    target.next_value = formula


def rounding(observable: Any, expression: Any, passed_on: Any = None) -> None:
    """Say by how much recorded values can differ from the exact ones, where the definition cannot tell.

    That is so where a run computes an observable from what it does not record, vectors whose norms alone are
    kept, say. The value of a state observable is also rounded when it is updated; that is counted without
    being said.

    A value one step later is made of a state that was rounded itself. `passed_on` says how far it moves where the state
    moves: an expression of the state, in which every element stands for its own error.
    """
    target, formula = _formula("rounding", observable, expression)
    if target.rounding is not None:
        raise refusal(f"rounding of {target.name}", f"it has one already ({target.place})")
    target.rounding = formula
    if passed_on is not None:
        _, target.passed_on = _formula("rounding", observable, passed_on)


def _formula(kind: str, observable: Any, expression: Any) -> tuple[Observable, Formula]:
    target = observable.observable if isinstance(observable, Element) else observable
    if not isinstance(target, Observable):
        raise refusal(f"{kind} of {observable}", "it is no observable")
    indices = observable.indices if isinstance(observable, Element) else ()
    if not all(isinstance(index, Index) for index in indices) or len(set(indices)) != len(target.index_sets):
        raise refusal(f"{kind} of {observable}", "the left side needs one different index for each of its index sets")
    expression = check_expression(f"{kind} of {target.name}", expression)
    spare = frozenset(indices) - free_indices(expression)
    if not free_indices(expression) <= frozenset(indices) or (spare and kind in ("definition", "update")):
        left, right = _names(indices), _names(free_indices(expression))
        raise refusal(f"{kind} of {target.name}", f"indices [{left}] on the left, [{right}] on the right")
    return target, Formula(tuple(indices), expression)


def _names(indices: Iterable[Index]) -> str:
    return ", ".join(sorted(index.name for index in indices))


_LARGEST = int(sys.float_info.max)


def check_expression(what: str, expression: Any, variables: Iterable[sympy.Symbol] = ()) -> Any:
    """The sympified expression, if it has no floats, unknown symbols, bare arrays, indices for numbers."""
    if isinstance(expression, float):
        raise refusal(what, f"it holds the float {expression}: write a Rational")
    if isinstance(expression, str):
        raise refusal(what, "a side is text: write it in symbols")
    expression = sympy.sympify(expression)
    if floats := expression.atoms(sympy.Float):
        raise refusal(what, f"it holds the float {min(floats)}: write a Rational")
    if unknown := expression.atoms(sympy.Symbol) - set(variables):
        raise refusal(what, f"symbol {min(unknown, key=str)} is declared nowhere")
    if infinite := expression.atoms(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan):
        raise refusal(what, f"it holds {min(infinite, key=str)}")
    if any(max(abs(number.p), number.q) > _LARGEST for number in expression.atoms(sympy.Rational)):
        raise refusal(what, "it holds a number beyond float64")
    if strange := {part for part in sympy.preorder_traversal(expression) if not isinstance(part, _KNOWN)} - set(
        variables
    ):
        raise refusal(what, f"{min(strange, key=str)} is not of this language")
    _check_places(what, expression)
    return expression


def _check_places(what: str, expression: Any) -> None:
    if isinstance(expression, Index):
        raise refusal(what, f"index {expression} is used as a number")
    if isinstance(expression, Observable) and expression.index_sets:
        raise refusal(what, f"{expression} needs {len(expression.index_sets)} indices")
    for part in value_parts(expression):
        _check_places(what, part)


def value_parts(expression: Any) -> tuple[Any, ...]:
    """The parts of a node that are numbers: neither indices, nor the names of observables and events."""
    if isinstance(expression, Element):
        return tuple(index for index in expression.indices if isinstance(index, Element))
    if isinstance(expression, Same):
        return tuple(index for index in expression.args if isinstance(index, Element))
    if isinstance(expression, Softmax):
        return (expression.body,)
    if isinstance(expression, Reduction):
        return tuple(part for part in expression.args if not isinstance(part, Index | sympy.Tuple))
    return tuple(expression.args)


def observables_behind(expression: Any) -> frozenset[Observable]:
    """The observables an expression names and, through their definitions, all that they are made of."""
    found: set[Observable] = set()
    waiting = list(observables_in(expression))
    while waiting:
        observable = waiting.pop()
        if observable not in found:
            found.add(observable)
            if observable.definition is not None:
                waiting.extend(observables_in(observable.definition.expression))
    return frozenset(found)


def observables_needed(expression: Any, recorded: frozenset[str]) -> frozenset[Observable]:
    """The observables that an expression still needs to be given where those named are recorded.

    >>> from proofs.language.nodes import IndexSet, Total
    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> loss, margin = Observable("loss", words="loss"), Observable("margin", SAMPLE, words="margin", state=True)
    >>> define(loss, Total(margin[n], n))
    >>> observables_needed(2 * loss, frozenset()), observables_needed(2 * loss, frozenset(["loss"]))
    (frozenset({margin}), frozenset())
    """
    found: set[Observable] = set()
    waiting, seen = list(observables_in(expression)), set[Observable]()
    while waiting:
        observable = waiting.pop()
        if observable in seen or observable.name in recorded:
            continue
        seen.add(observable)
        waiting.extend(each for part in observable.made_of for each in observables_in(part))
        if not observable.made_of:
            found.add(observable)
    return frozenset(found)
