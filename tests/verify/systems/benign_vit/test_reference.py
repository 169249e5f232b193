"""The gradients and the trajectory of an independent autograd program come out again, through every door."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import verify

Arrays = Mapping[str, np.ndarray]

GRADIENTS_AGREE = 1e-11
STATES_AGREE = 1e-9

both_engines = pytest.mark.parametrize("engine", ["reduced", "weights"])


def worst(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def assert_is_the_reference(dataset: xarray.Dataset, reference: Arrays) -> None:
    np.testing.assert_array_equal(dataset["step"], reference["step"])
    for name in ("loss", "output", "attention"):
        assert worst(dataset[name].values, reference[name]) < STATES_AGREE, name


def test_the_reference_moves(reference: Arrays) -> None:
    """A reference that stood still could not tell a right step from a wrong one."""
    assert reference["loss"][-1] < 0.1 * reference["loss"][0]
    assert np.abs(reference["attention"][-1] - reference["attention"][0]).max() > 0.1
    assert np.all(reference["X"][:, 0] != 0.0), "signals point in generic directions, along no axis"


def test_gradients_of_the_api(reference: Arrays, reference_file: Path) -> None:
    loss, gradients = verify.loss_and_gradients(verify.load_instance("benign-vit", reference_file))
    assert loss == pytest.approx(reference["loss"][0], rel=GRADIENTS_AGREE)
    assert set(gradients) == {"W_Q", "W_K", "W_V"}
    for name, gradient in gradients.items():
        assert worst(gradient, reference[f"gradient_{name}"]) < GRADIENTS_AGREE, name


def test_gradients_of_the_command(
    command: Callable[..., Any], reference: Arrays, reference_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gradients.npz"
    status, table, _ = command("gradients", "benign-vit", "--instance", reference_file, "--out", out)
    assert status == 0
    assert "DIFFERS" not in table
    with np.load(out) as written:
        assert set(written) == {"loss", "gradient_W_Q", "gradient_W_K", "gradient_W_V"}
        assert float(written["loss"]) == pytest.approx(reference["loss"][0], rel=GRADIENTS_AGREE)
        for name in ("gradient_W_Q", "gradient_W_K", "gradient_W_V"):
            assert worst(written[name], reference[name]) < GRADIENTS_AGREE, name


@both_engines
def test_trajectory_of_the_api(engine: str, reference: Arrays, reference_file: Path) -> None:
    instance = verify.load_instance("benign-vit", reference_file)
    dataset = verify.simulate(instance, steps=400, engine=engine, record_every=10)
    assert dataset.attrs["engine"] == engine
    assert_is_the_reference(dataset, reference)


@both_engines
@pytest.mark.usefixtures("unjudged")
def test_trajectory_of_the_command(
    engine: str, command: Callable[..., Any], reference: Arrays, reference_file: Path, tmp_path: Path
) -> None:
    words = ("--engine", engine, "--steps", 400, "--record-every", 10, "--out", tmp_path / "run")
    status, _, err = command("run", "benign-vit", "--instance", reference_file, *words)
    assert status == 0, err
    with xarray.open_dataset(tmp_path / "run" / "trajectory.nc") as dataset:
        assert_is_the_reference(dataset, reference)


@pytest.mark.parametrize("change", ["step_size", "W_K", "one token"])
def test_another_instance_is_told_from_the_reference(change: str, reference: Arrays, reference_file: Path) -> None:
    instance = verify.load_instance("benign-vit", reference_file)
    X = instance.X.copy()
    X[3, 2, 5] += 1e-6
    other = {
        "step_size": replace(instance, step_size=instance.step_size * (1 + 1e-6)),
        "W_K": replace(instance, W_K=instance.W_K * (1 + 1e-6)),
        "one token": replace(instance, X=X),
    }
    dataset = verify.simulate(other[change], steps=400, record_every=10)
    with pytest.raises(AssertionError):
        assert_is_the_reference(dataset, reference)
