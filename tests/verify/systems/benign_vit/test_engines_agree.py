"""One drawn problem, both engines, 2000 steps: the same numbers, test quantities included."""

import numpy as np
import pytest
import xarray

from verify.io.request import make_request
from verify.runs import carry_out
from verify.systems.benign_vit import BenignVit

AGREEMENT = 1e-9
RECORD_EVERY = 500


def trajectory(engine: str, seed: int = 0) -> xarray.Dataset:
    request = make_request(
        "benign-vit", preset="small", engine=engine, steps=2000, record_every=RECORD_EVERY, seed=seed
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BenignVit, "lemmas", lambda self: [])
        return carry_out(request).trajectory


@pytest.fixture(scope="module")
def weights() -> xarray.Dataset:
    return trajectory("weights")


def test_small_on_both_engines(weights: xarray.Dataset) -> None:
    reduced = trajectory("reduced")
    assert weights.attrs["engine"] == "weights"
    assert reduced.attrs["engine"] == "reduced"
    assert list(reduced["step"]) == list(range(0, 2001, RECORD_EVERY))
    assert set(reduced) == set(weights)
    assert {"test_loss", "test_error", "value", "score"} <= set(reduced)
    for name in reduced:
        wanted = weights[name].values
        size = np.abs(wanted).max() or 1.0
        assert np.abs(reduced[name].values - wanted).max() < AGREEMENT * size, name


def test_the_problem_is_far_from_its_start(weights: xarray.Dataset) -> None:
    """Agreement is only worth something where the states have moved."""
    loss, attention, test_loss = (weights[name].values for name in ("loss", "attention", "test_loss"))
    assert loss[-1] < 0.9 * loss[0]
    assert np.abs(attention[-1] - attention[0]).max() > 0.1
    assert abs(test_loss[-1] - test_loss[0]) > 0.1


def test_another_seed_is_told_apart(weights: xarray.Dataset) -> None:
    other = trajectory("reduced", seed=1)
    assert np.abs(other["loss"].values - weights["loss"].values).max() > 1e3 * AGREEMENT
