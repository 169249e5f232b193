"""The regimes of `token-selection` and the laws behind them: statements about families of growing problems.

Studies measure what no single run can: quantities of the data law, slopes over whole runs, and where regimes cross.
"""

from typing import Any

from sympy import Rational, log, sqrt

from proofs.language import (
    START,
    Claim,
    Derived,
    Lemma,
    Logistic,
    Observable,
    Paper,
    Total,
    accumulated,
    at_event,
    at_start,
    define,
)
from proofs.token_selection.condition import snr_square
from proofs.token_selection.exact import balanced_flow, test_law
from proofs.token_selection.inequalities import selection_probability
from proofs.token_selection.stage_two import clean_growth, elsewhere, growth_sandwich, mean_lead, noisy_growth
from proofs.token_selection.stages import (
    HALF,
    NOISY_STAGE,
    STAGE_TWO,
    growth,
    is_clean,
    selected_at_memorisation,
    tau_G,
)
from proofs.token_selection.symbols import (
    SAMPLE,
    TOKEN,
    N,
    T,
    alignment,
    attention,
    dimension,
    effective_gap,
    flip_rate,
    half_lead,
    is_noisy,
    n,
    n2,
    noise_deviation,
    query_square,
    r,
    score,
    score_drive,
    signal_gram,
    start_scale,
    start_spread,
    step_size,
    t,
)

PAPER = "arXiv:2409.17625"
HERE = Derived("docs/token-selection-statements.md#laws")


def _measured(name: str, symbol: str, words: str) -> Observable:
    """A quantity of a whole run, or of many, that a study measures."""
    return Observable(name, constant=True, symbol=symbol, words=words)


# The sharp law of growth: what drives a gap once noise tokens are nearly orthogonal and W^T W is s_0 I and a bit.

limit_drive = Observable(
    "limit_drive",
    SAMPLE,
    TOKEN,
    symbol="K_limit_c",
    words="K c, with the Gram matrix that noise has as dimensions grow",
)
define(
    limit_drive[n, t],
    noise_deviation**2 * dimension * score_drive[n, t] + Total(signal_gram[n, t, n2, r] * score_drive[n2, r], n2, r),
)
energy = start_scale + query_square
"""`s_0 + q`, the square that W multiplies almost every direction by."""


def _expected_growth(token: Any, since: Any) -> Any:
    """What flow with the limiting Gram matrix adds to the growth function of a token since an event."""
    rate = energy * mean_lead(limit_drive) + alignment / energy * mean_lead(score)
    slope = attention[n, t] * elsewhere[n, t]
    return accumulated((step_size * rate / slope).subs(t, token), since=since)


_growth = growth(effective_gap[n, t])

clean_growth_law = Lemma(
    words="As dimensions grow, clean samples' growth functions follow their drives in the limiting Gram matrix alone.",
    kind="order",
    claim=Claim(
        growth(effective_gap[n, 0]) - at_start(growth(effective_gap[n, 0])),
        "~",
        _expected_growth(0, START),
        where=is_clean,
    ),
    stage=STAGE_TWO,
    source=HERE,
    rests_on=[clean_growth, growth_sandwich, balanced_flow],
)

noisy_growth_law = Lemma(
    words="So do those of noisy samples' selected tokens, from tau_G on.",
    kind="order",
    claim=Claim(_growth - at_event(_growth, tau_G), "~", _expected_growth(t, tau_G), where=is_noisy[n]),
    given=[selected_at_memorisation],
    stage=NOISY_STAGE,
    source=HERE,
    rests_on=[noisy_growth, growth_sandwich, balanced_flow],
)

# Which regime: test samples select their signal, or do not; noisy labels are memorised, soon or late.

signal_strength = N * snr_square
"""`kappa = n SNR^2`, signal learnt from all samples against noise learnt from one."""

selection_strength = sqrt(N * dimension) * snr_square
"""`beta = sqrt(n d) SNR^2`, signal against the noise of a test sample."""

clean_strength = signal_strength * (1 - flip_rate) / 2
"""`kappa_c`: the same from the clean samples of one class."""

test_selection = _measured(
    "test_selection", "P_select", "probability that a test sample attends most to its signal, when training has ended"
)
missed_selection = _measured(
    "missed_selection",
    "P_miss",
    "probability that a test sample attends most to another token, when training has ended",
)
crossing = _measured("crossing", "beta_half", "sqrt(n d) SNR^2 at which test samples select their signal half the time")
fit_rate = _measured(
    "fit_rate", "d_log_theta", "slope of the logarithm of the effective time at T_fit by n SNR^2, for strong signals"
)
signal_slope = _measured(
    "signal_slope", "S", "slope of the mean score of the signals by the logarithm of effective time, after T_fit"
)
margin_signal = _measured(
    "margin_signal",
    "S_mm",
    "mean score of the signals by the shortest u that gives every selected token a lead of 1",
)
generalisation_step = _measured(
    "generalisation_step", "T_gen", "first step at which test samples give their signal half of their attention"
)
fit_step = _measured("fit_step", "T_fit", "first step at which every training sample is fitted")
delay_slope = _measured(
    "delay_slope", "d_log_T_gen", "slope of the logarithm of T_gen by 1/kappa_c, over its value to leading order"
)

benign_selection = Lemma(
    words="Far above the crossing test samples select their signal, though every flipped label is fitted.",
    kind="order",
    claim=Claim(missed_selection, "o", 1),
    source=Paper(PAPER, says="benign overfitting: every label is fitted, and test samples are classified rightly"),
    rests_on=[test_law, selection_probability],
)

harmful_selection = Lemma(
    words="Below the crossing test samples mostly select another token.",
    kind="order",
    claim=Claim(test_selection, "<=", HALF),
    source=Paper(PAPER, says="harmful overfitting: every label is fitted by noise", derived="the constant"),
    rests_on=[test_law, selection_probability],
)

selection_boundary = Lemma(
    words="The regimes cross at an explicit multiple of sqrt(n d) SNR^2 = 1.",
    kind="order",
    claim=Claim(
        crossing,
        "~",
        2 * half_lead * sqrt(start_spread) * sqrt(T / (T - 1)) / (1 - flip_rate - flip_rate / (T - 1)),
    ),
    source=Paper(PAPER, says="the signal-to-noise ratio separates the regimes", derived="the exponents, the constant"),
    rests_on=[benign_selection, harmful_selection],
)

untouched = Logistic(-1 / sqrt(2))
"""The loss derivative of a sample that attends to its signal, whose value is 1/sqrt 2."""

window_without_overfitting = Lemma(
    words="While the signal is strong, no noisy label is fitted until an effective time exponential in n SNR^2.",
    kind="order",
    claim=Claim(
        fit_rate,
        "~",
        (T - 1)
        / (2 * T)
        * (flip_rate * log(flip_rate / untouched) + (1 - flip_rate) * log((1 - flip_rate) / (1 - untouched))),
    ),
    source=Paper(
        PAPER, says="with a strong signal training does not overfit", derived="that it is a window, and its length"
    ),
    rests_on=[noisy_growth],
)

signal_grows_like_the_margin = Lemma(
    words="Once all is fitted, signals gain on the logarithm of effective time as the shortest separating u does.",
    kind="order",
    claims=[
        Claim(signal_slope, ">=", Rational(97, 100) * margin_signal),
        Claim(signal_slope, "<=", Rational(106, 100) * margin_signal),
    ],
    source=HERE,
    rests_on=[clean_growth, noisy_growth],
)

closed_slope = clean_strength / (clean_strength + T / (T - 1))

signal_slope_in_closed_form = Lemma(
    words="That gain is kappa_c / (kappa_c + T/(T - 1)) where clean samples share one coefficient.",
    kind="order",
    claims=[
        Claim(signal_slope, ">=", Rational(85, 100) * closed_slope),
        Claim(signal_slope, "<=", Rational(106, 100) * closed_slope),
    ],
    source=HERE,
    rests_on=[signal_grows_like_the_margin],
)

generalisation_is_delayed = Lemma(
    words="With n SNR^2 at most 1, test samples turn to their signal only after every label is fitted.",
    kind="order",
    claim=Claim(generalisation_step, ">", fit_step),
    source=Paper(
        PAPER, says="generalisation is delayed, grokking-like, where the signal is weak", derived="n SNR^2 <= 1"
    ),
    rests_on=[signal_slope_in_closed_form],
)

exponential_delay = Lemma(
    words="Generalisation is delayed exponentially in 1/(n SNR^2).",
    kind="order",
    claims=[Claim(delay_slope, ">=", Rational(85, 100)), Claim(delay_slope, "<=", Rational(110, 100))],
    source=Paper(PAPER, says="exponentially delayed generalisation", derived="the rate"),
    rests_on=[signal_slope_in_closed_form],
)
