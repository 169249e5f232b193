"""Formulas for the page: MathML that is known to be nothing else, or else plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.entities import html5
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

from proofs.language import Observable, formula, mathml

ELEMENTS = frozenset(
    {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mfenced", "mfrac", "msqrt", "mroot"}
    | {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
)
ATTRIBUTES = frozenset(["width", "mathvariant", "open", "close", "separators"])


def formula_markup(expression: Any) -> Markup:
    """A claim or an expression as MathML; as text where its names would make anything else of it."""
    source = re.sub(r"&([A-Za-z]\w*);", _as_xml, mathml(expression))
    try:
        tree = ElementTree.fromstring(source)
    except ElementTree.ParseError:
        tree = None
    if tree is None or not all(
        each.tag in ELEMENTS and ATTRIBUTES.issuperset(each.attrib) for each in tree.iter() if isinstance(each.tag, str)
    ):
        return Markup('<code class="formula">{}</code>').format(formula(expression))
    _show_fences(tree)
    return Markup(ElementTree.tostring(tree, encoding="unicode", short_empty_elements=False))


def _as_xml(entity: re.Match[str]) -> str:
    """A named character itself, unless XML knows its name; Euler's number as the letter e, which every font has."""
    if entity[1] == "ExponentialE":
        return "e"
    known = entity[1] in ("lt", "gt", "amp", "quot", "apos")
    return entity[0] if known else html5.get(f"{entity[1]};", entity[0])


def _show_fences(tree: ElementTree.Element) -> None:
    """Write brackets as operators: browsers no longer know `mfenced`."""
    for each in tree.iter("mfenced"):
        opening, closing = ElementTree.Element("mo"), ElementTree.Element("mo")
        opening.text, closing.text = each.attrib.pop("open", "("), each.attrib.pop("close", ")")
        each.attrib.pop("separators", None)
        each.tag = "mrow"
        each.insert(0, opening)
        each.append(closing)


def text_markup(text: str) -> Markup:
    """Text that is no MathML, set like a formula."""
    return Markup('<code class="formula">') + escape(text) + Markup("</code>")


def named_observables(expressions: Iterable[Any]) -> list[Observable]:
    """The observables that expressions name, by their names."""
    found = {each.name: each for expression in expressions for each in expression.atoms(Observable)}
    return [found[name] for name in sorted(found)]
