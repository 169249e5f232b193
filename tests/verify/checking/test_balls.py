from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st
from sympy import Abs, Max, Min, Rational, cosh, exp, log, pi, sinh, sqrt, tanh

from proofs.language import (
    Claim,
    Event,
    Expm1,
    Log1p,
    Logistic,
    Observable,
    Softplus,
    accumulated,
    after,
    at_event,
    at_start,
    change,
    nodes,
    scalars,
)
from verify.checking import balls
from verify.checking.balls import Decider, decide

STEPS = 4

x = Observable("x", words="a state", state=True)
y = Observable("y", words="another", state=True)


@pytest.fixture(scope="module")
def problem(mock: SimpleNamespace) -> dict[str, Any]:
    return mock.draw(0, 0.05)


@pytest.fixture(scope="module")
def states(mock: SimpleNamespace, problem: dict[str, Any]) -> dict[str, np.ndarray]:
    return mock.train(problem, STEPS)


def at(problem: dict[str, Any], states: dict[str, np.ndarray], step: int) -> dict[str, Any]:
    return problem | {"value": states["value"][step], "query": states["query"][step]}


class TestNearTies:
    """The loss derivative's distance from 1/2 against |f|/4: their difference is |f|^3/48."""

    distance = Abs(Rational(1, 2) - 1 / (1 + exp(x)))

    @pytest.mark.parametrize("f", [1e-6, -1e-6, 1e-9, 1e-40, 3.0, -700.0])
    def test_a_quarter_holds(self, f):
        assert decide(Claim(self.distance, "<=", Abs(x) / 4), {"x": f}, {}) == "holds"

    @pytest.mark.parametrize("f", [1e-6, -1e-9, 3.5])
    def test_an_eighth_is_violated(self, f):
        assert decide(Claim(self.distance, "<=", Abs(x) / 8), {"x": f}, {}) == "violated"

    def test_floats_would_be_wrong(self):
        f = 1e-6
        float_margin = abs(f) / 4 - abs(0.5 - 1 / (1 + np.exp(f)))
        assert abs(float_margin) > 1e-18
        assert abs(f) ** 3 / 48 < 1e-19


class TestBothDirections:
    @given(value=st.floats(-1e6, 1e6), shift=st.integers(1, 400))
    def test_a_hair_decides(self, value, shift):
        """x against x plus or minus a power of two far below its last bit."""
        hair = Rational(1, 2**shift)
        for relation, above, below in (("<=", "holds", "violated"), (">=", "violated", "holds")):
            assert decide(Claim(x, relation, x * y + hair), {"x": value, "y": 1.0}, {}) == above
            assert decide(Claim(x, relation, x * y - hair), {"x": value, "y": 1.0}, {}) == below

    def test_a_hair_below_512_bits_is_undecided(self):
        claim = Claim(1 + Rational(1, 3) * x, "<=", 1 + x / 3 * exp(y - 1) - Rational(1, 2**700))
        assert decide(claim, {"x": 1.0, "y": 1.0}, {}) == "undecided"

    def test_equalities_of_exact_numbers_are_decided(self):
        assert decide(Claim(x, "<=", y), {"x": 0.5, "y": 0.5}, {}) == "holds"
        assert decide(Claim(x, "<", y), {"x": 0.5, "y": 0.5}, {}) == "violated"
        assert decide(Claim(x, "==", y), {"x": 0.5, "y": 0.5}, {}) == "holds"
        assert decide(Claim(x, "==", y), {"x": 0.5, "y": np.nextafter(0.5, 1)}, {}) == "violated"

    def test_equalities_with_roundings_are_only_ever_refuted(self):
        assert decide(Claim(exp(x) * exp(y), "==", exp(x + y) + 0 * x), {"x": 0.3, "y": 0.4}, {}) == "undecided"
        assert decide(Claim(exp(x), "==", 1 + x), {"x": 1e-30, "y": 0.0}, {}) == "violated"


class TestNumbersAreNotRounded:
    @pytest.mark.parametrize(
        ("expression", "exact"),
        [
            (Rational(1, 3) * x, lambda: mpmath.mpf(1) / 3),
            (pi * x, lambda: +mpmath.pi),
            (sqrt(2) * x, lambda: mpmath.sqrt(2)),
            ((2 * x) ** Rational(1, 3), lambda: mpmath.cbrt(2)),
            ((2 * x) ** Rational(-5, 7), lambda: mpmath.mpf(2) ** (mpmath.mpf(-5) / 7)),
            (exp(1) * x, lambda: +mpmath.e),
            (log(1 + 2 * x), lambda: mpmath.log(3)),
            (tanh(x), lambda: mpmath.tanh(1)),
            (sinh(x), lambda: mpmath.sinh(1)),
            (cosh(x), lambda: mpmath.cosh(1)),
            (Expm1(x / 2**60), lambda: mpmath.expm1(mpmath.mpf(2) ** -60)),
            (Log1p(x / 2**60), lambda: mpmath.log1p(mpmath.mpf(2) ** -60)),
            (Logistic(x), lambda: 1 / (1 + mpmath.exp(-1))),
            (Softplus(-x), lambda: mpmath.log(1 + mpmath.exp(-1))),
            (Max(x / 3, Rational(1, 7)), lambda: mpmath.mpf(1) / 3),
            (Min(x / 3, Rational(1, 7)), lambda: mpmath.mpf(1) / 7),
            (Abs(x / 3 - 1), lambda: mpmath.mpf(2) / 3),
        ],
    )
    def test_the_true_value_is_enclosed(self, expression, exact):
        with mpmath.workdps(60):
            digits = mpmath.nstr(exact(), 50)
        ball = Decider().enclose(expression, {"x": 1.0}, {}, 0, 128)
        ctx.prec = 200
        assert ball.overlaps(arb(digits))
        assert ball.rel_accuracy_bits() > 100
        ctx.prec = 53

    @given(low=st.floats(-5, 5), high=st.floats(-5, 5), width=st.floats(0, 3))
    def test_extremes_of_overlapping_balls_enclose_both(self, low, high, width):
        larger, smaller = (
            balls._larger(arb(low, width), arb(high, width)),
            balls._smaller(arb(low, width), arb(high, width)),
        )
        for one in (low - width, low, low + width):
            for other in (high - width, high, high + width):
                assert larger.overlaps(arb(max(one, other)))
                assert smaller.overlaps(arb(min(one, other)))


class TestSystem:
    def test_every_node_agrees_with_the_reference(self, mock, problem, states):
        """Every element of every claim at step 2, with the next state by its exact update."""
        s = mock.symbols
        reference = mock.reference(problem, states, exact_next=True)
        decider = Decider(start=at(problem, states, 0), events={"big": at(problem, states, 2)})
        compared = 0
        for lemma in mock.lemmas.values():
            for claim in lemma.claims:
                for side in (claim.lhs, claim.rhs):
                    if side.has(nodes.Accumulated, s.speed):
                        continue
                    for env in reference.over(claim.indices, {}):
                        exact = reference.value(side, 2, env)
                        ball = decider.enclose(side, at(problem, states, 2), env, 2, 128)
                        with mpmath.workdps(50):
                            assert abs(mpmath.mpf(ball.mid().str(45, radius=False)) - exact) <= 1e-33 * (1 + abs(exact))
                        compared += 1
        assert reference.event(mock.lemmas["since_event"].stage.start) == 2
        assert compared > 200

    def test_a_wrong_printer_is_caught(self, mock, problem, states, monkeypatch):
        scalars.scalar_source.cache_clear()
        with monkeypatch.context() as planted:
            planted.setitem(scalars._FUNCTIONS, Softplus, "logistic")
            ball = Decider().enclose(mock.symbols.loss, at(problem, states, 0), {}, 0, 128)
        scalars.scalar_source.cache_clear()
        exact = mock.reference(problem, states, exact_next=True).value(mock.symbols.loss, 0, {})
        assert abs(float(ball.mid()) - exact) > 0.1

    def test_the_next_state_is_the_exact_update_not_a_rounded_one(self, mock, problem, states):
        s = mock.symbols
        here = at(problem, states, 1)
        equality = Claim(change(s.value[s.p]), "==", s.value_step)
        hair = Claim(change(s.value[s.p]), "<=", s.value_step + Rational(1, 10**30))
        below = Claim(change(s.value[s.p]), "<=", s.value_step - Rational(1, 10**30))
        for token in range(8):
            assert decide(equality, here, {"p": token}, 1) == "undecided"
            assert decide(hair, here, {"p": token}, 1) == "holds"
            assert decide(below, here, {"p": token}, 1) == "violated"

    def test_recurrences_are_iterated_from_the_start(self, mock, problem, states):
        s = mock.symbols
        bound = Claim(Abs(s.value[s.p]), "<=", s.reach)
        decider = Decider(start=at(problem, states, 0))
        largest = int(np.argmax(np.abs(states["value"][0])))
        assert decider.decide(bound, at(problem, states, 0), {"p": largest}, 0) == "holds"
        assert decider.decide(bound, at(problem, states, 4), {"p": 1}, 4) == "holds"
        assert (
            decider.decide(Claim(s.reach, "<=", 0 * s.loss + Rational(1, 100)), at(problem, states, 3), {}, 3)
            == "violated"
        )

    def test_what_does_not_follow_from_the_states_is_undecided(self, mock, problem, states):
        s = mock.symbols
        here = at(problem, states, 2)
        start = at(problem, states, 0)
        big = Event("big", Claim(s.loss, "<=", 1), words="x")
        assert decide(Claim(at_start(s.loss), "<=", 100), here, {}, 2) == "undecided"
        assert decide(Claim(at_start(s.loss), "<=", 100), here, {}, 2, start) == "holds"
        assert decide(Claim(accumulated(s.loss), "<=", 100), here, {}, 2, start) == "undecided"
        assert decide(Claim(at_event(s.loss, big), "<=", 100), here, {}, 2, start) == "undecided"
        assert decide(Claim(at_event(s.loss, big), "<=", 100), here, {}, 2, start, {"big": here}) == "holds"
        assert decide(Claim(s.speed, "<=", 100), here, {}, 2, start) == "undecided"
        assert decide(Claim(after(x), "<=", 100), {"x": 1.0}, {}) == "undecided"
        assert decide(Claim(x, "<=", 100), {"x": np.inf}, {}) == "undecided"

    def test_a_missing_array_is_named(self, mock, problem):
        with pytest.raises(ValueError, match=r"\Aquery: the claim needs it, and the state does not hold it\Z"):
            decide(Claim(mock.symbols.loss, "<=", 1), {n: a for n, a in problem.items() if n != "query"}, {})

    def test_floats_enter_exactly(self):
        third = Fraction(0.1)
        claim = Claim(x, "==", Rational(third.numerator, third.denominator))
        assert decide(claim, {"x": 0.1}, {}) == "holds"
