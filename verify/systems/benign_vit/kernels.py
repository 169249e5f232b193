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

    Shapes: `queries`, `keys`, `query_drive`, `key_drive` (N, M, r); `score`, `attention`, `pull` (N, M, M);
    `token_value` (N, M); `output`, `loss_derivative` (N,); `direction`, `increment` (P, 2r);
    `value_direction`, `value_increment` (P,).
    """

    queries: Array
    keys: Array
    query_drive: Array
    key_drive: Array
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

    Shapes after it: `score`, `attention`, `attention_gradient` (N, M, M); `value` (P,); `output`,
    `loss_derivative` (N,); `loss` ().
    """

    score: Array
    attention: Array
    attention_gradient: Array
    value: Array
    output: Array
    loss_derivative: Array
    loss: Array


class Norms(NamedTuple):
    """What statements about queries and keys need besides; recorded only where statements are checked.

    Shapes after the step: `square` (P, 2) of `|q_p|^2, |k_p|^2`; `change` (P, 2) of `|q_p(t+1) - q_p(t)|` and
    the same for keys; `query_drive`, `key_drive` (N, M) of `|sum_j A_{n,l,j} k_{(n,j)}|` and `|sum_l
    A_{n,l,j} q_{(n,l)}|`; `query_overlap`, `key_overlap` (N, M) of `<q_{(n,l)}, q_{(n,1)}>` and the same for
    keys; `probe` (P, 2Z) of `<q_p, z>`, `<k_p, z>` for Z probe directions; `balance`, `balance_scale` (Z,) of
    `|W_Q z|^2 - |W_K z|^2` since the start, and of the sum of its absolute terms. `directions` (r, Z) are
    these; `start` (P, 2Z) and `balance_start` (Z,) belong to the first state; `moved`, `pulled` (P, 2Z) and
    `after` (P, 2r) are buffers.
    """

    square: Array
    change: Array
    query_drive: Array
    key_drive: Array
    query_overlap: Array
    key_overlap: Array
    probe: Array
    balance: Array
    balance_scale: Array
    directions: Array
    start: Array
    balance_start: Array
    moved: Array
    pulled: Array
    after: Array


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
    return float(total / labels.shape[0])


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


def gather(states: Array, token_at: Integers, queries: Array, keys: Array) -> None:
    """Queries `q_{(n,l)}` and keys `k_{(n,j)}` of each sample's tokens, side by side in memory."""
    rank = states.shape[1] // 2
    for n in range(token_at.shape[0]):
        for i in range(token_at.shape[1]):
            row = token_at[n, i]
            for c in range(rank):
                queries[n, i, c] = states[row, c]
                keys[n, i, c] = states[row, rank + c]


def forward(states: Array, values: Array, token_at: Integers, labels: Array, work: Workspace) -> float:
    """Scores `s_{n,l,j} = <q_{(n,l)}, k_{(n,j)}>`, attention, its gradient, outputs and loss derivatives;
    returns the loss.
    """
    gather(states, token_at, work.queries, work.keys)
    for n in range(token_at.shape[0]):
        np.dot(work.queries[n], work.keys[n].T, work.score[n])
        for i in range(token_at.shape[1]):
            work.token_value[n, i] = values[token_at[n, i]]
    attend(work.score, work.attention)
    attention_gradient(work.attention, work.token_value, work.pull)
    read_out(work.attention, work.token_value, work.output)
    return logistic_loss(labels, work.output, work.loss_derivative)


def drive(work: Workspace) -> None:
    """`sum_j A_{n,l,j} k_{(n,j)}` and `sum_l A_{n,l,j} q_{(n,l)}`, after `forward`."""
    samples, places, rank = work.queries.shape
    # Loops in place of products: at a few tokens a sample a call costs more than its work.
    for n in range(samples):
        for i in range(places):
            query_drive, key_drive = work.query_drive[n, i], work.key_drive[n, i]
            query, key = work.queries[n, 0], work.keys[n, 0]
            by_key, by_query = work.pull[n, i, 0], work.pull[n, 0, i]
            for c in range(rank):
                query_drive[c] = by_key * key[c]
                key_drive[c] = by_query * query[c]
            for j in range(1, places):
                query, key = work.queries[n, j], work.keys[n, j]
                by_key, by_query = work.pull[n, i, j], work.pull[n, j, i]
                for c in range(rank):
                    query_drive[c] += by_key * key[c]
                    key_drive[c] += by_query * query[c]


def record(recording: Recording, t: int, values: Array, work: Workspace, loss: float) -> None:
    """Keep the state of offset `t`, after `forward`."""
    recording.score[t] = work.score
    recording.attention[t] = work.attention
    recording.attention_gradient[t] = work.pull
    recording.value[t] = values
    recording.output[t] = work.output
    recording.loss_derivative[t] = work.loss_derivative
    recording.loss[t] = loss


def backward(token_at: Integers, labels: Array, step_size: float, work: Workspace) -> None:
    """The coefficients of the tokens in a step `-step_size dL/dW`, after `forward` and `drive`; with step size 1:

    `-dL/dW_Q = sum_p x_p direction_p[:r]^T`, `-dL/dW_K = sum_p x_p direction_p[r:]^T` and
    `-dL/dW_V = sum_p value_direction_p x_p w_O^T`.
    """
    samples, tokens = token_at.shape
    direction, value_direction = work.direction, work.value_direction
    rank = direction.shape[1] // 2
    direction[:] = 0.0
    value_direction[:] = 0.0
    for n in range(samples):
        weight = step_size * labels[n] * work.loss_derivative[n] / samples
        for i in range(tokens):
            row = token_at[n, i]
            for c in range(rank):
                direction[row, c] += weight * work.query_drive[n, i, c]
                direction[row, rank + c] += weight * work.key_drive[n, i, c]
            attended = 0.0
            for l in range(tokens):
                attended += work.attention[n, l, i]
            value_direction[row] += weight * attended / tokens


def inner_product(left: Array, right: Array) -> float:
    """Sum of products, in any order: the rounding that statements allow counts the terms alone."""
    total = 0.0
    for c in range(left.shape[0]):
        total += left[c] * right[c]
    return total


def measure_state(states: Array, work: Workspace, norms: Norms, t: int) -> None:
    """Record the norms, overlaps and probes of the state of offset `t`, after `drive`."""
    samples, places, rank = work.queries.shape
    rows = states.reshape(2 * states.shape[0], rank)
    square = norms.square[t].reshape(rows.shape[0])
    for i in range(rows.shape[0]):
        square[i] = inner_product(rows[i], rows[i])
    for n in range(samples):
        for i in range(places):
            by_query, by_key = work.query_drive[n, i], work.key_drive[n, i]
            norms.query_drive[t, n, i] = np.sqrt(inner_product(by_query, by_query))
            norms.key_drive[t, n, i] = np.sqrt(inner_product(by_key, by_key))
            norms.query_overlap[t, n, i] = inner_product(work.queries[n, i], work.queries[n, 0])
            norms.key_overlap[t, n, i] = inner_product(work.keys[n, i], work.keys[n, 0])
    np.dot(rows, norms.directions, norms.probe[t].reshape(rows.shape[0], norms.directions.shape[1]))


def measure_balance(gram: Array, dual: Array, norms: Norms, t: int) -> None:
    """Record `|W_Q z|^2 - |W_K z|^2` since the start: with `W = W(0) + sum_p x_p dual_p^T` it is made of
    small terms alone.
    """
    tokens, width = dual.shape
    probes = norms.directions.shape[1]
    moved, pulled = norms.moved, norms.pulled
    np.dot(dual.reshape(2 * tokens, width // 2), norms.directions, moved.reshape(2 * tokens, probes))
    np.dot(gram, moved, pulled)
    for z in range(probes):
        norms.balance[t, z] = 0.0
        norms.balance_scale[t, z] = 0.0
        for p in range(tokens):
            by_query = moved[p, z] * (2.0 * norms.start[p, z] + pulled[p, z])
            by_key = moved[p, probes + z] * (2.0 * norms.start[p, probes + z] + pulled[p, probes + z])
            norms.balance[t, z] += by_query - by_key
            norms.balance_scale[t, z] += abs(by_query) + abs(by_key)


def measure_weights_balance(weights_qk: Array, weights_probe: Array, norms: Norms, t: int) -> None:
    """The same balance from the weights: large terms, whose start `norms.balance_start` is taken off."""
    rows, width = weights_qk.shape
    probes = norms.directions.shape[1]
    np.dot(weights_qk.reshape(2 * rows, width // 2), norms.directions, weights_probe)
    for z in range(probes):
        balance = 0.0
        scale = 0.0
        for i in range(rows):
            by_query, by_key = weights_probe[2 * i, z] ** 2, weights_probe[2 * i + 1, z] ** 2
            balance += by_query - by_key
            scale += by_query + by_key
        norms.balance[t, z] = balance - norms.balance_start[z]
        norms.balance_scale[t, z] = scale + abs(norms.balance_start[z])


def descend(states: Array, increment: Array, dual: Array, direction: Array) -> None:
    """Add the increment and the direction; `increment` is left as the difference of the new and the old states."""
    # Flat views: one loop over memory, which the compiler vectorises.
    state, step, sum_, term = states.reshape(-1), increment.reshape(-1), dual.reshape(-1), direction.reshape(-1)
    for i in range(state.size):
        before = state[i]
        state[i] = before + step[i]
        step[i] = state[i] - before
    for i in range(sum_.size):
        sum_[i] += term[i]


def measure_change(difference: Array, norms: Norms, t: int) -> None:
    """Record how far each query and key moved from the state of offset `t`, from the difference of the states."""
    tokens, width = difference.shape
    rows = difference.reshape(2 * tokens, width // 2)
    change = norms.change[t].reshape(2 * tokens)
    for i in range(2 * tokens):
        change[i] = np.sqrt(inner_product(rows[i], rows[i]))


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
    norms: Norms,
    kept: Integers,
    kept_dual: Array,
    kept_value_dual: Array,
) -> int:
    """Make up to `steps` gradient steps in place and record every state on the way.

    `gram` (P, P) are the inner products of the tokens, `readout` is `|w_O|^2`. `dual` (P, 2r) and
    `value_dual` (P,) add up the directions, so that a weight matrix is its start plus
    `sum_p x_p dual_p^T`: states, and what any further token would see, follow from them. They are copied to
    `kept_dual[i]`, `kept_value_dual[i]` at the offsets `kept[i]`, which ascend. `norms` are recorded unless
    empty. Stops at the first state whose loss is at most `loss_target` or not finite. Returns the steps made.
    """
    copied = 0
    measured = norms.square.shape[0] > 0
    direction, value_direction = work.direction, work.value_direction
    increment, value_increment = work.increment, work.value_increment
    for t in range(steps + 1):
        loss = forward(states, values, token_at, labels, work)
        record(recording, t, values, work, loss)
        if copied < kept.shape[0] and kept[copied] == t:
            kept_dual[copied] = dual
            kept_value_dual[copied] = value_dual
            copied += 1
        drive(work)
        if measured:
            measure_state(states, work, norms, t)
            measure_balance(gram, dual, norms, t)
        if t == steps or loss <= loss_target or not np.isfinite(loss):
            return t
        backward(token_at, labels, step_size, work)
        np.dot(gram, direction, increment)
        np.dot(gram, value_direction, value_increment)
        value_increment *= readout
        descend(states, increment, dual, direction)
        if measured:
            measure_change(increment, norms, t)
        values += value_increment
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
    norms: Norms,
    transposed: Array,
    weights_increment: Array,
    weights_probe: Array,
    kept: Integers,
    kept_weights_qk: Array,
    kept_weights_v: Array,
) -> int:
    """The same on the weights themselves: `weights_qk = [W_Q, W_K]` (d, 2 d_h), `weights_v = W_V` (d, d_v).

    `tokens` (P, d) are the distinct tokens and `transposed` their transpose, `readout` is `w_O` (d_v,);
    `weights_increment` is a buffer like `weights_qk`, `weights_probe` (2d, Z) one for probes.
    """
    copied = 0
    measured = norms.square.shape[0] > 0
    value_map = np.empty(tokens.shape[1])
    values, states = work.value_increment, work.increment
    direction, value_direction = work.direction, work.value_direction
    for t in range(steps + 1):
        if measured and t > 0:
            np.dot(tokens, weights_qk, norms.after)
            for i in range(states.shape[0]):
                for c in range(states.shape[1]):
                    states[i, c] = norms.after[i, c] - states[i, c]
            measure_change(states, norms, t - 1)
            states[:] = norms.after
        else:
            np.dot(tokens, weights_qk, states)
        np.dot(weights_v, readout, value_map)
        np.dot(tokens, value_map, values)
        loss = forward(states, values, token_at, labels, work)
        record(recording, t, values, work, loss)
        if copied < kept.shape[0] and kept[copied] == t:
            kept_weights_qk[copied] = weights_qk
            kept_weights_v[copied] = weights_v
            copied += 1
        drive(work)
        if measured:
            measure_state(states, work, norms, t)
            measure_weights_balance(weights_qk, weights_probe, norms, t)
        if t == steps or loss <= loss_target or not np.isfinite(loss):
            return t
        backward(token_at, labels, step_size, work)
        np.dot(transposed, direction, weights_increment)
        weights_qk += weights_increment
        np.dot(transposed, value_direction, value_map)
        for i in range(weights_v.shape[0]):
            for c in range(weights_v.shape[1]):
                weights_v[i, c] += value_map[i] * readout[c]
    return steps
