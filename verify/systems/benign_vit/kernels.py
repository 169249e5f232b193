"""Forward pass, backward pass and gradient descent in token form, derived by hand.

A sample's tokens are numbered by `token_at[n, i]`; `states` holds queries and keys side by side, one row a
token (`states[p] = [q_p, k_p]`), `values[p] = V_p`. The formulas are proved against sympy's derivatives in
`proofs.benign_vit.gradients`; `docs/reduction.md` derives them.

Plain functions: `compiled` jits them, tests and mutation runs also call them as they are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Workspace(NamedTuple):
    """Buffers of one step, taken once a run.

    Shapes: `queries`, `keys` (M, r); `score`, `attention`, `pull` (N, M, M); `token_value` (N, M);
    `output`, `loss_derivative` (N,); `direction`, `increment` (P, 2r); `value_direction`,
    `value_increment` (P,).
    """

    queries: Array
    keys: Array
    score: Array
    attention: Array
    pull: Array
    token_value: Array
    output: Array
    loss_derivative: Array
    direction: Array
    increment: Array
    value_direction: Array
    value_increment: Array


class Recording(NamedTuple):
    """What a stretch keeps of each of its states; the leading axis is the step.

    Shapes after it: `score`, `attention` (N, M, M); `value` (P,); `output`, `loss_derivative` (N,); `loss` ().
    """

    score: Array
    attention: Array
    value: Array
    output: Array
    loss_derivative: Array
    loss: Array


def attend(score: Array, attention: Array) -> None:
    """Softmax of each query's scores, shifted by their maximum."""
    samples, queries, keys = score.shape
    for n in range(samples):
        for l in range(queries):
            largest = score[n, l, 0]
            for j in range(1, keys):
                largest = max(largest, score[n, l, j])
            total = 0.0
            for j in range(keys):
                attention[n, l, j] = np.exp(score[n, l, j] - largest)
                total += attention[n, l, j]
            for j in range(keys):
                attention[n, l, j] /= total


def read_out(attention: Array, token_value: Array, output: Array) -> None:
    """`f_n = (1/M) sum_{l,j} phi_{n,l,j} V_{(n,j)}`."""
    samples, queries, keys = attention.shape
    for n in range(samples):
        total = 0.0
        for l in range(queries):
            for j in range(keys):
                total += attention[n, l, j] * token_value[n, j]
        output[n] = total / queries


def logistic_loss(labels: Array, output: Array, loss_derivative: Array) -> float:
    """Mean of `log(1 + exp(-y f))`; writes `lambda_n = 1/(1 + exp(y_n f_n))`."""
    total = 0.0
    for n in range(labels.shape[0]):
        margin = labels[n] * output[n]
        small = np.exp(-abs(margin))
        total += np.log1p(small) + max(-margin, 0.0)
        loss_derivative[n] = small / (1.0 + small) if margin > 0.0 else 1.0 / (1.0 + small)
    return total / labels.shape[0]


def attention_gradient(attention: Array, token_value: Array, pull: Array) -> None:
    """`A_{n,l,j} = d f_n / d s_{n,l,j} = phi_{n,l,j} (V_{(n,j)} - sum_m phi_{n,l,m} V_{(n,m)}) / M`."""
    samples, queries, keys = attention.shape
    for n in range(samples):
        for l in range(queries):
            mean = 0.0
            for j in range(keys):
                mean += attention[n, l, j] * token_value[n, j]
            for j in range(keys):
                pull[n, l, j] = attention[n, l, j] * (token_value[n, j] - mean) / queries


def scores(states: Array, token_at: Integers, queries: Array, keys: Array, score: Array) -> None:
    """`s_{n,l,j} = <q_{(n,l)}, k_{(n,j)}>`."""
    rank = states.shape[1] // 2
    for n in range(token_at.shape[0]):
        for i in range(token_at.shape[1]):
            queries[i] = states[token_at[n, i], :rank]
            keys[i] = states[token_at[n, i], rank:]
        np.dot(queries, keys.T, score[n])


def forward(states: Array, values: Array, token_at: Integers, labels: Array, work: Workspace) -> float:
    """Scores, attention, outputs and loss derivatives into `work`; returns the training loss."""
    scores(states, token_at, work.queries, work.keys, work.score)
    attend(work.score, work.attention)
    for n in range(token_at.shape[0]):
        for i in range(token_at.shape[1]):
            work.token_value[n, i] = values[token_at[n, i]]
    read_out(work.attention, work.token_value, work.output)
    return logistic_loss(labels, work.output, work.loss_derivative)


def record(recording: Recording, t: int, values: Array, work: Workspace, loss: float) -> None:
    """Keep the state of offset `t`, after `forward`."""
    recording.score[t] = work.score
    recording.attention[t] = work.attention
    recording.value[t] = values
    recording.output[t] = work.output
    recording.loss_derivative[t] = work.loss_derivative
    recording.loss[t] = loss


def backward(states: Array, token_at: Integers, labels: Array, work: Workspace) -> None:
    """The coefficients of the tokens in `-dL/dW`, after `forward`.

    `-dL/dW_Q = sum_p x_p direction_p[:r]^T`, `-dL/dW_K = sum_p x_p direction_p[r:]^T` and
    `-dL/dW_V = sum_p value_direction_p x_p w_O^T`.
    """
    samples, tokens = token_at.shape
    rank = states.shape[1] // 2
    direction, value_direction = work.direction, work.value_direction
    attention_gradient(work.attention, work.token_value, work.pull)
    direction[:] = 0.0
    value_direction[:] = 0.0
    for n in range(samples):
        weight = labels[n] * work.loss_derivative[n] / samples
        for l in range(tokens):
            query = token_at[n, l]
            for j in range(tokens):
                key = token_at[n, j]
                pull = weight * work.pull[n, l, j]
                for c in range(rank):
                    direction[query, c] += pull * states[key, rank + c]
                for c in range(rank):
                    direction[key, rank + c] += pull * states[query, c]
                value_direction[key] += weight * work.attention[n, l, j] / tokens


def advance(
    gram: Array,
    token_at: Integers,
    labels: Array,
    step_size: float,
    readout: float,
    states: Array,
    values: Array,
    dual: Array,
    value_dual: Array,
    steps: int,
    loss_target: float,
    work: Workspace,
    recording: Recording,
    kept: Integers,
    kept_dual: Array,
    kept_value_dual: Array,
) -> int:
    """Make up to `steps` gradient steps in place and record every state on the way.

    `gram` (P, P) are the inner products of the tokens, `readout` is `|w_O|^2`. `dual` (P, 2r) and
    `value_dual` (P,) add up the directions, so that a weight matrix is its start plus
    `sum_p x_p dual_p^T`: states, and what any further token would see, follow from them. They are copied to
    `kept_dual[i]`, `kept_value_dual[i]` at the offsets `kept[i]`, which ascend. Stops at the first state
    whose loss is at most `loss_target` or not finite. Returns the steps made.
    """
    copied = 0
    direction, value_direction = work.direction, work.value_direction
    increment, value_increment = work.increment, work.value_increment
    for t in range(steps + 1):
        loss = forward(states, values, token_at, labels, work)
        record(recording, t, values, work, loss)
        if copied < kept.shape[0] and kept[copied] == t:
            kept_dual[copied] = dual
            kept_value_dual[copied] = value_dual
            copied += 1
        if t == steps or loss <= loss_target or not np.isfinite(loss):
            return t
        backward(states, token_at, labels, work)
        direction *= step_size
        value_direction *= step_size
        np.dot(gram, direction, increment)
        np.dot(gram, value_direction, value_increment)
        value_increment *= readout
        states += increment
        values += value_increment
        dual += direction
        value_dual += value_direction
    return steps


def advance_weights(
    tokens: Array,
    token_at: Integers,
    labels: Array,
    step_size: float,
    readout: Array,
    weights_qk: Array,
    weights_v: Array,
    steps: int,
    loss_target: float,
    work: Workspace,
    recording: Recording,
    kept: Integers,
    kept_weights_qk: Array,
    kept_weights_v: Array,
) -> int:
    """The same on the weights themselves: `weights_qk = [W_Q, W_K]` (d, 2 d_h), `weights_v = W_V` (d, d_v).

    `tokens` (P, d) are the distinct tokens, `readout` is `w_O` (d_v,).
    """
    copied = 0
    transposed = np.ascontiguousarray(tokens.T)
    value_map = np.empty(tokens.shape[1])
    values, states = work.value_increment, work.increment
    direction, value_direction = work.direction, work.value_direction
    for t in range(steps + 1):
        np.dot(tokens, weights_qk, states)
        np.dot(weights_v, readout, value_map)
        np.dot(tokens, value_map, values)
        loss = forward(states, values, token_at, labels, work)
        record(recording, t, values, work, loss)
        if copied < kept.shape[0] and kept[copied] == t:
            kept_weights_qk[copied] = weights_qk
            kept_weights_v[copied] = weights_v
            copied += 1
        if t == steps or loss <= loss_target or not np.isfinite(loss):
            return t
        backward(states, token_at, labels, work)
        direction *= step_size
        value_direction *= step_size
        weights_qk += np.dot(transposed, direction)
        np.dot(transposed, value_direction, value_map)
        for i in range(weights_v.shape[0]):
            for c in range(weights_v.shape[1]):
                weights_v[i, c] += value_map[i] * readout[c]
    return steps
