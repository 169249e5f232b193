"""Formulas: MathML of every statement, and nothing but that."""

from xml.etree import ElementTree

import pytest
import sympy

from proofs.language import Claim, ScalarInequality, real_variable
from verify.report.page.formulas import ATTRIBUTES, ELEMENTS, formula_markup
from verify.systems.base import find_system, system_names


@pytest.mark.parametrize("system", system_names())
def test_every_claim_is_mathml(system: str) -> None:
    for statement in find_system(system).statements().values():
        claims = [statement.claim] if isinstance(statement, ScalarInequality) else statement.claims  # type: ignore[attr-defined]
        for claim in claims:
            tree = ElementTree.fromstring(formula_markup(claim))
            assert tree.tag == "math", statement.name
            assert {each.tag for each in tree.iter()} <= ELEMENTS - {"mfenced"}
            assert {name for each in tree.iter() for name in each.attrib} <= ATTRIBUTES


@pytest.mark.parametrize("name", ["<b>x</b>", "<script>1</script>", "x</mi><img src='y'/><mi>", "a&b", "&lt;i&gt;"])
def test_a_letter_that_would_be_markup_is_text(name: str) -> None:
    x = real_variable(name)
    shown = formula_markup(Claim(x**2, ">=", 2 * x - 1, variables=(x,)))
    tree = ElementTree.fromstring(str(shown).replace("&#39;", "'").replace("&#34;", "'"))
    assert {each.tag for each in tree.iter()} <= ELEMENTS | {"code"}


def test_brackets_are_operators() -> None:
    x = real_variable("x")
    shown = formula_markup(Claim(sympy.exp(x * (1 + x)), ">=", x, variables=(x,)))
    assert "mfenced" not in shown
