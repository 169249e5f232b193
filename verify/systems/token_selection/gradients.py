"""Loss and gradients of an instance: by the kernels, and by three references that share nothing with them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.systems import derivatives
from verify.systems.derivatives import COMPLEX_STEP, mean_logistic_loss
from verify.systems.token_selection import compiled
from verify.systems.token_selection.dynamics import EPSILON, workspace
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.kernels import Array

WEIGHTS = ("W", "p")
Gradients = dict[str, Array]
"""Each with two axes, that of p with a second one of length 1: entries are named by two numbers."""


def loss_and_gradients(instance: Instance) -> tuple[float, Gradients]:
    """Training loss and its gradient with respect to `W` (r, d) and `p` (r, 1), by the kernels that train."""
    samples, tokens, dimension, rows = instance.shape
    work, Z = workspace(samples, tokens), instance.tokens
    score = (Z @ (instance.p @ instance.W)).reshape(samples, tokens)
    loss = compiled.forward(score, instance.value, instance.y, work)
    moved, pulled = np.empty(dimension), np.empty(rows)
    compiled.backward(Z, instance.W, work.score_drive.reshape(-1), moved, pulled)
    return float(loss), {"W": -np.outer(instance.p, moved), "p": -pulled[:, None]}


def loss_of(instance: Instance, **weights: NDArray[Any]) -> complex:
    """The training loss with some weights replaced, in plain NumPy; holomorphic in them, for complex steps."""
    W, p = weights.get("W", instance.W), weights.get("p", instance.p[:, None])
    score = (instance.X @ (W.T @ p))[:, :, 0]
    attention = np.exp(score - score.real.max(axis=1, keepdims=True))
    attention /= attention.sum(axis=1, keepdims=True)
    return mean_logistic_loss(instance.y * (attention * (instance.X @ instance.nu)).sum(axis=1))


def references(instance: Instance, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """The gradients at some entries by sympy, by the complex step and by central differences."""
    weights = {"W": instance.W, "p": instance.p[:, None]}
    return derivatives.references(sympy_gradients(instance), partial(loss_of, instance), weights, entries)


def sympy_gradients(instance: Instance) -> Gradients:
    """The gradients from sympy's own derivatives of a row of attention, chained to the weights.

    sympy differentiates the weighted value by scores; `a = x^T W^T p` is bilinear, so the rest of the chain is products
    of the arrays.
    """
    from proofs.shared.softmax import sympy_gradient_of_output

    X, (samples, tokens, dimension, _) = instance.X, instance.shape
    row = sympy_gradient_of_output(tokens)
    score, value = X @ (instance.W.T @ instance.p), X @ instance.nu
    by_direction = np.zeros(dimension)
    for n in range(samples):
        output, by_score, _ = row(score[n] - score[n].max(), value[n])
        weight = -instance.y[n] / (1.0 + np.exp(instance.y[n] * output)) / samples
        by_direction += weight * (np.array(by_score) @ X[n])
    return {"W": np.outer(instance.p, by_direction), "p": (instance.W @ by_direction)[:, None]}


def rounding_bounds(instance: Instance) -> dict[str, float]:
    """How far two correct evaluations of each gradient can differ: terms times epsilon times the sum of absolute terms.

    First order. An entry sums nT products of a token and the derivative by its score; each factor is itself a sum
    of r, d or T products.
    """
    samples, tokens, dimension, rows = instance.shape
    X, W, p = np.abs(instance.X), np.abs(instance.W), np.abs(instance.p)
    score = instance.X @ (instance.W.T @ instance.p)
    attention = np.exp(score - score.max(axis=1, keepdims=True))
    attention /= attention.sum(axis=1, keepdims=True)
    value = X @ np.abs(instance.nu)
    drive = attention * (value + (attention * value).sum(axis=1, keepdims=True)) / samples
    moved = np.einsum("nt,ntd->d", drive, X)
    # Errors of the scores reach the attention as relative errors.
    score_terms = float((X @ (p @ W)).max())
    operations = samples * tokens + 2 * (dimension + rows) * (1.0 + score_terms) + 4 * tokens
    underflow = float(np.finfo(float).tiny) / COMPLEX_STEP  # the complex step cannot see smaller derivatives
    absolute = {"W": p.max() * moved.max(), "p": (W @ moved).max()}
    return {name: float(operations * EPSILON * terms) + underflow for name, terms in absolute.items()}
