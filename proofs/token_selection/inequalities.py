"""Bounds with explicit constants, asserted at every step."""

from typing import Any

from sympy import Abs, Max, Rational, cosh, exp, expand, log, simplify, sinh, sqrt, symbols, tanh

from proofs.language import (
    STEP,
    ByHand,
    ByScalar,
    BySymbols,
    Claim,
    Derived,
    Expm1,
    Largest,
    Lemma,
    Log1p,
    Logistic,
    Observable,
    ScalarInequality,
    Smallest,
    Softplus,
    Total,
    accumulated,
    after,
    at_start,
    define,
    real_variable,
)
from proofs.shared import logistic
from proofs.token_selection.exact import balance_drift
from proofs.token_selection.stages import HALF
from proofs.token_selection.symbols import (
    CLASS,
    TOKEN,
    N,
    T,
    attention,
    balance,
    diameter,
    effective_gap,
    gradient_square,
    is_other,
    k,
    label,
    loss,
    loss_derivative,
    moved_square,
    n,
    output,
    probe_square,
    pulled_square,
    query_square,
    start_norm,
    start_query_square,
    step_size,
    t,
    value,
    z,
)

HERE = Derived("docs/token-selection-statements.md#bounds")
PROVED = ByHand("docs/token-selection-statements.md#bounds")
GROWTH = Derived("docs/token-selection-statements.md#growth")

STARTS_AT_ZERO = Claim(start_query_square, "==", 0)
"""Training starts at p = 0."""

# Outputs and loss derivatives.

largest_value = Largest(Abs(value[n, t]), t)
value_range = Largest(value[n, t], t) - Smallest(value[n, t], t)
"""`R`, largest minus smallest value of a sample."""

_best, _worst = Largest(label[n] * value[n, t], t), Smallest(label[n] * value[n, t], t)

output_within_values = Lemma(
    words="An output is at most the largest absolute value of its tokens; for its label, at most the best of them.",
    claims=[Claim(Abs(output[n]), "<=", largest_value), Claim(label[n] * output[n], "<=", _best)],
    source=HERE,
    proof=PROVED,
)

smallest_loss = Total(Softplus(-_best), n) / N
"""`L_*`, which the loss cannot fall below: every sample attends to its best value alone."""

loss_bracket = Lemma(
    words="The loss lies between those of attention to every sample's best and to its worst value.",
    claims=[Claim(loss, ">=", smallest_loss), Claim(loss, "<=", Total(Softplus(-_worst), n) / N)],
    source=HERE,
    rests_on=[output_within_values],
    proof=PROVED,
)

loss_derivative_bracket = Lemma(
    words="Every loss derivative lies between the logistic functions of minus and plus the largest value.",
    claims=[
        Claim(loss_derivative[n], ">=", Logistic(-largest_value)),
        Claim(loss_derivative[n], "<=", Logistic(largest_value)),
    ],
    source=HERE,
    rests_on=[output_within_values],
    proof=PROVED,
)

loss_derivative_exact = Lemma(
    words="A loss derivative is half a hyperbolic tangent of half the output away from 1/2.",
    claim=Claim(Abs(loss_derivative[n] - HALF), "==", tanh(Abs(output[n]) / 2) / 2),
    source=Derived("docs/statements.md#logistic"),
    rests_on=[logistic.distance_from_half],
    proof=ByScalar(logistic.distance_from_half),
)

loss_derivative_near_half = Lemma(
    words="While outputs are small, every loss derivative stays near 1/2.",
    claim=Claim(Abs(loss_derivative[n] - HALF), "<=", Abs(output[n]) / 4),
    source=Derived("docs/statements.md#logistic"),
    rests_on=[logistic.quarter_lipschitz],
    proof=ByScalar(logistic.quarter_lipschitz),
)

# What drives the weights.

_most = Max(Largest(attention[n, t], t), HALF)
largest_covariance = _most * (1 - _most)
"""1/4, or `phi (1 - phi)` of a token that has more than half of the attention."""

drive_bounded = Lemma(
    words="What drives the weights is at most the spread of values times that of tokens, less where attention is one.",
    claim=Claim(
        sqrt(moved_square),
        "<=",
        Total(loss_derivative[n] * value_range * diameter[n] * largest_covariance, n) / N,
    ),
    source=HERE,
    proof=PROVED,
)

largest_drive = Total(Logistic(largest_value) * value_range * diameter[n], n) / (4 * N)
"""`B`, a bound on the norm of what drives the weights, whatever they are."""

query_norm_bounded = Lemma(
    words="The norm of p stays below an exponential known from the start.",
    claim=Claim(
        sqrt(query_square),
        "<=",
        start_norm
        / 2
        * (Expm1(STEP * Log1p(step_size * largest_drive)) - Expm1(STEP * Log1p(-step_size * largest_drive))),
    ),
    given=[
        STARTS_AT_ZERO,
        Claim(step_size * largest_drive, "<=", HALF),
        Claim(STEP * step_size * largest_drive, "<=", 100),
    ],
    source=HERE,
    rests_on=[drive_bounded, loss_derivative_bracket],
    proof=PROVED,
)

balance_drift_bounded = Lemma(
    words="The balance of W and p drifts by at most the larger of its two rank-one terms; along fixed directions.",
    claim=Claim(
        Abs(balance[z]),
        "<=",
        step_size**2 * probe_square[z] * accumulated(Max(query_square * moved_square, pulled_square)),
    ),
    source=HERE,
    rests_on=[balance_drift],
    proof=PROVED,
)

sufficient_descent = Lemma(
    words="Every step lowers the loss by at least half of what its slope promises.",
    claim=Claim(loss - after(loss), ">=", step_size * gradient_square / 2),
    source=Derived("docs/token-selection-statements.md#descent"),
)

balance_drift_by_the_loss = Lemma(
    words="While the loss falls as its slope promises, the balance drifts by at most the fall; along fixed directions.",
    claim=Claim(Abs(balance[z]), "<=", 2 * step_size * probe_square[z] * (at_start(loss) - smallest_loss)),
    given=[Claim(step_size * accumulated(gradient_square), "<=", 2 * (at_start(loss) - loss))],
    source=HERE,
    rests_on=[balance_drift_bounded, loss_bracket],
    proof=PROVED,
)

# The growth function. With c = x - log(T - 1) the number of tokens is gone, and phi = 1/(1 + e^(-c)).

c = real_variable("c")
x = real_variable("x")
share = real_variable("phi")


def growth_change(phi: Any, gap_change: Any) -> Any:
    """`(g(x + y) - g(x)) / g'(x)` for a token with attention phi whose effective gap changes by y.

    An average of `e^y - 1`, y and `1 - e^(-y)`: nothing cancels in it, and nothing overflows before it does.
    """
    return phi**2 * Expm1(gap_change) + 2 * phi * (1 - phi) * gap_change - (1 - phi) ** 2 * Expm1(-gap_change)


def _growth_identity() -> bool:
    """Prove that `growth_change` is what it says, from `g = 2x + 2 sinh c` and `phi = 1/(1 + e^(-c))`."""
    here, factor = symbols("p e", positive=True)  # e^c and e^y
    change = 2 * log(factor) + 2 * sinh(log(here * factor)) - 2 * sinh(log(here))
    slope = 2 + 2 * cosh(log(here))
    claimed = growth_change(here / (1 + here), log(factor)).replace(Expm1, lambda y: exp(y) - 1)
    return bool(simplify((claimed - change / slope).rewrite(exp)) == 0)


_growth = growth_change(Logistic(c), x).replace(Expm1, lambda y: exp(y) - 1)

growth_above = ScalarInequality(
    words="On the scale of its slope the growth function moves by at most the exponential growth of the gap.",
    variables=(c, x),
    claim=Claim(_growth, "<=", exp(x) - 1, variables=(c, x)),
    source=GROWTH,
    rests_on=[logistic.convexity_of_the_potential],
    proof=BySymbols(_growth_identity),
)

growth_below = ScalarInequality(
    words="On the scale of its slope the growth function moves by at least the exponential decay of the gap.",
    variables=(c, x),
    claim=Claim(_growth, ">=", 1 - exp(-x), variables=(c, x)),
    source=GROWTH,
    rests_on=[logistic.convexity_of_the_potential],
    proof=BySymbols(_growth_identity),
)


def _steepest_spread() -> bool:
    """Prove that what is missing to 1/108 is a square times a positive factor, with `u = (1 - 2 phi)^2`."""
    u = (1 - 2 * share) ** 2
    missing = Rational(1, 108) - (share * (1 - share) * (1 - 2 * share)) ** 2
    return bool(expand(missing - (u - Rational(1, 3)) ** 2 * (Rational(4, 3) - u) / 16) == 0)


slope_by_gap = ScalarInequality(
    words="The logarithm of phi (1 - phi) moves by at most as much as the gap.",
    variables=(c, x),
    claim=Claim(Abs(Softplus(c + x) + Softplus(-c - x) - Softplus(c) - Softplus(-c)), "<=", Abs(x), variables=(c, x)),
    source=GROWTH,
    proof=ByHand("docs/token-selection-statements.md#growth"),
)

spread_by_gap = ScalarInequality(
    words="The derivative of phi (1 - phi) by the gap is at most 1/(6 sqrt 3).",
    variables=(share,),
    domain={share: (0, 1)},
    claim=Claim((share * (1 - share) * (1 - 2 * share)) ** 2, "<=", Rational(1, 108), variables=(share,)),
    source=GROWTH,
    proof=BySymbols(_steepest_spread),
)

_spread = attention[n, t] * (1 - attention[n, t])
_one_more = Logistic(effective_gap[n, t] - log(T)) * Logistic(log(T) - effective_gap[n, t])

one_token_more = Lemma(
    words="With log T for log(T - 1) in the growth function, phi (1 - phi) is off by little, but it is off.",
    claims=[
        Claim(_one_more, "<=", T / (T - 1) * _spread),
        Claim(_one_more, ">=", (T - 1) / T * _spread),
        Claim(Abs(_one_more - _spread), "<=", log(T / (T - 1)) / (6 * sqrt(3))),
    ],
    source=GROWTH,
    rests_on=[slope_by_gap, spread_by_gap],
    proof=ByHand("docs/token-selection-statements.md#growth"),
)

# Test samples.

behind = Observable(
    "behind",
    CLASS,
    TOKEN,
    constant=True,
    nonnegative=True,
    words="probability that a token outscores token 0 in a test sample of a class, by the law of their lead alone",
)
missed = Observable(
    "missed",
    CLASS,
    constant=True,
    nonnegative=True,
    words="probability that a test sample of a class attends most to another token than token 0",
)
least_missed = Observable(
    "least_missed",
    CLASS,
    constant=True,
    nonnegative=True,
    words="how often the strongest rival outscores token 0",
)
define(least_missed[k], Largest(behind[k, t], t, where=is_other[t]))

most_missed = Observable(
    "most_missed", CLASS, constant=True, words="how often some rival would, if their leads were independent"
)
define(most_missed[k], -Expm1(Total(is_other[t] * Log1p(-behind[k, t]), t)))

selection_probability = Lemma(
    words="A test sample misses its signal no less often than one rival wins, no more than independent ones would.",
    claims=[Claim(missed[k], ">=", least_missed[k]), Claim(missed[k], "<=", most_missed[k])],
    kind="law",
    source=Derived("docs/token-selection-statements.md#test-samples"),
    proof=ByHand("docs/token-selection-statements.md#test-samples"),
)
