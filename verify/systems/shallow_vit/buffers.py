"""Buffers of the kernels, taken once a run, and those that a stretch fills."""

import numpy as np

from verify.systems.shallow_vit.kernels import GramBuffers, Recording, Workspace


def workspace(dimension: int, neurons: int, slots: int, at_once: int) -> Workspace:
    """The buffers of one step, for so many samples looked at together."""
    rows = at_once * slots
    return Workspace(
        score_map=np.empty((dimension, dimension)),
        effect_map=np.empty((dimension, neurons)),
        score_drive=np.empty((dimension, dimension)),
        effect_drive=np.empty((dimension, neurons)),
        attention=np.empty((at_once, slots, slots)),
        token_effect=np.empty((at_once, slots, slots)),
        weighted=np.empty((at_once, slots, slots)),
        mean_effect=np.empty((at_once, slots)),
        hidden=np.empty((rows, neurons)),
        gate=np.empty((rows, neurons)),
        output=np.empty(at_once),
        active=np.empty(at_once),
        score=np.empty((slots, slots)),
        score_pull=np.empty((slots, slots)),
        effect=np.empty((slots, neurons)),
        effect_pull=np.empty((slots, neurons)),
        scored=np.empty((slots, dimension)),
        square=np.empty((dimension, dimension)),
        tall=np.empty((dimension, neurons)),
    )


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
