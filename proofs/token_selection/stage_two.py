"""Stage two of `token-selection`: attention turns to one token; its growth function is a straight line in time.

The statements hold for any token t of any sample at any step, so that none has to know which one is selected in the
end. A lead is the score of t less that of another token; the effective gap of t is their soft minimum.
"""

from typing import Any

from proofs.language import (
    ByHand,
    Claim,
    Derived,
    Expm1,
    Largest,
    Lemma,
    Logistic,
    Observable,
    Paper,
    Smallest,
    Total,
    at_event,
    change,
    define,
)
from proofs.token_selection.exact import gap_identity, gap_step, log_odds
from proofs.token_selection.inequalities import growth_above, growth_below, growth_change
from proofs.token_selection.stages import (
    NOISY_STAGE,
    STAGE_TWO,
    effective_time,
    growth,
    is_clean,
    selected_at_memorisation,
    tau_2,
    tau_G,
)
from proofs.token_selection.symbols import (
    SAMPLE,
    TOKEN,
    attention,
    effective_gap,
    gram_drive,
    is_noisy,
    map_drive,
    n,
    s,
    step_gain,
    step_size,
    t,
)

PAPER = "arXiv:2409.17625"
HERE = Derived("docs/token-selection-statements.md#stage-two")
PROVED = ByHand("docs/token-selection-statements.md#stage-two")

score_move = Observable("score_move", SAMPLE, TOKEN, words="what a step adds to a score, by the closed system")
define(score_move[n, t], step_size * (map_drive[n, t] + step_gain * gram_drive[n, t]))

elsewhere = Observable("elsewhere", SAMPLE, TOKEN, nonnegative=True, words="attention to all tokens but one")
define(elsewhere[n, t], Logistic(-log_odds))


def mean_lead(of_token: Any) -> Any:
    """The mean of `x_t - x_s` over the tokens s other than t, weighted by attention.

    It is the lead over all tokens, t among them, divided by the attention that the others have.
    """
    return (of_token[n, t] - Total(attention[n, s] * of_token[n, s], s)) / elsewhere[n, t]


mean_lead_move = Observable(
    "mean_lead_move", SAMPLE, TOKEN, symbol="U", words="what a step adds to the leads of a token, weighted by attention"
)
define(mean_lead_move[n, t], mean_lead(score_move))

move_spread = Largest(score_move[n, s], s) - Smallest(score_move[n, s], s)
"""`w`, the range of what a step adds to a sample's scores."""

_least_move = mean_lead_move[n, t] - move_spread**2 / 8

gap_sandwich = Lemma(
    words="An effective gap moves by the mean move of its leads, less at most an eighth of the scores' squared range.",
    claims=[
        Claim(change(effective_gap[n, t]), "<=", mean_lead_move[n, t]),
        Claim(change(effective_gap[n, t]), ">=", _least_move),
    ],
    source=HERE,
    rests_on=[gap_step],
    proof=PROVED,
)

_growth_change = growth_change(attention[n, t], change(effective_gap[n, t]))

growth_sandwich = Lemma(
    words="On the scale of its slope the growth function moves between exponentials of what drives the leads.",
    claims=[
        Claim(_growth_change, "<=", Expm1(mean_lead_move[n, t])),
        Claim(_growth_change, ">=", -Expm1(-_least_move)),
    ],
    source=Paper(
        PAPER, says="attention gaps follow a growth function", derived="the function with log(T - 1), and both bounds"
    ),
    rests_on=[gap_sandwich, gap_identity, growth_above, growth_below],
    proof=PROVED,
)

# The laws with hidden constants. What a sample selects is said by an event; studies fit slopes over whole runs.

_growth = growth(effective_gap[n, t])
_signal_growth = growth(effective_gap[n, 0])

clean_growth = Lemma(
    words="From tau_2 on the growth function of every clean sample's signal grows linearly in effective time.",
    kind="order",
    claim=Claim(_signal_growth - at_event(_signal_growth, tau_2), "Theta", effective_time(since=tau_2), where=is_clean),
    stage=STAGE_TWO,
    source=Paper(PAPER, says="the attention gap of clean samples grows with g", derived="effective time"),
    rests_on=[growth_sandwich],
)

noisy_growth = Lemma(
    words="From tau_G on the growth function of every noisy sample's selected token grows linearly in effective time.",
    kind="order",
    claim=Claim(_growth - at_event(_growth, tau_G), "Theta", effective_time(since=tau_G), where=is_noisy[n]),
    given=[selected_at_memorisation],
    stage=NOISY_STAGE,
    source=Paper(PAPER, says="the attention gap of noisy samples grows with g", derived="effective time"),
    rests_on=[growth_sandwich],
)
