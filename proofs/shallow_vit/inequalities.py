"""Bounds with explicit constants, asserted at every step."""

from typing import Any

from sympy import Abs, Rational, exp, log, tanh

from proofs.language import (
    STEP,
    ByHand,
    Claim,
    Derived,
    Lemma,
    Log1p,
    Observable,
    Recurrence,
    after,
    at_start,
    define,
)
from proofs.shallow_vit.exact import attention_budget, norm_growth, pattern_reduction, softmax_jacobian
from proofs.shallow_vit.stages import BEFORE_DOUBLING
from proofs.shallow_vit.symbols import (
    WATCHED,
    active_share,
    attention,
    attention_step_size,
    b,
    batch_output,
    confusion_share,
    hidden_drive_norm,
    hidden_drive_size,
    hidden_moved,
    hidden_spread,
    i,
    j,
    key_count,
    key_norm,
    label,
    length,
    n,
    other_key,
    output_norm,
    own_key,
    patterns,
    query_norm,
    readout_norm,
    relevant_share,
    samples,
    score_drive_norm,
    score_drive_size,
    score_moved,
    score_spread,
    step_size,
    token_diameter,
    token_radius,
    twin_output,
    value_norm,
    watched_output,
)

PAGE = "docs/shallow-vit-statements.md"


def _here(anchor: str) -> dict[str, Any]:
    return {"source": Derived(f"{PAGE}#{anchor}"), "proof": ByHand(f"{PAGE}#{anchor}")}


# A sample and its twin, in which the counts of the first two patterns are exchanged.

majority = Observable(
    "majority",
    WATCHED,
    constant=True,
    nonnegative=True,
    symbol="D",
    words="by which share of its tokens a sample differs from its twin",
)
define(majority[n], Abs(key_count[n, own_key[n]] - key_count[n, other_key[n]]) / length)

_exchanged = majority[n] / (majority[n] + (1 - majority[n]) * exp(-score_spread))
"""A bound on the attention that can go from one of the two patterns to the other: D at uniform attention."""

twin_difference = readout_norm * hidden_spread * (_exchanged + majority[n] * tanh(score_spread / 2))
DIFFERS = Claim(Abs(key_count[n, own_key[n]] - key_count[n, other_key[n]]), ">=", 1)
"""The sample is not its own twin."""

twin_budget = Lemma(
    words="The outputs of a sample and of its twin differ by what the exchanged tokens can do, attention included.",
    claim=Claim(Abs(watched_output[n] - twin_output[n]), "<=", twin_difference),
    given=[DIFFERS],
    rests_on=[pattern_reduction],
    **_here("twins"),
)

margins_need_spread = Lemma(
    words="Unit margins on a sample and its twin, which has the other label, need a spread that makes room for them.",
    claim=Claim(twin_difference, ">=", 2),
    given=[
        DIFFERS,
        Claim(label[n] * watched_output[n], ">=", 1),
        Claim(-label[n] * twin_output[n], ">=", 1),
    ],
    rests_on=[twin_budget],
    **_here("twins"),
)

# Growth: what drives the weights, how fast their norms can grow, and what these allow.

_gain = output_norm * value_norm
_reach = readout_norm * token_radius

outputs_bounded = Lemma(
    words="An output is at most the norms of W_O and W_V times that of the longest token.",
    claim=Claim(Abs(batch_output[b]), "<=", _reach * _gain),
    **_here("growth"),
)

drives_bounded = Lemma(
    words="What drives R is at most the share of active samples; what drives P, besides, a quarter of what R can do.",
    claims=[
        Claim(hidden_drive_size, "<=", _reach * active_share),
        Claim(score_drive_size, "<=", Rational(1, 4) * _reach * token_diameter**2 * _gain * active_share),
    ],
    given=[Claim(active_share, ">", 0)],
    rests_on=[softmax_jacobian],
    **_here("growth"),
)

norms_grow_exponentially = Lemma(
    words="The norms of W_O and W_V together grow by a factor of at most 1 + eta rho_X a step.",
    claims=[
        Claim(
            after(output_norm) + after(value_norm),
            "<=",
            (1 + step_size * _reach * active_share) * (output_norm + value_norm),
        ),
        Claim(
            log(output_norm + value_norm),
            "<=",
            log(at_start(output_norm) + at_start(value_norm)) + STEP * Log1p(step_size * _reach),
        ),
    ],
    rests_on=[drives_bounded, norm_growth],
    **_here("growth"),
)

# Two clocks: what the measured sizes of the drives allow, one for R and one for P. This is the first stage of training.

clocks = Recurrence("clocks", words="bounds on the norms of the four weights, from the sizes of the drives alone")


def _hand(name: str, symbol: str, norm: Observable, weight: str) -> Any:
    return clocks.member(name, start=norm, symbol=symbol, words=f"bound on the norm of {weight}", nonnegative=True)


output_hand = _hand("output_hand", "o_t", output_norm, "W_O")
value_hand = _hand("value_hand", "v_t", value_norm, "W_V")
key_hand = _hand("key_hand", "k_t", key_norm, "W_K")
query_hand = _hand("query_hand", "q_t", query_norm, "W_Q")

clocks.updates(
    {
        output_hand: output_hand + step_size * hidden_drive_norm * value_hand,
        value_hand: value_hand + step_size * hidden_drive_norm * output_hand,
        key_hand: key_hand + attention_step_size * score_drive_norm * query_hand,
        query_hand: query_hand + attention_step_size * score_drive_norm * key_hand,
    }
)

hidden_clock = output_hand * value_hand - at_start(output_norm) * at_start(value_norm)
score_clock = key_hand * query_hand - at_start(key_norm) * at_start(query_norm)
turn = token_radius * token_diameter * score_clock
"""A bound on how far the scores of two tokens of a sample can have moved apart."""

two_clocks = Lemma(
    words="R and P are no farther from their start than two clocks allow that only the sizes of the drives wind.",
    claims=[Claim(hidden_moved, "<=", hidden_clock), Claim(score_moved, "<=", score_clock)],
    stage=BEFORE_DOUBLING,
    **_here("two-clocks"),
)

attention_by_the_clock = Lemma(
    words="Each attention weight moves by a factor that the clock of P allows: none doubles until it stands at log 2.",
    claims=[
        Claim(attention[n, i, j], "<=", exp(turn) * at_start(attention[n, i, j])),
        Claim(attention[n, i, j], ">=", exp(-turn) * at_start(attention[n, i, j])),
    ],
    stage=BEFORE_DOUBLING,
    rests_on=[two_clocks],
    **_here("two-clocks"),
)

# Attention on the data law.


def _number(name: str, symbol: str, words: str) -> Observable:
    return Observable(name, constant=True, nonnegative=True, symbol=symbol, words=words)


relevant_attention_of_others = _number(
    "relevant_attention_of_others",
    "A_rel",
    "attention of label-irrelevant queries to label-relevant tokens, averaged over the data law",
)
attention_cap = relevant_share / (relevant_share + confusion_share)

attention_capped = Lemma(
    words="On average over the data law irrelevant queries attend to relevant tokens by their share at most.",
    kind="law",
    claim=Claim(relevant_attention_of_others, "<=", attention_cap),
    rests_on=[attention_budget],
    **_here("cap"),
)

# The drive at the start: mean over the training samples of the label times the share of tokens that are a pattern.


failure_probability = _number("failure_probability", "delta_p", "probability with which a statement may fail")
irrelevant_drive = _number("irrelevant_drive", "g_max", "largest drive of a label-irrelevant pattern, absolutely")
share_variance = _number("share_variance", "V_f", "variance of the share of tokens that are a given irrelevant pattern")
share_kurtosis = _number("share_kurtosis", "K_f", "fourth central moment of that share by its squared variance")
drive_fraction = _number("drive_fraction", "theta", "how far below the critical number of samples, between 0 and 1")

share_gap = relevant_share - confusion_share
"""`D`: the drive of the first two patterns is D/2 and -D/2 where labels are balanced."""
irrelevant_share = 1 - relevant_share - confusion_share
critical_samples = 4 * share_variance / share_gap**2
"""The number of samples at which the drive of one irrelevant pattern has standard deviation D/2."""

drive_alignment = Lemma(
    words="The drives of label-irrelevant patterns are below those of the two relevant ones.",
    kind="probability",
    claim=Claim(irrelevant_drive, "<", share_gap / 2),
    given=[
        Claim(
            samples,
            ">=",
            2 * irrelevant_share**2 / share_gap**2 * log(2 * (patterns - 2) / failure_probability),
        )
    ],
    **_here("drive"),
)

PALEY_ZYGMUND = (1 - drive_fraction) ** 2 / (3 + share_kurtosis / samples)
"""A lower bound on the probability that a centred mean exceeds `sqrt(theta)` of its standard deviation."""

drive_misaligned = Lemma(
    words="With fewer samples than theta times the critical number some irrelevant drive is at least the relevant one,"
    " with a probability bounded below.",
    kind="probability",
    claims=[Claim(irrelevant_drive, ">=", share_gap / 2)],
    given=[Claim(samples, "<=", drive_fraction * critical_samples)],
    **_here("drive"),
)
