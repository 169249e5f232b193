"""Python source of one element of an expression, in functions that any exact arithmetic can supply.

The source is an expression in `at`, the state at a step, and the indices, whose names begin with `i_`:
`at.see("output", i_n)` is an observable or a variable, `at.pick` one used as an index, `at.count("N")` a size,
`at.next` the state one step later, `at.start` the one at step 0. Numbers go through `number(p, q)` and functions
through their names, so that nothing is rounded on the way: a plain 1/3 would exclude the true value.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import sympy
from sympy import Abs, Add, Max, Min, Mul, Pow, cosh, exp, log, sinh, tanh

from proofs.language.errors import refusal
from proofs.language.nodes import (
    Accumulated,
    After,
    AtEvent,
    AtStart,
    Element,
    Expm1,
    Extreme,
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
)

_FUNCTIONS: Mapping[Any, str] = {
    Abs: "absolute",
    Logistic: "logistic",
    Softplus: "softplus",
    exp: "exponential",
    log: "logarithm",
    Expm1: "exponential_less_one",
    Log1p: "logarithm_of_one_plus",
    sinh: "hyperbolic_sine",
    cosh: "hyperbolic_cosine",
    tanh: "hyperbolic_tangent",
}


def variable(index: Index) -> str:
    """The variable that stands for an index."""
    return f"i_{index.name}"


@cache
def scalar_source(expression: Any, at: str = "at") -> str:
    """The source of an expression at the state named `at`.

    >>> from proofs.language.nodes import IndexSet
    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> scalar_source(Total(Observable("output", SAMPLE, words="output")[n] ** 2, n) / 3)
    "(number(1, 3) * total((at.count('N'),), lambda i_n: power(at.see('output', i_n), 2)))"
    """
    parts = (
        [scalar_source(part, at) for part in expression.args] if isinstance(expression, Add | Mul | Max | Min) else []
    )
    match expression:
        case Observable():
            return f"{at}.see({expression.name!r})"
        case Element():
            return f"{at}.see({_use(expression, at)})"
        case Size():
            return f"number({at}.count({expression.name!r}), 1)"
        case StepNumber():
            return f"number({at}.step, 1)"
        case Same():
            left, right = (_index(index, at) for index in expression.args)
            return f"number(int({left} == {right}), 1)"
        case After():
            return scalar_source(expression.args[0], f"{at}.next")
        case AtStart():
            return scalar_source(expression.args[0], f"{at}.start")
        case AtEvent():
            return scalar_source(expression.args[0], f"{at}.event({expression.event.name!r})")
        case Accumulated():
            return f"{at}.accumulated()"
        case Total():
            return f"total({_bound(expression.indices, at)}{scalar_source(expression.body, at)})"
        case Extreme():
            kind = "largest" if isinstance(expression, Largest) else "smallest"
            body, where, empty = (
                scalar_source(part, at) for part in (expression.body, expression.where, expression.empty)
            )
            names = ", ".join(map(variable, expression.indices))
            return f"{kind}({_bound(expression.indices, at)}{body}, lambda {names}: {where}, {empty})"
        case Softmax():
            index = expression.index
            body = scalar_source(expression.body, at)
            size, name = f"{at}.count({index.ranges_over.size!r})", variable(index)
            return f"softmax({size}, lambda {name}: {body}, {name})"
        case Add():
            return f"({' + '.join(parts)})"
        case Mul():
            return f"({' * '.join(parts)})"
        case Max() | Min():
            return f"{'larger' if isinstance(expression, Max) else 'smaller'}({', '.join(parts)})"
        case Pow():
            return _power(expression, at)
        case sympy.Rational():
            return f"number({expression.p}, {expression.q})"
        case sympy.Symbol():
            return f"{at}.see({expression.name!r})"
        case sympy.core.numbers.Pi():
            return "pi()"
        case sympy.core.numbers.Exp1():
            return "exponential(number(1, 1))"
        case _ if type(expression) in _FUNCTIONS:
            return f"{_FUNCTIONS[type(expression)]}({scalar_source(expression.args[0], at)})"
        case _:
            raise refusal(f"{expression}", f"{type(expression).__name__} cannot be evaluated exactly")


def _use(element: Element, at: str) -> str:
    return ", ".join([repr(element.observable.name), *(_index(index, at) for index in element.indices)])


def _index(index: Any, at: str) -> str:
    match index:
        case Index():
            return variable(index)
        case Element():
            return f"{at}.pick({_use(index, at)})"
        case Observable():
            return f"{at}.pick({index.name!r})"
        case _:
            return str(int(index))


def _bound(indices: Iterable[Index], at: str) -> str:
    """The ranges of bound indices, and the head of a function of them."""
    ranges = "".join(f"{at}.count({index.ranges_over.size!r})," for index in indices)
    return f"({ranges}), lambda {', '.join(map(variable, indices))}: "


def _power(node: Pow, at: str) -> str:
    base, exponent = scalar_source(node.base, at), node.exp
    if not exponent.is_Rational:
        return f"exponential({scalar_source(exponent, at)} * logarithm({base}))"
    if exponent < 0:
        return f"(number(1, 1) / {scalar_source(node.base**-exponent, at)})"
    if exponent.is_Integer:
        return f"power({base}, {exponent})" if exponent != 1 else base
    if exponent == sympy.S.Half:
        return f"root({base})"
    return f"exponential(number({exponent.p}, {exponent.q}) * logarithm({base}))"
