"""Stage one of `benign-vit`: values grow, attention stays uniform, every loss derivative stays near 1/2.

The theorem is a priori: four scalar sequences, started from the initial scores, values, queries and keys, bound the whole of
training from the Gram matrix alone. The proof is in `docs/statements.md#stage-one`.
"""

from sympy import Abs, Max, Min, Rational, exp, log, sqrt, tanh

from proofs.benign_vit.bounds import (
    HALF,
    attention_gradient_bounded,
    attention_gradient_row_bounded,
    largest_score,
    largest_value,
    loss_derivative_bracket,
    noise_value_growth,
    query_key_drift,
    same_class,
    signal_value_growth,
    signals_are_orthogonal,
)
from proofs.benign_vit.exact import PAPER
from proofs.benign_vit.stages import STAGE_ONE, T1, other_value, selected_value
from proofs.benign_vit.symbols import (
    M,
    N,
    attention,
    head_dimension,
    is_signal,
    j,
    key_square,
    l,
    label,
    loss_derivative,
    n,
    n2,
    overlap,
    p,
    query_square,
    readout,
    score,
    signal_square,
    step_size,
    token_at,
    value,
)
from proofs.language import (
    STEP,
    ByHand,
    Claim,
    Derived,
    Event,
    Largest,
    Lemma,
    Paper,
    Recurrence,
    Smallest,
    Stage,
    Total,
    at_event,
    at_start,
)

PROVED = ByHand("docs/statements.md#stage-one")
HERE = Derived("docs/statements.md#stage-one")
QUARTER = Rational(1, 4)

is_noise = 1 - is_signal[p]

pull = Total(Abs(overlap[p, n, j]), n, j) / N
"""A token's inner products with all tokens, averaged over samples."""

signal_pull = Largest(pull, p, where=is_signal[p])
noise_pull = Largest(pull, p, where=is_noise)
largest_pull = Largest(pull, p)
noise_peak_pull = Largest(Total(Largest(Abs(overlap[p, n, j]), j), n) / N, p, where=is_noise)
"""The same for noise with the largest in place of the sum over a sample's tokens: its attention adds up to at most one."""

class_pull = Smallest(Total((1 + label[n] * label[n2]) / 2 * overlap[token_at[n, 0], n2, 0], n2), n) / N
"""`|mu|^2` times the smaller class's share of the samples."""

envelope = Recurrence("stage_one_envelope", words="a priori bounds on scores, queries, keys and values")

score_bound = envelope.member(
    "score_bound", start=largest_score, symbol="D", words="bound on every score", nonnegative=True
)
norm_bound = envelope.member(
    "norm_bound",
    start=sqrt(Max(Largest(query_square[p], p), Largest(key_square[p], p))),
    symbol="k",
    words="bound on the norm of every query and key",
    nonnegative=True,
)
signal_value_bound = envelope.member(
    "signal_value_bound",
    start=Largest(Abs(value[p]), p, where=is_signal[p]),
    symbol="v_S",
    words="bound on every signal's value",
    nonnegative=True,
)
noise_value_bound = envelope.member(
    "noise_value_bound",
    start=Largest(Abs(value[p]), p, where=is_noise),
    symbol="v_N",
    words="bound on every noise token's value",
    nonnegative=True,
)
signal_value_floor = envelope.member(
    "signal_value_floor",
    start=Smallest(label[n] * value[token_at[n, 0]], n),
    symbol="v_L",
    words="lower bound on every signal's value, in the direction of its label",
)

attention_bound = 1 / (1 + (M - 1) * exp(-2 * score_bound))
"""`rho`, the largest attention that the scores allow."""

_capped = Min(attention_bound, HALF)
attention_variance_bound = _capped * (1 - _capped)
"""The largest `phi (1 - phi)` for an attention of at most `rho`."""

output_bound = Min(Max(signal_value_bound, noise_value_bound), attention_bound * signal_value_bound + noise_value_bound)
"""A bound on every output: its tokens' values, the signal weighted by its attention."""

derivative_bound = 1 / (1 + exp(-output_bound))
"""The largest loss derivative that the values allow."""

_query_rate = (
    step_size
    * derivative_bound
    * Max(signal_pull, noise_pull)
    * (2 * attention_variance_bound * signal_value_bound + noise_value_bound)
    / M
)
_key_rate = (
    step_size
    * derivative_bound
    * Max(
        signal_pull * attention_variance_bound * (signal_value_bound + noise_value_bound),
        noise_pull
        * (2 * attention_variance_bound * noise_value_bound + Min(attention_bound**2, QUARTER) * signal_value_bound),
    )
)

envelope.updates(
    {
        score_bound: score_bound + norm_bound**2 * (_query_rate + _key_rate + _query_rate * _key_rate),
        norm_bound: norm_bound * (1 + Max(_query_rate, _key_rate)),
        signal_value_bound: signal_value_bound + step_size * readout * derivative_bound * attention_bound * signal_pull,
        noise_value_bound: noise_value_bound
        + step_size * readout * derivative_bound * Min(attention_bound * noise_pull, noise_peak_pull),
        signal_value_floor: signal_value_floor
        + step_size * readout * class_pull * (1 - derivative_bound) / (1 + (M - 1) * exp(2 * score_bound)),
    }
)

stage_one_values = Lemma(
    words="In stage one every value stays below a bound known from the start.",
    claims=[
        Claim(Abs(value[p]), "<=", signal_value_bound, where=is_signal[p]),
        Claim(Abs(value[p]), "<=", noise_value_bound, where=is_noise),
    ],
    stage=STAGE_ONE,
    source=HERE,
    rests_on=[signal_value_growth, noise_value_growth, loss_derivative_bracket],
    proof=PROVED,
)

stage_one_queries_and_keys = Lemma(
    words="In stage one every query, key and score stays below a bound known from the start.",
    claims=[
        Claim(query_square[p], "<=", norm_bound**2),
        Claim(key_square[p], "<=", norm_bound**2),
        Claim(Abs(score[n, l, j]), "<=", score_bound),
    ],
    stage=STAGE_ONE,
    source=HERE,
    rests_on=[query_key_drift, attention_gradient_bounded, attention_gradient_row_bounded],
    proof=PROVED,
)

stage_one_loss_derivative_bound = Lemma(
    words="In stage one every loss derivative stays near 1/2, by a bound known from the start.",
    claim=Claim(Abs(loss_derivative[n] - HALF), "<=", tanh(output_bound / 2) / 2),
    stage=STAGE_ONE,
    source=Paper(PAPER, says="loss derivatives stay near 1/2 in stage one", derived="the a-priori bound"),
    rests_on=[stage_one_values],
    proof=PROVED,
)

stage_one_attention_bound = Lemma(
    words="In stage one attention stays near uniform, by a bound known from the start.",
    claims=[
        Claim(attention[n, l, j], ">=", 1 / (1 + (M - 1) * exp(2 * score_bound))),
        Claim(attention[n, l, j], "<=", attention_bound),
    ],
    stage=STAGE_ONE,
    source=Paper(PAPER, says="attention stays uniform in stage one", derived="the a-priori bound"),
    rests_on=[stage_one_queries_and_keys],
    proof=PROVED,
)

stage_one_signal_floor = Lemma(
    words="In stage one every signal's value grows at least as fast as a bound known from the start.",
    claim=Claim(label[n] * value[token_at[n, 0]], ">=", signal_value_floor),
    stage=STAGE_ONE,
    source=HERE,
    rests_on=[signal_value_growth, stage_one_values, stage_one_queries_and_keys],
    proof=PROVED,
)

# The same in closed form, with a free target for the scores: here the one that makes them e-fold attention at most once.

SCORE_TARGET = Rational(1, 2)
"""`D*`: any positive number; half of it must exceed the initial scores."""

_start_norm_square = Max(at_start(Largest(query_square[p], p)), at_start(Largest(key_square[p], p)))
value_target = sqrt(readout * SCORE_TARGET) / (2 * sqrt(_start_norm_square))
"""`v* = |w_O| sqrt(D*) / (2 k_0)`, of order d_h^(-1/4)."""

_target_attention = 1 / (1 + (M - 1) * exp(-2 * SCORE_TARGET))
_rate = step_size * largest_pull * _target_attention / (1 + exp(-value_target))
closed_form_horizon = Min(
    value_target / (2 * readout * _rate),
    log(1 + SCORE_TARGET / (2 * _start_norm_square)) / (4 * _rate * value_target),
)
"""`T*`, the number of steps for which the closed form holds."""

stage_one_closed_form = Lemma(
    words="For an explicit number of steps, of order 1/eta, values, scores, loss derivatives and attention stay near their start.",
    claims=[
        Claim(largest_value, "<=", value_target),
        Claim(largest_score, "<=", SCORE_TARGET),
        Claim(Largest(Abs(loss_derivative[n] - HALF), n), "<=", value_target / 4),
        Claim(Largest(Abs(M * attention[n, l, j] - 1), n, l, j), "<=", exp(2 * SCORE_TARGET) - 1),
    ],
    given=[
        Claim(STEP, "<=", closed_form_horizon),
        Claim(at_start(largest_value), "<=", value_target / 2),
        Claim(at_start(largest_score), "<=", SCORE_TARGET / 2),
    ],
    source=Paper(PAPER, says="stage one lasts of order 1/eta with values of order d_h^(-1/4)", derived="all constants"),
    rests_on=[stage_one_values, stage_one_queries_and_keys],
    proof=PROVED,
)

# What the paper states with hidden constants; judged on families of problems.

stage_one_loss_derivative = Lemma(
    words="In stage one the loss derivatives are within order d_h^(-1/4) of 1/2.",
    kind="order",
    claim=Claim(Largest(Abs(loss_derivative[n] - HALF), n), "<=", head_dimension ** (-QUARTER)),
    stage=STAGE_ONE,
    source=Paper(PAPER, says="loss derivatives stay near 1/2 in stage one"),
    rests_on=[stage_one_loss_derivative_bound],
)

stage_one_attention = Lemma(
    words="In stage one attention becomes uniform as the sizes grow.",
    kind="order",
    claim=Claim(Largest(Abs(M * attention[n, l, j] - 1), n, l, j), "<=", 1),
    stage=STAGE_ONE,
    source=Paper(PAPER, says="attention stays uniform in stage one"),
    rests_on=[stage_one_attention_bound],
)

stage_one_duration = Lemma(
    words="Stage one lasts of order d_h^(-1/4) / (eta |mu|^2 |w_O|^2) steps.",
    kind="order",
    claim=Claim(STEP * step_size * signal_square * readout, "<=", head_dimension ** (-QUARTER)),
    stage=Stage("end of stage one", start=T1, end=T1, words="at T1"),
    source=Paper(PAPER, says="the duration of stage one"),
    rests_on=[stage_one_values],
)
