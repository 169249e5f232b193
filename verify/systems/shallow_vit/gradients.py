"""Loss and gradients of an instance: by the kernels, and by three references that share nothing with them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.systems import derivatives
from verify.systems.derivatives import COMPLEX_STEP
from verify.systems.shallow_vit import compiled
from verify.systems.shallow_vit.buffers import token_workspace
from verify.systems.shallow_vit.dynamics import WEIGHTS, weights_in
from verify.systems.shallow_vit.instance import Instance, samples_of_tokens
from verify.systems.shallow_vit.kernels import Array, Integers, Samples, Weights
from verify.systems.shallow_vit.testing import output_doubt


def first_batch(instance: Instance) -> Integers:
    """The samples of the loss: those of the first batch, or all where no batches are given."""
    return np.arange(len(instance.y)) if instance.batches is None else np.asarray(instance.batches[0])


def loss_and_gradients(instance: Instance) -> tuple[float, dict[str, Array]]:
    """Mean hinge loss over the first batch and its gradient by each weight, by the kernels that train.

    Shapes: those of `W_O` (m, m_a), `W_V` (m_a, d), `W_K` and `W_Q` (m_b, d).
    """
    samples, _ = samples_of_tokens(instance)
    batch = first_batch(instance)
    weights = weights_in(instance, None)
    work = token_workspace(weights, len(instance.a), samples.tokens.shape[1], len(batch))
    gradients = Weights(*(np.empty_like(weight) for weight in weights))
    share = np.full(len(batch), 1.0 / len(batch))
    loss = compiled.drive_tokens(samples, samples.tokens, batch, share, weights, instance.a, work, gradients)
    return float(loss), {name: -getattr(gradients, name) for name in WEIGHTS}


def references(instance: Instance, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """The gradients at some entries by sympy, by the complex step and by central differences."""
    plain = References(instance)
    weights = {name: getattr(instance, name) for name in WEIGHTS}
    return derivatives.references(plain.by_sympy(), plain.loss_of, weights, entries)


class References:
    """The same loss in plain NumPy, holomorphic in the weights away from its kinks, and what follows from it."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        samples, _ = samples_of_tokens(instance)
        batch = first_batch(instance)
        self.samples = Samples(*(array[batch] for array in samples))
        with np.errstate(divide="ignore"):
            self.log_count = np.log(self.samples.key_count)[:, None, :]

    def parts(self, weights: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Scores, copies counted (B, S, S), what R makes of tokens (B, S, m), attention, hidden units (B, S, m)."""
        X = self.samples.tokens
        queries, keys = X @ weights["W_Q"].T, X @ weights["W_K"].T
        score = queries @ keys.transpose(0, 2, 1) + self.log_count
        seen = X @ weights["W_V"].T @ weights["W_O"].T
        attention = np.exp(score - score.real.max(axis=2, keepdims=True))
        attention /= attention.sum(axis=2, keepdims=True)
        return score, seen, attention, attention @ seen

    def loss_of(self, **changed: NDArray[Any]) -> complex:
        """The loss with some weights replaced; kinks follow real parts."""
        weights = {name: changed.get(name, getattr(self.instance, name)) for name in WEIGHTS}
        *_, hidden = self.parts(weights)
        active = np.where(hidden.real > 0.0, hidden, 0.0) @ self.instance.a
        output = np.sum(self.samples.query_weight * active, axis=1)
        slack = 1.0 - self.samples.label * output
        return complex(np.mean(np.where(slack.real > 0.0, slack, 0.0)))

    def by_sympy(self) -> dict[str, Array]:
        """The gradients from sympy's own derivatives of a row of attention, chained to the weights.

        sympy differentiates the average that a row of attention makes of numbers, by scores and by these numbers: here
        the effects of tokens through the active neurons of a query. Scores and effects are bilinear in the weights.
        """
        from proofs.shared.softmax import sympy_gradient_of_output

        instance, samples = self.instance, self.samples
        weights = {name: getattr(instance, name) for name in WEIGHTS}
        score, seen, _, hidden = self.parts(weights)
        gradient = {name: np.zeros_like(weight) for name, weight in weights.items()}
        for n, X in enumerate(samples.tokens):
            there = np.flatnonzero(samples.key_count[n])
            row = sympy_gradient_of_output(len(there))
            gate = instance.a * (hidden[n, there] > 0.0)
            effect = gate @ seen[n, there].T
            scores = score[n][np.ix_(there, there)]
            rows = [row(s - s.max(), t) for s, t in zip(scores, effect, strict=True)]
            share = samples.query_weight[n, there]
            output = float(share @ np.array([each.output for each in rows]))
            if 1.0 - samples.label[n] * output <= 0.0:
                continue
            push = -samples.label[n] / len(samples.label) * share[:, None]
            by_score = push * np.array([each.by_score for each in rows])
            by_effect = push * np.array([each.by_value for each in rows])
            tokens = X[there]
            by_hidden = gate.T @ by_effect @ tokens
            by_map = tokens.T @ by_score.T @ tokens
            gradient["W_O"] += by_hidden @ instance.W_V.T
            gradient["W_V"] += instance.W_O.T @ by_hidden
            gradient["W_K"] += instance.W_Q @ by_map.T
            gradient["W_Q"] += instance.W_K @ by_map
        return gradient


def rounding_bounds(instance: Instance) -> dict[str, float]:
    """How far two correct evaluations of each gradient can differ, away from kinks; first order.

    Gradients of keys and queries are differences of effects, so they are held to the size of effects.
    """
    radius = float(np.linalg.norm(instance.X, axis=2).max())
    norms = {name: float(np.linalg.norm(getattr(instance, name))) for name in WEIGHTS}
    terms = sum(instance.X.shape[1:]) + sum(instance.W_O.shape) + len(instance.W_K) + len(first_batch(instance))
    of_output = output_doubt(instance.a, (norms["W_O"], norms["W_V"], norms["W_K"], norms["W_Q"]), radius, 2 * terms)
    of_share = output_doubt(instance.a, (1.0, 1.0, norms["W_K"], norms["W_Q"]), radius, 2 * terms)
    underflow = float(np.finfo(float).tiny) / COMPLEX_STEP  # the complex step cannot see smaller derivatives
    return {
        "W_O": of_share * norms["W_V"] + underflow,
        "W_V": of_share * norms["W_O"] + underflow,
        "W_K": 4.0 * radius**2 * of_output * norms["W_Q"] + underflow,
        "W_Q": 4.0 * radius**2 * of_output * norms["W_K"] + underflow,
    }
