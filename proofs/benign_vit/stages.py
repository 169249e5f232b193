"""When the stages of training begin and end, as events that a run checks.

Provenance: arXiv:2409.19345 has three stages (values separate; attention grows; convergence); the predicates
are derived, chosen so that each is an inequality between observables.
"""

from sympy import Abs, Rational, log

from proofs.benign_vit.symbols import (
    M,
    N,
    attention,
    failure_probability,
    is_selected,
    label,
    loss,
    loss_target,
    n,
    p,
    selected,
    token_at,
    value,
)
from proofs.language import Claim, Event, Largest, Smallest, Stage

log_term = log(6 * N**2 * M**2 / failure_probability)
"""`c_log = log(6 N^2 M^2 / delta)`, the logarithm in every concentration bound of the paper."""

selected_value = Smallest(label[n] * value[token_at[n, selected[n]]], n)
"""The smallest value of a selected token, counted in the direction of its sample's label."""

other_value = Largest(Abs(value[p]), p, where=1 - is_selected[p])
"""The largest absolute value of a token that is not selected."""

T1 = Event(
    "T1",
    Claim(selected_value, ">=", 3 * M * other_value),
    words="every selected value exceeds 3M times every other value",
)
T2 = Event("T2", Claim(selected_value, ">=", 2 / log_term), words="every selected value exceeds 2/log(6N^2M^2/delta)")
T3 = Event("T3", Claim(loss, "<=", loss_target), words="the training loss reaches its target")
attention_saturated = Event(
    "attention_saturated",
    Claim(Smallest(attention[n, selected[n], selected[n]], n), ">=", Rational(9, 10)),
    words="every selected token attends to itself with at least 0.9",
)

EVENTS = (T1, T2, T3, attention_saturated)

STAGE_ONE = Stage("stage one", start=0, end=T1, words="until the selected values stand out")
STAGE_TWO = Stage("stage two", start=T1, end=T2, words="from then until they are of order 1/log")
GROWTH = Stage(
    "attention growth",
    start=T1,
    end=attention_saturated,
    words="from T1 until attention has turned to the selected tokens",
)
