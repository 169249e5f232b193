"""Statements as presentation MathML; names hold only letters, digits and underscores, so none is escaped."""

from typing import Any

import sympy
from sympy.printing.mathml import MathMLPresentationPrinter

from proofs.language.nodes import Index
from proofs.language.statements import Claim
from proofs.language.text import letters

_RELATIONS = {"<=": "&#x2264;", ">=": "&#x2265;", "<": "&lt;", ">": "&gt;", "==": "=", "~": "&#x223C;"}
_ORDERS = {"O": "O", "Theta": "&#x0398;", "o": "o"}


class StatementPrinter(MathMLPresentationPrinter):
    """MathML for the nodes that sympy does not know."""

    def _tagged(self, tag: str, *children: Any) -> Any:
        element = self.dom.createElement(tag)
        for child in children:
            element.appendChild(self.dom.createTextNode(child) if isinstance(child, str) else child)
        return element

    def _operator(self, text: str) -> Any:
        return self._tagged("mo", text)

    def _listed(self, parts: Any) -> Any:
        row = self.dom.createElement("mrow")
        for number, part in enumerate(parts):
            if number:
                row.appendChild(self._comma())
            row.appendChild(self._print(part))
        return row

    def _in_brackets(self, expression: Any) -> Any:
        return self._tagged("mrow", self._l_paren(), self._print(expression), self._r_paren())

    def _closed(self, expression: Any) -> Any:
        single = expression.is_Atom or type(expression).__name__ == "Element"
        return self._print(expression) if single else self._in_brackets(expression)

    def _letter(self, symbol: str) -> Any:
        head, _, tail = symbol.partition("_")
        head_element = self._tagged("mi", letters(head))
        return self._tagged("msub", head_element, self._tagged("mi", letters(tail))) if tail else head_element

    def _print_Observable(self, observable: Any) -> Any:
        return self._letter(observable.symbol)

    _print_Member = _print_Observable

    def _print_RealAtom(self, atom: Any) -> Any:
        return self._letter(atom.name)

    def _print_Element(self, element: Any) -> Any:
        return self._tagged(
            "msub", self._tagged("mrow", self._print(element.observable)), self._listed(element.indices)
        )

    def _print_Reduction(self, node: Any) -> Any:
        sign = {"Total": "&#x2211;", "Largest": "max", "Smallest": "min"}[type(node).__name__]
        below = self._listed(node.indices)
        where = getattr(node, "where", sympy.S.One)
        if where != 1:
            below = self._tagged("mrow", below, self._operator(":"), self._print(where))
        return self._tagged("mrow", self._tagged("munder", self._operator(sign), below), self._closed(node.body))

    def _print_Softmax(self, node: Any) -> Any:
        name = self._tagged("munder", self._operator("softmax"), self._print(node.index))
        return self._tagged("mrow", name, self._in_brackets(node.body))

    def _print_Same(self, node: Any) -> Any:
        return self._tagged("msub", self._tagged("mi", "&#x3B4;"), self._listed(node.args))

    def _print_After(self, node: Any) -> Any:
        return self._tagged("msup", self._tagged("mrow", self._closed(node.args[0])), self._operator("+"))

    def _print_AtStart(self, node: Any) -> Any:
        return self._tagged("mrow", self._closed(node.args[0]), self._operator("(0)"))

    def _print_AtEvent(self, node: Any) -> Any:
        return self._tagged("mrow", self._closed(node.args[0]), self._operator(f"({node.event.name})"))

    def _print_Accumulated(self, node: Any) -> Any:
        first = self._tagged("mi", "0" if node.since is None else node.since.name)
        last = self._tagged("mrow", self._tagged("mi", "t"), self._operator("-"), self._tagged("mn", "1"))
        return self._tagged(
            "mrow",
            self._tagged("munderover", self._operator("&#x2211;"), first, last),
            self._closed(node.args[0]),
        )


def mathml(statement: Any) -> str:
    """A claim or an expression as a `math` element.

    >>> from proofs.language.nodes import Observable
    >>> mathml(Claim(Observable("output", words="output", symbol="f"), "<=", 1))
    '<math><mi>f</mi><mo>&#x2264;</mo><mn>1</mn></math>'
    >>> mathml(Claim(Observable("output", words="output", symbol="f"), "Theta", 1))
    '<math><mi>f</mi><mo>=</mo><mi>&#x0398;</mi><mo>(</mo><mn>1</mn><mo>)</mo></math>'
    """
    printer = StatementPrinter()
    if not isinstance(statement, Claim):
        return f"<math>{printer.doprint(statement)}</math>"
    left, right = printer.doprint(statement.lhs), printer.doprint(statement.rhs)
    if statement.relation in _ORDERS:
        right = f"<mi>{_ORDERS[statement.relation]}</mi><mo>(</mo>{right}<mo>)</mo>"
    relation = _RELATIONS.get(statement.relation, "=")
    return f"<math>{left}<mo>{relation}</mo>{right}{_for_every(statement.indices)}</math>"


def _for_every(indices: tuple[Index, ...]) -> str:
    if not indices:
        return ""
    names = "<mo>,</mo>".join(f"<mi>{letters(index.name)}</mi>" for index in indices)
    return f"<mspace width='2em'/><mo>&#x2200;</mo>{names}"
