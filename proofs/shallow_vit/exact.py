"""Identities of every finite problem, at every step, without hidden constants."""

from sympy import Abs, Max

from proofs.language import (
    ByHand,
    BySymbols,
    Claim,
    Derived,
    Largest,
    Lemma,
    Smallest,
    Total,
    after,
    change,
)
from proofs.shallow_vit.gradients import PROVED_SIZES, prove_scores_do_not_sum, prove_weight_gradients
from proofs.shallow_vit.recursions import prove_balances, prove_closed_recursion
from proofs.shallow_vit.symbols import (
    active_share,
    attention,
    attention_gradient,
    attention_power,
    attention_step_size,
    b,
    batch_active,
    batch_hinge,
    batch_label,
    batch_output,
    batch_weight,
    c,
    difference_null,
    h,
    has_key,
    head_balance,
    head_difference_beyond,
    head_drift,
    head_null,
    head_sum_beyond,
    hidden_move,
    hidden_step,
    i,
    is_irrelevant,
    j,
    key_count,
    key_gram_move,
    key_gram_step,
    key_outside,
    key_pairing,
    key_sum,
    largest_move,
    mean_effect,
    n,
    other_key,
    output_gradient_square,
    output_gram_move,
    output_gram_step,
    output_pairing,
    output_square,
    own_key,
    pattern_sum,
    push,
    query_gram_move,
    query_gram_step,
    query_outside,
    query_pairing,
    r,
    score_move,
    score_pull,
    score_step,
    step_size,
    token_effect,
    token_null,
    twin_attention,
    u,
    value_balance,
    value_drift,
    value_gradient_square,
    value_gram_move,
    value_gram_step,
    value_outside,
    value_pairing,
    value_square,
    za,
    zb,
    zd,
    zm,
)
from proofs.shared.softmax import prove_row_sum_vanishes, prove_softmax_jacobian

PROOFS = "docs/shallow-vit.md"


def _gradients() -> bool:
    return all(prove_weight_gradients(size) for size in PROVED_SIZES)


def _softmax() -> bool:
    rows = prove_row_sum_vanishes() and all(prove_scores_do_not_sum(size) for size in PROVED_SIZES[:3])
    return prove_softmax_jacobian() and rows


gradient = Lemma(
    words="The hand-derived gradients of all four weights are the derivatives of the batch loss, away from its kinks.",
    kind="pair",
    source=Derived(PROOFS + "#gradients"),
    proof=BySymbols(_gradients),
)

softmax_jacobian = Lemma(
    words="The derivatives of an output by one query's scores sum to zero; their mean effect is the effects' variance.",
    claims=[
        Claim(Total(attention_gradient[n, i, j], j), "==", 0),
        Claim(
            Total(attention_gradient[n, i, j] * token_effect[n, i, j], j),
            "==",
            Total(attention[n, i, j] * (token_effect[n, i, j] - mean_effect[n, i]) ** 2, j),
        ),
    ],
    source=Derived(PROOFS + "#softmax"),
    proof=BySymbols(_softmax),
)

attention_gradient_bounded = Lemma(
    words="The derivatives by one query's scores add up to at most half the spread of effects, in absolute value.",
    claim=Claim(
        Total(Abs(attention_gradient[n, i, j]), j),
        "<=",
        (
            Largest(token_effect[n, i, j], j, where=has_key[n, j])
            - Smallest(token_effect[n, i, j], j, where=has_key[n, j])
        )
        / 2,
    ),
    source=Derived(PROOFS + "#softmax"),
    proof=ByHand(PROOFS + "#softmax"),
)

hinge_convention = Lemma(
    words="The loss is the hinge loss: a sample is active or not, and the margin of active ones is below 1.",
    claims=[
        Claim(batch_active[b] * (1 - batch_label[b] * batch_output[b]), "==", batch_hinge[b]),
        Claim(batch_active[b] * (1 - batch_active[b]), "==", 0),
    ],
    source=Derived(PROOFS + "#gradients"),
    proof=ByHand(PROOFS + "#gradients"),
)


def _symmetry(words: str, anchor: str = "symmetries") -> Lemma:
    return Lemma(words=words, kind="pair", source=Derived(f"{PROOFS}#{anchor}"), proof=ByHand(f"{PROOFS}#{anchor}"))


factor_change = _symmetry(
    "Outputs depend on weights through P and R alone: changing bases between W_K and W_Q, or W_V and W_O, changes none."
)

_pushed_output = step_size * Total(push * batch_output[b], b)

homogeneity = Lemma(
    words="Each weight moves along itself by the outputs' push; keys and queries by that of scores, both pairs alike.",
    claims=[
        Claim(output_pairing, "==", _pushed_output),
        Claim(value_pairing, "==", _pushed_output),
        Claim(key_pairing, "==", attention_step_size * score_pull),
        Claim(query_pairing, "==", attention_step_size * score_pull),
    ],
    source=Derived(PROOFS + "#homogeneity"),
    rests_on=[gradient],
    proof=ByHand(PROOFS + "#homogeneity"),
)

head_balance_drift = Lemma(
    words="W_K W_K^T - W_Q W_Q^T drifts by the difference of two squares in the square of the step; along probes.",
    claim=Claim(change(head_balance[h, zb]), "==", attention_step_size**2 * head_drift[h, zb]),
    source=Derived(PROOFS + "#balances"),
    rests_on=[gradient],
    proof=BySymbols(prove_balances),
)

value_balance_drift = Lemma(
    words="W_O^T W_O - W_V W_V^T drifts likewise, as a whole matrix: nothing nonlinear stands between them.",
    claim=Claim(change(value_balance[u, za]), "==", step_size**2 * value_drift[u, za]),
    source=Derived(PROOFS + "#balances"),
    rests_on=[gradient],
    proof=BySymbols(prove_balances),
)

_active_margins = step_size * Total(batch_weight[b] * batch_active[b] * (1 - batch_hinge[b]), b)

norm_growth = Lemma(
    words="The squared norms of W_O and W_V grow by the margins of active samples and by the squared gradient.",
    claims=[
        Claim(change(output_square), "==", 2 * _active_margins + step_size**2 * output_gradient_square),
        Claim(change(value_square), "==", 2 * _active_margins + step_size**2 * value_gradient_square),
    ],
    source=Derived(PROOFS + "#homogeneity"),
    rests_on=[homogeneity],
    proof=ByHand(PROOFS + "#homogeneity"),
)


closed_recursion = Lemma(
    words="P, R and the Gram matrices of the four weights move in terms of each other, H and K alone; along probes.",
    claims=[
        Claim(score_step[c, zd], "==", score_move[c, zd]),
        Claim(key_gram_step[c, zd], "==", key_gram_move[c, zd]),
        Claim(query_gram_step[c, zd], "==", query_gram_move[c, zd]),
        Claim(hidden_step[r, zd], "==", hidden_move[r, zd]),
        Claim(output_gram_step[r, zm], "==", output_gram_move[r, zm]),
        Claim(value_gram_step[c, zd], "==", value_gram_move[c, zd]),
    ],
    source=Derived(PROOFS + "#closed-recursion"),
    rests_on=[gradient],
    proof=BySymbols(prove_closed_recursion),
)

moves_in_token_span = Lemma(
    words="W_V and W_Q never move along vectors orthogonal to all tokens.",
    claims=[
        Claim(after(value_outside[u]), "==", value_outside[u], where=token_null),
        Claim(after(query_outside[h]), "==", query_outside[h], where=token_null),
    ],
    source=Derived(PROOFS + "#spans"),
    rests_on=[gradient],
    proof=ByHand(PROOFS + "#spans"),
)

keys_move_in_differences = Lemma(
    words="W_K never moves along vectors orthogonal to all differences of a sample's tokens.",
    claim=Claim(after(key_outside[h]), "==", key_outside[h], where=difference_null),
    source=Derived(PROOFS + "#spans"),
    rests_on=[softmax_jacobian],
    proof=ByHand(PROOFS + "#spans"),
)

moves_in_head_span = Lemma(
    words="W_K and W_Q never move along heads orthogonal to all queries and to differences of keys at the start.",
    claims=[
        Claim(after(head_sum_beyond[zd]), "==", head_sum_beyond[zd], where=head_null),
        Claim(after(head_difference_beyond[zd]), "==", head_difference_beyond[zd], where=head_null),
    ],
    source=Derived(PROOFS + "#spans"),
    rests_on=[moves_in_token_span, keys_move_in_differences],
    proof=ByHand(PROOFS + "#spans"),
)

key_sum_conserved = Lemma(
    words="The sum of the keys of all patterns never moves, where noise is absent or orthogonal to the patterns.",
    claim=Claim(after(key_sum[h]), "==", key_sum[h], where=pattern_sum),
    source=Derived(PROOFS + "#spans"),
    rests_on=[keys_move_in_differences],
    proof=ByHand(PROOFS + "#spans"),
)

pattern_reduction = _symmetry(
    "Without token noise training in the coordinates of the patterns follows the trajectory of the full weights.",
    "pattern-reduction",
)
multiplicities = _symmetry(
    "Equal tokens of a sample can be one, counted among keys and among queries apart.", "multiplicities"
)
reduced_draw = Lemma(
    words="Problems with token noise drawn in few coordinates have the law of full ones, and so have test samples.",
    kind="law",
    source=Derived(PROOFS + "#direct-draw"),
    proof=ByHand(PROOFS + "#direct-draw"),
)

rest_at_unit_margins = Lemma(
    words="Where every margin of the batch is at least 1, no weight changes by a bit.",
    claim=Claim(largest_move, "==", 0),
    given=[Claim(active_share, "<=", 0)],
    source=Derived(PROOFS + "#rest"),
    rests_on=[gradient],
    proof=ByHand(PROOFS + "#rest"),
)

rest_at_zero_readout = Lemma(
    words="W_O = 0 is a fixed point, as ReLU has derivative 0 at 0.",
    claim=Claim(largest_move, "==", 0),
    given=[Claim(output_square, "<=", 0)],
    source=Derived(PROOFS + "#rest"),
    rests_on=[gradient],
    proof=ByHand(PROOFS + "#rest"),
)

sign_change = _symmetry(
    "Changing the signs of all labels and of the readout leaves the trajectory as it is, bit by bit."
)
token_permutation = _symmetry("Permuting a sample's tokens changes no output and no loss.")
rotation = _symmetry("Rotating token space (tokens and weights) changes no score, output or loss.")

error_of_equal_counts = Lemma(
    words="With as many tokens of the other label as of the own one, outputs tell nothing of labels: the error is 1/2.",
    kind="law",
    source=Derived(PROOFS + "#test-law"),
    proof=ByHand(PROOFS + "#test-law"),
)

_own_weight = key_count[n, own_key[n]] * attention_power(own_key[n], has_key)
_other_weight = key_count[n, other_key[n]] * attention_power(other_key[n], has_key)

attention_odds = Lemma(
    words="A query divides its attention between own and other pattern by their counts times exponentials of scores.",
    claim=Claim(attention[n, i, own_key[n]] * _other_weight, "==", attention[n, i, other_key[n]] * _own_weight),
    source=Derived(PROOFS + "#attention-budget"),
    proof=ByHand(PROOFS + "#attention-budget"),
)

attention_budget = Lemma(
    words="In a sample and its twin an irrelevant query attends on average at most their share to own tokens.",
    claim=Claim(
        is_irrelevant[i] * (attention[n, i, own_key[n]] + twin_attention[n, i, other_key[n]]) / 2,
        "<=",
        key_count[n, own_key[n]] / (key_count[n, own_key[n]] + key_count[n, other_key[n]]),
    ),
    given=[Claim(key_count[n, own_key[n]], ">=", Max(key_count[n, other_key[n]], 1))],
    source=Derived(PROOFS + "#attention-budget"),
    proof=ByHand(PROOFS + "#attention-budget"),
)
