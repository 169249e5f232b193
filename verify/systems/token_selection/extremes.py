"""Instances of `token-selection` made to break statements, for Hypothesis."""

from hypothesis import strategies as st

from verify.systems.entries import signs
from verify.systems.extreme import STEP_SIZES, scaled
from verify.systems.token_selection.instance import Instance


@st.composite
def arrays(draw: st.DrawFn) -> Instance:
    """Tokens, weights and head in any position; p is often 0, as the stage-one statements ask for."""
    samples, tokens, dimension, rows = (draw(st.integers(*ends)) for ends in ((1, 3), (2, 4), (1, 3), (1, 3)))
    labels = draw(signs(samples))
    return Instance(
        X=draw(scaled(samples, tokens, dimension)),
        y=labels,
        y_clean=labels if draw(st.booleans()) else draw(signs(samples)),
        W=draw(scaled(rows, dimension)),
        p=draw(scaled(rows)) * draw(st.sampled_from([0.0, 1.0])),
        nu=draw(scaled(dimension)),
        step_size=draw(STEP_SIZES),
    )
