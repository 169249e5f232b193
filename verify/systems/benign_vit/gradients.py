"""Loss and gradients of an instance: by the kernels, and by three references that share nothing with them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.systems import derivatives
from verify.systems.benign_vit import compiled
from verify.systems.benign_vit.dynamics import workspace
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.kernels import Array
from verify.systems.derivatives import COMPLEX_STEP, mean_logistic_loss

WEIGHTS = ("W_Q", "W_K", "W_V")


def loss_and_gradients(instance: Instance) -> tuple[float, dict[str, Array]]:
    """Training loss and its gradient with respect to each weight, by the kernels that train.

    Shapes: those of `W_Q`, `W_K` (d, d_h) and `W_V` (d, d_v).
    """
    table = TokenTable.of(instance)
    states = np.ascontiguousarray(table.tokens @ np.hstack([instance.W_Q, instance.W_K]))
    values = table.tokens @ (instance.W_V @ instance.w_O)
    samples, tokens = table.token_at.shape
    work = workspace(samples, tokens, len(values), instance.W_Q.shape[1])
    loss = compiled.forward(states, values, table.token_at, instance.y, work)
    compiled.drive(work)
    compiled.backward(table.token_at, instance.y, 1.0, work)
    by_query, by_key = np.split(-table.tokens.T @ work.direction, 2, axis=1)
    by_value = -np.outer(table.tokens.T @ work.value_direction, instance.w_O)
    return float(loss), {"W_Q": by_query, "W_K": by_key, "W_V": by_value}


def loss_of(instance: Instance, **weights: NDArray[Any]) -> complex:
    """The training loss with some weights replaced, in plain NumPy; holomorphic in them, for complex steps."""
    W_Q, W_K, W_V = (weights.get(name, getattr(instance, name)) for name in WEIGHTS)
    X = instance.X
    score = (X @ W_Q) @ (X @ W_K).transpose(0, 2, 1)
    attention = np.exp(score - score.real.max(axis=2, keepdims=True))
    attention /= attention.sum(axis=2, keepdims=True)
    output = (attention @ (X @ (W_V @ instance.w_O))[:, :, None]).mean(axis=(1, 2))
    return mean_logistic_loss(instance.y * output)


def references(instance: Instance, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """The gradients at some entries by sympy, by the complex step and by central differences."""
    weights = {name: getattr(instance, name) for name in WEIGHTS}
    return derivatives.references(sympy_gradients(instance), partial(loss_of, instance), weights, entries)


def sympy_gradients(instance: Instance) -> dict[str, Array]:
    """The gradients from sympy's own derivatives of a row of attention, chained to the weights.

    sympy differentiates the weighted value by scores and values; `s = x_l^T W_Q W_K^T x_j` and `V = x_j^T W_V
    w_O` are bilinear, so the rest of the chain is products of the arrays.
    """
    from proofs.shared.softmax import sympy_gradient_of_output

    X, (samples, tokens, _, _) = instance.X, instance.shape
    row = sympy_gradient_of_output(tokens)
    queries, keys = X @ instance.W_Q, X @ instance.W_K
    values = X @ (instance.W_V @ instance.w_O)
    score = queries @ keys.transpose(0, 2, 1)
    gradient = {name: np.zeros_like(getattr(instance, name)) for name in WEIGHTS}
    for n in range(samples):
        rows = [row(score[n, l] - score[n, l].max(), values[n]) for l in range(tokens)]
        output = sum(value for value, _, _ in rows) / tokens
        by_score = np.array([by_score for _, by_score, _ in rows]) / tokens
        by_value = sum(np.asarray(by_value) for _, _, by_value in rows) / tokens
        weight = -instance.y[n] / (1.0 + np.exp(instance.y[n] * output)) / samples
        gradient["W_Q"] += weight * X[n].T @ by_score @ keys[n]
        gradient["W_K"] += weight * X[n].T @ by_score.T @ queries[n]
        gradient["W_V"] += weight * np.outer(X[n].T @ by_value, instance.w_O)
    return gradient


def rounding_bounds(instance: Instance) -> dict[str, float]:
    """How far two correct evaluations of each gradient can differ: terms times epsilon times the sum of absolute terms.

    First order. An entry sums N M^2 products of a token, an attention gradient and a query or key; each
    factor is itself a sum of d, d_h or M products.
    """
    X, (samples, tokens, d, d_h) = np.abs(instance.X), instance.shape
    queries, keys = X @ np.abs(instance.W_Q), X @ np.abs(instance.W_K)
    values = X @ (np.abs(instance.W_V) @ np.abs(instance.w_O))
    score = (instance.X @ instance.W_Q) @ (instance.X @ instance.W_K).transpose(0, 2, 1)
    attention = np.exp(score - score.max(axis=2, keepdims=True))
    attention /= attention.sum(axis=2, keepdims=True)
    mean = (attention @ values[:, :, None])[:, :, 0]
    pull = attention * (values[:, None, :] + mean[:, :, None]) / (tokens * samples)
    weights = X.transpose(0, 2, 1)
    absolute = {
        "W_Q": (weights @ (pull @ keys)).sum(axis=0),
        "W_K": (weights @ (pull.transpose(0, 2, 1) @ queries)).sum(axis=0),
        "W_V": np.einsum("nid,nli,c->dc", X, attention / (tokens * samples), np.abs(instance.w_O)),
    }
    # Errors of the scores reach the attention as relative errors.
    score_terms = float((queries @ keys.transpose(0, 2, 1)).max())
    operations = samples * tokens**2 + 2 * (d + d_h) * (1.0 + score_terms) + 4 * tokens
    underflow = float(np.finfo(float).tiny) / COMPLEX_STEP  # the complex step cannot see smaller derivatives
    return {name: float(operations * np.finfo(float).eps * terms.max()) + underflow for name, terms in absolute.items()}
