"""Small instances of `token-selection` wherever a property asks for one, and the trajectory of the published code."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from verify.strategies import instances
from verify.systems.token_selection.instance import Instance

st.register_type_strategy(Instance, instances("token-selection"))


@pytest.fixture(scope="session")
def official_file() -> Path:
    """380 steps of the published code; `tests/data/README.md` describes it."""
    return Path(__file__).parents[3] / "data" / "token_selection_official.npz"


@pytest.fixture(scope="session")
def official(official_file: Path) -> dict[str, np.ndarray]:
    with np.load(official_file) as arrays:
        return dict(arrays)
