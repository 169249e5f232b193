"""Identities of every finite problem, at every step, without hidden constants."""

from typing import Any

from proofs.benign_vit.gradients import (
    PROVED_SIZES,
    prove_attention_gradient_rows_vanish,
    prove_token_directions,
    prove_weight_gradients,
)
from proofs.benign_vit.symbols import (
    N,
    attention_gradient,
    balance,
    j,
    key_probe,
    l,
    label,
    loss_derivative,
    n,
    overlap,
    p,
    query_probe,
    readout,
    step_size,
    token_at,
    value,
    value_drive,
    z,
)
from proofs.language import ByHand, BySymbols, Claim, Derived, Lemma, Observable, Paper, Total, change
from proofs.shared.softmax import prove_row_sum_vanishes, prove_softmax_jacobian

PAPER = "arXiv:2409.19345"


def _gradients() -> bool:
    return all(prove_weight_gradients(size) and prove_token_directions(size) for size in PROVED_SIZES)


def _softmax() -> bool:
    rows_vanish = prove_row_sum_vanishes() and prove_attention_gradient_rows_vanish(PROVED_SIZES[1])
    return prove_softmax_jacobian() and rows_vanish


gradient = Lemma(
    words="The hand-derived gradients are the derivatives of the training loss.",
    kind="pair",
    source=Derived("docs/reduction.md"),
    proof=BySymbols(_gradients),
)

softmax_jacobian = Lemma(
    words="The derivatives of an output by one query's scores sum to zero.",
    claim=Claim(Total(attention_gradient[n, l, j], j), "==", 0),
    source=Derived("docs/statements.md#softmax"),
    proof=BySymbols(_softmax),
)

scalarised_v = Lemma(
    words="Each value moves by the weighted inner products of its token with the attended tokens.",
    claim=Claim(change(value[p]), "==", step_size * readout * value_drive[p]),
    source=Paper(PAPER, says="scalarised V", derived="the formula with its factors"),
    rests_on=[gradient],
    proof=ByHand("docs/reduction.md"),
)

weight = label[n] * loss_derivative[n] / N
"""Minus the derivative of the training loss by a sample's output."""

vectorised_qk = Lemma(
    words="Each query (key) moves by the weighted keys (queries) of its samples; along fixed directions.",
    claims=[
        Claim(
            change(query_probe[p, z]),
            "==",
            step_size
            * Total(
                weight * overlap[p, n, l] * Total(attention_gradient[n, l, j] * key_probe[token_at[n, j], z], j),
                n,
                l,
            ),
        ),
        Claim(
            change(key_probe[p, z]),
            "==",
            step_size
            * Total(
                weight * overlap[p, n, j] * Total(attention_gradient[n, l, j] * query_probe[token_at[n, l], z], l),
                n,
                j,
            ),
        ),
    ],
    source=Paper(PAPER, says="vectorised Q and K", derived="the formula with its factors"),
    rests_on=[gradient],
    proof=ByHand("docs/reduction.md"),
)


def _step_energy(coefficient: Any, probed: Observable) -> Any:
    """`|step z|^2` of a weight's step `sum x coefficient`, the inner products with its tokens being what
    their probes moved by.
    """
    return step_size * Total(coefficient * change(probed[token_at[n, l], z]), n, l)


_query_step = weight * Total(attention_gradient[n, l, j] * key_probe[token_at[n, j], z], j)
_key_step = weight * Total(attention_gradient[n, j, l] * query_probe[token_at[n, j], z], j)

balancedness_drift = Lemma(
    words="The balance of W_Q and W_K drifts by the difference of the squared gradients alone; along fixed directions.",
    claim=Claim(change(balance[z]), "==", _step_energy(_query_step, query_probe) - _step_energy(_key_step, key_probe)),
    source=Derived("docs/statements.md#balancedness"),
    rests_on=[vectorised_qk],
    proof=ByHand("docs/statements.md#balancedness"),
)

reduction = Lemma(
    words="Training in token space of width min(2P, d_h) follows the trajectory of the full weights.",
    kind="pair",
    source=Derived("docs/reduction.md"),
    rests_on=[scalarised_v, vectorised_qk],
    proof=ByHand("docs/reduction.md"),
)

reduced_draw = Lemma(
    words="Problems drawn at reduced size have the law of full ones, and so have their test samples.",
    kind="law",
    source=Derived("docs/reduction.md"),
    rests_on=[reduction],
    proof=ByHand("docs/reduction.md"),
)


def _symmetry(words: str) -> Lemma:
    return Lemma(
        words=words,
        kind="pair",
        source=Derived("docs/statements.md#symmetries"),
        proof=ByHand("docs/statements.md#symmetries"),
    )


rotation_of_token_space = _symmetry("Rotating token space (X O, O^T W) changes no score, value or loss.")
rotation_of_heads = _symmetry("Rotating queries and keys together (W_Q R, W_K R) changes nothing.")
sample_permutation = _symmetry("Permuting samples permutes their outputs.")
token_permutation = _symmetry("Permuting any tokens of a sample changes no output and no loss.")
sign_change = _symmetry(
    "Changing the sign of all labels and of W_V changes the sign of every output, and no query, key or loss."
)
scaling = _symmetry("Scaling tokens by c, weights by 1/c and the step by 1/c^2 changes no score, value or loss.")
value_shift = _symmetry(
    "Adding a number to all values of a sample adds it to the output and leaves the attention gradient."
)
