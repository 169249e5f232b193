"""The kernels' gradients against three methods that share nothing with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.gradients import compare_gradients
from verify.io.request import make_request
from verify.systems.token_selection import SYSTEM, gradients
from verify.systems.token_selection.instance import Instance

SMALL = {"n": 2, "T": 3, "d": 12, "m": 3.0, "step_size": 0.5, "test_samples": 0}


def test_gradients_of_a_drawn_problem_agree_and_are_not_zero() -> None:
    table = compare_gradients(make_request("token-selection", settings=SMALL))
    assert table.agrees
    assert [row.weight for row in table.rows] == ["W", "p"]
    assert all(np.abs(gradient).max() > 1e-4 for gradient in table.gradients.values())
    assert all(row.errors["central differences"] < 1e-4 for row in table.rows)


@settings(max_examples=40)
@given(instance=st.from_type(Instance))
def test_gradients_of_any_arrays_agree(instance: Instance) -> None:
    _, found = gradients.loss_and_gradients(instance)
    entries = {name: np.argwhere(np.ones_like(gradient)) for name, gradient in found.items()}
    rounding = gradients.rounding_bounds(instance)
    for method, references in SYSTEM.gradient_references(instance, entries).items():
        for name, reference in references.items():
            tolerance = rounding[name] if method != "central differences" else 1e-6
            np.testing.assert_allclose(reference, found[name].ravel(), rtol=0.0, atol=tolerance, err_msg=method)


@pytest.mark.parametrize("name", ["W", "p"])
def test_a_wrong_gradient_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradients.loss_and_gradients

    def wrong(instance: Instance) -> tuple[float, dict[str, np.ndarray]]:
        loss, found = right(instance)
        found[name] = found[name] * (1 + 1e-9)
        return loss, found

    monkeypatch.setattr(gradients, "loss_and_gradients", wrong)
    table = compare_gradients(make_request("token-selection", settings=SMALL))
    assert [row.agrees for row in table.rows] == [name != "W", name != "p"]
