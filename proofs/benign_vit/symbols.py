"""Everything that statements about `benign-vit` can name: sizes, data, state and observables.

Letters of arXiv:2409.19345: y labels, s scores, phi attention, f output, lambda minus the loss's derivative,
V values, q queries, k keys, G inner products of tokens, eta the step size. There are N samples of M tokens,
and P tokens are distinct; token 0 of a sample is its signal.

The *selected* token of a sample is the one that attention turns to: its signal where the signal is learnt
(benign), its large noise token where noise is memorised (harmful). Which of the two an instance is, is data:
`benign` is 1 or 0.
"""

from sympy import Abs, sqrt

from proofs.language import (
    Index,
    IndexSet,
    Logistic,
    Observable,
    Size,
    Softmax,
    Softplus,
    Total,
    after,
    define,
    rounding,
    update,
)
from proofs.language.roundoff import EPSILON

SAMPLE = IndexSet("sample", size="N")
QUERY = IndexSet("query", size="M")
KEY = IndexSet("key", size="M")
TOKEN = IndexSet("token", size="P")
WIDTH = IndexSet("width", size="r")
PROBE = IndexSet("probe", size="Z")

n, n2 = Index("n", SAMPLE), Index("n2", SAMPLE)
l = Index("l", QUERY)
j, j2 = Index("j", KEY), Index("j2", KEY)
p = Index("p", TOKEN)
h = Index("h", WIDTH)
z = Index("z", PROBE)

N, M = Size(SAMPLE), Size(KEY)

# Data of an instance.

label = Observable("label", SAMPLE, constant=True, symbol="y", words="label, -1 or 1")
token_at = Observable(
    "token_at", SAMPLE, KEY, constant=True, elements_of=TOKEN, symbol="x", words="which token stands where"
)
overlap = Observable(
    "overlap", TOKEN, SAMPLE, KEY, constant=True, symbol="G", words="inner product of a token with a sample's token"
)
is_signal = Observable("is_signal", TOKEN, constant=True, nonnegative=True, words="1 for signals, 0 for noise tokens")
is_selected = Observable(
    "is_selected", TOKEN, constant=True, nonnegative=True, words="1 for tokens that their sample selects, else 0"
)
selected = Observable(
    "selected", SAMPLE, constant=True, elements_of=KEY, words="place of the token that a sample selects"
)
is_noise_place = Observable(
    "is_noise_place", KEY, constant=True, nonnegative=True, words="0 for a sample's signal, else 1"
)
benign = Observable("benign", constant=True, nonnegative=True, words="1 where the signal is learnt, 0 where noise is")
step_size = Observable("step_size", constant=True, nonnegative=True, symbol="eta", words="step size")
readout = Observable("readout", constant=True, nonnegative=True, symbol="w", words="squared norm of w_O")
loss_target = Observable("loss_target", constant=True, nonnegative=True, symbol="epsilon", words="loss to be reached")
failure_probability = Observable(
    "failure_probability", constant=True, nonnegative=True, symbol="delta", words="failure probability of the theory"
)
width = Observable(
    "width", constant=True, nonnegative=True, symbol="r", words="width of queries and keys where they are computed"
)
probe = Observable(
    "probe", WIDTH, PROBE, constant=True, words="fixed random directions in the space of queries and keys"
)
probe_norm = Observable("probe_norm", PROBE, constant=True, nonnegative=True, words="norm of a probe direction")
value_rounding = Observable(
    "value_rounding", TOKEN, nonnegative=True, words="rounding error of a recorded value beyond its last bit"
)

# Parameters of the data law and of the initial weights; an instance given as arrays may leave them open.

dimension = Observable("dimension", constant=True, nonnegative=True, symbol="d", words="dimension of the tokens")
head_dimension = Observable(
    "head_dimension", constant=True, nonnegative=True, symbol="d_h", words="dimension of queries and keys"
)
signal_square = Observable("signal_square", constant=True, nonnegative=True, symbol="mu2", words="squared signal norm")
noise_square = Observable(
    "noise_square",
    constant=True,
    nonnegative=True,
    symbol="xi2",
    words="expected squared norm of an ordinary noise token",
)
noise_multiplier = Observable(
    "noise_multiplier", constant=True, nonnegative=True, symbol="C_p", words="noise multiplier of token 1"
)
noise_deviation = Observable(
    "noise_deviation",
    TOKEN,
    constant=True,
    nonnegative=True,
    symbol="sigma",
    words="standard deviation per coordinate of a noise token, 0 for signals",
)
head_scale = Observable(
    "head_scale", constant=True, nonnegative=True, symbol="sigma_h", words="scale of W_Q, W_K at the start"
)
value_scale = Observable(
    "value_scale", constant=True, nonnegative=True, symbol="sigma_V", words="scale of W_V at the start"
)

# State: what gradient descent moves.

score = Observable("score", SAMPLE, QUERY, KEY, state=True, symbol="s", words="score of a key for a query")
value = Observable("value", TOKEN, state=True, symbol="V", words="value of a token")
query = Observable("query", TOKEN, WIDTH, state=True, symbol="q", words="query of a token, coordinate by coordinate")
key = Observable("key", TOKEN, WIDTH, state=True, symbol="k", words="key of a token, coordinate by coordinate")

# What follows from the state.

attention = Observable(
    "attention", SAMPLE, QUERY, KEY, nonnegative=True, symbol="phi", words="attention of a query to a key"
)
define(attention[n, l, j], Softmax(score[n, l, j], j))

output = Observable("output", SAMPLE, symbol="f", words="output of a sample")
define(output[n], Total(attention[n, l, j] * value[token_at[n, j]], l, j) / M)

loss_derivative = Observable(
    "loss_derivative", SAMPLE, nonnegative=True, symbol="lambda", words="minus the derivative of a sample's loss"
)
define(loss_derivative[n], Logistic(-label[n] * output[n]))

loss = Observable("loss", nonnegative=True, symbol="L", words="training loss")
define(loss, Total(Softplus(-label[n] * output[n]), n) / N)

attention_gradient = Observable(
    "attention_gradient", SAMPLE, QUERY, KEY, symbol="A", words="derivative of a sample's output by a score"
)
define(
    attention_gradient[n, l, j],
    attention[n, l, j] * (value[token_at[n, j]] - Total(attention[n, l, j2] * value[token_at[n, j2]], j2)) / M,
)

mean_attention = Observable(
    "mean_attention", SAMPLE, KEY, nonnegative=True, symbol="psi", words="attention to a key, averaged over queries"
)
define(mean_attention[n, j], Total(attention[n, l, j], l) / M)

value_drive = Observable(
    "value_drive", TOKEN, words="what gradient descent adds to a value, before step size and readout"
)
define(value_drive[p], Total(label[n] * loss_derivative[n] * mean_attention[n, j] * overlap[p, n, j], n, j) / N)

update(value[p], value[p] + step_size * readout * value_drive[p])
rounding(value[p], value_rounding[p])
update(
    query[p, h],
    query[p, h]
    + step_size
    / N
    * Total(
        label[n] * loss_derivative[n] * overlap[p, n, l] * attention_gradient[n, l, j] * key[token_at[n, j], h], n, l, j
    ),
)
update(
    key[p, h],
    key[p, h]
    + step_size
    / N
    * Total(
        label[n] * loss_derivative[n] * overlap[p, n, j] * attention_gradient[n, l, j] * query[token_at[n, l], h],
        n,
        l,
        j,
    ),
)

# Norms and inner products of queries and keys; they are recorded in place of the queries and keys themselves.


def _twin(role: str, own: Observable, other: Observable) -> tuple[Observable, ...]:
    """The recorded norms and inner products of queries, or of keys."""
    square = Observable(f"{role}_square", TOKEN, nonnegative=True, words=f"squared norm of a token's {role}")
    define(square[p], Total(own[p, h] ** 2, h))
    rounding(square[p], (width + 2) * EPSILON * square[p])

    change = Observable(f"{role}_change", TOKEN, nonnegative=True, words=f"how far a token's {role} moves in a step")
    define(change[p], sqrt(Total((after(own[p, h]) - own[p, h]) ** 2, h)))
    rounding(change[p], 2 * EPSILON * sqrt(after(square[p])) + (width + 4) * EPSILON * change[p])

    aligned = Observable(f"{role}_overlap", SAMPLE, KEY, words=f"inner product of a token's {role} with its signal's")
    define(aligned[n, j], Total(own[token_at[n, j], h] * own[token_at[n, 0], h], h))
    rounding(aligned[n, j], (width + 2) * EPSILON * sqrt(square[token_at[n, j]]) * sqrt(square[token_at[n, 0]]))

    probed = Observable(f"{role}_probe", TOKEN, PROBE, words=f"a token's {role} along a probe direction")
    define(probed[p, z], Total(own[p, h] * probe[h, z], h))
    rounding(probed[p, z], (width + 2) * EPSILON * sqrt(square[p]) * probe_norm[z])
    return square, change, aligned, probed


query_square, query_change, query_overlap, query_probe = _twin("query", query, key)
key_square, key_change, key_overlap, key_probe = _twin("key", key, query)

# A score is recorded as a rounded inner product, at this step and at the next.
rounding(
    score[n, l, j], 2 * (width + 2) * EPSILON * sqrt(query_square[token_at[n, l]]) * sqrt(key_square[token_at[n, j]])
)

query_drive = Observable(
    "query_drive",
    SAMPLE,
    QUERY,
    nonnegative=True,
    words="norm of the keys of a sample, weighted by a query's attention gradient",
)
define(query_drive[n, l], sqrt(Total(Total(attention_gradient[n, l, j] * key[token_at[n, j], h], j) ** 2, h)))
rounding(
    query_drive[n, l],
    (width + M + 4) * EPSILON * Total(Abs(attention_gradient[n, l, j]) * sqrt(key_square[token_at[n, j]]), j),
)

key_drive = Observable(
    "key_drive",
    SAMPLE,
    KEY,
    nonnegative=True,
    words="norm of the queries of a sample, weighted by a key's attention gradient",
)
define(key_drive[n, j], sqrt(Total(Total(attention_gradient[n, l, j] * query[token_at[n, l], h], l) ** 2, h)))
rounding(
    key_drive[n, j],
    (width + M + 4) * EPSILON * Total(Abs(attention_gradient[n, l, j]) * sqrt(query_square[token_at[n, l]]), l),
)

balance = Observable(
    "balance", PROBE, state=True, symbol="D", words="|W_Q z|^2 - |W_K z|^2 along a probe direction z, since the start"
)
balance_scale = Observable(
    "balance_scale", PROBE, nonnegative=True, words="the sum of the absolute terms of the balance"
)
balance_terms = Observable("balance_terms", constant=True, nonnegative=True, words="how many terms the balance sums")
rounding(balance[z], balance_terms * EPSILON * balance_scale[z])
