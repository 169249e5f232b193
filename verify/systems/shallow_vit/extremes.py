"""Instances of `shallow-vit` made to break statements, for Hypothesis."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as arrays_of

from verify.systems.entries import signs
from verify.systems.extreme import STEP_SIZES, scaled
from verify.systems.shallow_vit.instance import Instance


@st.composite
def arrays(draw: st.DrawFn) -> Instance:
    """Tokens anywhere, or patterns without noise; weights in any position."""
    samples, tokens = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    patterns = None
    if draw(st.booleans()):
        dimension = draw(st.integers(2, 4))
        patterns = np.eye(dimension)
        X = patterns[draw(arrays_of(np.int64, (samples, tokens), elements=st.integers(0, dimension - 1)))]
    else:
        dimension = draw(st.integers(1, 3))
        X = draw(scaled(samples, tokens, dimension))
    neurons, values, heads = (draw(st.integers(1, 2)) for _ in range(3))
    return Instance(
        X=X,
        y=draw(signs(samples)),
        a=draw(scaled(neurons)),
        W_O=draw(scaled(neurons, values)),
        W_V=draw(scaled(values, dimension)),
        W_K=draw(scaled(heads, dimension)),
        W_Q=draw(scaled(heads, dimension)),
        patterns=patterns,
        step_size=draw(STEP_SIZES),
    )
