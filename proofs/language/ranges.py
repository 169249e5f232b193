"""Python source that encloses expressions from the smallest and largest values of what they are made of.

The ranges serve to show, for a whole stretch at once and without touching its arrays, that rounding bounds
are small. The source calls the functions of `verify.checking.ranges`.
"""

from collections.abc import Sequence
from typing import Any

from sympy import Abs, Add, Max, Min, Mul, Pow, cosh, exp, log, sinh, sqrt, tanh

from proofs.language.arrays import number_source
from proofs.language.errors import refusal
from proofs.language.graph import History, Scope, Sequences
from proofs.language.nodes import (
    Accumulated,
    After,
    AtEvent,
    AtStart,
    Element,
    Expm1,
    Extreme,
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

_FUNCTIONS = {
    exp: "exp",
    log: "log",
    Expm1: "expm1",
    Log1p: "log1p",
    sinh: "sinh",
    cosh: "cosh",
    tanh: "tanh",
    Logistic: "logistic",
    Softplus: "softplus",
}


class RangeProgram:
    """The source of a function `ranges` that encloses the targets, each subexpression once."""

    def __init__(self, targets: Sequence[Any], scope: Scope) -> None:
        self._scope = scope
        self._names: dict[Any, str] = {}
        self._written: dict[str, str] = {}
        self._lines: list[str] = []
        results = "".join(f"{self._named(target)}, " for target in targets)
        self.source = (
            "\n    ".join(["def ranges(measured, kept, sizes, steps):", *self._lines, f"return ({results})"]) + "\n"
        )

    def _named(self, node: Any) -> str:
        if node not in self._names:
            text = self._text(node)
            if text.isidentifier():
                self._written[text] = text
            if text not in self._written:
                self._written[text] = f"r{len(self._written)}"
                self._lines.append(f"{self._written[text]} = {text}")
            self._names[node] = self._written[text]
        return self._names[node]

    def _text(self, node: Any) -> str:
        match node:
            case Size():
                return f"point(sizes[{node.name!r}])"
            case StepNumber():
                return "steps"
            case Same():
                return "(0.0, 1.0)"
            case AtStart() | AtEvent() | Accumulated():
                return f"kept({self._scope.number(History(node))})"
            case Observable() if node in self._scope.sequences:
                recurrence, slot = self._scope.sequences[node]
                return f"kept({self._scope.number(Sequences(recurrence))}, {slot})"
            case Observable():
                return self._observable(node)
            case Element():
                return self._text(node.observable)
            case Total():
                return f"repeated({self._named(node.body)}, {self._count(node)})"
            case Extreme() if node.where != 1:
                return f"hull({self._named(node.body)}, {self._named(node.empty)})"
            case Extreme() | After():
                return self._named(node.args[0])
            case Softmax():
                return "(0.0, 1.0)"
            case Abs():
                return f"absolute({self._named(node.args[0])})"
            case Add() | Mul() | Max() | Min():
                operation = {Add: "plus", Mul: "times", Max: "larger", Min: "smaller"}[type(node)]
                return self._folded(operation, node.args)
            case Pow():
                return self._power(node)
            case _ if type(node) in _FUNCTIONS:
                return f"{_FUNCTIONS[type(node)]}({self._named(node.args[0])})"
            case _ if node.is_number:
                return f"point({number_source(node)})"
            case _:
                raise refusal(f"{node}", f"{type(node).__name__} cannot be enclosed")

    def _observable(self, observable: Observable) -> str:
        if observable.name in self._scope.recorded or observable.definition is None:
            return f"measured({observable.name!r})"
        return self._named(observable.definition.expression)

    def _count(self, node: Total) -> str:
        return " * ".join(f"sizes[{index.ranges_over.size!r}]" for index in node.indices)

    def _folded(self, operation: str, parts: Sequence[Any]) -> str:
        text = self._named(parts[0])
        for part in parts[1:]:
            text = f"{operation}({text}, {self._named(part)})"
        return text

    def _power(self, node: Pow) -> str:
        base, exponent = node.args
        if not exponent.is_Rational:
            return self._text(exp(exponent * log(base), evaluate=False))
        if exponent < 0:
            return f"reciprocal({self._named(base**-exponent)})"
        if exponent.is_Integer:
            return f"power({self._named(base)}, {exponent})"
        if exponent == sqrt(2).exp:
            return f"root({self._named(base)})"
        return self._text(exp(exponent * log(base), evaluate=False))
