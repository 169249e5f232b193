"""NumPy source of one node, given the sources of its parts, wherever those arrays lie in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Abs, Add, Max, Min, Mul, Pow, cosh, exp, log, sinh, tanh

from proofs.language.errors import refusal
from proofs.language.nodes import Expm1, Log1p, Logistic, Softplus

_FUNCTIONS = {
    exp: "np.exp",
    log: "np.log",
    Expm1: "np.expm1",
    Log1p: "np.log1p",
    sinh: "np.sinh",
    cosh: "np.cosh",
    tanh: "np.tanh",
    Abs: "np.abs",
    Logistic: "logistic",
    Softplus: "softplus",
}
_LATTICE = {Max: "np.maximum", Min: "np.minimum"}


@dataclass(frozen=True)
class Source:
    """The source of a part, and its weight: light parts, with few axes, are combined first."""

    text: str
    weight: int = 0


def number_source(number: Any) -> str:
    """The float64 nearest to an exact number."""
    if number.is_Integer:
        return f"{int(number)}.0" if abs(int(number)) < 2**53 else repr(float(number))
    if number.is_Rational:
        return repr(int(number.p) / int(number.q))
    return repr(float(number.evalf(20)))


def arithmetic_parts(node: Any) -> tuple[Any, ...]:
    """The parts of an arithmetic node whose sources `array_source` wants, in that order.

    Negative terms are given without their sign and denominators as they stand below the line, so that they
    become subtractions and divisions.

    >>> x, y = sympy.symbols("x y")
    >>> arithmetic_parts(x / y), arithmetic_parts(x - y)
    ((x, y), (x, y))
    """
    if isinstance(node, Pow):
        return (node.base,) if node.exp.is_Rational else node.args
    if not isinstance(node, Add | Mul | Max | Min):
        return node.args
    parts = tuple(part for part in node.args if not part.is_Rational)
    if isinstance(node, Add):
        return tuple(-part if _is_negative(part) else part for part in parts)
    if isinstance(node, Mul):
        return tuple(1 / part if _is_reciprocal(part) else part for part in parts)
    return parts


def _is_negative(term: Any) -> bool:
    return isinstance(term, Mul) and term.args[0] == -1


def _is_reciprocal(factor: Any) -> bool:
    return isinstance(factor, Pow) and bool(factor.exp.is_Rational) and factor.exp < 0


Numbers = Callable[[Any], str]
"""Prints the numbers in an expression."""


def array_source(node: Any, parts: Sequence[Source], number: Numbers = number_source) -> Source:
    """The source of a sum, product, power, extreme, function or number from those of `arithmetic_parts`.

    `number` prints the numbers: to the nearest float64, unless the arithmetic can hold them as they are.

    >>> x, y = sympy.symbols("x y")
    >>> array_source(x / (4 * y), [Source("x"), Source("y")]).text
    '(0.25 * x / (y))'
    """
    weight = max((part.weight for part in parts), default=0)
    match node:
        case Add():
            return Source(_sum(node, parts, number), weight)
        case Mul():
            return Source(_product(node, parts, number), weight)
        case Pow():
            return Source(_power(node, number, *parts), weight)
        case Max() | Min():
            return Source(_extreme(node, parts, number), weight)
        case _ if type(node) in _FUNCTIONS:
            return Source(f"{_FUNCTIONS[type(node)]}({parts[0].text})", weight)
        case _ if node.is_number:
            return Source(number(node))
        case _:
            raise refusal(f"{node}", f"{type(node).__name__} cannot be evaluated on arrays")


def _weight(part: tuple[Any, Source]) -> int:
    return part[1].weight


def _sum(node: Add, parts: Sequence[Source], number: Numbers) -> str:
    terms = [part for part in node.args if not part.is_Rational]
    ordered = sorted(zip(terms, parts, strict=True), key=_weight)
    first = next((pair for pair in ordered if not _is_negative(pair[0])), ordered[0])
    ordered.sort(key=lambda pair: pair is not first)
    text = "".join(f" {'-' if _is_negative(term) else '+'} {part.text}" for term, part in ordered)
    constants = [number(part) for part in node.args if part.is_Rational]
    return f"({constants[0]}{text})" if constants else f"({text.removeprefix(' + ').lstrip()})"


def _product(node: Mul, parts: Sequence[Source], number: Numbers) -> str:
    factors = [part for part in node.args if not part.is_Rational]
    ordered = sorted(zip(factors, parts, strict=True), key=_weight)
    over = [part.text for factor, part in ordered if not _is_reciprocal(factor)]
    under = [part.text for factor, part in ordered if _is_reciprocal(factor)]
    coefficient = node.args[0] if node.args[0].is_Rational else sympy.S.One
    if coefficient != 1 or not over:
        over.insert(0, number(coefficient))
    product = " * ".join(over)
    return f"({product} / ({' * '.join(under)}))" if under else f"({product})"


def _power(node: Pow, number: Numbers, base: Source, exponent: Source | None = None) -> str:
    if exponent is not None:
        return f"np.power({base.text}, {exponent.text})"
    size = abs(node.exp)
    if size == sympy.S.Half:
        text = f"np.sqrt({base.text})"
    elif size.is_Integer:
        text = base.text if size == 1 else f"power({base.text}, {size})"
    else:
        text = f"np.power({base.text}, {number(size)})"
    return f"({number(sympy.S.One)} / {text})" if node.exp < 0 else text


def _extreme(node: Max | Min, parts: Sequence[Source], number: Numbers) -> str:
    constants = [Source(number(part)) for part in node.args if part.is_Rational]
    first, *others = sorted([*constants, *parts], key=lambda part: part.weight)
    text = first.text
    for part in others:
        text = f"{_LATTICE[type(node)]}({text}, {part.text})"
    return text
