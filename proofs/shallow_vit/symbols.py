"""Everything that statements about `shallow-vit` can name: sizes, data, state and observables.

Letters of the model: tokens x, patterns mu, labels y; weights W_O, W_V, W_K, W_Q and the fixed readout a; P = W_K^T W_Q
scores tokens, R = W_O W_V makes hidden units of them; A attention, h hidden units, F output, l the hinge loss; eta the
step size. K and H are minus the derivatives of the batch loss by R and by P: minus the gradients are K W_V^T,
W_O^T K, W_Q H^T and W_K H.

A sample is a list of *slots*, its different tokens, each with its multiplicity among keys and among queries. Where
tokens are patterns without noise, slot j is pattern j. Statements about attention are followed on the *watched*
samples, the first few of the training set; those about outputs and steps on the whole batch about to be used. Weights
are seen along fixed *probes*; with the unit vectors for probes that is every entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sympy import Abs, Max, Min, exp, sqrt

from proofs.language import (
    EPSILON,
    Index,
    IndexSet,
    Largest,
    Observable,
    Total,
    after,
    change,
    define,
    rounding,
    update,
)

BATCH = IndexSet("batch_sample", size="B")
WATCHED = IndexSet("watched", size="W")
QUERY = IndexSet("query", size="S")
KEY = IndexSet("key", size="S")
PATTERN = IndexSet("pattern", size="M")
TOKEN_AXIS = IndexSet("token_axis", size="D")
NEURON = IndexSet("neuron", size="m")
VALUE_AXIS = IndexSet("value_axis", size="m_a")
HEAD_AXIS = IndexSet("head_axis", size="m_b")
TOKEN_PROBE = IndexSet("token_probe", size="Z_d")
NEURON_PROBE = IndexSet("neuron_probe", size="Z_m")
VALUE_PROBE = IndexSet("value_probe", size="Z_a")
HEAD_PROBE = IndexSet("head_probe", size="Z_b")

b = Index("b", BATCH)
n = Index("n", WATCHED)
i = Index("i", QUERY)
j, j2, j3 = Index("j", KEY), Index("j2", KEY), Index("j3", KEY)
p, p2, p3 = Index("p", PATTERN), Index("p2", PATTERN), Index("p3", PATTERN)
c, c2 = Index("c", TOKEN_AXIS), Index("c2", TOKEN_AXIS)
r = Index("r", NEURON)
u = Index("u", VALUE_AXIS)
h = Index("h", HEAD_AXIS)
zd = Index("zd", TOKEN_PROBE)
zm = Index("zm", NEURON_PROBE)
za = Index("za", VALUE_PROBE)
zb = Index("zb", HEAD_PROBE)


def _number(name: str, words: str, symbol: str | None = None) -> Observable:
    """A nonnegative number of the instance."""
    return Observable(name, constant=True, nonnegative=True, symbol=symbol, words=words)


@dataclass(frozen=True)
class Vector:
    """A vector as a function of its index, and how many sums stand inside one another in an entry."""

    entry: Callable[[Any], Any]
    sums: int = 0

    def __call__(self, row: Any) -> Any:
        """The entry at an index."""
        return self.entry(row)


_LETTERS = {index.ranges_over: index.name for index in (c, r, u, h)}


def _apply(matrix: Observable, vector: Vector, turned: bool = False) -> Vector:
    """A matrix, or its transpose, times a vector.

    Sums take the letter of their axis, numbered from the innermost one, 2, on: the letter alone is that of the entry.
    """
    rows, columns = matrix.index_sets
    axis = rows if turned else columns
    k = Index(f"{_LETTERS[axis]}{vector.sums + 2}", axis)
    return Vector(lambda row: Total((matrix[k, row] if turned else matrix[row, k]) * vector(k), k), vector.sums + 1)


# Data of an instance.

step_size = _number("step_size", "step size", symbol="eta")
attention_step_size = _number(
    "attention_step_size", "step size of W_K and W_Q: eta, or 0 where they are frozen", symbol="eta_a"
)
loss_target = _number("loss_target", "loss over all samples to be reached", symbol="epsilon")
token_radius = _number("token_radius", "largest norm of a token", symbol="rho_X")
token_diameter = _number("token_diameter", "largest distance between two tokens of a sample", symbol="diam_X")
readout_norm = _number("readout_norm", "norm of the readout a (1 in the published model)")
operations = _number("operations", "how many roundings one recorded number may carry")

product_operations = _number("product_operations", "how many where neither neurons nor samples are summed over")

label = Observable("label", WATCHED, constant=True, symbol="y", words="label of a watched sample, -1 or 1")
key_count = Observable(
    "key_count", WATCHED, KEY, constant=True, nonnegative=True, words="how often a sample has a token as key"
)
has_key = Observable(
    "has_key", WATCHED, KEY, constant=True, nonnegative=True, words="1 where a sample has a token as key, else 0"
)
query_weight = Observable(
    "query_weight",
    WATCHED,
    QUERY,
    constant=True,
    nonnegative=True,
    words="share of a sample's queries that are a token",
)

# Data of an instance whose tokens are patterns without noise, slot j being pattern j.

twin_count = Observable(
    "twin_count",
    WATCHED,
    KEY,
    constant=True,
    nonnegative=True,
    words="key_count with the counts of the first two patterns exchanged: that of the twin sample",
)
twin_has_key = Observable(
    "twin_has_key",
    WATCHED,
    KEY,
    constant=True,
    nonnegative=True,
    words="1 where the twin sample has a token as key, else 0",
)
own_key = Observable(
    "own_key", WATCHED, constant=True, elements_of=KEY, words="which of the first two patterns agrees with the label"
)
other_key = Observable("other_key", WATCHED, constant=True, elements_of=KEY, words="the other one of the first two")
is_irrelevant = Observable(
    "is_irrelevant", QUERY, constant=True, nonnegative=True, words="0 for the first two patterns, else 1"
)
pattern_drive = Observable(
    "pattern_drive",
    PATTERN,
    constant=True,
    symbol="g",
    words="mean over all training samples of the label times the share of tokens that are a pattern",
)

# Parameters of the data law and of the initial weights; an instance given as arrays may leave them open.

samples = _number("samples", "training samples", symbol="N")
batch_size = _number("batch_size", "samples in a batch", symbol="B")
length = _number("length", "tokens of a sample", symbol="L")
relevant_share = _number("relevant_share", "share of a sample's tokens that agree with its label", symbol="alpha")
confusion_share = _number("confusion_share", "share that belongs to the other label", symbol="alpha_c")
patterns = _number("patterns", "number of patterns", symbol="M_p")
token_noise = _number("token_noise", "norm of the noise of a token", symbol="tau")
head_scale = _number("head_scale", "norm of queries and keys of patterns at the start, without error", symbol="kappa")
value_error = _number("value_error", "error of the values of patterns at the start", symbol="sigma")
head_error = _number("head_error", "error of queries and keys of patterns at the start", symbol="delta")
readout_scale = _number("readout_scale", "standard deviation of W_O at the start", symbol="xi")

# The batch about to be used, which belongs to the state of a run.

batch_label = Observable("batch_label", BATCH, state=True, symbol="y_b", words="label of a sample of the batch")
batch_weight = Observable(
    "batch_weight", BATCH, state=True, nonnegative=True, symbol="w_b", words="weight of a sample of the batch: 1/B"
)
batch_output = Observable("batch_output", BATCH, symbol="F_b", words="output of a sample of the batch")
batch_active = Observable(
    "batch_active", BATCH, nonnegative=True, words="1 where the margin of a sample of the batch is below 1, else 0"
)
rounding(batch_active[b], 0)

batch_hinge = Observable("batch_hinge", BATCH, nonnegative=True, symbol="l_b", words="hinge loss of a sample")
define(batch_hinge[b], Max(1 - batch_label[b] * batch_output[b], 0))

batch_loss = Observable(
    "batch_loss", nonnegative=True, symbol="L_b", words="hinge loss over the batch about to be used"
)
define(batch_loss, Total(batch_weight[b] * batch_hinge[b], b))

loss = Observable("loss", nonnegative=True, symbol="L", words="hinge loss over all samples, where the run looks at it")

active_share = Observable("active_share", nonnegative=True, words="weight of the samples whose margin is below 1")
define(active_share, Total(batch_weight[b] * batch_active[b], b))

push = batch_weight[b] * batch_label[b] * batch_active[b]
"""Minus the derivative of the batch loss by a sample's output."""

# The weights, in the coordinates in which a run trains them.

W_O = Observable("W_O", NEURON, VALUE_AXIS, state=True, words="weight from values to neurons")
W_V = Observable("W_V", VALUE_AXIS, TOKEN_AXIS, state=True, words="weight from tokens to values")
W_K = Observable("W_K", HEAD_AXIS, TOKEN_AXIS, state=True, words="weight from tokens to keys")
W_Q = Observable("W_Q", HEAD_AXIS, TOKEN_AXIS, state=True, words="weight from tokens to queries")

_PLACES: dict[Observable, tuple[Any, Any]] = {W_O: (r, u), W_V: (u, c), W_K: (h, c), W_Q: (h, c)}

# Sizes of weights, from which the rounding of what is recorded follows.


def _size(name: str, words: str, symbol: str | None = None) -> Observable:
    """A nonnegative number recorded at every step."""
    return Observable(name, nonnegative=True, symbol=symbol, words=words)


output_square = _size("output_square", "squared Frobenius norm of W_O")
value_square = _size("value_square", "squared Frobenius norm of W_V")
key_square = _size("key_square", "squared Frobenius norm of W_K")
query_square = _size("query_square", "squared Frobenius norm of W_Q")
_SQUARES = {W_O: output_square, W_V: value_square, W_K: key_square, W_Q: query_square}
for _weight, _square in _SQUARES.items():
    define(_square, Total(_weight[_PLACES[_weight]] ** 2, *_PLACES[_weight]))
    rounding(_square, operations * EPSILON * _square)

score_reach = _size("score_reach", "a bound on scores and on the absolute terms that they sum")
define(score_reach, token_radius**2 * sqrt(key_square) * sqrt(query_square))

effect_reach = _size("effect_reach", "a bound on a token's effect on an output, and on the absolute terms that it sums")
define(effect_reach, readout_norm * token_radius * sqrt(output_square) * sqrt(value_square))

attention_rounding = _size("attention_rounding", "relative rounding error of an attention weight")
define(attention_rounding, operations * EPSILON * (1 + score_reach))

rounding(batch_output[b], attention_rounding * effect_reach)
rounding(loss, attention_rounding * effect_reach + operations * EPSILON * loss)

hidden_drive_rounding = _size("hidden_drive_rounding", "rounding error of K, Frobenius norm")
define(hidden_drive_rounding, attention_rounding * readout_norm * token_radius)

score_drive_rounding = _size("score_drive_rounding", "rounding error of H, Frobenius norm")
define(score_drive_rounding, 4 * attention_rounding * token_radius**2 * effect_reach)

hidden_drive = Observable("hidden_drive", NEURON, TOKEN_AXIS, symbol="K", words="minus the derivative of the loss by R")
score_drive = Observable(
    "score_drive", TOKEN_AXIS, TOKEN_AXIS, symbol="H", words="minus the derivative of the loss by P (key, query)"
)
rounding(hidden_drive[r, c], hidden_drive_rounding)
rounding(score_drive[c, c2], score_drive_rounding)

update(W_O[r, u], W_O[r, u] + step_size * Total(hidden_drive[r, c] * W_V[u, c], c))
update(W_V[u, c], W_V[u, c] + step_size * Total(W_O[r, u] * hidden_drive[r, c], r))
update(W_K[h, c], W_K[h, c] + attention_step_size * Total(W_Q[h, c2] * score_drive[c, c2], c2))
update(W_Q[h, c], W_Q[h, c] + attention_step_size * Total(W_K[h, c2] * score_drive[c2, c], c2))

# Attention on the watched samples.

score = Observable("score", WATCHED, QUERY, KEY, symbol="s", words="score of a key for a query")
token_effect = Observable(
    "token_effect",
    WATCHED,
    QUERY,
    KEY,
    symbol="t",
    words="effect of a key on the output through a query's active neurons",
)
for _given in (score, token_effect):
    rounding(_given[n, i, j], 0)

attention = Observable(
    "attention",
    WATCHED,
    QUERY,
    KEY,
    nonnegative=True,
    symbol="A",
    words="attention of a query to a key, all its copies",
)
twin_attention = Observable(
    "twin_attention", WATCHED, QUERY, KEY, nonnegative=True, symbol="A_t", words="attention in the twin sample"
)


def attention_power(key: Any, has: Observable, k: Any = j2) -> Any:
    """The exponential of a key's score over that of the largest score of the keys that are there.

    Absent keys, whose scores may be larger, are never above 1, so that no exponential overflows.
    """
    return exp(Min(score[n, i, key] - Largest(score[n, i, k], k, where=has[n, k]), 0))


def _weighted_softmax(count: Observable, has: Observable) -> Any:
    total = Total(count[n, j2] * attention_power(j2, has, j3), j2)
    return count[n, j] * attention_power(j, has) / total


define(attention[n, i, j], _weighted_softmax(key_count, has_key))
define(twin_attention[n, i, j], _weighted_softmax(twin_count, twin_has_key))

mean_effect = Observable("mean_effect", WATCHED, QUERY, words="effect of a query's attended tokens on the output")
define(mean_effect[n, i], Total(attention[n, i, j] * token_effect[n, i, j], j))

attention_gradient = Observable(
    "attention_gradient", WATCHED, QUERY, KEY, symbol="c", words="derivative of a query's part of the output by a score"
)
define(attention_gradient[n, i, j], attention[n, i, j] * (token_effect[n, i, j] - mean_effect[n, i]))

watched_output = Observable("watched_output", WATCHED, symbol="F", words="output of a watched sample")
define(watched_output[n], Total(query_weight[n, i] * mean_effect[n, i], i))

twin_output = Observable("twin_output", WATCHED, symbol="F_t", words="output of the twin of a watched sample")
rounding(twin_output[n], attention_rounding * effect_reach)

# P and R on patterns.

score_on_patterns = Observable(
    "score_on_patterns",
    PATTERN,
    PATTERN,
    symbol="P",
    words="score of a pattern as key (first) for a pattern as query (second)",
)
hidden_on_patterns = Observable(
    "hidden_on_patterns", NEURON, PATTERN, symbol="R", words="what R makes of a pattern, for each neuron"
)
rounding(score_on_patterns[p, p2], operations * EPSILON * sqrt(key_square) * sqrt(query_square))
rounding(hidden_on_patterns[r, p], operations * EPSILON * sqrt(output_square) * sqrt(value_square))

score_spread = Observable(
    "score_spread", nonnegative=True, symbol="Delta", words="largest difference of two keys' scores for one query"
)
define(score_spread, Largest(score_on_patterns[p, p3] - score_on_patterns[p2, p3], p, p2, p3))

hidden_spread = Observable(
    "hidden_spread", nonnegative=True, symbol="rho_d", words="largest distance between what R makes of two patterns"
)
define(hidden_spread, Largest(sqrt(Total((hidden_on_patterns[r, p] - hidden_on_patterns[r, p2]) ** 2, r)), p, p2))

hidden_reach = Observable(
    "hidden_reach", nonnegative=True, symbol="rho", words="largest norm of what R makes of a pattern"
)
define(hidden_reach, Largest(sqrt(Total(hidden_on_patterns[r, p] ** 2, r)), p))

# Operator norms, and how far P and R have come.

output_norm = _size("output_norm", "operator norm of W_O", symbol="o")
value_norm = _size("value_norm", "operator norm of W_V", symbol="v")
key_norm = _size("key_norm", "operator norm of W_K", symbol="k")
query_norm = _size("query_norm", "operator norm of W_Q", symbol="q")
for _norm, _square in (
    (output_norm, output_square),
    (value_norm, value_square),
    (key_norm, key_square),
    (query_norm, query_square),
):
    rounding(_norm, operations * EPSILON * sqrt(_square))

hidden_drive_size = _size("hidden_drive_size", "Frobenius norm of K")
score_drive_size = _size("score_drive_size", "Frobenius norm of H")
hidden_drive_norm = _size("hidden_drive_norm", "operator norm of K", symbol="kappa_t")
score_drive_norm = _size("score_drive_norm", "operator norm of H", symbol="chi_t")
for _norm, _size_of, _doubt in (
    (hidden_drive_size, hidden_drive_size, hidden_drive_rounding),
    (score_drive_size, score_drive_size, score_drive_rounding),
    (hidden_drive_norm, hidden_drive_size, hidden_drive_rounding),
    (score_drive_norm, score_drive_size, score_drive_rounding),
):
    rounding(_norm, _doubt + operations * EPSILON * _size_of)

define(hidden_drive_size, sqrt(Total(hidden_drive[r, c] ** 2, r, c)))
define(score_drive_size, sqrt(Total(score_drive[c, c2] ** 2, c, c2)))

hidden_moved = _size("hidden_moved", "operator norm of the difference of R and R at the start")
score_moved = _size("score_moved", "operator norm of the difference of P and P at the start")
start_output_square = _number("start_output_square", "squared Frobenius norm of W_O at the start")
start_value_square = _number("start_value_square", "squared Frobenius norm of W_V at the start")
start_key_square = _number("start_key_square", "squared Frobenius norm of W_K at the start")
start_query_square = _number("start_query_square", "squared Frobenius norm of W_Q at the start")
# The root of a Gram matrix's eigenvalue near 0 keeps half of the digits only.
hidden_moved_scale = sqrt(output_square) * sqrt(value_square) + sqrt(start_output_square) * sqrt(start_value_square)
score_moved_scale = sqrt(key_square) * sqrt(query_square) + sqrt(start_key_square) * sqrt(start_query_square)
rounding(hidden_moved, operations * EPSILON * hidden_moved_scale)
rounding(score_moved, operations * EPSILON * score_moved_scale)

# What a step does: inner products of each weight with its move, squared norms of the gradients, the largest move.


def _of_step(name: str, words: str, scale: Any, nonnegative: bool = False) -> Observable:
    observable = Observable(name, nonnegative=nonnegative, words=words)
    rounding(observable, scale)
    return observable


def _pairing(weight: Observable, name: str) -> Observable:
    places, square = _PLACES[weight], _SQUARES[weight]
    scale = operations * EPSILON * (square + sqrt(square) * sqrt(after(square)) + after(square))
    observable = _of_step(name, f"inner product of {weight} with its move in a step", scale)
    define(observable, Total(weight[places] * change(weight[places]), *places))
    return observable


output_pairing = _pairing(W_O, "output_pairing")
value_pairing = _pairing(W_V, "value_pairing")
key_pairing = _pairing(W_K, "key_pairing")
query_pairing = _pairing(W_Q, "query_pairing")

largest_move = Observable("largest_move", nonnegative=True, words="largest change of a weight's entry in a step")
define(largest_move, Max(*(Largest(Abs(change(weight[places])), *places) for weight, places in _PLACES.items())))
rounding(largest_move, 0)

score_pull = Observable("score_pull", words="inner product of H with P: scores times the loss's derivatives by them")
define(score_pull, Total(score_drive[c, c2] * W_K[h, c] * W_Q[h, c2], c, c2, h))
rounding(score_pull, score_drive_rounding * sqrt(key_square) * sqrt(query_square))


def _gradient_square(weight: Observable, name: str, gradient: Any, places: tuple[Any, Any]) -> Observable:
    """The recorded squared norm of a gradient, a product of a drive and a weight."""
    by_score = weight in (W_K, W_Q)
    size = score_drive_size if by_score else hidden_drive_size
    doubt = score_drive_rounding if by_score else hidden_drive_rounding
    root = sqrt(_SQUARES[_PARTNER[weight]])
    error = (doubt + operations * EPSILON * size) * root
    bound = error * (2 * size * root + error)
    observable = _of_step(name, f"squared Frobenius norm of the gradient by {weight}", bound, nonnegative=True)
    define(observable, Total(gradient**2, *places))
    return observable


_PARTNER = {W_O: W_V, W_V: W_O, W_K: W_Q, W_Q: W_K}
output_gradient_square = _gradient_square(
    W_O, "output_gradient_square", Total(hidden_drive[r, c] * W_V[u, c], c), (r, u)
)
value_gradient_square = _gradient_square(W_V, "value_gradient_square", Total(W_O[r, u] * hidden_drive[r, c], r), (u, c))
key_gradient_square = _gradient_square(W_K, "key_gradient_square", Total(W_Q[h, c2] * score_drive[c, c2], c2), (h, c))
query_gradient_square = _gradient_square(
    W_Q, "query_gradient_square", Total(W_K[h, c2] * score_drive[c2, c], c2), (h, c)
)

# Balances of weights along probes, and what drives them.


def _probe(name: str, axis: IndexSet, probes: IndexSet) -> tuple[Observable, Observable]:
    directions = Observable(f"{name}_probe", axis, probes, constant=True, words="fixed random directions")
    norm = Observable(f"{name}_probe_norm", probes, constant=True, nonnegative=True, words="norm of a probe")
    return directions, norm


token_probe, token_probe_norm = _probe("token", TOKEN_AXIS, TOKEN_PROBE)
neuron_probe, neuron_probe_norm = _probe("neuron", NEURON, NEURON_PROBE)
value_probe, value_probe_norm = _probe("value", VALUE_AXIS, VALUE_PROBE)
head_probe, head_probe_norm = _probe("head", HEAD_AXIS, HEAD_PROBE)


_along_token = Vector(lambda k: token_probe[k, zd])
_along_neuron = Vector(lambda k: neuron_probe[k, zm])
_along_value = Vector(lambda k: value_probe[k, za])
_along_head = Vector(lambda k: head_probe[k, zb])


def _gram(weight: Observable, vector: Vector) -> Vector:
    """`W^T W` times a vector."""
    return _apply(weight, _apply(weight, vector), turned=True)


def _outer(weight: Observable, vector: Vector) -> Vector:
    """`W W^T` times a vector."""
    return _apply(weight, _apply(weight, vector, turned=True))


def _scores(vector: Vector, turned: bool = False) -> Vector:
    """P times a vector, or `P^T`."""
    first, second = (W_K, W_Q) if turned else (W_Q, W_K)
    return _apply(second, _apply(first, vector), turned=True)


def _hidden(vector: Vector, turned: bool = False) -> Vector:
    """R times a vector, or `R^T`."""
    if turned:
        return _apply(W_V, _apply(W_O, vector, turned=True), turned=True)
    return _apply(W_O, _apply(W_V, vector))


def _square_rounding(size: Any, doubt: Any) -> Any:
    """What rounding makes of a product of two drives."""
    return 2 * size * doubt + doubt**2 + operations * EPSILON * size**2


_twice_H, _twice_K = (
    _square_rounding(score_drive_size, score_drive_rounding),
    _square_rounding(hidden_drive_size, hidden_drive_rounding),
)

head_balance = Observable(
    "head_balance", HEAD_AXIS, HEAD_PROBE, symbol="Lambda", words="W_K W_K^T - W_Q W_Q^T along a probe"
)
define(head_balance[h, zb], _outer(W_K, _along_head)(h) - _outer(W_Q, _along_head)(h))
rounding(head_balance[h, zb], product_operations * EPSILON * (key_square + query_square) * head_probe_norm[zb])

head_drift = Observable("head_drift", HEAD_AXIS, HEAD_PROBE, words="W_Q H^T H W_Q^T - W_K H H^T W_K^T along a probe")
define(
    head_drift[h, zb],
    _apply(W_Q, _gram(score_drive, _apply(W_Q, _along_head, turned=True)))(h)
    - _apply(W_K, _outer(score_drive, _apply(W_K, _along_head, turned=True)))(h),
)
rounding(head_drift[h, zb], (key_square + query_square) * head_probe_norm[zb] * _twice_H)

value_balance = Observable(
    "value_balance", VALUE_AXIS, VALUE_PROBE, symbol="Lambda_v", words="W_O^T W_O - W_V W_V^T along a probe"
)
define(value_balance[u, za], _gram(W_O, _along_value)(u) - _outer(W_V, _along_value)(u))
rounding(value_balance[u, za], operations * EPSILON * (output_square + value_square) * value_probe_norm[za])

value_drift = Observable(
    "value_drift", VALUE_AXIS, VALUE_PROBE, words="W_V K^T K W_V^T - W_O^T K K^T W_O along a probe"
)
define(
    value_drift[u, za],
    _apply(W_V, _gram(hidden_drive, _apply(W_V, _along_value, turned=True)))(u)
    - _apply(W_O, _outer(hidden_drive, _apply(W_O, _along_value)), turned=True)(u),
)
rounding(value_drift[u, za], (output_square + value_square) * value_probe_norm[za] * _twice_K)

# The six matrices of the closed recursion along probes, and what a step adds to each.

score_scale = sqrt(key_square) * sqrt(query_square)
hidden_scale = sqrt(output_square) * sqrt(value_square)

# P is far smaller than its factors where keys and queries are nearly orthogonal.
score_size = _size("score_size", "Frobenius norm of P")
define(score_size, sqrt(Total(Total(W_K[h, c] * W_Q[h, c2], h) ** 2, c, c2)))
rounding(score_size, product_operations * EPSILON * score_scale)
_score_reach = score_size + product_operations * EPSILON * score_scale


def _followed(
    name: str,
    letter: str,
    words: str,
    places: tuple[Any, Any],
    own: Vector,
    first: Any,
    second: Any,
    scales: tuple[Any, Any, Any],
) -> tuple[Observable, Observable]:
    """The change of a matrix along probes, and what it should be: `eta first + eta^2 second`.

    `scales` bound the matrix and the factors of the drives.
    """
    axis, probes = (place.ranges_over for place in places)
    norm = {TOKEN_PROBE: token_probe_norm, NEURON_PROBE: neuron_probe_norm}[probes][places[1]]
    by_score = name in ("score", "key_gram", "query_gram")
    matrix_sums_neurons = name == "output_gram"
    step = attention_step_size if by_score else step_size
    size = score_drive_size if by_score else hidden_drive_size
    doubt = score_drive_rounding if by_score else hidden_drive_rounding
    once, twice = doubt + operations * EPSILON * size, _twice_H if by_score else _twice_K
    bound = (operations if matrix_sums_neurons else product_operations) * EPSILON * scales[0]
    seen = Observable(
        f"{name}_step", axis, probes, symbol=f"Delta_{letter}", words=f"change of {words} in a step, along a probe"
    )
    define(seen[places], change(own(places[0])))
    rounding(seen[places], (bound + after(bound)) * norm)
    move = Observable(
        f"{name}_move", axis, probes, symbol=f"D_{letter}", words=f"what a step should add to {words} along a probe"
    )
    define(move[places], step * first + step**2 * second)
    rounding(move[places], norm * (step * scales[1] * once + step**2 * scales[2] * twice))
    return seen, move


_Hz, _Htz = _apply(score_drive, _along_token), _apply(score_drive, _along_token, turned=True)
_Kz, _Ktz = _apply(hidden_drive, _along_token), _apply(hidden_drive, _along_neuron, turned=True)

score_step, score_move = _followed(
    "score",
    "P",
    "P = W_K^T W_Q",
    (c, zd),
    _scores(_along_token),
    _gram(W_K, _Hz)(c) + _apply(score_drive, _gram(W_Q, _along_token))(c),
    _apply(score_drive, _scores(_Hz, turned=True))(c),
    (score_scale, key_square + query_square, score_scale),
)
key_gram_step, key_gram_move = _followed(
    "key_gram",
    "K2",
    "W_K^T W_K",
    (c, zd),
    _gram(W_K, _along_token),
    _apply(score_drive, _scores(_along_token, turned=True))(c) + _scores(_Htz)(c),
    _apply(score_drive, _gram(W_Q, _Htz))(c),
    (key_square, 2 * _score_reach, query_square),
)
query_gram_step, query_gram_move = _followed(
    "query_gram",
    "Q2",
    "W_Q^T W_Q",
    (c, zd),
    _gram(W_Q, _along_token),
    _scores(_Hz, turned=True)(c) + _apply(score_drive, _scores(_along_token), turned=True)(c),
    _apply(score_drive, _gram(W_K, _Hz), turned=True)(c),
    (query_square, 2 * _score_reach, key_square),
)
hidden_step, hidden_move = _followed(
    "hidden",
    "R",
    "R = W_O W_V",
    (r, zd),
    _hidden(_along_token),
    _outer(W_O, _Kz)(r) + _apply(hidden_drive, _gram(W_V, _along_token))(r),
    _apply(hidden_drive, _hidden(_Kz, turned=True))(r),
    (hidden_scale, output_square + value_square, hidden_scale),
)
output_gram_step, output_gram_move = _followed(
    "output_gram",
    "O",
    "W_O W_O^T",
    (r, zm),
    _outer(W_O, _along_neuron),
    _apply(hidden_drive, _hidden(_along_neuron, turned=True))(r) + _hidden(_Ktz)(r),
    _apply(hidden_drive, _gram(W_V, _Ktz))(r),
    (output_square, 2 * hidden_scale, value_square),
)
value_gram_step, value_gram_move = _followed(
    "value_gram",
    "V2",
    "W_V^T W_V",
    (c, zd),
    _gram(W_V, _along_token),
    _hidden(_Kz, turned=True)(c) + _apply(hidden_drive, _hidden(_along_token), turned=True)(c),
    _apply(hidden_drive, _outer(W_O, _Kz), turned=True)(c),
    (value_square, 2 * hidden_scale, output_square),
)

# Directions that no step sees.

token_null = _number("token_null", "1 where some unit vector is orthogonal to all tokens")
difference_null = _number(
    "difference_null", "1 where some unit vector is orthogonal to all differences of a sample's tokens"
)
head_null = _number(
    "head_null",
    "1 where some unit vector is orthogonal to all queries and to all differences of a sample's keys at the start, and"
    " not to all keys",
)
pattern_sum = _number(
    "pattern_sum", "1 where all tokens of a sample have one inner product with the sum of the patterns"
)


def _seen(
    name: str, matrix: str, row: IndexSet, direction: str, norm: Any, square: Any, step: Any, doubt: Any
) -> Observable:
    """A weight times a fixed direction that its steps do not change; `doubt` is what rounding adds in a step."""
    over_rows = {VALUE_AXIS: u, HEAD_AXIS: h, TOKEN_PROBE: zd}[row]
    observable = Observable(name, row, words=f"{matrix} times {direction}")
    rounding(observable[over_rows], norm * (product_operations * EPSILON * sqrt(square) + step * doubt))
    return observable


_value_doubt = hidden_drive_rounding * sqrt(output_square)
_query_doubt = score_drive_rounding * sqrt(key_square)
_key_doubt = score_drive_rounding * sqrt(query_square)
value_outside = _seen("value_outside", "W_V", VALUE_AXIS, "token_null", 1, value_square, step_size, _value_doubt)
query_outside = _seen(
    "query_outside", "W_Q", HEAD_AXIS, "token_null", 1, query_square, attention_step_size, _query_doubt
)
key_outside = _seen("key_outside", "W_K", HEAD_AXIS, "difference_null", 1, key_square, attention_step_size, _key_doubt)
# The part of W_Q alone is 0 and would resolve no error: sum and difference with that of W_K rest where both do.
head_sum_beyond, head_difference_beyond = (
    _seen(
        f"head_{name}_beyond",
        f"the {name} of W_K and W_Q along a probe",
        TOKEN_PROBE,
        "the unit vector of head_null",
        token_probe_norm[zd],
        key_square + query_square,
        attention_step_size,
        _key_doubt + _query_doubt,
    )
    for name in ("sum", "difference")
)
key_sum = _seen("key_sum", "W_K", HEAD_AXIS, "pattern_sum", sqrt(patterns), key_square, attention_step_size, _key_doubt)
