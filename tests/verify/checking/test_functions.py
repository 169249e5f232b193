"""Functions of one variable: values, roundings and ranges, against 60 digits."""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Rational, cosh, exp, log, sinh, tanh

from proofs.language import Claim, Derived, Expm1, Lemma, Log1p, Logistic, Observable, Softplus, roundoff
from verify.checking import ranges
from verify.checking.compile import compile_lemmas

x = Observable("x", words="a state", state=True)
y = Observable("y", words="another", state=True)
zero = Observable("zero", words="0, which sympy cannot know", state=True)

EXACT: dict[Any, Any] = {
    exp: mpmath.exp,
    log: mpmath.log,
    Expm1: mpmath.expm1,
    Log1p: mpmath.log1p,
    sinh: mpmath.sinh,
    cosh: mpmath.cosh,
    tanh: mpmath.tanh,
    Logistic: lambda z: 1 / (1 + mpmath.exp(-z)),
    Softplus: lambda z: mpmath.log1p(mpmath.exp(z)),
}
POSITIVE = {log, Log1p}


def worst(function: Any, first: np.ndarray, second: np.ndarray) -> float:
    """The largest error of `f(xy) <= 0`'s margin over its bound, which is small."""
    states = {"x": first, "y": second, "zero": np.zeros(len(first))}
    lemma = Lemma(words="w", claim=Claim(function(x * y), "<=", zero), source=Derived("tests"))
    (outcome,) = compile_lemmas([lemma], states).start({}).evaluate(states, 0).outcomes
    found = 0.0
    with mpmath.workdps(60):
        for left, right, margin, bound in zip(first, second, outcome.margin, outcome.rounding, strict=True):
            argument = mpmath.mpf(float(left)) * mpmath.mpf(float(right))
            value = EXACT[function](argument)
            found = max(found, float(abs(-value - mpmath.mpf(float(margin))) / mpmath.mpf(float(bound))))
            assert bound <= 1e-12 * abs(value) * (1 + abs(argument)) + 1e-12 * abs(argument) + 1e-300
    return found


def arguments(function: Any) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.array([1e-12, 1e-5, 0.1, 0.9, 3.3, 30.1, 300.7])
    sizes = sizes if function in POSITIVE else np.concatenate([sizes, -sizes])
    return sizes, np.full(len(sizes), 1.1)


@pytest.mark.parametrize("function", EXACT)
def test_roundings_are_bounded(function):
    assert worst(function, *arguments(function)) <= 1


@pytest.mark.parametrize("function", EXACT)
def test_a_bound_that_forgets_them_is_caught(function, monkeypatch):
    monkeypatch.setattr(roundoff, "EPSILON", Rational(1, 2**62))
    assert worst(function, *arguments(function)) > 1


@pytest.mark.parametrize("function", EXACT)
def test_ranges_hold_all_values(function):
    named = getattr(ranges, {"Logistic": "logistic", "Softplus": "softplus"}.get(str(function), str(function).lower()))

    @given(st.tuples(st.floats(1e-9, 800), st.floats(1e-9, 800), st.floats(0, 1), st.sampled_from([-1, 1])))
    def attack(drawn: tuple[float, float, float, int]) -> None:
        one, other, share, sign = drawn
        sign = 1 if function in POSITIVE else sign
        low, high = sorted((one, sign * other))
        inside = mpmath.mpf(low + share * (high - low))
        least, most = named((low, high))
        value = EXACT[function](min(max(inside, mpmath.mpf(low)), mpmath.mpf(high)))
        assert least <= value + abs(value) * 1e-12 + 1e-12
        assert value <= most + abs(value) * 1e-12 + 1e-12

    attack()


def test_the_range_of_an_overflow_keeps_its_sign() -> None:
    assert ranges.sinh((-1000.0, 1000.0)) == (-np.inf, np.inf)
    assert ranges.cosh((-1000.0, 1.0)) == (1.0, np.inf)
