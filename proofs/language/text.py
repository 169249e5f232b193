"""Statements as one line of text: a formula with the paper's letters, or plain ASCII with full names."""

from typing import Any

import sympy
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.pretty.pretty_symbology import greek_unicode
from sympy.printing.str import StrPrinter

from proofs.language.statements import Claim

_PRETTY_RELATIONS = {"<=": "≤", ">=": "≥", "<": "<", ">": ">", "==": "=", "O": "O", "Theta": "Θ", "o": "o", "~": "~"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def letters(symbol: str) -> str:
    """A symbol with the name of a Greek letter, alone or before an underscore, written with that letter.

    >>> letters("lambda"), letters("eta"), letters("k_V")
    ('λ', 'η', 'k_V')
    """
    head, underscore, tail = symbol.partition("_")
    return greek_unicode.get(head, head) + underscore + tail


class PlainPrinter(StrPrinter):
    """ASCII with the full names of observables."""

    printmethod = "_plain"

    def _print_Observable(self, observable: Any) -> str:
        return observable.name

    _print_Member = _print_Observable

    def _print_RealAtom(self, atom: Any) -> str:
        return atom.name

    def _print_Element(self, element: Any) -> str:
        return f"{self._print(element.observable)}[{self.stringify(element.indices, ', ')}]"

    def _print_Reduction(self, node: Any) -> str:
        over = self.stringify(node.indices, ", ")
        return f"{self._reduction(node)}({self._print(node.body)} over {over}{self._mask(node)})"

    def _reduction(self, node: Any) -> str:
        return {"Total": "sum", "Largest": "max", "Smallest": "min"}[type(node).__name__]

    def _mask(self, node: Any) -> str:
        where = getattr(node, "where", 1)
        return "" if where == 1 else f" where {self._print(where)}, {self._print(node.empty)} if none"

    def _print_Softmax(self, node: Any) -> str:
        return f"softmax({self._print(node.body)} over {self._print(node.index)})"

    def _print_Same(self, node: Any) -> str:
        return f"same({self.stringify(node.args, ', ')})"

    def _print_Abs(self, node: Any) -> str:
        return f"abs({self._print(node.args[0])})"

    def _print_Function(self, node: Any) -> str:
        return f"{type(node).__name__.lower()}({self.stringify(node.args, ', ')})"

    def _print_LatticeOp(self, node: Any) -> str:
        arguments = sorted(node.args, key=sympy.default_sort_key)
        return f"{type(node).__name__.lower()}({self.stringify(arguments, ', ')})"

    def _print_After(self, node: Any) -> str:
        return f"after({self._print(node.args[0])})"

    def _print_AtStart(self, node: Any) -> str:
        return f"at_start({self._print(node.args[0])})"

    def _print_AtEvent(self, node: Any) -> str:
        return f"at_{node.event.name}({self._print(node.args[0])})"

    def _print_Accumulated(self, node: Any) -> str:
        return f"accumulated({self._print(node.args[0])} since {self._print(node.args[1])})"


class FormulaPrinter(PlainPrinter):
    """Unicode with the letters of the paper."""

    def _print_Observable(self, observable: Any) -> str:
        return letters(observable.symbol)

    _print_Member = _print_Observable

    def _print_Element(self, element: Any) -> str:
        return f"{self._print(element.observable)}[{self.stringify(element.indices, ',')}]"

    def _print_RealAtom(self, atom: Any) -> str:
        return letters(atom.name)

    def _print_Symbol(self, symbol: Any) -> str:
        return letters(symbol.name)

    def _print_Abs(self, node: Any) -> str:
        return f"|{self._print(node.args[0])}|"

    def _print_Add(self, node: Any, order: Any = None) -> str:
        return str(super()._print_Add(node, order)).replace(" - ", " − ")

    def _print_Mul(self, node: Any) -> str:
        return str(super()._print_Mul(node)).replace("*", " · ")

    def _print_Pow(self, node: Any, rational: bool = False) -> str:
        base, exponent = node.as_base_exp()
        if exponent == sympy.S.Half:
            return f"√({self._print(base)})"
        if exponent.is_Integer and exponent > 1:
            return self.parenthesize(base, PRECEDENCE["Pow"]) + str(exponent).translate(_SUPERSCRIPTS)
        return str(super()._print_Pow(node, rational)).replace("**", "^")

    def _print_exp(self, node: Any) -> str:
        exponent = node.args[0]
        shown = self._print(exponent)
        return f"e^{shown}" if precedence(exponent) >= PRECEDENCE["Atom"] else f"e^({shown})"

    def _print_Pi(self, node: Any) -> str:
        return "π"

    def _reduction(self, node: Any) -> str:
        return {"Total": "∑", "Largest": "max", "Smallest": "min"}[type(node).__name__]

    def _print_Reduction(self, node: Any) -> str:
        bound = ",".join(map(self._print, node.indices))
        return f"{self._reduction(node)}_{bound}({self._print(node.body)}{self._mask(node)})"

    def _mask(self, node: Any) -> str:
        where = getattr(node, "where", 1)
        return "" if where == 1 else f" : {self._print(where)}"

    def _print_Softmax(self, node: Any) -> str:
        return f"softmax_{self._print(node.index)}({self._print(node.body)})"

    def _print_Same(self, node: Any) -> str:
        return f"δ[{self.stringify(node.args, ',')}]"

    def _print_After(self, node: Any) -> str:
        return f"{self.parenthesize(node.args[0], PRECEDENCE['Atom'], strict=True)}⁺"

    def _print_AtStart(self, node: Any) -> str:
        return f"{self.parenthesize(node.args[0], PRECEDENCE['Atom'], strict=True)}(0)"

    def _print_AtEvent(self, node: Any) -> str:
        return f"{self.parenthesize(node.args[0], PRECEDENCE['Atom'], strict=True)}({node.event.name})"

    def _print_Accumulated(self, node: Any) -> str:
        since = "0" if node.since is None else node.since.name
        return f"∑_{since}^{{t−1}}({self._print(node.args[0])})"


def formula(statement: Any) -> str:
    """A claim or an expression as one line of Unicode with the letters of the paper.

    >>> from proofs.language.nodes import Index, IndexSet, Observable
    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> derivative = Observable("loss_derivative", SAMPLE, words="loss derivative", symbol="lambda")
    >>> output = Observable("output", SAMPLE, words="output", symbol="f")
    >>> formula(Claim(sympy.Abs(derivative[n] - sympy.Rational(1, 2)), "<=", sympy.Abs(output[n]) / 4))
    '|λ[n] − 1/2| ≤ |f[n]|/4'
    """
    return _written(FormulaPrinter(), statement, _PRETTY_RELATIONS)


def plain(statement: Any) -> str:
    """A claim or an expression as one line of ASCII with the full names of observables.

    >>> from proofs.language.nodes import Index, IndexSet, Observable
    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> output = Observable("output", SAMPLE, words="output", symbol="f")
    >>> plain(Claim(sympy.Abs(output[n]), "<=", 1))
    'abs(output[n]) <= 1 for every n'
    >>> plain(Claim(output[n], "O", 1))
    'output[n] = O(1) for every n'
    """
    line = _written(PlainPrinter(), statement, dict(zip(_PRETTY_RELATIONS, _PRETTY_RELATIONS, strict=True)))
    if isinstance(statement, Claim) and statement.indices:
        line += f" for every {', '.join(index.name for index in statement.indices)}"
    return line + (f" where {PlainPrinter().doprint(statement.where)}" if _masked(statement) else "")


def _masked(statement: Any) -> bool:
    return isinstance(statement, Claim) and statement.where != 1


def _written(printer: StrPrinter, statement: Any, relations: dict[str, str]) -> str:
    if not isinstance(statement, Claim):
        return str(printer.doprint(statement))
    left, right = printer.doprint(statement.lhs), printer.doprint(statement.rhs)
    relation = relations[statement.relation]
    if statement.relation in ("O", "Theta", "o"):
        return f"{left} = {relation}({right})"
    return f"{left} {relation} {right}"
