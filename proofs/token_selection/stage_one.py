"""Stage one of `token-selection`: scores grow linearly from p = 0, attention stays nearly uniform.

The theorem is a priori. While attention is uniform the drive `c` is that of the start and scores grow by
`h M_0 c_0` per step; to second order their growth turns with the first. What is left over is bounded, for every sample
and step, by a recurrence that knows only the start: values, labels, and operator norms of blocks of `M_0` and `K`. The
proof is in `docs/token-selection-statements.md#stage-one`.
"""

from typing import Any

from sympy import Abs, Max, Min, exp, log, sqrt, tanh

from proofs.language import (
    STEP,
    ByHand,
    Claim,
    Derived,
    Largest,
    Lemma,
    Logistic,
    Observable,
    Recurrence,
    Same,
    Smallest,
    Total,
    define,
)
from proofs.token_selection import exact
from proofs.token_selection.inequalities import STARTS_AT_ZERO, loss_derivative_exact, value_range
from proofs.token_selection.stages import (
    END_OF_FIRST_QUARTER,
    END_OF_STAGE_ONE,
    FIRST_QUARTER,
    HALF,
    QUARTER,
    STAGE_ONE,
    departure,
)
from proofs.token_selection.symbols import (
    SAMPLE,
    TOKEN,
    N,
    T,
    effective_gap,
    gram_block,
    gram_rest,
    label,
    loss_derivative,
    n,
    n2,
    query_square,
    s,
    score,
    start_block,
    start_map,
    start_rest,
    step_size,
    t,
    value,
)

HERE = Derived("docs/token-selection-statements.md#stage-one")
PROVED = ByHand("docs/token-selection-statements.md#stage-one")


def _of_sample(name: str, symbol: str, words: str, expression: Any, *, constant: bool = False) -> Observable:
    """A nonnegative quantity of every sample, by its definition."""
    observable = Observable(name, SAMPLE, words=words, symbol=symbol, constant=constant, nonnegative=True)
    define(observable[n], expression)
    return observable


def _of_token(name: str, symbol: str, words: str, expression: Any, *, constant: bool = True) -> Observable:
    """A quantity of every token, by its definition."""
    observable = Observable(name, SAMPLE, TOKEN, words=words, symbol=symbol, constant=constant)
    define(observable[n, t], expression)
    return observable


def _centred(array: Any) -> Any:
    """An array less its mean over the tokens of a sample: attention sees no more of scores."""
    return array[n, t] - Total(array[n, s], s) / T


def _norm(array: Any) -> Any:
    return sqrt(Total(array[n, t] ** 2, t))


def _range(array: Any) -> Any:
    return Largest(array[n, t], t) - Smallest(array[n, t], t)


# The start, where attention is uniform.

mean_value = Observable("mean_value", SAMPLE, constant=True, words="mean value of a sample's tokens: its first output")
define(mean_value[n], exact.mean_value)

centred_value = _of_token("centred_value", "gamma_0", "value less the mean of its sample", _centred(value))
value_norm = _of_sample("value_norm", "k", "norm of a sample's centred values", _norm(centred_value), constant=True)
largest_deviation = Largest(Abs(centred_value[n, t]), t)

start_derivative = _of_sample(
    "start_derivative", "g_0", "loss derivative at the start", Logistic(-label[n] * mean_value[n]), constant=True
)
start_drive = _of_token(
    "start_drive",
    "c_0",
    "drive of a score at the start",
    label[n] * start_derivative[n] * centred_value[n, t] / (N * T),
)
start_drive_norm = _of_sample(
    "start_drive_norm", "chi_0", "norm of a sample's drives at the start", _norm(start_drive), constant=True
)


def _mapped(array: Any) -> Any:
    return Total(start_map[n, t, n2, s] * array[n2, s], n2, s)


start_push = _of_token("start_push", "M_0c_0", "drives at the start, seen through W", _mapped(start_drive))
first_order = _of_token("first_order", "A_1", "growth of a centred score per unit of time", _centred(start_push))

_along = Total(centred_value[n, s] * first_order[n, s], s) / T
start_turn = _of_token(
    "start_turn",
    "J_0A_1",
    "change of a drive as scores begin to grow",
    label[n] * start_derivative[n] * (centred_value[n, t] * first_order[n, t] - _along) / (N * T)
    - start_derivative[n] * (1 - start_derivative[n]) * _along * centred_value[n, t] / (N * T),
)
start_bend = _of_token("start_bend", "M_0J_0A_1", "that change, seen through W", _mapped(start_turn))
second_order = _of_token("second_order", "A_2", "acceleration of a centred score", _centred(start_bend))

bent_growth = _of_token(
    "bent_growth",
    "quad",
    "second-order part of the growth of a score",
    step_size**2 * STEP * (STEP - 1) / 2 * second_order[n, t],
    constant=False,
)
expected_score = _of_token(
    "expected_score",
    "main",
    "centred score to second order",
    step_size * STEP * first_order[n, t] + bent_growth[n, t],
    constant=False,
)
expected_gap = _of_token(
    "expected_gap",
    "x_main",
    "effective gap to second order",
    log(T - 1) - log(Total((1 - Same(s, t)) * exp(expected_score[n, s] - expected_score[n, t]), s)),
    constant=False,
)

# The recurrence: errors of scores, of M in blocks, and the square of p; and what they allow at the present step.

envelope = Recurrence(
    "stage_one_envelope", words="a priori bounds on what scores, p and W add to their expected growth"
)

score_error = envelope.member(
    "score_error",
    n,
    start=0,
    symbol="e",
    words="bound on what a sample's scores lack to the expected",
    nonnegative=True,
)
map_error = envelope.member(
    "map_error", n, n2, start=0, symbol="E", words="bound on what scores add to a block of M", nonnegative=True
)
map_error_by_query = envelope.member(
    "map_error_by_query", n, n2, start=0, symbol="F", words="bound on what p adds to a block of M", nonnegative=True
)
query_bound = envelope.member(
    "query_bound", start=0, symbol="q_b", words="bound on the squared norm of p", nonnegative=True
)

reach = _of_sample(
    "score_reach", "al", "bound on the norm of a sample's centred scores", _norm(expected_score) + score_error[n]
)
spread = _of_sample(
    "score_spread",
    "r",
    "bound on how far a sample's scores are apart",
    _range(expected_score) + sqrt(2) * score_error[n],
)
peak = _of_sample("attention_bound", "p", "bound on every attention", 1 / (1 + (T - 1) * exp(-spread[n])))
turn = _of_sample("attention_turn", "v", "bound on how far attention is from uniform", peak[n] * reach[n])
output_move = _of_sample("output_move", "df", "bound on how far an output is from its start", turn[n] * value_norm[n])
derivative_bound = _of_sample(
    "derivative_bound", "g_u", "bound on a loss derivative", Logistic(-label[n] * mean_value[n] + output_move[n])
)
slope_peak = _of_sample(
    "slope_peak",
    "s_i",
    "bound on an output's derivative by a score",
    Min(peak[n] * (largest_deviation + output_move[n]), value_range / 4),
)
slope_norm = _of_sample(
    "slope_norm",
    "s_2",
    "bound on the norm of an output's derivatives",
    Min(peak[n] * sqrt(value_norm[n] ** 2 + T * output_move[n] ** 2), sqrt(peak[n]) * value_range / 2),
)
curvature = _of_sample(
    "curvature", "H_s", "bound on an output's second derivatives", slope_peak[n] + 2 * slope_norm[n] * turn[n]
)
drive_slope = _of_sample(
    "drive_slope",
    "J",
    "bound on the derivatives of drives by scores",
    (derivative_bound[n] * curvature[n] + Min(derivative_bound[n], QUARTER) * slope_norm[n] ** 2) / N,
)

_start_slope_norm = value_norm[n] / T
start_slope = _of_sample(
    "start_slope",
    "j_0",
    "bound on those derivatives at the start",
    start_derivative[n] * (largest_deviation / T + (1 - start_derivative[n]) * _start_slope_norm**2) / N,
    constant=True,
)
drive_slope_change = _of_sample(
    "drive_slope_change",
    "dJ",
    "bound on how far those derivatives are from their start",
    (
        output_move[n] * largest_deviation / (4 * T)
        + derivative_bound[n] * (curvature[n] * reach[n] + 2 * slope_norm[n] * turn[n])
        + output_move[n] * _start_slope_norm**2 / (6 * sqrt(3))
        + curvature[n] * reach[n] * (slope_norm[n] + _start_slope_norm) / 4
    )
    / N,
)
drive_bound = _of_sample(
    "drive_bound", "chi", "bound on the norm of a sample's drives", start_drive_norm[n] + drive_slope[n] * reach[n]
)
remainder = _of_sample(
    "drive_remainder",
    "rem",
    "bound on what drives add to their expected change",
    drive_slope_change[n] * reach[n] / 2 + start_slope[n] * (_norm(bent_growth) + score_error[n]),
)


def _through(block: Observable, rest: Observable, vector: Observable) -> Any:
    """A bound on a sample's part of a matrix times a vector, whose parts have at most the given norms."""
    others = sqrt(Total((1 - Same(n, n2)) * vector[n2] ** 2, n2))
    return Min(Total(block[n, n2] * vector[n2], n2), block[n, n] * vector[n] + rest[n] * others)


pushed = _of_sample("push_bound", "A_chi", "bound on M_0 c", _through(start_block, start_rest, drive_bound))
pulled = _of_sample("pull_bound", "y", "bound on K c", _through(gram_block, gram_rest, drive_bound))
mapped = _of_sample(
    "map_growth",
    "m",
    "bound on what the growth of M adds to M c",
    Total((map_error[n, n2] + map_error[n2, n] + map_error_by_query[n, n2]) * drive_bound[n2], n2),
)
aligned = Total(reach[n] * drive_bound[n], n)


envelope.updates(
    {
        score_error[n]: score_error[n]
        + step_size
        * (_through(start_block, start_rest, remainder) + mapped[n] + (query_bound + step_size * aligned) * pulled[n]),
        map_error[n, n2]: map_error[n, n2] + step_size * reach[n] * pulled[n2],
        map_error_by_query[n, n2]: map_error_by_query[n, n2] + step_size**2 * query_bound * pulled[n] * pulled[n2],
        query_bound: query_bound
        + 2 * step_size * aligned
        + step_size**2 * Total(drive_bound[n] * (pushed[n] + mapped[n]), n),
    }
)

AFTER_THE_FIRST = Claim(STEP, ">=", 2)
"""Until step 1 the expected growth is exact, which leaves no room for the rounding of the training itself."""

BOUNDS_INFORM = Claim(Largest(score_error[n], n), "<=", Largest(_norm(expected_score), n))
"""While the errors are smaller than what they are errors of; beyond, they soon exceed every number."""

A_PRIORI = [STARTS_AT_ZERO, AFTER_THE_FIRST, BOUNDS_INFORM]

stage_one_scores = Lemma(
    words="In stage one scores grow linearly, then bend, up to an error known from the start.",
    claim=Claim(
        sqrt(Total((score[n, t] - Total(score[n, s], s) / T - expected_score[n, t]) ** 2, t)), "<=", score_error[n]
    ),
    stage=STAGE_ONE,
    given=A_PRIORI,
    source=HERE,
    proof=PROVED,
)

stage_one_query_norm = Lemma(
    words="In stage one the squared norm of p stays below a bound known from the start.",
    claim=Claim(query_square, "<=", query_bound),
    stage=STAGE_ONE,
    given=A_PRIORI,
    source=HERE,
    rests_on=[stage_one_scores],
    proof=PROVED,
)

gap_error = _of_sample(
    "gap_error",
    "e_gap",
    "bound on what a sample's effective gaps lack to the expected",
    score_error[n] * sqrt(1 + 1 / (1 + (T - 2) * exp(-spread[n]))),
)

stage_one_gaps = Lemma(
    words="In stage one attention is that of linearly growing scores, up to an error known from the start.",
    claim=Claim(Abs(effective_gap[n, t] - expected_gap[n, t]), "<=", gap_error[n]),
    stage=STAGE_ONE,
    given=A_PRIORI,
    source=HERE,
    rests_on=[stage_one_scores],
    proof=PROVED,
)

_expected_odds = expected_gap[n, t] - log(T - 1)
_least, _most = Logistic(_expected_odds - gap_error[n]), Logistic(_expected_odds + gap_error[n])

possible_departure = Observable(
    "possible_departure", nonnegative=True, words="how far from uniform the bounds allow attention to be"
)
define(possible_departure, Largest(Max(T * _most - 1, 1 - T * _least), n, t))

certain_departure = Observable("certain_departure", words="how far from uniform the bounds force some attention to be")
define(certain_departure, Largest(Max(T * _least - 1, 1 - T * _most), n, t))


stage_one_not_shorter = Lemma(
    words="No attention leaves 1/T by a quarter before the first step at which bounds known from the start allow it.",
    claim=Claim(possible_departure, ">", QUARTER),
    stage=END_OF_FIRST_QUARTER,
    given=[STARTS_AT_ZERO, BOUNDS_INFORM],
    source=HERE,
    rests_on=[stage_one_gaps],
    proof=PROVED,
)

stage_one_not_longer = Lemma(
    words="Some attention leaves 1/T by a quarter no later than bounds known from the start force it to.",
    claim=Claim(certain_departure, "<=", QUARTER),
    stage=FIRST_QUARTER,
    given=[STARTS_AT_ZERO, BOUNDS_INFORM, Claim(departure, "<=", QUARTER)],
    source=HERE,
    rests_on=[stage_one_gaps],
    proof=PROVED,
)

stage_one_loss_derivatives = Lemma(
    words="In stage one every loss derivative stays near 1/2, by a bound known from the start.",
    claim=Claim(Abs(loss_derivative[n] - HALF), "<=", tanh((Abs(mean_value[n]) + output_move[n]) / 2) / 2),
    stage=STAGE_ONE,
    given=A_PRIORI,
    source=HERE,
    rests_on=[stage_one_scores, loss_derivative_exact],
    proof=PROVED,
)

# What is stated without constants; judged on families of problems.

_linear = step_size * STEP * start_push[n, t]

stage_one_is_linear = Lemma(
    words="At the end of stage one scores are within order of linear growth.",
    kind="order",
    claim=Claim(sqrt(Total((score[n, t] - _linear) ** 2, n, t)), "O", sqrt(Total(_linear**2, n, t))),
    stage=END_OF_STAGE_ONE,
    source=HERE,
    rests_on=[stage_one_scores],
)

stage_one_duration = Lemma(
    words="Stage one lasts until linear growth has moved some score by order one.",
    kind="order",
    claim=Claim(STEP * step_size * Largest(Abs(first_order[n, t]), n, t), "Theta", 1),
    stage=END_OF_STAGE_ONE,
    source=HERE,
    rests_on=[stage_one_scores],
)

stage_one_attention = Lemma(
    words="In stage one no attention leaves the order of 1/T.",
    kind="order",
    claim=Claim(departure, "O", 1),
    stage=STAGE_ONE,
    source=HERE,
    rests_on=[stage_one_gaps],
)
