"""When the stages of training begin and end, and the scales on which the selection of tokens grows.

Provenance: that attention gaps of clean and of noisy samples grow by a function g is said by arXiv:2409.17625; the
stages and their predicates, the function with its log(T - 1), and the effective time are derived here.

Every event is decided by the states so far. What needs the last state of a run (the token that a sample selects in the
end) is replaced by a statement for every token, or by the selection at an event; when test samples select their signal
is decided by their law, which three numbers of the state determine.
"""

from typing import Any

from sympy import Abs, Rational, log, sinh, sqrt

from proofs.language import (
    Claim,
    Event,
    Largest,
    Observable,
    Smallest,
    Stage,
    accumulated,
    after,
    at_event,
    define,
)
from proofs.token_selection.symbols import (
    T,
    attention,
    direction_square,
    half_lead,
    is_noisy,
    is_other,
    k,
    label,
    n,
    noise_deviation,
    output,
    query_square,
    start_query_square,
    start_scale,
    step_size,
    t,
    test_lead,
)

HALF = Rational(1, 2)
QUARTER = Rational(1, 4)
is_clean = 1 - is_noisy[n]

departure = Observable("departure", nonnegative=True, words="how far attention is from uniform, as a share of 1/T")
define(departure, Largest(Abs(T * attention[n, t] - 1), n, t))

tau_quarter = Event(
    "tau_quarter",
    Claim(departure, ">", QUARTER),
    words="some attention is below 3/4 or above 5/4 of 1/T",
)
tau_1 = Event(
    "tau_1",
    Claim(after(departure), ">", HALF),
    words="the next step takes some attention to half or to 3/2 of 1/T",
)
tau_2 = Event(
    "tau_2",
    Claim(Smallest(attention[n, 0], n, where=is_clean), ">=", HALF),
    words="every clean sample gives its signal at least half of its attention",
)
tau_3 = Event(
    "tau_3",
    Claim(Smallest(label[n] * output[n], n, where=is_noisy[n]), ">", 0),
    words="every noisy sample has the sign of its flipped label",
)
tau_G = Event(
    "tau_G",
    Claim(Smallest(Largest(attention[n, t], t), n, where=is_noisy[n]), ">=", HALF),
    since=tau_3,
    words="from tau_3 on, every noisy sample gives one token at least half of its attention",
)
T_fit = Event(
    "T_fit",
    Claim(Smallest(label[n] * output[n], n), ">", 0),
    words="every sample has the sign of its label",
)
T_select = Event(
    "T_select",
    Claim(
        Smallest(test_lead[k, t], k, t, where=is_other[t]), ">", half_lead * noise_deviation * sqrt(direction_square)
    ),
    Claim(start_query_square, "<=", 0),
    words="test samples of both classes surely select their signal at least half of the time",
)
"""By their law, not by a sample of them. Exact where tokens carry no weak signals; sufficient where they do.

To be selected is to have the largest score, be it by little. Attention turns later; runs see that on test samples,
as T_gen."""

EVENTS = (tau_quarter, tau_1, tau_2, tau_3, tau_G, T_fit, T_select)

FIRST_QUARTER = Stage(
    "first quarter", start=0, end=tau_quarter, words="until some attention is a quarter away from 1/T"
)
END_OF_FIRST_QUARTER = Stage("end of the first quarter", start=tau_quarter, end=tau_quarter, words="at tau_quarter")
STAGE_ONE = Stage("stage one", start=0, end=tau_1, words="while every attention is within half of 1/T")
STAGE_TWO = Stage("stage two", start=tau_2, words="once every clean sample has turned to its signal")
NOISY_STAGE = Stage("memorisation", start=tau_G, words="once every noisy sample has settled on a token")
END_OF_STAGE_ONE = Stage("end of stage one", start=tau_1, end=tau_1, words="at tau_1")

selected_at_memorisation = Claim(at_event(attention[n, t], tau_G), ">=", HALF)
"""The token has half of its sample's attention at tau_G: it is the one that the sample selected."""


def growth(gap: Any) -> Any:
    """`g(x) = 2x + 2 sinh(x - log(T - 1))`, the primitive of `1/(phi (1 - phi))` of a token with effective gap x."""
    return 2 * gap + 2 * sinh(gap - log(T - 1))


def effective_time(since: Event) -> Any:
    """`theta`, the steps from an event on, each weighted by `h (s_0 + q)`: the time scale on which `g(x)` grows."""
    return accumulated(step_size * (start_scale + query_square), since=since)
