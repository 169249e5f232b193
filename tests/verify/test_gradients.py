"""The file of gradients: whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verify.errors import RequestError
from verify.gradients import GradientRow, GradientTable, write_gradients

TABLE = GradientTable(0.5, {"A": np.eye(2), "B": np.ones(3)}, [], [])


def test_loss_and_gradients_are_written(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_gradients(TABLE, tmp_path / "g.npz")
    with np.load(tmp_path / "g.npz") as found:
        assert set(found) == {"loss", "gradient_A", "gradient_B"}
        assert float(found["loss"]) == 0.5
        np.testing.assert_array_equal(found["gradient_A"], np.eye(2))
    assert (tmp_path / "g.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode
    write_gradients(TABLE, tmp_path / "g.npz")
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "g.npz"}


@pytest.mark.parametrize("name", ["folder", "missing/g.npz", "file/g.npz", f"{os.devnull}/g.npz", "x" * 300])
def test_a_file_that_cannot_be_written_is_refused(name: str, refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"^--out: "):
        write_gradients(TABLE, tmp_path / name)
    assert refusal("gradients", "benign-vit", "--set", "N=1", "M=2", "--out", name).startswith("--out: ")


@pytest.mark.parametrize(("error", "agrees"), [(1e-13, True), (1e-11, False), (np.nan, False)])
@pytest.mark.parametrize("method", ["sympy", "complex step"])
def test_a_difference_beyond_rounding_is_no_agreement(error: float, agrees: bool, method: str) -> None:
    errors: dict[str, Any] = {"sympy": 0.0, "complex step": 0.0, "central differences": 1.0, method: error}
    row = GradientRow("W", 3, 3, errors, rounding=1e-12)
    assert row.agrees is agrees
    assert GradientTable(0.5, {}, [row], []).agrees is agrees
