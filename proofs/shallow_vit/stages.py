"""When attention has moved and the loss is reached, as events that a run checks.

Provenance: derived; arXiv:2302.06015 speaks of convergence alone.
"""

from sympy import Rational

from proofs.language import Claim, Event, Largest, Stage, at_start
from proofs.shallow_vit.symbols import attention, batch_loss, has_key, i, j, loss, loss_target, n

attention_doubled = Event(
    "attention_doubled",
    Claim(
        Largest(has_key[n, j] * (attention[n, i, j] - 2 * at_start(attention[n, i, j])) - (1 - has_key[n, j]), n, i, j),
        ">=",
        0,
    ),
    words="some attention weight of a watched sample is twice what it was at the start",
)
batch_fitted = Event(
    "batch_fitted",
    Claim(batch_loss, "<=", Rational(1, 2)),
    words="the hinge loss over a batch is at most 1/2",
)
loss_reached = Event(
    "loss_reached", Claim(loss, "<=", loss_target), words="the loss over all samples reaches its target"
)

EVENTS = (attention_doubled, batch_fitted, loss_reached)

BEFORE_DOUBLING = Stage(
    "before doubling", start=0, end=attention_doubled, words="until some attention weight has doubled"
)
