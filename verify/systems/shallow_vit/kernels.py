"""Forward pass, backward pass and stochastic gradient descent of the shallow transformer, derived by hand.

Tokens are scored by `P = W_K^T W_Q` (D, D), and `R = W_O W_V` makes hidden units of them; `effect_map` holds `R^T`
(D, m). A sample is a list of slots, its different tokens, with their multiplicities. Where tokens are patterns, D is
their number, slot j is pattern j and the maps themselves are the scores and effects of the slots. Where samples have
tokens of their own, a sample is done with, forward and backward, before the next one is looked at. The formulas are
proved against sympy's derivatives in `proofs.shallow_vit.gradients`; `docs/shallow-vit.md` derives them.

Kinks: the derivative of ReLU at 0 is 0, and that of the hinge loss at margin 1 is 0.

Plain functions: `compiled` jits them, tests and mutation runs also call them as they are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Samples(NamedTuple):
    """Samples as lists of slots.

    Shapes: `label`, `weight` (N,), the latter adding up to 1; `key_count`, `query_weight` (N, S): how often a token is
    a key, and its share of the queries; `tokens` (N, S, D), empty where slot j is pattern j.
    """

    label: Array
    weight: Array
    key_count: Array
    query_weight: Array
    tokens: Array

    @property
    def own_tokens(self) -> Array | None:
        """The tokens, `None` where slots are patterns."""
        return self.tokens if self.tokens.size else None


class Weights(NamedTuple):
    """Shapes: `W_O` (m, m_a), `W_V` (m_a, D), `W_K`, `W_Q` (m_b, D).

    An empty `W_O` or `W_K` stands for the identity, which leaves R in `W_V` and P in `W_Q`.
    """

    W_O: Array
    W_V: Array
    W_K: Array
    W_Q: Array


class Grams(NamedTuple):
    """The closed recursion: P, `W_K^T W_K`, `W_Q^T W_Q`, `W_V^T W_V` (D, D), `R^T` (D, m), `W_O W_O^T` (m, m)."""

    score_map: Array
    key_gram: Array
    query_gram: Array
    effect_map: Array
    output_gram: Array
    value_gram: Array


class Workspace(NamedTuple):
    """Buffers of one step, taken once a run; C samples are looked at together.

    Shapes: `attention`, `token_effect` (C, S, S), (query, key); `mean_effect` (C, S); `hidden`, `gate` (C S, m);
    `output`, `active` (C,); `score`, `score_pull` (S, S). `score_map` P, `score_drive` H (D, D); `effect_map` R^T,
    `effect_drive` K^T (D, m).

    Samples with tokens of their own are looked at one by one, and queries stand in columns: `attention`, `token_effect`
    (1, S, S) and `score`, `score_pull` are (key, query), `hidden`, `gate` are (m, S). E being the rows of W_V and G
    those of W_Q, `inner`, `inner_move`, `inner_drive` (2 G + E, D) stack W_Q, W_K, W_V or their derivatives; `queries`,
    `keys` (G, S), `values` (E, S) are parts of `columns`, `query_pull`, `key_pull`, `value_pull` of `pulls`; `mixed`,
    `value_effect` are (E, S), `outer_move` (m, E), `tokens` (S, D), `largest`, `total` (S,). Where W_K is the identity,
    it is not in the stacks and `keys` are (D, S); where W_O is, `mixed` is `hidden` and `value_effect` is `gate`.
    """

    score_map: Array
    effect_map: Array
    score_drive: Array
    effect_drive: Array
    attention: Array
    token_effect: Array
    mean_effect: Array
    hidden: Array
    gate: Array
    output: Array
    active: Array
    score: Array
    score_pull: Array
    tokens: Array
    inner: Array
    inner_move: Array
    inner_drive: Array
    outer_move: Array
    columns: Array
    queries: Array
    keys: Array
    values: Array
    pulls: Array
    query_pull: Array
    key_pull: Array
    value_pull: Array
    mixed: Array
    value_effect: Array
    largest: Array
    total: Array


class GramBuffers(NamedTuple):
    """Buffers of the products of the closed recursion: `square` (5, D, D), `tall` (3, D, m), `neurons` (2, m, m)."""

    square: Array
    tall: Array
    neurons: Array


class Recording(NamedTuple):
    """What a stretch keeps of each of its states; the leading axis is the step.

    Shapes after it: `batch_loss`, `loss`, `relevant_attention` (); `batch_output`, `batch_active` (B,); `all_output`
    (N,); of the watched samples `score`, `attention`, `token_effect`, `attention_gradient` (W, S, S) and `output` (W,).
    Of a state at which the run does not look, `loss`, `all_output` and `relevant_attention` are not a number.
    """

    batch_loss: Array
    loss: Array
    relevant_attention: Array
    batch_output: Array
    batch_active: Array
    all_output: Array
    score: Array
    attention: Array
    token_effect: Array
    attention_gradient: Array
    output: Array


# Entry by entry: a loop takes a tenth of the time that an assignment of arrays takes to compile.


def copy(source: Array, target: Array) -> None:
    """`target[...] = source`, both contiguous."""
    flat, wanted = target.reshape(-1), source.reshape(-1)
    for i in range(flat.size):
        flat[i] = wanted[i]


def fill(target: Array, value: float) -> None:
    """`target[...] = value`."""
    flat = target.reshape(-1)
    for i in range(flat.size):
        flat[i] = value


def add(matrix: Array, increment: Array, factor: float) -> None:
    """`matrix += factor * increment`."""
    flat, step = matrix.reshape(-1), increment.reshape(-1)
    for i in range(flat.size):
        flat[i] += factor * step[i]


def transpose(source: Array, target: Array) -> None:
    """`target[...] = source.T`."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[j, i] = source[i, j]


# One sample, or several.


def attend(score: Array, key_count: Array, attention: Array) -> None:
    """Attention of each query (row): softmax of the scores, every key as often as it is there."""
    queries, keys = score.shape
    for i in range(queries):
        largest = -np.inf
        for j in range(keys):
            if key_count[j] > 0.0:
                largest = max(largest, score[i, j])
        total = 0.0
        for j in range(keys):
            if key_count[j] > 0.0:
                attention[i, j] = key_count[j] * np.exp(score[i, j] - largest)
                total += attention[i, j]
            else:
                attention[i, j] = 0.0
        for j in range(keys):
            attention[i, j] /= total


def gate_of(hidden: float, readout: float) -> float:
    """`b = a 1[h > 0]`: the readout of a neuron where it is active."""
    return readout if hidden > 0.0 else 0.0


def activate(hidden: Array, readout: Array, gate: Array) -> None:
    """The neurons that are active, with their readout."""
    rows, neurons = hidden.shape
    for k in range(rows):
        for r in range(neurons):
            gate[k, r] = gate_of(hidden[k, r], readout[r])


def read_out(samples: Samples, chosen: Integers, work: Workspace) -> None:
    """`F = sum_i w_i sum_j A_ij t_ij`: `b^T h` is the mean of the effects of the attended tokens."""
    size = work.score.shape[0]
    for k in range(chosen.shape[0]):
        total = 0.0
        for i in range(size):
            mean = 0.0
            for j in range(size):
                mean += work.attention[k, i, j] * work.token_effect[k, i, j]
            work.mean_effect[k, i] = mean
            total += samples.query_weight[chosen[k], i] * mean
        work.output[k] = total


def attention_gradient(attention: float, token_effect: float, mean_effect: float) -> float:
    """`c_ij = A_ij (t_ij - sum_j A_ij t_ij)`: the derivative of a query's part of the output by a score."""
    return attention * (token_effect - mean_effect)


def hinge_loss(label: float, output: float) -> float:
    """`max(1 - y F, 0)`."""
    return max(1.0 - label * output, 0.0)


def judge(samples: Samples, chosen: Integers, batch_weight: Array, k: int, work: Workspace) -> float:
    """Whether the k-th sample is active; returns its part of the mean hinge loss of the batch."""
    hinge = hinge_loss(samples.label[chosen[k]], work.output[k])
    work.active[k] = 1.0 if hinge > 0.0 else 0.0
    return float(batch_weight[k] * hinge)


def push_of(samples: Samples, chosen: Integers, batch_weight: Array, k: int, work: Workspace) -> float:
    """Minus the derivative of the batch loss by the output of the k-th sample."""
    return float(batch_weight[k] * samples.label[chosen[k]] * work.active[k])


def weigh(samples: Samples, chosen: Integers, batch_weight: Array, k: int, work: Workspace) -> None:
    """Weigh the k-th sample by minus the derivative of the batch loss by its output: its active neurons in `gate`, and
    the derivatives by scores, which are added to `score_pull` (query, key).
    """
    n, size = chosen[k], work.score.shape[0]
    push = push_of(samples, chosen, batch_weight, k, work)
    for i in range(size):
        weight = push * samples.query_weight[n, i]
        for r in range(work.gate.shape[1]):
            work.gate[k * size + i, r] *= weight
        for j in range(size):
            work.score_pull[i, j] += weight * attention_gradient(
                work.attention[k, i, j], work.token_effect[k, i, j], work.mean_effect[k, i]
            )


# Samples whose slots are patterns: they share one table of scores, P, and one of effects, R.


def forward(samples: Samples, chosen: Integers, readout: Array, work: Workspace) -> None:
    """Attention, active neurons, effects and outputs of the chosen samples."""
    count, size = chosen.shape[0], work.score.shape[0]
    rows = count * size
    for k in range(count):
        attend(work.score_map.T, samples.key_count[chosen[k]], work.attention[k])
    np.dot(work.attention[:count].reshape(rows, size), work.effect_map, work.hidden[:rows])
    activate(work.hidden[:rows], readout, work.gate[:rows])
    np.dot(work.gate[:rows], work.effect_map.T, work.token_effect[:count].reshape(rows, size))
    read_out(samples, chosen, work)


def backward(samples: Samples, chosen: Integers, batch_weight: Array, work: Workspace) -> None:
    """`K^T` and `H`, minus the derivatives of the batch loss by R and P; after `forward`."""
    count, size = chosen.shape[0], work.score.shape[0]
    rows = count * size
    fill(work.score_pull, 0.0)
    for k in range(count):
        weigh(samples, chosen, batch_weight, k, work)
    np.dot(work.attention[:count].reshape(rows, size).T, work.gate[:rows], work.effect_drive)
    transpose(work.score_pull, work.score_drive)


def drive(samples: Samples, chosen: Integers, batch_weight: Array, readout: Array, work: Workspace) -> float:
    """Outputs of the batch, `K^T` and `H`, from the maps in `work`; returns the batch loss."""
    forward(samples, chosen, readout, work)
    loss = 0.0
    for k in range(chosen.shape[0]):
        loss += judge(samples, chosen, batch_weight, k, work)
    backward(samples, chosen, batch_weight, work)
    return loss


# Samples with tokens of their own: products go through the rows of W_K and W_V, which are fewer than the tokens.
# Queries stand in columns: sums over keys or neurons then run over rows, and loops over queries become vector
# instructions without a change in the order of any sum.

LOG2_E = 1.4426950408889634
LOG_2_HIGH, LOG_2_LOW = 0.6931471803691238, 1.9082149292705877e-10
"""The natural logarithm of 2 in two parts, the first with so few bits that its multiples up to 2^20 are exact."""

TO_INTEGER = 1.5 * 2.0**52
"""Added to a number it leaves the nearest integer in its last bits."""

SMALLEST_EXPONENT = -708.0


def exponential(x: float) -> float:
    """`e^x` for x at most 0, to about one unit in the last place; below -708 it is that of -708.

    `x = k log 2 + r` with r in half of (log 2) about 0, and the Taylor polynomial of degree 13 of `e^r`. Without
    branches and calls, so that loops over it become vector instructions, which those over `np.exp` do not.
    """
    x = SMALLEST_EXPONENT if x < SMALLEST_EXPONENT else x
    shifted = x * LOG2_E + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LOG_2_HIGH) - k * LOG_2_LOW
    r_2 = r * r
    r_4 = r_2 * r_2
    low = (1 / 2 + r * (1 / 6)) + r_2 * (1 / 24 + r * (1 / 120))
    middle = (1 / 720 + r * (1 / 5040)) + r_2 * (1 / 40320 + r * (1 / 362880))
    high = (1 / 3628800 + r * (1 / 39916800)) + r_2 * (1 / 479001600 + r * (1 / 6227020800))
    of_r = 1.0 + (r + r_2 * (low + r_4 * (middle + r_4 * high)))
    power_of_two = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    return float(of_r * power_of_two)


def attend_down(score: Array, key_count: Array, attention: Array, largest: Array, total: Array) -> None:
    """Attention of each query (column): softmax of the scores, every key as often as it is there."""
    keys, queries = score.shape
    fill(largest, -np.inf)
    fill(total, 0.0)
    for j in range(keys):
        if key_count[j] > 0.0:
            for i in range(queries):
                largest[i] = max(largest[i], score[j, i])
    for j in range(keys):
        count = key_count[j]
        if count > 0.0:
            for i in range(queries):
                attention[j, i] = count * exponential(score[j, i] - largest[i])
                total[i] += attention[j, i]
        else:
            fill(attention[j], 0.0)
    for i in range(queries):
        total[i] = 1.0 / total[i]
    for j in range(keys):
        for i in range(queries):
            attention[j, i] *= total[i]


def activate_down(hidden: Array, readout: Array, gate: Array, mean_effect: Array) -> None:
    """The neurons that are active for each query (column), with their readout, and the effect `b^T h` of the query."""
    neurons, queries = hidden.shape
    fill(mean_effect, 0.0)
    for r in range(neurons):
        for i in range(queries):
            gate[r, i] = gate_of(hidden[r, i], readout[r])
            mean_effect[i] += gate[r, i] * hidden[r, i]


def stack(weights: Weights, inner: Array) -> None:
    """W_Q, W_K (where it is not the identity) and W_V as one matrix."""
    heads, below = len(weights.W_Q), len(weights.W_Q) + len(weights.W_K)
    copy(weights.W_Q, inner[:heads])
    copy(weights.W_K, inner[heads:below])
    copy(weights.W_V, inner[below:])


def unstack(inner: Array, weights: Weights) -> None:
    """The inverse of `stack`."""
    heads, below = len(weights.W_Q), len(weights.W_Q) + len(weights.W_K)
    copy(inner[:heads], weights.W_Q)
    copy(inner[heads:below], weights.W_K)
    copy(inner[below:], weights.W_V)


def meet(tokens: Array, weights: Weights, work: Workspace) -> None:
    """Keys, queries and values of a sample's tokens (S, D)."""
    copy(tokens, work.tokens)  # a product fetches them from memory more slowly
    np.dot(work.inner, work.tokens.T, work.columns)
    if not weights.W_K.size:
        transpose(work.tokens, work.keys)


def forward_tokens(samples: Samples, tokens: Array, n: int, weights: Weights, readout: Array, work: Workspace) -> float:
    """Attention and active neurons of sample n; returns its output. The weights stand in `work.inner`."""
    meet(tokens[n], weights, work)
    np.dot(work.keys.T, work.queries, work.score)
    attend_down(work.score, samples.key_count[n], work.attention[0], work.largest, work.total)
    np.dot(work.values, work.attention[0], work.mixed)
    if weights.W_O.size:
        np.dot(weights.W_O, work.mixed, work.hidden)
    activate_down(work.hidden, readout, work.gate, work.mean_effect[0])
    return float(np.dot(samples.query_weight[n], work.mean_effect[0]))


def effects_of_tokens(weights: Weights, work: Workspace) -> None:
    """What tokens add to outputs through the neurons in `gate`."""
    if weights.W_O.size:
        np.dot(weights.W_O.T, work.gate, work.value_effect)
    np.dot(work.values.T, work.value_effect, work.token_effect[0])


def weigh_queries(push: float, query_weight: Array, work: Workspace) -> None:
    """Weigh the active neurons of each query, and its effect, by minus the derivative of the batch loss."""
    neurons, queries = work.gate.shape
    mean_effect = work.mean_effect[0]
    for i in range(queries):
        work.total[i] = push * query_weight[i]
        mean_effect[i] *= work.total[i]
    for r in range(neurons):
        for i in range(queries):
            work.gate[r, i] *= work.total[i]


def pull_scores(attention: Array, token_effect: Array, mean_effect: Array, score_pull: Array) -> None:
    """Derivatives by scores, (key, query)."""
    for j in range(attention.shape[0]):
        for i in range(attention.shape[1]):
            score_pull[j, i] = attention_gradient(attention[j, i], token_effect[j, i], mean_effect[i])


def backward_tokens(query_weight: Array, push: float, weights: Weights, work: Workspace, gradients: Weights) -> None:
    """Add the part of a sample to `work.inner_drive` and to the gradient by W_O, after its forward pass.

    These are minus the gradients of the batch loss.
    """
    weigh_queries(push, query_weight, work)
    effects_of_tokens(weights, work)
    pull_scores(work.attention[0], work.token_effect[0], work.mean_effect[0], work.score_pull)
    np.dot(work.keys, work.score_pull, work.query_pull)
    if weights.W_K.size:
        np.dot(work.queries, work.score_pull.T, work.key_pull)
    np.dot(work.value_effect, work.attention[0].T, work.value_pull)
    np.dot(work.pulls, work.tokens, work.inner_move)
    add(work.inner_drive, work.inner_move, 1.0)
    if weights.W_O.size:
        np.dot(work.gate, work.mixed.T, work.outer_move)
        add(gradients.W_O, work.outer_move, 1.0)


def drive_tokens(
    samples: Samples,
    tokens: Array,
    chosen: Integers,
    batch_weight: Array,
    weights: Weights,
    readout: Array,
    work: Workspace,
    gradients: Weights,
) -> float:
    """Outputs of the batch, and minus the gradients of its loss by the weights that are not empty; returns the loss."""
    stack(weights, work.inner)
    fill(work.inner_drive, 0.0)
    fill(gradients.W_O, 0.0)
    loss = 0.0
    for k in range(chosen.shape[0]):
        n = chosen[k]
        work.output[k] = forward_tokens(samples, tokens, n, weights, readout, work)
        loss += judge(samples, chosen, batch_weight, k, work)
        if work.active[k] > 0.0:
            push = push_of(samples, chosen, batch_weight, k, work)
            backward_tokens(samples.query_weight[n], push, weights, work, gradients)
    unstack(work.inner_drive, gradients)
    return loss


# What is recorded besides. Below, `tokens` is `None` where slots are patterns; only what that needs is then compiled.


def look(
    samples: Samples,
    tokens: Array | None,
    relevant: Array,
    weights: Weights,
    readout: Array,
    work: Workspace,
    everything: Integers,
    output: Array,
) -> tuple[float, float]:
    """Outputs of all samples; returns their loss, and the attention to relevant tokens, averaged over queries.

    `relevant` (N, S) is 1 for tokens that agree with their sample's label; `everything` numbers all samples.
    """
    total, at_once = everything.shape[0], work.output.shape[0]
    size = work.score.shape[0]
    loss, attended = 0.0, 0.0
    if tokens is None:
        for first in range(0, total, at_once):
            chosen = everything[first : min(first + at_once, total)]
            forward(samples, chosen, readout, work)
            for k in range(chosen.shape[0]):
                n = chosen[k]
                output[n] = work.output[k]
                for i in range(size):
                    weight = samples.weight[n] * samples.query_weight[n, i]
                    for j in range(size):
                        attended += weight * relevant[n, j] * work.attention[k, i, j]
    else:
        stack(weights, work.inner)
        for n in everything:
            output[n] = forward_tokens(samples, tokens, n, weights, readout, work)
            np.dot(relevant[n], work.attention[0], work.total)
            attended += samples.weight[n] * np.dot(samples.query_weight[n], work.total)
    for n in everything:
        loss += samples.weight[n] * hinge_loss(samples.label[n], output[n])
    return loss, attended


def record_watched(
    score: Array,
    attention: Array,
    token_effect: Array,
    mean_effect: Array,
    output: float,
    recording: Recording,
    t: int,
    k: int,
) -> None:
    """Record the k-th watched sample; matrices are (query, key)."""
    recording.output[t, k] = output
    for i in range(score.shape[0]):
        for j in range(score.shape[1]):
            recording.score[t, k, i, j] = score[i, j]
            recording.attention[t, k, i, j] = attention[i, j]
            recording.token_effect[t, k, i, j] = token_effect[i, j]
            recording.attention_gradient[t, k, i, j] = attention_gradient(
                attention[i, j], token_effect[i, j], mean_effect[i]
            )


def watch(
    samples: Samples,
    tokens: Array | None,
    watched: Integers,
    weights: Weights,
    readout: Array,
    work: Workspace,
    recording: Recording,
    t: int,
) -> None:
    """Record what the attention statements need of the watched samples."""
    if tokens is None:
        forward(samples, watched, readout, work)
        transpose(work.score_map, work.score)
        for k in range(watched.shape[0]):
            record_watched(
                work.score,
                work.attention[k],
                work.token_effect[k],
                work.mean_effect[k],
                work.output[k],
                recording,
                t,
                k,
            )
    else:
        stack(weights, work.inner)
        for k in range(watched.shape[0]):
            output = forward_tokens(samples, tokens, watched[k], weights, readout, work)
            effects_of_tokens(weights, work)
            record_watched(
                work.score.T,
                work.attention[0].T,
                work.token_effect[0].T,
                work.mean_effect[0],
                output,
                recording,
                t,
                k,
            )


def observe(
    samples: Samples,
    tokens: Array | None,
    relevant: Array,
    everything: Integers,
    watched: Integers,
    weights: Weights,
    readout: Array,
    looks: bool,
    watches: bool,
    work: Workspace,
    recording: Recording,
    t: int,
) -> None:
    """Record all samples and the watched ones where they are looked at, and leave a mark where they are not."""
    if looks:
        loss, attended = look(samples, tokens, relevant, weights, readout, work, everything, recording.all_output[t])
        recording.loss[t] = loss
        recording.relevant_attention[t] = attended
    else:
        recording.loss[t] = np.nan
        recording.relevant_attention[t] = np.nan
        fill(recording.all_output[t], np.nan)
    if looks or watches:
        watch(samples, tokens, watched, weights, readout, work, recording, t)


def record_batch(recording: Recording, t: int, loss: float, count: int, work: Workspace) -> None:
    """Record the batch about to be used, after its outputs are known."""
    recording.batch_loss[t] = loss
    copy(work.output[:count], recording.batch_output[t])
    copy(work.active[:count], recording.batch_active[t])


# Steps on the weights.


def multiply(weights: Weights, work: Workspace) -> None:
    """`P = W_K^T W_Q` and `R^T = W_V^T W_O^T`."""
    np.dot(weights.W_K.T, weights.W_Q, work.score_map)
    np.dot(weights.W_V.T, weights.W_O.T, work.effect_map)


def differentiate(weights: Weights, work: Workspace, gradients: Weights) -> None:
    """Minus the gradients `K W_V^T`, `W_O^T K`, `W_Q H^T` and `W_K H`, after `drive`."""
    np.dot(work.effect_drive.T, weights.W_V.T, gradients.W_O)
    np.dot(weights.W_O.T, work.effect_drive.T, gradients.W_V)
    np.dot(weights.W_Q, work.score_drive.T, gradients.W_K)
    np.dot(weights.W_K, work.score_drive, gradients.W_Q)


def descend(weights: Weights, gradients: Weights, step_size: float, attention_step: float) -> None:
    """All four weights at once."""
    add(weights.W_O, gradients.W_O, step_size)
    add(weights.W_V, gradients.W_V, step_size)
    add(weights.W_K, gradients.W_K, attention_step)
    add(weights.W_Q, gradients.W_Q, attention_step)


def advance(
    samples: Samples,
    tokens: Array | None,
    relevant: Array,
    readout: Array,
    weights: Weights,
    step_size: float,
    attention_step: float,
    batches: Integers,
    batch_weight: Array,
    everything: Integers,
    watched: Integers,
    looks: NDArray[np.bool_],
    watches: bool,
    loss_target: float,
    work: Workspace,
    gradients: Weights,
    recording: Recording,
    recorded: Weights,
) -> int:
    """Make up to `batches.shape[0] - 1` steps in place and record every state on the way.

    `batches` (steps + 1, B) are the samples that each state's step uses. The weights of every state are copied to
    `recorded`, its leading axis the step. All samples are looked at where `looks` says so. Stops at the first such
    state whose loss is at most `loss_target`, or at one whose batch loss is not finite. Returns the steps made.
    """
    steps = int(batches.shape[0]) - 1
    for t in range(steps + 1):
        if tokens is None:
            multiply(weights, work)
        observe(samples, tokens, relevant, everything, watched, weights, readout, looks[t], watches, work, recording, t)
        if tokens is None:
            loss = drive(samples, batches[t], batch_weight, readout, work)
            differentiate(weights, work, gradients)
        else:
            loss = drive_tokens(samples, tokens, batches[t], batch_weight, weights, readout, work, gradients)
        record_batch(recording, t, loss, batches.shape[1], work)
        copy(weights.W_O, recorded.W_O[t])
        copy(weights.W_V, recorded.W_V[t])
        copy(weights.W_K, recorded.W_K[t])
        copy(weights.W_Q, recorded.W_Q[t])
        if not np.isfinite(loss):
            recording.loss[t] = loss
            return t
        if t == steps or recording.loss[t] <= loss_target:
            return t
        descend(weights, gradients, step_size, attention_step)
    return steps


# Steps on the closed recursion of products of weights.


def add_twice(matrix: Array, part: Array, factor: float) -> None:
    """`matrix += factor * (part + part^T)`."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] += factor * (part[i, j] + part[j, i])


def move_scores(grams: Grams, drive: Array, step: float, work: GramBuffers) -> None:
    """One step of P, `K_2 = W_K^T W_K` and `Q_2 = W_Q^T W_Q` with H, minus the derivative of the loss by P:

    `P + h (K_2 H + H Q_2) + h^2 H P^T H`, `K_2 + h (H P^T + P H^T) + h^2 H Q_2 H^T` and
    `Q_2 + h (P^T H + H^T P) + h^2 H^T K_2 H`.
    """
    P, K_2, Q_2 = grams.score_map, grams.key_gram, grams.query_gram
    square = work.square
    by_key, by_query, twice, first, second = square[0], square[1], square[2], square[3], square[4]
    np.dot(drive, P.T, by_key)
    np.dot(P.T, drive, by_query)
    np.dot(by_key, drive, twice)
    np.dot(K_2, drive, first)
    np.dot(drive, Q_2, second)
    add(P, first, step)
    add(P, second, step)
    add(P, twice, step * step)
    add_twice(K_2, by_key, step)
    add_twice(Q_2, by_query, step)
    np.dot(second, drive.T, twice)
    add(K_2, twice, step * step)
    np.dot(drive.T, first, twice)
    add(Q_2, twice, step * step)


def move_effects(grams: Grams, drive: Array, step: float, work: GramBuffers) -> None:
    """The same of R, `O = W_O W_O^T` and `V_2 = W_V^T W_V` with K, minus the derivative by R:

    `R + h (O K + K V_2) + h^2 K R^T K`, `O + h (K R^T + R K^T) + h^2 K V_2 K^T` and
    `V_2 + h (R^T K + K^T R) + h^2 K^T O K`; R and K are held transposed.
    """
    E, O, V_2 = grams.effect_map, grams.output_gram, grams.value_gram
    by_token, by_token_twice = work.square[0], work.square[1]
    by_neuron, by_neuron_twice = work.neurons[0], work.neurons[1]
    first, second, twice = work.tall[0], work.tall[1], work.tall[2]
    np.dot(E, drive.T, by_token)
    np.dot(drive.T, E, by_neuron)
    np.dot(drive, O, first)
    np.dot(V_2, drive, second)
    np.dot(by_token.T, drive, twice)
    add(E, first, step)
    add(E, second, step)
    add(E, twice, step * step)
    add_twice(O, by_neuron, step)
    add_twice(V_2, by_token, step)
    np.dot(drive.T, second, by_neuron_twice)
    add(O, by_neuron_twice, step * step)
    np.dot(first, drive.T, by_token_twice)
    add(V_2, by_token_twice, step * step)


def advance_grams(
    samples: Samples,
    tokens: Array | None,
    relevant: Array,
    readout: Array,
    grams: Grams,
    step_size: float,
    attention_step: float,
    batches: Integers,
    batch_weight: Array,
    everything: Integers,
    watched: Integers,
    looks: NDArray[np.bool_],
    watches: bool,
    loss_target: float,
    work: Workspace,
    buffers: GramBuffers,
    products: Weights,
    drives: Weights,
    recording: Recording,
    recorded: Grams,
) -> int:
    """The same on the products of weights; `work.score_map` and `work.effect_map` are those of `grams`.

    Tokens of their own meet P and R as `products`, weights of which the other two are the identity; `drives` are minus
    the gradients by them, H in the memory of `work.score_drive`.
    """
    steps = int(batches.shape[0]) - 1
    for t in range(steps + 1):
        if tokens is not None:
            copy(grams.score_map, products.W_Q)
            transpose(grams.effect_map, products.W_V)
        observe(
            samples, tokens, relevant, everything, watched, products, readout, looks[t], watches, work, recording, t
        )
        if tokens is None:
            loss = drive(samples, batches[t], batch_weight, readout, work)
        else:
            loss = drive_tokens(samples, tokens, batches[t], batch_weight, products, readout, work, drives)
            transpose(drives.W_V, work.effect_drive)
        record_batch(recording, t, loss, batches.shape[1], work)
        copy(grams.score_map, recorded.score_map[t])
        copy(grams.key_gram, recorded.key_gram[t])
        copy(grams.query_gram, recorded.query_gram[t])
        copy(grams.effect_map, recorded.effect_map[t])
        copy(grams.output_gram, recorded.output_gram[t])
        copy(grams.value_gram, recorded.value_gram[t])
        if not np.isfinite(loss):
            recording.loss[t] = loss
            return t
        if t == steps or recording.loss[t] <= loss_target:
            return t
        move_scores(grams, work.score_drive, attention_step, buffers)
        move_effects(grams, work.effect_drive, step_size, buffers)
    return steps
