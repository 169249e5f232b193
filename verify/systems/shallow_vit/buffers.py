"""Buffers of the kernels, taken once a run, and those that a stretch fills."""

import numpy as np

from verify.systems.shallow_vit.kernels import Array, GramBuffers, Recording, Weights, Workspace


def pattern_workspace(dimension: int, neurons: int, at_once: int) -> Workspace:
    """The buffers of one step where slots are patterns, for so many samples looked at together."""
    return Workspace(**_shared(dimension, neurons, at_once), **_maps(dimension, neurons), **_of_tokens(0, 0, 0, 0, 0))


def token_workspace(weights: Weights, neurons: int, slots: int, at_once: int) -> Workspace:
    """The same where samples have tokens of their own."""
    dimension, heads, width = weights.W_Q.shape[1], len(weights.W_Q), len(weights.W_V)
    own = _of_tokens(at_once, slots, dimension, heads, width)
    return Workspace(**_shared(slots, neurons, at_once), **_maps(0, 0), **own)


def _shared(slots: int, neurons: int, at_once: int) -> dict[str, Array]:
    """What both kinds of samples need."""
    rows = at_once * slots
    return {
        "attention": np.empty((at_once, slots, slots)),
        "token_effect": np.empty((at_once, slots, slots)),
        "mean_effect": np.empty((at_once, slots)),
        "hidden": np.empty((rows, neurons)),
        "gate": np.empty((rows, neurons)),
        "output": np.empty(at_once),
        "active": np.empty(at_once),
        "score": np.empty((slots, slots)),
        "score_pull": np.empty((slots, slots)),
    }


def _maps(dimension: int, neurons: int) -> dict[str, Array]:
    """P and R^T, and what drives them."""
    square, tall = (dimension, dimension), (dimension, neurons)
    return {
        "score_map": np.empty(square),
        "effect_map": np.empty(tall),
        "score_drive": np.empty(square),
        "effect_drive": np.empty(tall),
    }


def _of_tokens(at_once: int, slots: int, dimension: int, heads: int, width: int) -> dict[str, Array]:
    """Tokens, their keys, queries and values, and the derivatives by these."""
    of_heads, of_values = (at_once, slots, heads), (at_once, slots, width)
    return {
        "tokens": np.empty((at_once, slots, dimension)),
        **{name: np.empty(of_heads) for name in ("keys", "queries", "key_pull", "query_pull")},
        **{name: np.empty(of_values) for name in ("values", "mixed", "value_effect", "value_pull")},
    }


def products_as_weights(dimension: int, neurons: int) -> Weights:
    """Room for R and P in weights of which the other two are the identity."""
    nothing = np.empty((0, 0))
    return Weights(nothing, np.empty((neurons, dimension)), nothing, np.empty((dimension, dimension)))


def gram_buffers(dimension: int, neurons: int) -> GramBuffers:
    """The buffers of a step of the closed recursion."""
    return GramBuffers(
        square=np.empty((5, dimension, dimension)),
        tall=np.empty((3, dimension, neurons)),
        neurons=np.empty((2, neurons, neurons)),
    )


def recording(states: int, batch: int, samples: int, watched: int, slots: int) -> Recording:
    """Buffers of a stretch; what no state fills is not a number."""
    square = (states, watched, slots, slots)
    return Recording(
        batch_loss=np.empty(states),
        loss=np.empty(states),
        relevant_attention=np.empty(states),
        batch_output=np.empty((states, batch)),
        batch_active=np.empty((states, batch)),
        all_output=np.empty((states, samples)),
        score=np.full(square, np.nan),
        attention=np.full(square, np.nan),
        token_effect=np.full(square, np.nan),
        attention_gradient=np.full(square, np.nan),
        output=np.full((states, watched), np.nan),
    )
