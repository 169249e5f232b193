"""The gradients and the trajectory of an independent autograd program come out again, through every door."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import verify
from verify.io.settings import validated
from verify.systems.base import find_system

Arrays = Mapping[str, np.ndarray]
AGREE = 1e-10
STEPS = 149

both_engines = pytest.mark.parametrize("engine", ["gram", "weights"])


def test_the_reference_moves(reference: Arrays) -> None:
    assert reference["loss_all_samples"][-1] < 0.9 * reference["loss_all_samples"][0]
    assert all(
        np.abs(reference[f"final_{name}"] - reference[name]).max() > 1e-3 for name in ("W_O", "W_V", "W_K", "W_Q")
    )


def test_gradients_of_the_api(reference: Arrays, reference_file: Path) -> None:
    loss, gradients = verify.loss_and_gradients(verify.load_instance("shallow-vit", reference_file))
    assert loss == pytest.approx(reference["loss"][0], rel=AGREE)
    assert set(gradients) == {"W_O", "W_V", "W_K", "W_Q"}
    for name, gradient in gradients.items():
        wanted = reference[f"gradient_{name}"]
        assert np.abs(gradient - wanted).max() < AGREE * np.abs(wanted).max(), name


def test_gradients_of_the_command(
    command: Callable[..., Any], reference: Arrays, reference_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gradients.npz"
    status, table, _ = command("gradients", "shallow-vit", "--instance", reference_file, "--out", out)
    assert status == 0
    assert "DIFFERS" not in table
    with np.load(out) as written:
        assert float(written["loss"]) == pytest.approx(reference["loss"][0], rel=AGREE)
        np.testing.assert_allclose(written["gradient_W_K"], reference["gradient_W_K"], atol=AGREE)


def assert_is_the_reference(dataset: xarray.Dataset, reference: Arrays) -> None:
    np.testing.assert_array_equal(dataset["step"], reference["step"])
    np.testing.assert_allclose(dataset["batch_loss"], reference["loss"], atol=AGREE)
    np.testing.assert_allclose(dataset["loss"], reference["loss_all_samples"], atol=AGREE)


@both_engines
def test_trajectory_of_the_api(engine: str, reference: Arrays, reference_file: Path) -> None:
    instance = verify.load_instance("shallow-vit", reference_file)
    dataset = verify.simulate(instance, steps=STEPS, engine=engine, record_every=1)
    assert_is_the_reference(dataset, reference)


def test_trajectory_of_the_command(
    command: Callable[..., Any], reference: Arrays, reference_file: Path, tmp_path: Path
) -> None:
    words = ("--engine", "weights", "--steps", STEPS, "--record-every", 1, "--out", tmp_path / "run")
    status, text, err = command("run", "shallow-vit", "--instance", reference_file, *words)
    assert status == 0, err
    assert "violated: 0" in text
    with xarray.open_dataset(tmp_path / "run" / "trajectory.nc") as dataset:
        assert_is_the_reference(dataset, reference)


@both_engines
def test_weights_at_the_end(engine: str, reference: Arrays, reference_file: Path) -> None:
    """The closed recursion ends at weights with the same products, which are all that outputs know of them."""
    system = find_system("shallow-vit")
    instance = verify.load_instance("shallow-vit", reference_file)
    prepared = system.prepare_arrays(instance, validated(system.arrays_given, {}), 0, engine)
    prepared.dynamics.advance(STEPS + 1, -1.0, [])
    found = prepared.dynamics.instance()
    wanted = {name: reference[f"final_{name}"] for name in ("W_O", "W_V", "W_K", "W_Q")}
    np.testing.assert_allclose(found.W_O @ found.W_V, wanted["W_O"] @ wanted["W_V"], atol=AGREE)
    np.testing.assert_allclose(found.W_K.T @ found.W_Q, wanted["W_K"].T @ wanted["W_Q"], atol=AGREE)
    np.testing.assert_allclose(found.W_K.T @ found.W_K, wanted["W_K"].T @ wanted["W_K"], atol=AGREE)
    if engine == "weights":
        for name, array in wanted.items():
            np.testing.assert_allclose(getattr(found, name), array, atol=AGREE)
