"""Statements about `benign-vit` that are false by a hair, for the search to break, and one that speaks of nothing."""

from sympy import Abs, Rational

from proofs.benign_vit.symbols import M, attention_gradient, j, j2, l, loss_derivative, n, output, token_at, value
from proofs.language import Claim, Derived, Largest, Lemma, Smallest, Total

HERE = Derived("made up")
largest_value = Largest(Abs(value[token_at[n, j]]), j)
spread = Largest(value[token_at[n, j2]], j2) - Smallest(value[token_at[n, j2]], j2)

constant_too_good = Lemma(
    words="The constant of loss-derivative-near-half, 1/4, made smaller.",
    claim=Claim(Abs(loss_derivative[n] - Rational(1, 2)), "<=", Rational(249, 1000) * Abs(output[n])),
    source=HERE,
)
wrong_exponent = Lemma(
    words="The square of the output in place of the output.",
    claim=Claim(Abs(loss_derivative[n] - Rational(1, 2)), "<=", output[n] ** 2),
    source=HERE,
)
outputs_smaller_than_values = Lemma(
    words="An output is a little smaller than its tokens' largest value.",
    claim=Claim(Abs(output[n]), "<=", Rational(999, 1000) * largest_value),
    source=HERE,
)
row_too_small = Lemma(
    words="The constant of attention-gradient-row-bounded, 1/2, made smaller.",
    claim=Claim(Total(Abs(attention_gradient[n, l, j]), j), "<=", Rational(499, 1000) * spread / M),
    source=HERE,
)
about_nothing = Lemma(
    words="Its hypothesis is never met.",
    claim=Claim(Abs(output[n]), "<=", 0),
    given=[Claim(Abs(output[n]), ">=", 1 + largest_value)],
    source=HERE,
)
