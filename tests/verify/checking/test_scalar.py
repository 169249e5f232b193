from typing import Any

import mpmath
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Abs,
    E,
    Expr,
    Float,
    Integer,
    Interval,
    Max,
    Min,
    Rational,
    Symbol,
    cosh,
    exp,
    lambdify,
    log,
    oo,
    pi,
    sin,
    sinh,
    sqrt,
    tanh,
)

from proofs.language import Logistic, Softplus, collect, real_variable
from proofs.shared import logistic
from verify.checking.intervals import Enclosure, NotDefined, enclose
from verify.checking.scalar import Outcome, prove, prove_inequality

a, b, c, z = (real_variable(name) for name in "abcz")
HALF, HAIR = Rational(1, 2), Rational(1, 10**25)
LINE, RIGHT, POSITIVE = Interval(-oo, oo), Interval(0, oo), Interval.open(0, oo)
FUNCTIONS = {
    "Logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "Softplus": lambda x: max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x))),
    "Abs": abs,
    # Of numbers that Python knows as integers too, whose quotients would be floats.
    "Max": lambda *numbers: mpmath.mpf(max(numbers)),
    "Min": lambda *numbers: mpmath.mpf(min(numbers)),
}


def exactly(value: Any) -> mpmath.mpf:
    """Evaluate an exact number by mpmath."""
    return mpmath.mpf(lambdify([], value, [FUNCTIONS, "mpmath"])())


def as_mpf(ball: Any) -> mpmath.mpf:
    if not ball.is_finite():
        return mpmath.inf if ball > 0 else -mpmath.inf
    mantissa, exponent = ball.man_exp()
    return mpmath.mpf(int(mantissa)) * mpmath.mpf(2) ** int(exponent)


def between(low: Any, high: Any) -> Enclosure:
    return Enclosure(arb(low), arb(high))


# Enclosures.


@pytest.mark.parametrize("number", [Rational(1, 3), Rational(-7, 10), pi, E, log(2), sqrt(2), exp(-3)])
@pytest.mark.parametrize("bits", [53, 128])
def test_an_enclosure_of_a_number_holds_it_and_is_tight(number: Expr, bits: int) -> None:
    with mpmath.workprec(400):
        low, high = (as_mpf(end) for end in enclose(number, {}, bits)[:2])
        assert low < exactly(number) < high
        assert high - low <= 8 * mpmath.mpf(2) ** -bits * abs(exactly(number))


numbers = st.fractions(-6, 6, max_denominator=8).map(lambda q: Rational(q.numerator, q.denominator))
leaves = st.one_of(st.just(a), st.just(b), numbers)


def larger(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(lambda pair: pair[0] + pair[1]),
        pairs.map(lambda pair: pair[0] * pair[1]),
        pairs.map(lambda pair: Max(pair[0], tanh(pair[1]))),
        pairs.map(lambda pair: Min(pair[0], pair[1])),
        parts.map(Abs),
        parts.map(tanh),
        parts.map(lambda part: part**2),
        parts.map(lambda part: part**3),
        parts.map(lambda part: 1 / (1 + part**2)),
        parts.map(lambda part: 2 / (3 + 5 * exp(tanh(part)))),
        parts.map(lambda part: sqrt(1 + Abs(part))),
        parts.map(lambda part: log(2 + Abs(part))),
        st.tuples(st.sampled_from([Logistic, Softplus]), st.sampled_from([a, b, a * b, a - 2 * b])).map(
            lambda pair: pair[0](pair[1])
        ),
    )


expressions = st.recursive(leaves, larger, max_leaves=6)
sides = st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends)))
places = st.integers(0, 16).map(lambda k: Rational(k, 16))


@settings(max_examples=150)
@given(expressions, sides, sides, places, places)
def test_an_enclosure_on_a_box_holds_the_values_in_it(
    expression: Expr, side_a: Any, side_b: Any, at_a: Expr, at_b: Expr
) -> None:
    box = {
        variable: Enclosure(enclose(low, {}, 128).low, enclose(high, {}, 128).high)
        for variable, (low, high) in ((a, side_a), (b, side_b))
    }
    point = [low_ + (high_ - low_) * at for (low_, high_), at in ((side_a, at_a), (side_b, at_b))]
    with mpmath.workdps(80):
        value = lambdify([a, b], expression, [FUNCTIONS, "mpmath"])(*[exactly(place) for place in point])
        low, high = (as_mpf(end) for end in enclose(expression, box, 128)[:2])
        slack = mpmath.mpf(10) ** -70 * (1 + abs(value))
        assert low - slack <= value <= high + slack


@pytest.mark.parametrize(
    ("expression", "side", "low", "high"),
    [
        (z**2, (-1, 2), 0, 4),
        (z**3, (-1, 2), -1, 8),
        (z**-2, (1, 2), Rational(1, 4), 1),
        (1 / z, (-2, -1), -1, -HALF),
        (z * (z + 3), (-1, 2), -5, 10),
        (Abs(z), (-3, 2), 0, 3),
        (Max(z, 1), (-3, 2), 1, 2),
        (Min(z, 1), (-3, 2), -3, 1),
        (sqrt(z), (0, 4), 0, 2),
        (-z * Abs(z), (-1, 2), -4, 2),
    ],
)
def test_enclosures_of_single_operations(expression: Expr, side: tuple[int, int], low: Expr, high: Expr) -> None:
    found = enclose(expression, {z: between(*side)}, 128)
    assert as_mpf(found.low) == pytest.approx(float(low), abs=1e-30)
    assert as_mpf(found.high) == pytest.approx(float(high), abs=1e-30)


def test_unbounded_sides_have_unbounded_enclosures_and_bounded_functions_keep_their_bounds() -> None:
    whole = {z: Enclosure(arb.neg_inf(), arb.pos_inf(), True, True)}
    logistic_values = enclose(Logistic(z), whole, 64)
    assert (logistic_values.low, logistic_values.high) == (0, 1)
    assert logistic_values.positive
    assert enclose(tanh(z) + 1, whole, 64).positive
    assert not enclose(tanh(z) + Rational(999, 1000), whole, 64).nonnegative
    cube = enclose(z**3 - z, whole, 64)
    assert not cube.low.is_finite()
    assert not cube.high.is_finite()
    assert not enclose(z * exp(-z), {z: Enclosure(arb(0), arb.pos_inf(), False, True)}, 64).positive


def test_zero_is_attained_unless_the_end_is_open() -> None:
    closed, open_ = Enclosure(arb(0), arb(1)), Enclosure(arb(0), arb(1), low_open=True)
    assert not enclose(z**2, {z: closed}, 64).positive
    assert enclose(z**2, {z: open_}, 64).positive
    assert not enclose(a * b, {a: open_, b: closed}, 64).positive
    assert enclose(a * b, {a: open_, b: open_}, 64).positive
    assert not enclose(-a * b, {a: Enclosure(arb(0), arb(0)), b: RIGHT_SIDE}, 64).positive
    assert not enclose(a * b, {a: Enclosure(arb(0), arb(0)), b: RIGHT_SIDE}, 64).negated.positive


RIGHT_SIDE = Enclosure(arb(0), arb.pos_inf(), True, True)


@pytest.mark.parametrize("expression", [1 / z, log(z), sqrt(z), z**-2, z**a, log(1 + 2 * z)])
def test_an_expression_that_may_be_undefined_has_no_enclosure(expression: Expr) -> None:
    with pytest.raises(NotDefined):
        enclose(expression, {z: between(-1, 1), a: between(1, 2)}, 64)
    enclose(expression, {z: between(1, 2), a: between(1, 2)}, 64)


# Claims that are true.

TRUE_CLAIMS: list[tuple[Expr, str, Expr, dict[Symbol, Interval]]] = [
    (Abs(1 / (1 + exp(z)) - HALF), "<=", Abs(z) / 4, {z: LINE}),
    (Abs(Logistic(-z) - HALF), "<=", Abs(z) / 4, {z: LINE}),
    (Abs(Logistic(z) - HALF), "==", tanh(Abs(z) / 2) / 2, {z: LINE}),
    (tanh(z), "<=", z, {z: RIGHT}),
    (tanh(z), "<", z, {z: POSITIVE}),
    (tanh(z), ">=", z - z**3 / 3, {z: RIGHT}),
    (tanh(z), "<=", z - z**3 / 3 + 2 * z**5 / 15, {z: RIGHT}),
    (Abs(tanh(z)), "<", 1, {z: LINE}),
    (0, "<", Logistic(z), {z: LINE}),
    (Logistic(z) * (1 - Logistic(z)), "<=", Rational(1, 4), {z: LINE}),
    (1 / (1 + 2 * exp(-z)) * (1 - 1 / (1 + 2 * exp(-z))), "<=", Rational(1, 4), {z: LINE}),
    (log(1 + exp(-z)), "<=", log(2) + Abs(z), {z: LINE}),
    (Softplus(z), ">", Max(z, 0), {z: LINE}),
    (1 / (1 + exp(z)), "<=", 1 / (1 + exp(-z)), {z: RIGHT}),
    (Logistic(-z), "<=", exp(-z), {z: LINE}),
    (exp(-2 * z) / 4, "<=", 1 / (1 + 3 * exp(2 * z)), {z: RIGHT}),
    (1 / (1 + 3 * exp(-2 * z)), "<=", exp(2 * z) / 4, {z: RIGHT}),
    (log(z), "<=", z - 1, {z: POSITIVE}),
    (log(1 + z), ">=", 2 * z / (2 + z), {z: RIGHT}),
    (1 + z, "<=", exp(z), {z: LINE}),
    (z**2, "<", exp(z), {z: RIGHT}),
    (log(2 + 3 * exp(z)), ">=", log(5) + 3 * z / 5, {z: LINE}),
    (exp(z) / (2 + 3 * exp(z)), "==", 1 / (3 + 2 * exp(-z)), {z: LINE}),
    (Min(z, 2 * z), "<=", 3 * z / 2, {z: LINE}),
    (cosh(z), ">=", 1 + z**2 / 2, {z: LINE}),
    (sinh(z), ">=", z, {z: RIGHT}),
    (4 * exp(z) - 4, "<=", exp(2 * z), {z: LINE}),
    (0, "<=", (z - sqrt(2)) ** 2, {z: Interval(0, 2)}),
    (sqrt(1 + z), "<=", 1 + z / 2, {z: Interval(-1, oo)}),
    (Abs(tanh(a) - tanh(b)), "<=", Abs(a - b), {a: Interval(-3, 3), b: Interval(-3, 3)}),
    (Abs(Logistic(a) - Logistic(b)), "<=", Abs(a - b) / 4, {a: LINE, b: LINE}),
    (Max(a, 0) - Max(b, 0), "<=", Abs(a - b), {a: LINE, b: LINE}),
    (Abs(a + b + c), "<=", Abs(a) + Abs(b) + Abs(c), {a: LINE, b: LINE, c: LINE}),
    (a * b, "<=", a**2 + b**2, {a: Interval(-1, 1), b: Interval(-1, 1)}),
    (Softplus(a + b) - Softplus(a) - Logistic(a) * b, "<=", b**2 / 8, {a: LINE, b: LINE}),
    (1 / (1 + exp(a)), "<=", Logistic(-a * b), {a: RIGHT, b: Interval(-1, 1)}),
]


@pytest.mark.parametrize("claim", TRUE_CLAIMS, ids=lambda claim: f"{claim[0]} {claim[1]} {claim[2]}")
def test_true_claims_are_proved(claim: Any) -> None:
    outcome = prove(*claim)
    assert outcome.status == "proved", outcome.words
    assert outcome.witness is None
    assert outcome.words == f"proved on {outcome.boxes} boxes at {outcome.bits} bits"


@pytest.mark.parametrize("name", collect(logistic))
def test_the_scalar_inequalities_that_all_systems_use_are_proved(name: str) -> None:
    outcome = prove_inequality(collect(logistic)[name])
    assert outcome.status == "proved", outcome.words


def test_the_potential_grows_by_its_drive_within_the_bracket() -> None:
    others = 3

    def potential(gap: Expr) -> Expr:
        return exp(gap) / others + 2 * gap - others * exp(-gap)

    phi = 1 / (1 + others * exp(-a))
    growth = potential(a + b * phi * (1 - phi)) - potential(a)
    box = {a: Interval(-3, 3), b: Interval(0, 1)}
    assert prove(growth, "<=", b * exp(b / 4), box).status == "proved"
    assert prove(growth, ">=", b * exp(-b / 4), box).status == "proved"
    assert prove(growth, "<=", b * exp(b / 40), box).status == "refuted"


# Claims that are false.


def certainly_false(claim: Any, outcome: Outcome) -> bool:
    """Whether mpmath, with many digits, finds the claim false at the witness, which lies in the domain."""
    lhs, relation, rhs, domain = claim
    assert outcome.witness is not None
    assert all(domain[variable].contains(value) == True for variable, value in outcome.witness.items())  # noqa: E712
    with mpmath.workdps(400):
        left, right = (
            lambdify(list(outcome.witness), side, [FUNCTIONS, "mpmath"])(
                *[exactly(value) for value in outcome.witness.values()]
            )
            for side in (lhs, rhs)
        )
        holds = {"<=": left <= right, "<": left < right, ">=": left >= right, ">": left > right}
        return not holds.get(relation, left == right)


FALSE_CLAIMS: list[tuple[Expr, str, Expr, dict[Symbol, Interval]]] = [
    (Abs(1 / (1 + exp(z)) - HALF), "<=", Abs(z) / 8, {z: LINE}),
    (Abs(1 / (1 + exp(z)) - HALF), "<", Abs(z) / 4, {z: LINE}),
    (Abs(Logistic(z) - HALF), "==", tanh(Abs(z) / 3) / 2, {z: LINE}),
    (z**2, ">=", z, {z: LINE}),
    (z**2, "==", z**2 + Abs(z), {z: LINE}),
    (tanh(z), "<=", z, {z: Interval(-1, 1)}),
    (tanh(z), "<", z, {z: RIGHT}),
    (tanh(z), ">=", z - z**3 / 3, {z: Interval(-1, 1)}),
    (tanh(z), ">=", z - z**3 / 3 + 2 * z**5 / 15, {z: RIGHT}),
    (cosh(z), ">=", 1 + z**2 / 2 + z**4 / 23, {z: LINE}),
    (tanh(z), "<=", 1 - Rational(1, 10**30), {z: LINE}),
    (Logistic(z), ">=", Rational(1, 10**40), {z: LINE}),
    (Softplus(z), "<=", Max(z, 0) + Rational(69, 100), {z: LINE}),
    (exp(-(((z - Rational(123457, 10**6)) * 10**7) ** 2)), "<=", HALF, {z: Interval(-1, 1)}),
    (Max(0, 1 - 10**7 * Abs(z - Rational(271828, 10**6))), "<=", HALF, {z: Interval(-5, 5)}),
    (z, "<=", 10**8 + z / 2, {z: LINE}),
    (log(1 + Abs(z)), "<=", 500, {z: LINE}),
    (HAIR, "<=", (z - Rational(1, 3)) ** 2, {z: Interval(-1, 1)}),
    (HAIR, "<=", (z - sqrt(2)) ** 2, {z: Interval(-5, 5)}),
    (0, "<", (z - Rational(1, 3)) ** 2, {z: Interval(-1, 1)}),
    (log(z), "<", z - 1, {z: POSITIVE}),
    (Abs(tanh(a) - tanh(b)), "<=", 4 * Abs(a - b) / 5, {a: Interval(-3, 3), b: Interval(-3, 3)}),
    (Abs(tanh(a) - tanh(b)), "<", Abs(a - b), {a: Interval(-3, 3), b: Interval(-3, 3)}),
    (a * b * Rational(201, 100), "<=", a**2 + b**2, {a: LINE, b: LINE}),
    (Softplus(a + b) - Softplus(a) - Logistic(a) * b, "<=", b**2 / 9, {a: LINE, b: LINE}),
    (Abs(a + b + c), ">=", Abs(a) + Abs(b) - Abs(c), {a: LINE, b: LINE, c: LINE}),
]


@pytest.mark.parametrize("claim", FALSE_CLAIMS, ids=lambda claim: f"{claim[0]} {claim[1]} {claim[2]}")
def test_false_claims_are_refuted_at_a_point(claim: Any) -> None:
    outcome = prove(*claim)
    assert outcome.status == "refuted", outcome.words
    assert certainly_false(claim, outcome)
    assert outcome.words.startswith("false at ")
    assert outcome.words.endswith("does not hold")


# The margin of these is negative only within 1e-12 of an irrational number, a line or a corner, which samples
# do not meet: a reason that is none would prove them.
DIP, UNIT, CORNER = (z - sqrt(2)) ** 2 - Rational(1, 10**24), Interval(0, 2), Interval(0, 1)
HIDDEN_CLAIMS: list[tuple[Expr, str, Expr, dict[Symbol, Interval]]] = [
    (0, "<=", DIP, {z: Interval(-7, 2)}),
    (0, "<=", DIP, {z: Interval(0, 7)}),
    (0, "<=", (z - 1) ** 2 * DIP, {z: UNIT}),
    (Abs(DIP), "<=", DIP, {z: UNIT}),
    (a / 10**12, "<=", a**2 + b**2, {a: CORNER, b: CORNER}),
    (0, "<=", a**2 + b**2 * DIP.subs(z, b), {a: UNIT, b: UNIT}),
]


@pytest.mark.parametrize("claim", HIDDEN_CLAIMS, ids=lambda claim: f"{claim[0]} {claim[1]} {claim[2]}")
def test_claims_that_are_false_where_no_sample_falls_are_refuted(claim: Any) -> None:
    outcome = prove(*claim)
    assert outcome.status == "refuted", outcome.words
    assert certainly_false(claim, outcome)


# These are false, the first three at irrational points alone: no witness is a fraction that a search meets.
BEYOND_REACH: list[tuple[Expr, str, Expr, dict[Symbol, Interval]]] = [
    (0, "<", (z - sqrt(2)) ** 2, {z: UNIT}),
    (0, "<", a + (b - sqrt(2)) ** 2, {a: UNIT, b: UNIT}),
    (0, "<", a * (b - sqrt(2)) ** 2, {a: Interval.Lopen(0, 1), b: UNIT}),
    (HAIR, "<=", (Abs(a - b) - 3 * sqrt(2)) ** 2, {a: Interval(-3, 3), b: Interval(-3, 3)}),
]


@pytest.mark.parametrize("claim", BEYOND_REACH, ids=lambda claim: f"{claim[0]} {claim[1]} {claim[2]}")
def test_false_claims_without_a_witness_in_reach_stay_undecided(claim: Any) -> None:
    assert prove(*claim, boxes=500).status == "undecided"


TIGHT_CLAIMS = [claim for claim in TRUE_CLAIMS[:12] if claim[1] == "<="]


@pytest.mark.parametrize("claim", TIGHT_CLAIMS, ids=lambda claim: f"{claim[0]} {claim[1]} {claim[2]}")
def test_a_tight_claim_is_false_by_a_hair_and_true_with_a_hair_to_spare(claim: Any) -> None:
    lhs, relation, rhs, domain = claim
    missed = prove(lhs + HAIR, relation, rhs, domain)
    assert missed.status == "refuted", missed.words
    assert certainly_false((lhs + HAIR, relation, rhs, domain), missed)
    assert prove(lhs - HAIR, relation, rhs, domain).status == "proved"
    assert prove(lhs - HAIR, "<", rhs, domain).status == "proved"


# What cannot be decided.


def test_a_used_up_budget_is_undecided_and_says_where_it_stopped() -> None:
    claim = (HAIR, "<=", (z - sqrt(2)) ** 2, {z: Interval(-5, 5)})
    stopped = prove(*claim, boxes=3)
    assert stopped.status == "undecided"
    assert stopped.boxes == 3
    assert stopped.witness is None
    assert stopped.words == "undecided after 3 boxes; open: z in [0, 2]"
    assert prove(*claim).status == "refuted"


def test_no_budget_at_all_proves_nothing() -> None:
    assert prove(tanh(z), "<=", z, {z: RIGHT}, boxes=0).status == "undecided"
    assert prove(tanh(z), "<=", z, {z: RIGHT}, boxes=1).status == "proved"


def test_sides_that_touch_at_an_irrational_point_need_to_be_told() -> None:
    claim = (exp(z), ">=", 2 * (z - log(2)) + 2, {z: LINE})
    assert prove(*claim, boxes=60).status == "undecided"
    assert prove(*claim, touching={z: [log(2)]}).status == "proved"
    assert prove(claim[0], ">", claim[2], claim[3], touching={z: [log(2)]}).status == "refuted"
    assert prove(claim[0], ">=", claim[2] + HAIR, claim[3], touching={z: [log(2)]}).status == "refuted"


@pytest.mark.parametrize("point", [Integer(0), Integer(1), log(3), Rational(7, 10)])
def test_a_wrong_touching_point_proves_nothing(point: Expr) -> None:
    claim = (exp(z), ">=", 2 * (z - log(2)) + 2, {z: LINE})
    assert prove(*claim, touching={z: [point]}, boxes=60).status == "undecided"


@pytest.mark.parametrize(
    ("lhs", "domain"),
    [
        (1 / z, Interval(0, 1)),
        (log(z), Interval(0, 1)),
        (log(z), Interval(-1, 1)),
        (-sqrt(z), Interval(-1, 1)),
        (-1 / z**2, Interval(-1, 1)),
    ],
)
def test_a_claim_with_an_undefined_side_is_never_proved(lhs: Expr, domain: Interval) -> None:
    assert prove(lhs, "<=", 10**6 - lhs**2, {z: domain}, boxes=60).status != "proved"
    assert prove(lhs, "<=", lhs + z**2, {z: domain}, boxes=60).status == "undecided"


def test_open_ends_do_not_belong_to_the_domain() -> None:
    assert prove(0, "<", z, {z: POSITIVE}).status == "proved"
    assert prove(0, "<", z, {z: RIGHT}).status == "refuted"
    assert prove(z * (1 - z), ">", 0, {z: Interval.open(0, 1)}).status == "proved"
    assert prove(z * (1 - z), ">", 0, {z: Interval.Lopen(0, 1)}).status == "refuted"
    assert prove(1 / z, ">=", 1, {z: Interval.Lopen(0, 1)}).status == "proved"
    assert prove(1 / z, ">=", 1 + HAIR, {z: Interval.Lopen(0, 1)}).status == "refuted"


def test_a_domain_may_end_at_exact_numbers_that_are_not_binary() -> None:
    third = Interval(Rational(1, 3), log(3))
    assert prove(3 * z, ">=", 1, {z: third}).status == "proved"
    assert prove(3 * z, ">=", 1 + HAIR, {z: third}).status == "refuted"
    assert prove(exp(z), "<=", 3 + HAIR, {z: third}).status == "proved"
    assert prove(exp(z), "<=", 3 - HAIR, {z: third}).status == "refuted"


# Any claim of a family, judged by values at many points.

terms = st.sampled_from([z, z**2, Abs(z), tanh(z), exp(-(z**2)), Softplus(z), Logistic(2 * z), Max(z, HALF)])
sums = st.lists(st.tuples(numbers, terms), min_size=1, max_size=3).map(
    lambda parts: sum((weight * term for weight, term in parts), Integer(0))
)
domains = st.one_of(
    st.sampled_from([LINE, RIGHT, POSITIVE]),
    sides.filter(lambda ends: ends[0] < ends[1]).map(lambda ends: Interval(*ends)),
)


@settings(max_examples=60)
@given(sums, sums, domains, st.sampled_from(["<=", "<"]))
def test_no_point_contradicts_the_outcome(lhs: Expr, rhs: Expr, domain: Interval, relation: str) -> None:
    outcome = prove(lhs, relation, rhs, {z: domain}, boxes=40)
    if outcome.status == "refuted":
        assert certainly_false((lhs, relation, rhs, {z: domain}), outcome)
        return
    low, high = max(domain.start, -40), min(domain.end, 40)
    with mpmath.workdps(50):
        margin = lambdify([z], rhs - lhs, [FUNCTIONS, "mpmath"])
        points = [exactly(low + (high - low) * Rational(k, 240)) for k in range(1, 240)]
        if outcome.status == "proved":
            assert all(margin(point) >= -(mpmath.mpf(10) ** -40) for point in points)


@settings(max_examples=30)
@given(sums, sums, domains)
def test_a_claim_and_its_mirror_images_have_one_outcome(lhs: Expr, rhs: Expr, domain: Interval) -> None:
    outcome = prove(lhs, "<=", rhs, {z: domain}, boxes=40)
    assert prove(rhs, ">=", lhs, {z: domain}, boxes=40).status == outcome.status
    mirrored = Interval(-domain.end, -domain.start, domain.right_open, domain.left_open)
    flipped = prove(lhs.subs(z, -z), "<=", rhs.subs(z, -z), {z: mirrored}, boxes=40)
    assert {flipped.status, outcome.status} != {"proved", "refuted"}


# Requests that are refused.


@pytest.mark.parametrize(
    ("lhs", "relation", "domain", "message"),
    [
        (z + a, "<=", {z: LINE}, "a: it has no interval"),
        (Float("0.1") * z, "<=", {z: LINE}, "a float is not allowed"),
        (sin(z), "<=", {z: LINE}, r"sin\(z\): it cannot be enclosed"),
        (z, "!=", {z: LINE}, "relation: '!=' is not allowed"),
        (z, "<=", {z: Interval(1, 1)}, r"z: \{1\} is not allowed"),
        (Symbol("p", positive=True), "<=", {Symbol("p", positive=True): LINE}, "p: it must be declared real"),
    ],
)
def test_requests_that_cannot_be_decided_exactly_are_refused(
    lhs: Expr, relation: Any, domain: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        prove(lhs, relation, 1, domain)
