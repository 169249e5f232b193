"""Hypothesis strategies for the arrays of `benign-vit`."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.systems.benign_vit.instance import Instance

ENTRY = st.floats(-1.5, 1.5).map(lambda entry: entry if abs(entry) > 1e-6 else 0.0)
"""Zero, or so large that products of entries do not underflow."""


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Small instances; Hypothesis likes equal entries, so equal tokens occur inside and across samples."""
    samples, tokens, dimension = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    heads, width = draw(st.integers(1, 5)), draw(st.integers(1, 3))

    def array(*shape: int) -> np.ndarray:
        return draw(arrays(np.float64, shape, elements=ENTRY))

    return Instance(
        X=array(samples, tokens, dimension),
        y=draw(arrays(np.float64, samples, elements=st.sampled_from([-1.0, 1.0]))),
        W_Q=array(dimension, heads),
        W_K=array(dimension, heads),
        W_V=array(dimension, width),
        w_O=array(width),
        step_size=draw(st.floats(0.01, 0.2)),
    )


st.register_type_strategy(Instance, instances())
