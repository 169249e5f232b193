"""Forward pass, backward pass and gradient descent, derived by hand: on inner products of tokens, and on the weights.

Letters: `a` scores (n, T), `c` minus the loss's derivative by them, K the Gram matrix of all N = nT tokens and
`M = Z W^T W Z^T`; `docs/token-selection.md` derives the formulas, `proofs.token_selection.gradients` proves them
against sympy's derivatives.

Plain functions: `compiled` jits them, tests and mutation runs also call them as they are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Fixed(NamedTuple):
    """What no step changes.

    Shapes: `value` (n, T), `labels` (n,), `gram` K and `start_map` M_0 (N, N), `start_score` (N,), `numbers` (2,) of
    the step size and of `|p_0|^2`.
    """

    value: Array
    labels: Array
    gram: Array
    start_map: Array
    start_score: Array
    numbers: Array


class State(NamedTuple):
    """What a step moves, on inner products of tokens.

    Shapes: `score` (n, T); `token_map` M and `representer` P (N, N); `coefficient` pi and `start_coefficient` beta
    (N,); `numbers` (2,) of `q = |p|^2` and alpha: `p = alpha p_0 + W_0 Z^T pi`, `W = W_0 (I + Z^T P Z) + p_0 beta^T Z`.
    """

    score: Array
    token_map: Array
    representer: Array
    coefficient: Array
    start_coefficient: Array
    numbers: Array


class Workspace(NamedTuple):
    """Buffers of one step, taken once a run.

    Shapes: `attention`, `score_drive` (n, T); `output`, `loss_derivative` (n,); `gram_drive` K c, `map_drive` M c,
    `representer_drive` P K c, `start_pull` M_0 pi, `arrived` and `pull` (N,); `numbers` (3,) of `u^T v`, `|v|^2` and
    `|W v|^2`.
    """

    attention: Array
    score_drive: Array
    output: Array
    loss_derivative: Array
    gram_drive: Array
    map_drive: Array
    representer_drive: Array
    start_pull: Array
    arrived: Array
    pull: Array
    numbers: Array


class Recording(NamedTuple):
    """What a stretch keeps of each of its states; the leading axis is the step.

    Shapes after it: `score`, `attention` (n, T); `output`, `loss_derivative` (n,); `loss` ().
    """

    score: Array
    attention: Array
    output: Array
    loss_derivative: Array
    loss: Array


class Measures(NamedTuple):
    """What statements need besides; recorded only where statements are checked.

    Shapes after the step: () of the squared norm of p to `gradient_square`; (n, T) of `score_drive` to
    `representer_reach`; (n, T, Z) of `map_probe`, `representer_probe`; (Z,) of `balance`, `balance_scale`. The names
    are those of `proofs.token_selection.symbols`.
    """

    query_square: Array
    start_share: Array
    alignment: Array
    moved_square: Array
    pulled_square: Array
    gradient_square: Array
    score_drive: Array
    gram_drive: Array
    map_drive: Array
    effective_gap: Array
    coefficient: Array
    start_coefficient: Array
    start_pull: Array
    representer_drive: Array
    coefficient_pull: Array
    map_size: Array
    representer_size: Array
    representer_reach: Array
    map_probe: Array
    representer_probe: Array
    balance: Array
    balance_scale: Array


class Probes(NamedTuple):
    """Fixed coefficients `b` of the tokens (Z, N), what the start makes of them, and buffers.

    `start` is `M_0 b` (N, Z) and `query` is `b^T a_0` (Z,): tokens and p at the start, along `z = W_0 Z^T b`.
    `gram_size` (N,) are the norms of the rows of K; `pulled` and `moved` are buffers (Z, N).
    """

    coefficients: Array
    start: Array
    query: Array
    gram_size: Array
    pulled: Array
    moved: Array


class Directions(NamedTuple):
    """The same for the weights: `tokens` is `Z^T b` (d, Z), `queries` are the directions z (r, Z); others are buffers.

    `start` (Z,) is `|W^T z|^2 - (p^T z)^2` at the start, `gram_size` (N,) bounds the absolute terms of a row of K.
    """

    tokens: Array
    queries: Array
    start: Array
    gram_size: Array
    by_map: Array
    by_direction: Array


# The forward pass, and the derivative of the loss by the scores.


def attend(score: Array, attention: Array) -> None:
    """Softmax of each sample's scores, shifted by their maximum."""
    samples, tokens = score.shape
    for n in range(samples):
        largest = score[n, 0]
        for t in range(1, tokens):
            largest = max(largest, score[n, t])
        total = 0.0
        for t in range(tokens):
            attention[n, t] = np.exp(score[n, t] - largest)
            total += attention[n, t]
        for t in range(tokens):
            attention[n, t] /= total


def read_out(attention: Array, value: Array, output: Array) -> None:
    """`f_n = sum_t phi_{n,t} gamma_{n,t}`."""
    samples, tokens = attention.shape
    for n in range(samples):
        total = 0.0
        for t in range(tokens):
            total += attention[n, t] * value[n, t]
        output[n] = total


def logistic_loss(labels: Array, output: Array, loss_derivative: Array) -> float:
    """Mean of `log(1 + exp(-Y f))`; writes `g_n = 1/(1 + exp(Y_n f_n))`."""
    total = 0.0
    for n in range(labels.shape[0]):
        margin = labels[n] * output[n]
        small = np.exp(-abs(margin))
        total += np.log1p(small) + max(-margin, 0.0)
        loss_derivative[n] = small / (1.0 + small) if margin > 0.0 else 1.0 / (1.0 + small)
    return float(total / labels.shape[0])


def drive_scores(value: Array, labels: Array, work: Workspace) -> None:
    """`c_{n,t} = -dL/da_{n,t} = g_n Y_n phi_{n,t} (gamma_{n,t} - f_n) / n`."""
    samples, tokens = value.shape
    for n in range(samples):
        weight = labels[n] * work.loss_derivative[n] / samples
        for t in range(tokens):
            work.score_drive[n, t] = weight * work.attention[n, t] * (value[n, t] - work.output[n])


def forward(score: Array, value: Array, labels: Array, work: Workspace) -> float:
    """Attention, outputs, loss derivatives and the drive of the scores; returns the loss."""
    attend(score, work.attention)
    read_out(work.attention, value, work.output)
    loss = logistic_loss(labels, work.output, work.loss_derivative)
    drive_scores(value, labels, work)
    return loss


def record(recording: Recording, t: int, score: Array, work: Workspace, loss: float) -> None:
    """Keep the state of offset `t`, after `forward`."""
    recording.score[t] = score
    recording.attention[t] = work.attention
    recording.output[t] = work.output
    recording.loss_derivative[t] = work.loss_derivative
    recording.loss[t] = loss


# Steps on inner products of tokens.


def pull_back(fixed: Fixed, state: State, work: Workspace) -> None:
    """`K c`, `M c` and the three numbers of a step, after `forward`."""
    drive, score = work.score_drive.reshape(-1), state.score.reshape(-1)
    np.dot(fixed.gram, drive, work.gram_drive)
    np.dot(state.token_map, drive, work.map_drive)
    work.numbers[0] = np.dot(score, drive)
    work.numbers[1] = np.dot(drive, work.gram_drive)
    work.numbers[2] = np.dot(drive, work.map_drive)


def grow_map(token_map: Array, score: Array, gram_drive: Array, query_square: float, step_size: float) -> None:
    """`M += h (a (Kc)^T + (Kc) a^T) + h^2 q (Kc)(Kc)^T`, with the scores and q of before the step."""
    for i in range(token_map.shape[0]):
        row = token_map[i]
        by_score = step_size * gram_drive[i]
        by_drive = step_size * (score[i] + step_size * query_square * gram_drive[i])
        for j in range(token_map.shape[1]):
            row[j] += by_score * score[j] + by_drive * gram_drive[j]


def grow_representer(state_representer: Array, coefficient: Array, drive: Array, step_size: float) -> None:
    """`P += h pi c^T`, with the coefficients of before the step."""
    for i in range(state_representer.shape[0]):
        row = state_representer[i]
        weight = step_size * coefficient[i]
        for j in range(state_representer.shape[1]):
            row[j] += weight * drive[j]


def follow_representer(
    representer: Array, coefficient: Array, start_coefficient: Array, numbers: Array, work: Workspace, step_size: float
) -> None:
    """One step of pi, P, alpha and beta, after `pull_back`; `numbers[1]` is alpha."""
    drive = work.score_drive.reshape(-1)
    grow_representer(representer, coefficient, drive, step_size)
    share = numbers[1]
    numbers[1] = share + step_size * np.dot(start_coefficient, work.gram_drive)
    for i in range(drive.shape[0]):
        coefficient[i] += step_size * (drive[i] + work.representer_drive[i])
        start_coefficient[i] += step_size * share * drive[i]


def move(state: State, work: Workspace, step_size: float) -> None:
    """One step of scores, M and q, after `pull_back`."""
    query_square, alignment = state.numbers[0], work.numbers[0]
    score = state.score.reshape(-1)
    grow_map(state.token_map, score, work.gram_drive, query_square, step_size)
    gain = query_square + step_size * alignment
    for i in range(score.shape[0]):
        score[i] += step_size * (work.map_drive[i] + gain * work.gram_drive[i])
    state.numbers[0] = query_square + 2.0 * step_size * alignment + step_size * step_size * work.numbers[2]


def pull_coefficients(
    fixed: Fixed, representer: Array, coefficient: Array, start_coefficient: Array, share: float, work: Workspace
) -> None:
    """`M_0 pi`, and what the growth of W adds to `W^T p`.

    That is `Z^T w` with `w = P^T (alpha a_0 + M_0 pi) + beta (alpha q_0 + a_0^T pi)`.
    """
    np.dot(fixed.start_map, coefficient, work.start_pull)
    met = share * fixed.numbers[1] + np.dot(fixed.start_score, coefficient)
    for i in range(coefficient.shape[0]):
        work.arrived[i] = share * fixed.start_score[i] + work.start_pull[i]
    np.dot(work.arrived, representer, work.pull)
    for i in range(coefficient.shape[0]):
        work.pull[i] += met * start_coefficient[i]


# What statements need besides.


def lead(score: Array, gap: Array) -> None:
    """`x_{n,t} = log(T - 1) - log sum_{s != t} exp(a_{n,s} - a_{n,t})`.

    For the token in front the others are summed by themselves. The sum of all holds its term, the largest, so that
    the term of any other token can be taken off without cancellation.
    """
    samples, tokens = score.shape
    others = tokens - 1.0
    for n in range(samples):
        front = 0
        for t in range(1, tokens):
            if score[n, t] > score[n, front]:
                front = t
        largest, second, total = score[n, front], -np.inf, 0.0
        for t in range(tokens):
            gap[n, t] = np.exp(score[n, t] - largest)
            total += gap[n, t]
            if t != front:
                second = max(second, score[n, t])
        behind = 0.0
        for t in range(tokens):
            if t != front:
                gap[n, t] = score[n, t] - largest + np.log(others / (total - gap[n, t]))
                behind += np.exp(score[n, t] - second)
        gap[n, front] = largest - second + np.log(others / behind)


def measure_drives(score: Array, query_square: float, work: Workspace, measures: Measures, t: int) -> None:
    """Record what drives the step of offset `t`, after `pull_back`."""
    measures.query_square[t] = query_square
    measures.alignment[t] = work.numbers[0]
    measures.moved_square[t] = work.numbers[1]
    measures.pulled_square[t] = work.numbers[2]
    measures.gradient_square[t] = work.numbers[2] + query_square * work.numbers[1]
    measures.score_drive[t] = work.score_drive
    measures.gram_drive[t].reshape(-1)[:] = work.gram_drive
    measures.map_drive[t].reshape(-1)[:] = work.map_drive
    lead(score, measures.effective_gap[t])


def measure_representer(
    representer: Array,
    coefficient: Array,
    start_coefficient: Array,
    share: float,
    probes: Probes,
    work: Workspace,
    measures: Measures,
    t: int,
) -> None:
    """Record the representer of the state of offset `t`, after `pull_coefficients`."""
    count, tokens = probes.coefficients.shape
    measures.start_share[t] = share
    measures.coefficient[t].reshape(-1)[:] = coefficient
    measures.start_coefficient[t].reshape(-1)[:] = start_coefficient
    measures.start_pull[t].reshape(-1)[:] = work.start_pull
    measures.representer_drive[t].reshape(-1)[:] = work.representer_drive
    measures.coefficient_pull[t].reshape(-1)[:] = work.pull
    size, reach = measures.representer_size[t].reshape(-1), measures.representer_reach[t].reshape(-1)
    measure_rows(representer, probes.coefficients, measures.representer_probe[t].reshape(tokens, count), size)
    reach[:] = 0.0
    for i in range(tokens):
        row = representer[i]
        for j in range(tokens):
            reach[j] += row[j] * row[j]
    for j in range(tokens):
        reach[j] = np.sqrt(reach[j])


def measure_map(state: State, probes: Probes, measures: Measures, t: int) -> None:
    """Record M along the probes, and the norms of its rows, of the state of offset `t`."""
    count, tokens = probes.coefficients.shape
    along = measures.map_probe[t].reshape(tokens, count)
    measure_rows(state.token_map, probes.coefficients, along, measures.map_size[t].reshape(-1))


def measure_rows(matrix: Array, coefficients: Array, along: Array, size: Array) -> None:
    """Products of a matrix with probes (Z, N), to `along` (N, Z), and the norms of its rows, to `size` (N,)."""
    for i in range(matrix.shape[0]):
        row = matrix[i]
        total = 0.0
        for j in range(matrix.shape[1]):
            total += row[j] * row[j]
        size[i] = np.sqrt(total)
        for z in range(coefficients.shape[0]):
            probe = coefficients[z]
            total = 0.0
            for j in range(matrix.shape[1]):
                total += row[j] * probe[j]
            along[i, z] = total


def measure_balance(fixed: Fixed, state: State, probes: Probes, measures: Measures, t: int) -> None:
    """Record `|W^T z|^2 - (p^T z)^2` since the start, made of small terms alone, after `measure_representer`.

    `W^T z = W_0^T z + Z^T y` with `y = P^T M_0 b + beta p_0^T z`, and `p^T z = alpha p_0^T z + (M_0 b)^T pi`.
    """
    count, tokens = probes.coefficients.shape
    share = state.numbers[1]
    for z in range(count):
        for i in range(tokens):
            probes.pulled[z, i] = probes.start[i, z]
    np.dot(probes.pulled, state.representer, probes.moved)
    for z in range(count):
        for i in range(tokens):
            probes.moved[z, i] += probes.query[z] * state.start_coefficient[i]
    np.dot(probes.moved, fixed.gram, probes.pulled)
    reach = measures.representer_reach[t].reshape(-1)
    for z in range(count):
        before, along, balance = probes.query[z], share * probes.query[z], 0.0
        size, length, total = abs(along), 0.0, 0.0
        for i in range(tokens):
            balance += probes.moved[z, i] * (2.0 * probes.start[i, z] + probes.pulled[z, i])
            part = probes.start[i, z] * state.coefficient[i]
            along += part
            size += abs(part)
            length += probes.start[i, z] * probes.start[i, z]
        length = np.sqrt(length)
        scale, squares = 0.0, 0.0
        for i in range(tokens):
            bound = reach[i] * length + abs(before * state.start_coefficient[i])
            scale += 2.0 * bound * abs(probes.start[i, z])
            total += bound * probes.gram_size[i]
            squares += bound * bound
        measures.balance[t, z] = balance - along * along + before * before
        measures.balance_scale[t, z] = scale + total * np.sqrt(squares) + size * size + before * before


def advance(
    fixed: Fixed,
    state: State,
    steps: int,
    loss_target: float,
    work: Workspace,
    recording: Recording,
    measures: Measures,
    probes: Probes,
    kept: Integers,
    kept_coefficient: Array,
    kept_pull: Array,
    kept_share: Array,
) -> int:
    """Make up to `steps` gradient steps in place and record every state on the way.

    What `W^T p` is made of, `pi`, `w` and alpha, is copied to `kept_coefficient[i]`, `kept_pull[i]`, `kept_share[i]` at
    the offsets `kept[i]`, which ascend. `measures` are recorded unless empty. Stops at the first state whose loss is at
    most `loss_target` or not finite. Returns the steps made.
    """
    copied = 0
    step_size = fixed.numbers[0]
    measured = measures.alignment.shape[0] > 0
    for t in range(steps + 1):
        loss = forward(state.score, fixed.value, fixed.labels, work)
        record(recording, t, state.score, work, loss)
        keep = copied < kept.shape[0] and kept[copied] == t
        if keep or measured:
            pull_coefficients(
                fixed, state.representer, state.coefficient, state.start_coefficient, state.numbers[1], work
            )
        if keep:
            kept_coefficient[copied] = state.coefficient
            kept_pull[copied] = work.pull
            kept_share[copied] = state.numbers[1]
            copied += 1
        last = t == steps or loss <= loss_target or not np.isfinite(loss)
        if measured or not last:
            pull_back(fixed, state, work)
            np.dot(state.representer, work.gram_drive, work.representer_drive)
        if measured:
            measure_drives(state.score, state.numbers[0], work, measures, t)
            measure_map(state, probes, measures, t)
            measure_representer(
                state.representer,
                state.coefficient,
                state.start_coefficient,
                state.numbers[1],
                probes,
                work,
                measures,
                t,
            )
            measure_balance(fixed, state, probes, measures, t)
        if last:
            return t
        move(state, work, step_size)
        follow_representer(
            state.representer, state.coefficient, state.start_coefficient, state.numbers, work, step_size
        )
    return steps


# Test samples.


def test_law(
    mean_score: Array, mean_value: Array, noise: Array, along: Array, across: Array, spread: Array, seen: Array
) -> None:
    """Output, attention to token 0, and whether it is selected, of test samples of both classes.

    `mean_score` and `mean_value` (2, T) belong to the classes; `along` and `across` (2, S, T) are fixed standard
    normal numbers, `spread` (3,) what they do: a value moves by `spread[0] along`, a score by `spread[1] along` and
    `spread[2] across`.
    `noise` (2, T) is a buffer of scores and values. Writes `seen` (3, 2, S).
    """
    classes, samples, tokens = along.shape
    for k in range(classes):
        for i in range(samples):
            rival = -np.inf
            for t in range(tokens):
                noise[0, t] = mean_score[k, t] + spread[1] * along[k, i, t] + spread[2] * across[k, i, t]
                noise[1, t] = mean_value[k, t] + spread[0] * along[k, i, t]
                if t > 0:
                    rival = max(rival, noise[0, t])
            largest = max(rival, noise[0, 0])
            first = np.exp(noise[0, 0] - largest)
            total = first
            output = first * noise[1, 0]
            for t in range(1, tokens):
                weight = np.exp(noise[0, t] - largest)
                total += weight
                output += weight * noise[1, t]
            seen[0, k, i] = output / total
            seen[1, k, i] = first / total
            seen[2, k, i] = 1.0 if noise[0, 0] > rival else 0.0


# Steps on the weights themselves.


def backward(tokens: Array, W: Array, drive: Array, moved: Array, pulled: Array) -> None:
    """`v = Z^T c` and `W v`: `-dL/dp = W v` and `-dL/dW = p v^T`."""
    np.dot(drive, tokens, moved)
    np.dot(W, moved, pulled)


def descend(W: Array, p: Array, moved: Array, pulled: Array, step_size: float) -> None:
    """`W += h p v^T` and `p += h W v`, both with the weights of before the step."""
    for i in range(W.shape[0]):
        row = W[i]
        weight = step_size * p[i]
        for j in range(W.shape[1]):
            row[j] += weight * moved[j]
    for i in range(p.shape[0]):
        p[i] += step_size * pulled[i]


def measure_weights(tokens: Array, W: Array, p: Array, directions: Directions, measures: Measures, t: int) -> None:
    """Record M along the probes, norms, and the balance, of the weights of offset `t`."""
    rows, width = W.shape
    count = directions.queries.shape[1]
    seen = directions.by_map
    np.dot(W, directions.tokens, directions.by_direction)
    np.dot(W.T, directions.by_direction, seen)
    np.dot(tokens, seen, measures.map_probe[t].reshape(tokens.shape[0], count))
    total = 0.0
    for i in range(rows):
        total += np.dot(W[i], W[i])
    measures.map_size[t].reshape(-1)[:] = total * directions.gram_size
    np.dot(W.T, directions.queries, seen)
    for z in range(count):
        square, along = 0.0, 0.0
        for j in range(width):
            square += seen[j, z] * seen[j, z]
        for i in range(rows):
            along += p[i] * directions.queries[i, z]
        measures.balance[t, z] = square - along * along - directions.start[z]
        measures.balance_scale[t, z] = square + along * along + abs(directions.start[z])


def advance_weights(
    fixed: Fixed,
    tokens: Array,
    W: Array,
    p: Array,
    follower: State,
    steps: int,
    loss_target: float,
    work: Workspace,
    recording: Recording,
    measures: Measures,
    probes: Probes,
    directions: Directions,
    direction: Array,
    moved: Array,
    pulled: Array,
    kept: Integers,
    kept_direction: Array,
) -> int:
    """The same on the weights themselves: `W` (r, d) and `p` (r,), with `tokens` Z (N, d).

    `direction` (d,) holds `u = W^T p`, which is copied to `kept_direction[i]`; `moved` (d,) and `pulled` (r,) are
    buffers. Where `measures` are recorded, `follower` takes along the representer, and the scores for a buffer.
    """
    copied = 0
    step_size = fixed.numbers[0]
    measured = measures.alignment.shape[0] > 0
    score = follower.score
    for t in range(steps + 1):
        np.dot(p, W, direction)
        np.dot(tokens, direction, score.reshape(-1))
        loss = forward(score, fixed.value, fixed.labels, work)
        record(recording, t, score, work, loss)
        if copied < kept.shape[0] and kept[copied] == t:
            kept_direction[copied] = direction
            copied += 1
        last = t == steps or loss <= loss_target or not np.isfinite(loss)
        drive = work.score_drive.reshape(-1)
        if measured or not last:
            backward(tokens, W, drive, moved, pulled)
        if measured:
            np.dot(tokens, moved, work.gram_drive)
            np.dot(pulled, W, direction)
            np.dot(tokens, direction, work.map_drive)
            work.numbers[0] = np.dot(score.reshape(-1), drive)
            work.numbers[1] = np.dot(moved, moved)
            work.numbers[2] = np.dot(pulled, pulled)
            np.dot(follower.representer, work.gram_drive, work.representer_drive)
            pull_coefficients(
                fixed, follower.representer, follower.coefficient, follower.start_coefficient, follower.numbers[1], work
            )
            measure_drives(score, np.dot(p, p), work, measures, t)
            measure_weights(tokens, W, p, directions, measures, t)
            measure_representer(
                follower.representer,
                follower.coefficient,
                follower.start_coefficient,
                follower.numbers[1],
                probes,
                work,
                measures,
                t,
            )
        if last:
            return t
        descend(W, p, moved, pulled, step_size)
        if measured:
            follow_representer(
                follower.representer,
                follower.coefficient,
                follower.start_coefficient,
                follower.numbers,
                work,
                step_size,
            )
    return steps
