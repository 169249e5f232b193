"""Stage two of `benign-vit`: attention turns to the selected tokens, their scores grow like a logarithm.

`gap_{n,j}` is the score of a sample's selected token for itself minus that for token j. On the scale of the
potential `Psi` its growth is a straight line: `Psi' = 1/F` with `F = phi (1 - phi)`.
"""

from typing import Any

from sympy import Abs, Max, exp, expand_log, log, simplify, symbols

from proofs.benign_vit.bounds import (
    HALF,
    attention_gradient_bounded,
    loss_derivative_near_half,
    same_class,
    signals_are_orthogonal,
)
from proofs.benign_vit.exact import PAPER, vectorised_qk
from proofs.benign_vit.stages import GROWTH, STAGE_TWO, T1, attention_saturated, log_term
from proofs.benign_vit.symbols import (
    SAMPLE,
    M,
    N,
    benign,
    head_dimension,
    head_scale,
    is_noise_place,
    j,
    key_overlap,
    key_square,
    label,
    loss_derivative,
    n,
    n2,
    noise_multiplier,
    noise_square,
    overlap,
    p,
    query_overlap,
    query_square,
    readout,
    score,
    selected,
    signal_square,
    step_size,
    token_at,
    value,
)
from proofs.language import (
    STEP,
    ByHand,
    BySymbols,
    Claim,
    Derived,
    Largest,
    Lemma,
    Logistic,
    Observable,
    Paper,
    Same,
    ScalarInequality,
    Stage,
    Total,
    accumulated,
    at_event,
    change,
    define,
    real_variable,
)
from proofs.shared import logistic

PROVED = ByHand("docs/statements.md#stage-two")
HERE = Derived("docs/statements.md#stage-two")


def spread(gap: Any) -> Any:
    """`F(c) = phi (1 - phi)` where one score exceeds the M - 1 others by c."""
    attention = 1 / (1 + (M - 1) * exp(-gap))
    return attention * (1 - attention)


def potential(gap: Any) -> Any:
    """`Psi(c) = e^c/(M-1) + 2c - (M-1) e^(-c)`, the primitive of `1/F`."""
    return exp(gap) / (M - 1) + 2 * gap - (M - 1) * exp(-gap)


# How the potential grows with the score. In the variable c - log(M - 1) the number of tokens is gone.

c = real_variable("c")
x = real_variable("x")

_potential_growth = Logistic(c) * Logistic(-c) * (exp(c + x) - exp(c) + 2 * x - exp(-c - x) + exp(-c))


def _potential_identities() -> bool:
    """Prove that both bounds leave over multiples of `e^z - 1 - z`, z = x or -x, with weights >= 0."""
    p, growing = symbols("p e", positive=True)
    weight, here = p / (1 + p) ** 2, {c: log(p), x: log(growing)}
    ahead, behind = exp(x) - 1 - x, exp(-x) - 1 + x
    growth = _potential_growth.replace(Logistic, lambda z: 1 / (1 + exp(-z)))
    above = exp(x) - 1 - growth - weight * (2 * ahead + (ahead + behind) / p)
    below = growth - 1 + exp(-x) - weight * (2 * behind + (ahead + behind) * p)
    return all(simplify(expand_log(each.subs(here))) == 0 for each in (above, below))


potential_growth_above = ScalarInequality(
    words="On the scale of its slope the potential grows by at most the exponential growth of the score.",
    variables=(c, x),
    claim=Claim(_potential_growth, "<=", exp(x) - 1, variables=(c, x)),
    source=HERE,
    rests_on=[logistic.convexity_of_the_potential],
    proof=BySymbols(_potential_identities),
)

potential_growth_below = ScalarInequality(
    words="On the scale of its slope the potential grows by at least the exponential decay of the score.",
    variables=(c, x),
    claim=Claim(_potential_growth, ">=", 1 - exp(-x), variables=(c, x)),
    source=HERE,
    rests_on=[logistic.convexity_of_the_potential],
    proof=BySymbols(_potential_identities),
)

# One step, with explicit constants (benign: the selected token is the signal). Its quantities have names of their own.


def _quantity(name: str, symbol: str, words: str, expression: Any, *, constant: bool = False, sign: bool = True) -> Any:
    """A quantity of a sample's class, by the sample: an observable with this definition; `sign`: it is not negative."""
    observable = Observable(name, SAMPLE, words=words, symbol=symbol, constant=constant, nonnegative=sign)
    define(observable[n], expression)
    return observable[n]


def _largest_of_class(quantity: Any) -> Any:
    """The largest over the samples of the class, of each the largest over its noise tokens."""
    return Largest(Largest(quantity, j, where=is_noise_place[j]), n2, where=same_class)


alignment = _quantity("alignment", "c", "score of a sample's signal for itself", score[n, 0, 0], sign=False)
class_size = _quantity("class_size", "S", "how many samples have its label", Total(same_class, n2), constant=True)
energy = _quantity(
    "signal_energy",
    "a",
    "mean squared norm of its signal's query and key",
    (query_square[token_at[n, 0]] + key_square[token_at[n, 0]]) / 2,
)
distance_from_half = _quantity(
    "distance_from_half",
    "ell",
    "how far the loss derivatives of its class are from 1/2",
    Largest(Abs(loss_derivative[n2] - HALF), n2, where=same_class),
)
cross = _quantity(
    "cross_overlap",
    "chi",
    "how far the noise queries and keys of its class are from orthogonal to the signal's",
    Max(_largest_of_class(Abs(query_overlap[n2, j])), _largest_of_class(Abs(key_overlap[n2, j]))),
)
noise_score = _quantity(
    "noise_score", "B", "largest score of its class's signal for a noise token", _largest_of_class(Abs(score[n2, 0, j]))
)
signal_value = _quantity(
    "signal_value",
    "v",
    "value of its signal in the direction of its label",
    label[n] * value[token_at[n, 0]],
    sign=False,
)
noise_value = _quantity(
    "noise_value",
    "u",
    "largest absolute value of a noise token of its class",
    _largest_of_class(Abs(value[token_at[n2, j]])),
)
pace = _quantity(
    "pace",
    "b",
    "the drive of its signal's score, without energy and value",
    step_size * overlap[token_at[n, 0], n, 0] * class_size / (N * M),
    constant=True,
    sign=False,
)
signal_spread = _quantity("signal_spread", "F", "phi (1 - phi) at its alignment", spread(alignment), sign=False)

norm_square = Observable(
    "largest_square", words="largest squared norm of a query or key", symbol="k2", nonnegative=True
)
define(norm_square, Max(Largest(query_square[p], p), Largest(key_square[p], p)))

_signal_share = signal_spread * exp(noise_score) * signal_value
_both_values = signal_value + noise_value
_cross_term = cross * (_signal_share + noise_value + (M - 1) * _both_values / 4)
_second_order = (
    pace * norm_square * (HALF + distance_from_half) * (2 * _signal_share + noise_value) * _both_values * M / 4
)
error = _quantity(
    "stage_two_error",
    "E",
    "what noise queries and keys, and the product of both steps, can add",
    (HALF + distance_from_half) * (_cross_term + _second_order),
    sign=False,
)

one_signal = Claim(Total(same_class * (1 - Same(token_at[n, 0], token_at[n2, 0])), n2), "==", 0)
"""The samples of a class share their signal token."""

stage_two_step = Lemma(
    words="Per step the signal's score grows by its drive times phi (1 - phi), up to explicit errors.",
    claims=[
        Claim(
            change(alignment),
            ">=",
            pace
            * (
                (1 - 2 * distance_from_half) * energy * (signal_value - noise_value) * exp(-noise_score) * signal_spread
                - error
            ),
        ),
        Claim(
            change(alignment),
            "<=",
            pace * ((1 + 2 * distance_from_half) * energy * _both_values * exp(noise_score) * signal_spread + error),
        ),
    ],
    stage=GROWTH,
    given=[Claim(benign, "==", 1), signals_are_orthogonal, one_signal, Claim(noise_value, "<=", signal_value)],
    source=HERE,
    rests_on=[vectorised_qk, attention_gradient_bounded],
    proof=PROVED,
)

# The laws with hidden constants.

gap = score[n, selected[n], selected[n]] - score[n, selected[n], j]
is_other = 1 - Same(selected[n], j)

score_scale = head_scale**2 * head_dimension
selected_square = benign * signal_square + (1 - benign) * noise_multiplier**2 * noise_square
"""Squared norm of the selected tokens: `|mu|^2`, or `gamma = C_p^2 sigma_p^2 d`."""

selecting = benign * class_size + (1 - benign)
"""How many samples drive a selected token: those of its class, or its own alone."""

expected_drive = (
    step_size
    * selected_square
    * selecting
    / (N * M)
    * selected_square
    * score_scale
    * label[n]
    * value[token_at[n, selected[n]]]
)
"""`b_t` with the expected `a = |x|^2 sigma_h^2 d_h`."""

at_saturation = Stage(
    "attention saturated",
    start=attention_saturated,
    end=attention_saturated,
    words="when attention has turned",
)

stage_two_log_growth = Lemma(
    words="On the potential's scale the gap of scores grows by the summed drive: like a logarithm.",
    kind="order",
    claim=Claim(
        potential(gap) - at_event(potential(gap), T1),
        "~",
        accumulated(expected_drive, since=T1),
        where=is_other,
    ),
    stage=at_saturation,
    source=Paper(
        PAPER,
        says="attention scores grow like a logarithm in stage two",
        derived="the potential and its constant, 1",
    ),
    rests_on=[stage_two_step, potential_growth_above, potential_growth_below],
)

_quadratic = step_size**2 * signal_square**3 * readout * score_scale * (STEP**2 - at_event(STEP, T1) ** 2)

stage_two_quadratic_growth = Lemma(
    words="The exponential of the gap grows like the step number squared, with explicit constants.",
    kind="order",
    claims=[
        Claim(exp(gap) - at_event(exp(gap), T1), ">=", (M - 1) / (16 * M**4) * _quadratic, where=is_other),
        Claim(exp(gap) - at_event(exp(gap), T1), "<=", (M - 1) / (16 * M) * _quadratic, where=is_other),
    ],
    stage=at_saturation,
    given=[Claim(benign, "==", 1)],
    source=Paper(
        PAPER,
        says="scores are logarithms of a quadratic in the step number",
        derived="the constants, to leading order",
    ),
    rests_on=[stage_two_log_growth],
)

stage_two_loss_derivative_bound = Lemma(
    words="In stage two every loss derivative stays within 1/log(6N^2M^2/delta) of 1/2.",
    claim=Claim(Abs(loss_derivative[n] - HALF), "<=", 1 / log_term),
    stage=STAGE_TWO,
    source=Paper(
        PAPER, says="loss derivatives stay near 1/2 in stage two", derived="twice the constant of leading order"
    ),
    rests_on=[loss_derivative_near_half],
)

stage_two_loss_derivative = Lemma(
    words="In stage two the loss derivatives stay within order 1/log of 1/2.",
    kind="order",
    claim=Claim(Largest(Abs(loss_derivative[n] - HALF), n), "<=", 1 / (2 * log_term)),
    stage=STAGE_TWO,
    source=Paper(PAPER, says="loss derivatives stay near 1/2 in stage two", derived="the constant at leading order"),
    rests_on=[loss_derivative_near_half],
)

loss_derivative_until_attention = Lemma(
    words="The loss derivatives are still near 1/2 when attention has turned, ever nearer as the sizes grow.",
    kind="order",
    claim=Claim(Largest(Abs(loss_derivative[n] - HALF), n), "o", 1),
    stage=at_saturation,
    source=Paper(PAPER, says="loss derivatives stay near 1/2 until attention has grown"),
    rests_on=[stage_two_loss_derivative_bound, stage_two_log_growth],
)
