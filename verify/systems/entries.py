"""Entries and labels of small arrays, for Hypothesis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

ENTRY = st.floats(-1.5, 1.5).map(lambda entry: entry if abs(entry) > 1e-6 else 0.0)
"""Zero, or so large that products of entries do not underflow."""

STEP_SIZE = st.floats(0.01, 0.2)


def matrices(*shape: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Arrays of a shape; equal entries and zeros are likely."""
    return arrays(np.float64, shape, elements=ENTRY)


def signs(count: int) -> st.SearchStrategy[NDArray[Any]]:
    """So many labels, -1 or 1."""
    return arrays(np.float64, count, elements=st.sampled_from([1.0, -1.0]))
