"""Entries, scales and steps of instances made to break statements, for Hypothesis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

SHORT = st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0, 3.0])
"""Few different entries: equal and zero tokens, ties and cancellations are common, and products are exact."""

SCALES = st.sampled_from([1.0, 0.0, 2.0**-10, 2.0**-6, 0.125, 0.5, 4.0, 64.0])

POSITIVE_SCALES = SCALES.filter(bool)

STEP_SIZES = st.sampled_from([1.0, 2.0**-10, 2.0**-4, 0.5, 8.0, 64.0, 2.0**10])


@st.composite
def scaled(draw: st.DrawFn, *shape: int, scales: st.SearchStrategy[float] = SCALES) -> NDArray[np.float64]:
    """An array of short entries times one scale; adding zero turns -0.0 into 0.0."""
    entries: NDArray[Any] = draw(arrays(np.float64, shape, elements=SHORT))
    return np.asarray(draw(scales) * entries + 0.0)
