"""Bounds with explicit constants, asserted at every step."""

from sympy import Abs, Rational, exp, tanh

from proofs.benign_vit.exact import PAPER, scalarised_v, vectorised_qk
from proofs.benign_vit.symbols import (
    M,
    N,
    attention,
    attention_gradient,
    is_noise_place,
    is_signal,
    j,
    j2,
    key_change,
    key_drive,
    l,
    label,
    loss,
    loss_derivative,
    mean_attention,
    n,
    n2,
    output,
    overlap,
    p,
    query_change,
    query_drive,
    readout,
    score,
    step_size,
    token_at,
    value,
)
from proofs.language import (
    ByHand,
    ByScalar,
    Claim,
    Derived,
    Largest,
    Lemma,
    Paper,
    Smallest,
    Total,
    accumulated,
    after,
    at_start,
    change,
)
from proofs.shared import logistic

HALF = Rational(1, 2)
PROVED = ByHand("docs/statements.md#bounds")
HERE = Derived("docs/statements.md#bounds")

largest_value = Largest(Abs(value[p]), p)
"""`v = max_p |V_p|`."""

largest_score = Largest(Abs(score[n, l, j]), n, l, j)
"""`delta_s = max |s|`."""

sample_range = Largest(value[token_at[n, j2]], j2) - Smallest(value[token_at[n, j2]], j2)
"""Largest minus smallest value among a sample's tokens."""

output_bounded_by_values = Lemma(
    words="An output is at most the largest absolute value of its tokens.",
    claim=Claim(Abs(output[n]), "<=", Largest(Abs(value[token_at[n, j]]), j)),
    source=HERE,
    proof=PROVED,
)

loss_derivative_near_half = Lemma(
    words="While outputs are small, every loss derivative stays near 1/2.",
    claims=[
        Claim(Abs(loss_derivative[n] - HALF), "<=", Abs(output[n]) / 4),
        Claim(Abs(loss_derivative[n] - HALF), "<=", largest_value / 4),
    ],
    source=Paper(PAPER, says="loss derivatives stay near 1/2", derived="the constant 1/4"),
    rests_on=[logistic.quarter_lipschitz, output_bounded_by_values],
    proof=ByScalar(logistic.quarter_lipschitz),
)

loss_derivative_exact = Lemma(
    words="A loss derivative is half a hyperbolic tangent of half the output away from 1/2.",
    claim=Claim(Abs(loss_derivative[n] - HALF), "==", tanh(Abs(output[n]) / 2) / 2),
    source=Derived("docs/statements.md#logistic"),
    rests_on=[logistic.distance_from_half],
    proof=ByScalar(logistic.distance_from_half),
)

loss_derivative_bracket = Lemma(
    words="Every loss derivative lies between the logistic functions of minus and plus the largest value.",
    claims=[
        Claim(loss_derivative[n], ">=", 1 / (1 + exp(largest_value))),
        Claim(loss_derivative[n], "<=", 1 / (1 + exp(-largest_value))),
    ],
    source=HERE,
    rests_on=[output_bounded_by_values],
    proof=PROVED,
)

attention_near_uniform = Lemma(
    words="While scores are small, attention stays near uniform.",
    claims=[
        Claim(attention[n, l, j], ">=", 1 / (1 + (M - 1) * exp(2 * largest_score))),
        Claim(attention[n, l, j], "<=", 1 / (1 + (M - 1) * exp(-2 * largest_score))),
    ],
    source=Paper(PAPER, says="attention stays uniform in stage one", derived="the explicit bound"),
    proof=PROVED,
)

row_spread = Largest(score[n, l, j2], j2) - Smallest(score[n, l, j2], j2)
"""Largest minus smallest score of one query."""

attention_within_row_spread = Lemma(
    words="Attention is as uniform as the scores of its own query are equal.",
    claims=[
        Claim(attention[n, l, j], ">=", 1 / (1 + (M - 1) * exp(row_spread))),
        Claim(attention[n, l, j], "<=", 1 / (1 + (M - 1) * exp(-row_spread))),
    ],
    source=HERE,
    proof=PROVED,
)

attention_gradient_bounded = Lemma(
    words="An output's derivative by a score is at most the spread of its values times phi (1 - phi).",
    claims=[
        Claim(
            Abs(attention_gradient[n, l, j]),
            "<=",
            attention[n, l, j] * (1 - attention[n, l, j]) * sample_range / M,
        ),
        Claim(Abs(attention_gradient[n, l, j]), "<=", sample_range / (4 * M)),
    ],
    source=HERE,
    rests_on=[logistic.spread_product],
    proof=PROVED,
)

attention_gradient_row_bounded = Lemma(
    words="An output's derivatives by one query's scores add up, without signs, to at most half the spread.",
    claim=Claim(Total(Abs(attention_gradient[n, l, j]), j), "<=", sample_range / (2 * M)),
    source=HERE,
    proof=PROVED,
)

same_class = (1 + label[n] * label[n2]) / 2
"""1 where two samples have one label, else 0."""

from_signal = overlap[token_at[n, 0], n2, j]
"""Inner product of a sample's signal with any token."""

elsewhere = 1 - same_class * (1 - is_noise_place[j])
"""1 for tokens other than the signals of the sample's class."""

signals_are_orthogonal = Claim(Largest(Abs(from_signal), n2, j, where=elsewhere), "==", 0)
"""A signal is orthogonal to all noise and to the other class's signal."""

signals_agree = Claim(Smallest(overlap[token_at[n, 0], n2, 0], n2, where=same_class), ">=", 0)
"""No signal of a class points against another of that class; they need not be one vector."""

signal_pull = Total(same_class * overlap[token_at[n, 0], n2, 0], n2)
"""`|mu|^2` times the number of samples of the class, where these share one signal."""

no_pull_against = Claim(Smallest(label[n] * label[n2] * from_signal, n2, j), ">=", 0)
"""No token of any sample pulls the signal's value against its label."""

signal_exists = Claim(overlap[token_at[n, 0], n, 0], ">", 0)

signal_values_monotone = Lemma(
    words="Every signal's value moves in the direction of its label at every step.",
    claim=Claim(label[n] * change(value[token_at[n, 0]]), ">", 0),
    given=[no_pull_against, signal_exists, Claim(step_size, ">", 0), Claim(readout, ">", 0)],
    source=Derived("docs/statements.md#signal-values"),
    rests_on=[scalarised_v],
    proof=ByHand("docs/statements.md#signal-values"),
)

_signal_gain = label[n] * change(value[token_at[n, 0]])
_signal_attention = mean_attention[n2, 0]

signal_value_growth = Lemma(
    words="A signal's value grows per step as its class's loss derivatives and attention let it.",
    claims=[
        Claim(
            _signal_gain,
            ">=",
            step_size
            * readout
            / N
            * signal_pull
            * Smallest(loss_derivative[n2], n2, where=same_class)
            * Smallest(_signal_attention, n2, where=same_class),
        ),
        Claim(
            _signal_gain,
            "<=",
            step_size
            * readout
            / N
            * signal_pull
            * Largest(loss_derivative[n2], n2, where=same_class)
            * Largest(_signal_attention, n2, where=same_class),
        ),
    ],
    given=[signals_are_orthogonal, signals_agree],
    source=Derived("docs/statements.md#signal-values"),
    rests_on=[scalarised_v],
    proof=ByHand("docs/statements.md#signal-values"),
)

_uniform = (M - 1) * exp(2 * largest_score)

signal_value_envelope = Lemma(
    words="A signal's value grows linearly, between envelopes made of the largest values and scores so far.",
    claims=[
        Claim(
            label[n] * (value[token_at[n, 0]] - at_start(value[token_at[n, 0]])),
            ">=",
            step_size * readout / N * signal_pull * accumulated(1 / ((1 + exp(largest_value)) * (1 + _uniform))),
        ),
        Claim(
            label[n] * (value[token_at[n, 0]] - at_start(value[token_at[n, 0]])),
            "<=",
            step_size
            * readout
            / N
            * signal_pull
            * accumulated(1 / ((1 + exp(-largest_value)) * (1 + (M - 1) * exp(-2 * largest_score)))),
        ),
    ],
    given=[signals_are_orthogonal, signals_agree],
    source=Derived("docs/statements.md#signal-values"),
    rests_on=[signal_value_growth, loss_derivative_bracket, attention_near_uniform],
    proof=ByHand("docs/statements.md#signal-values"),
)

noise_value_growth = Lemma(
    words="A noise token's value moves per step by at most its inner products with the attended tokens.",
    claim=Claim(
        Abs(change(value[p])),
        "<=",
        step_size * readout / N * Total(Abs(overlap[p, n, j]) * loss_derivative[n] * mean_attention[n, j], n, j),
        where=1 - is_signal[p],
    ),
    source=HERE,
    rests_on=[scalarised_v],
    proof=PROVED,
)

query_key_drift = Lemma(
    words="A query (key) moves per step by at most its inner products times the weighted keys (queries).",
    claims=[
        Claim(
            query_change[p],
            "<=",
            step_size / N * Total(loss_derivative[n] * Abs(overlap[p, n, l]) * query_drive[n, l], n, l),
        ),
        Claim(
            key_change[p],
            "<=",
            step_size / N * Total(loss_derivative[n] * Abs(overlap[p, n, j]) * key_drive[n, j], n, j),
        ),
    ],
    source=HERE,
    rests_on=[vectorised_qk],
    proof=PROVED,
)

loss_decreases = Lemma(
    words="The training loss does not increase.",
    claim=Claim(after(loss), "<=", loss),
    source=Derived("docs/statements.md#descent"),
)
