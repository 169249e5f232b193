"""The independent autograd trajectory, and small instances."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from verify.systems.shallow_vit.draw import draw
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.problem import Problem

REFERENCE = Path(__file__).parents[3] / "data" / "shallow_vit_autograd.npz"

SMALL = {"N": 6, "L": 10, "M": 4, "d": 7, "m": 6, "m_a": 5, "m_b": 8, "n_star": 3, "n_sharp": 1, "xi": 0.7}
SMALL |= {"delta": 0.6, "dirichlet": 0.5, "step_size": 0.3, "B": 4, "loss_every": 1, "loss_target": 0.0}


def small(**changed: object) -> Problem:
    return Problem.model_validate(SMALL | {"test_samples": 0} | changed)


@pytest.fixture
def reference_file() -> Path:
    return REFERENCE


@pytest.fixture(scope="session")
def reference() -> Mapping[str, np.ndarray]:
    with np.load(REFERENCE) as arrays:
        return dict(arrays)


@pytest.fixture
def patterns() -> Instance:
    return draw(small(), seed=3)


@pytest.fixture
def noisy() -> Instance:
    return draw(small(tau=0.7, d=9), seed=3)
