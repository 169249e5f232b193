"""Instances of `benign-vit` made to break statements, for Hypothesis."""

import numpy as np
from hypothesis import strategies as st

from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.kernels import Array
from verify.systems.entries import signs
from verify.systems.extreme import POSITIVE_SCALES, SCALES, STEP_SIZES, scaled

PLANES = ((1.0, slice(0, 2)), (-1.0, slice(2, 4)))
"""The plane in which the signals of a class lie where they are orthogonal to all else; noise has what is left."""


@st.composite
def arrays(draw: st.DrawFn) -> Instance:
    """Tokens anywhere, or signals orthogonal to noise and to the other class; shared signals, and values that fit."""
    samples, tokens = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    labels = draw(signs(samples))
    kind = draw(st.sampled_from(["anywhere", "clean", "shared"]))
    if kind == "anywhere":
        dimension = draw(st.integers(1, 3))
        X = draw(scaled(samples, tokens, dimension, scales=POSITIVE_SCALES))
    else:
        dimension = 6
        X = draw(_clean(samples, tokens, labels, shared=kind == "shared"))
    values = draw(scaled(dimension, 1))
    if kind == "shared" and draw(st.booleans()):
        for label, plane in PLANES:
            values[plane] = label * np.abs(values[plane])
        values[4:] *= draw(SCALES)
    heads = draw(st.integers(1, 2))
    return Instance(
        X=X,
        y=labels,
        W_Q=draw(scaled(dimension, heads)),
        W_K=draw(scaled(dimension, heads)),
        W_V=values,
        w_O=draw(scaled(1)),
        step_size=draw(STEP_SIZES),
    )


@st.composite
def _clean(draw: st.DrawFn, samples: int, tokens: int, labels: Array, shared: bool) -> Array:
    """Signals of a class at right angles at most, in a plane of their own; `shared`: one for each class."""
    X = np.zeros((samples, tokens, 6))
    X[:, 1:, 4:] = draw(scaled(samples, tokens - 1, 2))
    for label, plane in PLANES:
        signals = np.abs(draw(scaled(samples, 2, scales=POSITIVE_SCALES)))
        X[:, 0, plane] = (signals[:1] if shared else signals) * (labels == label)[:, None]
    return X
