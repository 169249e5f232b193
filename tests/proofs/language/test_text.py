from xml.dom.minidom import parseString

import pytest
from sympy import Abs, Max, Rational, exp, pi, sqrt

from proofs.language import (
    STEP,
    Claim,
    Event,
    Largest,
    Logistic,
    Same,
    Softmax,
    Softplus,
    Total,
    accumulated,
    after,
    at_event,
    at_start,
    formula,
    mathml,
    plain,
)


@pytest.fixture
def expressions(names):
    event = Event("T1", Claim(names.loss, "<=", 1), words="w")
    f, lam, phi, n, j = names.output, names.derivative, names.attention, names.n, names.j
    return {
        "near_half": Claim(Abs(lam[n] - Rational(1, 2)), "<=", Abs(f[n]) / 4),
        "sum": Total(phi[n, j] * f[n], n, j) / names.N,
        "masked": Largest(Abs(phi[n, j]), j, where=names.mask[j]),
        "softmax": Softmax(phi[n, j], j) * Same(n, names.m),
        "history": at_event(f[n], event) + accumulated(lam[n] ** 2, since=event) - at_start(f[n]),
        "after": after(names.loss) * STEP,
        "functions": sqrt(names.loss) + exp(-2 * names.loss) + Max(pi, Logistic(names.loss), Softplus(names.loss)),
        "strict": Claim(names.loss, ">", 0),
    }


@pytest.mark.parametrize(
    ("which", "pretty", "ascii_"),
    [
        (
            "near_half",
            "|λ[n] − 1/2| ≤ |f[n]|/4",
            "abs(loss_derivative[n] - 1/2) <= abs(output[n])/4 for every n",
        ),
        ("sum", "∑_n,j(f[n] · φ[n,j])/N", "sum(output[n]*attention[n, j] over n, j)/N"),
        (
            "masked",
            "max_j(|φ[n,j]| : is_noise[j])",
            "max(abs(attention[n, j]) over j where is_noise[j], 0 if none)",
        ),
        ("softmax", "δ[n,m] · softmax_j(φ[n,j])", "same(n, m)*softmax(attention[n, j] over j)"),
        (
            "history",
            "∑_T1^{t−1}(λ[n]²) + f[n](T1) − f[n](0)",
            "accumulated(loss_derivative[n]**2 since T1) + at_T1(output[n]) - at_start(output[n])",
        ),
        ("after", "t · L⁺", "t*after(loss)"),
        (
            "functions",
            "√(L) + max(π, logistic(L), softplus(L)) + e^(-2 · L)",
            "sqrt(loss) + max(pi, logistic(loss), softplus(loss)) + exp(-2*loss)",
        ),
        ("strict", "L > 0", "loss > 0"),
    ],
)
def test_one_line(expressions, which, pretty, ascii_):
    assert formula(expressions[which]) == pretty
    assert plain(expressions[which]) == ascii_
    assert plain(expressions[which]).isascii()


def test_mathml_is_well_formed_and_shows_letters(expressions):
    for expression in expressions.values():
        text = mathml(expression)
        document = parseString(text.replace("&InvisibleTimes;", "").replace("&ExponentialE;", "e").replace("&pi;", "p"))
        assert document.documentElement.tagName == "math"
    assert "<mi>&#955;</mi>" in mathml(expressions["near_half"])
    assert "&#x2264;" in mathml(expressions["near_half"])
    assert "&#x2200;" in mathml(expressions["near_half"])
    assert "&lt;" not in mathml(expressions["strict"])
