"""Identities of every finite problem, at every step, without hidden constants."""

from sympy import log

from proofs.language import (
    STEP,
    ByHand,
    BySymbols,
    Claim,
    Derived,
    Lemma,
    Logistic,
    Total,
    accumulated,
    after,
    at_start,
    change,
)
from proofs.shared.softmax import prove_row_sum_vanishes, prove_softmax_jacobian
from proofs.token_selection.gradients import (
    PROVED_SIZES,
    STEP_SIZES,
    prove_gap_identity,
    prove_gradients,
    prove_gram_system,
    prove_pairwise_drive,
    prove_representer,
    prove_steps_of_weights,
)
from proofs.token_selection.symbols import (
    N,
    T,
    alignment,
    attention,
    balance,
    coefficient,
    effective_gap,
    gram_drive,
    label,
    loss_derivative,
    map_drive,
    map_probe,
    moved_square,
    n,
    n2,
    probe,
    pulled_probe,
    pulled_square,
    query_probe,
    query_square,
    rebuilt_query_square,
    rebuilt_score,
    representer_drive,
    representer_probe,
    s,
    score,
    score_drive,
    start_coefficient,
    start_map,
    start_probe,
    start_query_square,
    start_share,
    step_gain,
    step_size,
    t,
    value,
    z,
)

WHERE = "docs/token-selection.md"


def _gradients() -> bool:
    return all(prove_gradients(size) for size in PROVED_SIZES)


def _gram_system() -> bool:
    return all(prove_gram_system(size) for size in STEP_SIZES)


def _weights() -> bool:
    return all(prove_steps_of_weights(size) for size in STEP_SIZES)


def _representer() -> bool:
    return all(prove_representer(size) for size in STEP_SIZES[:2])


def _softmax() -> bool:
    return prove_softmax_jacobian() and prove_row_sum_vanishes()


gradient = Lemma(
    words="The hand-derived gradients are the derivatives of the training loss.",
    kind="pair",
    source=Derived(f"{WHERE}#gradients"),
    proof=BySymbols(_gradients),
)

drives_cancel = Lemma(
    words="What drives the scores of a sample sums to zero.",
    claim=Claim(Total(score_drive[n, t], t), "==", 0),
    source=Derived(f"{WHERE}#drives"),
    proof=BySymbols(_softmax),
)

drive_by_pairs = Lemma(
    words="A score is driven by its token's value against each other value, weighted by both attentions.",
    claim=Claim(
        score_drive[n, s],
        "==",
        label[n] * loss_derivative[n] / N * attention[n, s] * Total(attention[n, t] * (value[n, s] - value[n, t]), t),
    ),
    source=Derived(f"{WHERE}#drives"),
    proof=BySymbols(prove_pairwise_drive),
)

gram_system = Lemma(
    words="Scores and M move by products of themselves with K and what drives the scores; M along fixed probes.",
    claims=[
        Claim(change(score[n, t]), "==", step_size * (map_drive[n, t] + step_gain * gram_drive[n, t])),
        Claim(
            change(map_probe[n, t, z]),
            "==",
            step_size * score[n, t] * Total(gram_drive[n2, s] * probe[n2, s, z], n2, s)
            + step_size
            * gram_drive[n, t]
            * Total((score[n2, s] + step_size * query_square * gram_drive[n2, s]) * probe[n2, s, z], n2, s),
        ),
    ],
    source=Derived(f"{WHERE}#the-closed-system"),
    rests_on=[gradient],
    proof=BySymbols(_gram_system),
)

query_growth = Lemma(
    words="The squared norm of p grows by twice the alignment of scores and drives, and a square.",
    claim=Claim(change(query_square), "==", 2 * step_size * alignment + step_size**2 * pulled_square),
    source=Derived(f"{WHERE}#the-closed-system"),
    rests_on=[gradient],
    proof=BySymbols(_weights),
)

gradient_square = Lemma(
    words="The squared gradient is c^T M c + q c^T K c; along gradient flow the loss falls at that rate.",
    kind="pair",
    source=Derived(f"{WHERE}#the-closed-system"),
    rests_on=[gradient],
    proof=BySymbols(_weights),
)

balance_drift = Lemma(
    words="The balance W W^T - p p^T drifts by squared gradients alone; along fixed directions, from the start on.",
    claim=Claim(
        balance[z],
        "==",
        accumulated(step_size**2 * (moved_square * query_probe[z] ** 2 - pulled_probe[z] ** 2)),
    ),
    source=Derived(f"{WHERE}#balance"),
    rests_on=[gradient],
    proof=BySymbols(_weights),
)

representer_step = Lemma(
    words="The coefficients of p and W over the start move by what drives the scores; those of W along fixed probes.",
    claims=[
        Claim(change(coefficient[n, t]), "==", step_size * (score_drive[n, t] + representer_drive[n, t])),
        Claim(
            change(representer_probe[n, t, z]),
            "==",
            step_size * coefficient[n, t] * Total(score_drive[n2, s] * probe[n2, s, z], n2, s),
        ),
        Claim(change(start_share), "==", step_size * Total(start_coefficient[n, t] * gram_drive[n, t], n, t)),
        Claim(change(start_coefficient[n, t]), "==", step_size * start_share * score_drive[n, t]),
    ],
    source=Derived(f"{WHERE}#the-representer"),
    rests_on=[gradient],
    proof=BySymbols(_representer),
)

representer = Lemma(
    words="Start, tokens and coefficients give back the scores and the norm of p.",
    claims=[
        Claim(score[n, t], "==", rebuilt_score[n, t]),
        Claim(query_square, "==", rebuilt_query_square),
    ],
    source=Derived(f"{WHERE}#the-representer"),
    rests_on=[representer_step, gram_system],
    proof=BySymbols(_representer),
)

gap_step = Lemma(
    words="The lead of token 0 over another token of its sample moves by the difference of their rows.",
    claim=Claim(
        change(score[n, 0] - score[n, t]),
        "==",
        step_size * (map_drive[n, 0] - map_drive[n, t] + step_gain * (gram_drive[n, 0] - gram_drive[n, t])),
    ),
    source=Derived(f"{WHERE}#gaps"),
    rests_on=[gram_system],
    proof=ByHand(f"{WHERE}#gaps"),
)

log_odds = effective_gap[n, t] - log(T - 1)
"""The logarithm of the odds of attending to a token."""

gap_identity = Lemma(
    words="Attention times its complement is 1/(2 + 2 cosh) of the log-odds, the effective gap less log(T - 1).",
    claim=Claim(attention[n, t] * (1 - attention[n, t]), "==", Logistic(log_odds) * Logistic(-log_odds)),
    source=Derived(f"{WHERE}#gaps"),
    proof=BySymbols(prove_gap_identity),
)

mean_value = Total(value[n, s], s) / T
"""The output of uniform attention."""

at_the_start = (Claim(STEP, "<=", 0), Claim(start_query_square, "<=", 0))

first_step = Lemma(
    words="From p = 0 the first step leaves W, drives are those of uniform attention, and scores become h M_0 c_0.",
    claims=[
        Claim(
            at_start(score_drive[n, t]),
            "==",
            label[n] * Logistic(-label[n] * mean_value) * (value[n, t] - mean_value) / (N * T),
        ),
        Claim(
            after(score[n, t]), "==", step_size * Total(start_map[n, t, n2, s] * at_start(score_drive[n2, s]), n2, s)
        ),
        Claim(after(map_probe[n, t, z]), "==", start_probe[n, t, z]),
    ],
    given=at_the_start,
    source=Derived(f"{WHERE}#the-first-step"),
    rests_on=[gram_system],
    proof=ByHand(f"{WHERE}#the-first-step"),
)

reduction = Lemma(
    words="Training on inner products of tokens follows the trajectory of the full weights.",
    kind="pair",
    source=Derived(f"{WHERE}#the-closed-system"),
    rests_on=[gram_system, query_growth],
    proof=ByHand(f"{WHERE}#the-closed-system"),
)

rotations = Lemma(
    words="Rotating token space and the space of p, (X Q, O W Q, Q^T nu, O p), changes no score, value or loss.",
    kind="pair",
    source=Derived(f"{WHERE}#symmetries"),
    rests_on=[reduction],
    proof=ByHand(f"{WHERE}#symmetries"),
)

sample_permutation = Lemma(
    words="Permuting samples permutes their outputs.",
    kind="pair",
    source=Derived(f"{WHERE}#symmetries"),
    proof=ByHand(f"{WHERE}#symmetries"),
)

token_permutation = Lemma(
    words="Permuting the tokens of a sample permutes their scores and changes no output.",
    kind="pair",
    source=Derived(f"{WHERE}#symmetries"),
    proof=ByHand(f"{WHERE}#symmetries"),
)

label_sign = Lemma(
    words="Changing the sign of all labels and of the head changes the sign of every output, and no score or loss.",
    kind="pair",
    source=Derived(f"{WHERE}#symmetries"),
    proof=ByHand(f"{WHERE}#symmetries"),
)

balanced_flow = Lemma(
    words="Gradient flow from W^T W = s_0 I closes in scores and q alone; the defect of steps falls like their size.",
    kind="pair",
    source=Derived(f"{WHERE}#gradient-flow"),
    rests_on=[balance_drift],
    proof=ByHand(f"{WHERE}#gradient-flow"),
)

reduced_draw = Lemma(
    words="Problems drawn at reduced size have the law of full ones.",
    kind="law",
    source=Derived(f"{WHERE}#drawing-at-reduced-size"),
    rests_on=[reduction, rotations],
    proof=ByHand(f"{WHERE}#drawing-at-reduced-size"),
)

test_law = Lemma(
    words="Given W^T p, scores and values of a fresh sample are Gaussian, with a law that three numbers determine.",
    kind="law",
    source=Derived(f"{WHERE}#test-samples"),
    proof=ByHand(f"{WHERE}#test-samples"),
)

accuracy_at_the_start = Lemma(
    words="At p = 0 test accuracy is Phi(m (1 + rho (k_w - k_c)) / (sigma sqrt(2 T))).",
    kind="law",
    source=Derived(f"{WHERE}#test-samples"),
    rests_on=[test_law],
    proof=ByHand(f"{WHERE}#test-samples"),
)

start_moments = Lemma(
    words="Independent symmetric entries of W give E W^T W = s_0 I and E (W^T W)^2 = s_0^2 (2 + (k_4 - 2)/d) I.",
    kind="law",
    source=Derived(f"{WHERE}#the-start"),
    proof=ByHand(f"{WHERE}#the-start"),
)
