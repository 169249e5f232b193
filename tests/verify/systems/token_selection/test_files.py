"""Instance files: what is read, and what is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import RequestError
from verify.systems.token_selection.files import EXPECTED, load_instance, save_instance
from verify.systems.token_selection.instance import Instance

Arrays = dict[str, Any]


def good() -> Arrays:
    rng = np.random.default_rng(0)
    shapes = {"X": (2, 3, 4), "W": (5, 4), "p": (5,), "nu": (4,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    y = np.array([1.0, -1.0])
    return {**arrays, "y": y, "y_clean": -y, "step_size": np.array(0.1)}


def write(path: Path, arrays: Arrays) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    return path


@given(instance=st.from_type(Instance))
def test_a_saved_instance_is_read_bit_for_bit(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "instance.npz"
    save_instance(instance, path)
    found, notes = load_instance(path)
    assert notes == []
    for name in EXPECTED:
        np.testing.assert_array_equal(getattr(found, name), getattr(instance, name))


def test_a_step_size_is_not_needed_and_other_arrays_are_noted(tmp_path: Path) -> None:
    arrays = good()
    del arrays["step_size"]
    instance, notes = load_instance(write(tmp_path / "mine.npz", {**arrays, "loss": np.zeros(3)}))
    assert instance.step_size is None
    assert notes == ["mine.npz: ignored array(s) loss"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"y": np.array([1.0, 0.5])}, r"y\[1\] in .* is 0.5 \(labels are -1 or 1\)"),
        ({"y_clean": np.array([2.0, 1.0])}, r"y_clean\[0\] in .* is 2"),
        ({"X": np.zeros((2, 1, 4))}, "T = 1 tokens a sample"),
        ({"step_size": np.array(0.0)}, "step_size in .* must be greater than 0"),
        ({"p": np.zeros(4)}, r"array p of .* has shape \(4,\) \(\(5\) is needed"),
        ({"nu": np.zeros(3)}, "array nu of .* has shape"),
        ({"W": np.full((5, 4), np.nan)}, r"W\[0, 0\] in .* is nan"),
        ({"y_clean": None}, "has no array y_clean"),
    ],
)
def test_what_is_no_instance_is_refused(changed: Arrays, words: str, tmp_path: Path) -> None:
    arrays = {name: array for name, array in {**good(), **changed}.items() if array is not None}
    with pytest.raises(RequestError, match=words):
        load_instance(write(tmp_path / "bad.npz", arrays))
