"""Buffers of the kernels, taken once a run, and those that a stretch fills."""

import numpy as np

from verify.systems.shallow_vit.kernels import Array, GramBuffers, Recording, Weights, Workspace


def pattern_workspace(dimension: int, neurons: int, at_once: int) -> Workspace:
    """The buffers of one step where slots are patterns, for so many samples looked at together."""
    rows = at_once * dimension
    hidden, gate = np.empty((rows, neurons)), np.empty((rows, neurons))
    of_tokens = {
        name: np.empty((0, 0)) for name in (*_INNER, *_COLUMNS, "tokens", "outer_move", "mixed", "value_effect")
    }
    return Workspace(
        **_shared(dimension, at_once, at_once),
        **_maps(dimension, neurons),
        **of_tokens,
        hidden=hidden,
        gate=gate,
    )


def token_workspace(weights: Weights, neurons: int, slots: int, at_once: int) -> Workspace:
    """The same where samples have tokens of their own; batches are of so many samples at most."""
    dimension, width = weights.W_Q.shape[1], len(weights.W_V)
    parts = np.cumsum([len(weights.W_Q), len(weights.W_K)])
    rows = int(parts[-1]) + width
    columns, pulls = np.empty((rows, slots)), np.empty((rows, slots))
    queries, keys, values = np.split(columns, parts)
    query_pull, key_pull, value_pull = np.split(pulls, parts)
    hidden, gate = np.empty((neurons, slots)), np.empty((neurons, slots))
    through_outer = weights.W_O.size > 0
    return Workspace(
        **_shared(slots, 1, at_once),
        **_maps(0, 0),
        **{name: np.empty((rows, dimension)) for name in _INNER},
        columns=columns,
        queries=queries,
        keys=keys if weights.W_K.size else np.empty((dimension, slots)),
        values=values,
        pulls=pulls,
        query_pull=query_pull,
        key_pull=key_pull,
        value_pull=value_pull,
        hidden=hidden,
        gate=gate,
        mixed=np.empty((width, slots)) if through_outer else hidden,
        value_effect=np.empty((width, slots)) if through_outer else gate,
        outer_move=np.empty_like(weights.W_O),
        tokens=np.empty((slots, dimension)),
    )


_INNER = ("inner", "inner_move", "inner_drive")
_COLUMNS = ("columns", "queries", "keys", "values", "pulls", "query_pull", "key_pull", "value_pull")


def _shared(slots: int, at_once: int, batch: int) -> dict[str, Array]:
    """What both kinds of samples need, for so many samples looked at together and in a batch."""
    return {
        "attention": np.empty((at_once, slots, slots)),
        "token_effect": np.empty((at_once, slots, slots)),
        "mean_effect": np.empty((at_once, slots)),
        "output": np.empty(batch),
        "active": np.empty(batch),
        "score": np.empty((slots, slots)),
        "score_pull": np.empty((slots, slots)),
        "largest": np.empty(slots),
        "total": np.empty(slots),
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
