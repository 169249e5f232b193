"""Hypothesis strategies for the arrays of `token-selection`, and the trajectory of the published code."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.systems.token_selection.instance import Instance

ENTRY = st.floats(-1.5, 1.5).map(lambda entry: entry if abs(entry) > 1e-6 else 0.0)
"""Zero, or so large that products of entries do not underflow."""


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Small instances, W of any shape, p anywhere; Hypothesis likes equal entries, so equal and zero tokens occur."""
    samples, tokens, dimension = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.integers(1, 5))
    rows = draw(st.integers(1, 5))

    def array(*shape: int) -> np.ndarray:
        return draw(arrays(np.float64, shape, elements=ENTRY))

    signs = arrays(np.float64, samples, elements=st.sampled_from([-1.0, 1.0]))
    return Instance(
        X=array(samples, tokens, dimension),
        y=draw(signs),
        y_clean=draw(signs),
        W=array(rows, dimension),
        p=array(rows),
        nu=array(dimension),
        step_size=draw(st.floats(0.01, 0.2)),
    )


st.register_type_strategy(Instance, instances())


@pytest.fixture(scope="session")
def official_file() -> Path:
    """380 steps of the published code; `tests/data/README.md` describes it."""
    return Path(__file__).parents[3] / "data" / "token_selection_official.npz"


@pytest.fixture(scope="session")
def official(official_file: Path) -> dict[str, np.ndarray]:
    with np.load(official_file) as arrays:
        return dict(arrays)
