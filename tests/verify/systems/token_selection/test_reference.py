"""The trajectory of the published code comes out again."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import verify

STATES_AGREE = 1e-10


def test_the_reference_moves(official: Mapping[str, np.ndarray]) -> None:
    """A reference that stood still could not tell a right step from a wrong one."""
    assert official["loss"][-1] < 0.75 * official["loss"][0]
    assert np.abs(official["attention"][-1] - official["attention"][0]).max() > 0.5
    assert not np.array_equal(official["y"], official["y_clean"])


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_the_published_trajectory(engine: str, official: Mapping[str, np.ndarray], official_file: Path) -> None:
    steps = official["step"]
    instance = verify.load_instance("token-selection", official_file)
    found = verify.simulate(instance, steps=int(steps[-1]), engine=engine, record_every=int(steps[1]))
    np.testing.assert_array_equal(found["step"], steps)
    for name in ("loss", "attention"):
        np.testing.assert_allclose(found[name].values, official[name], rtol=0.0, atol=STATES_AGREE, err_msg=name)


def test_labels_of_the_published_data_follow_its_rule(official: Mapping[str, np.ndarray]) -> None:
    from verify.systems.token_selection.draw import head, labels
    from verify.systems.token_selection.problem import Problem

    problem = Problem(d=200, m=10.0)
    y, y_clean = labels(problem)
    np.testing.assert_array_equal(y, official["y"])
    np.testing.assert_array_equal(y_clean, official["y_clean"])
    np.testing.assert_allclose(head(problem, 200), official["nu"], rtol=1e-6)
