"""Gradients of the kernels, the references they are held against, and faults that the comparison finds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.gradients import ENTRIES, compare_gradients
from verify.io.request import make_request
from verify.systems.benign_vit import compiled, gradients, kernels
from verify.systems.benign_vit.instance import Instance
from verify.systems.derivatives import DIFFERENCE_STEP


def every_entry(instance: Instance) -> dict[str, np.ndarray]:
    return {name: np.argwhere(np.ones(getattr(instance, name).shape)) for name in gradients.WEIGHTS}


@settings(max_examples=25)
@given(instance=st.from_type(Instance))
def test_kernel_sympy_and_complex_step_agree_to_rounding(instance: Instance) -> None:
    loss, found = gradients.loss_and_gradients(instance)
    assert loss == pytest.approx(gradients.loss_of(instance).real, rel=1e-12)
    allowed = gradients.rounding_bounds(instance)
    by_sympy = gradients.sympy_gradients(instance)
    by_complex_step = gradients.references(instance, every_entry(instance))["complex step"]
    for name in gradients.WEIGHTS:
        assert np.abs(by_sympy[name] - found[name]).max() <= allowed[name]
        assert np.abs(by_complex_step[name] - found[name].ravel()).max() <= allowed[name]


@settings(max_examples=25)
@given(instance=st.from_type(Instance))
def test_central_differences_agree_to_their_truncation(instance: Instance) -> None:
    _, found = gradients.loss_and_gradients(instance)
    by_differences = gradients.references(instance, every_entry(instance))["central differences"]
    for name in gradients.WEIGHTS:
        step = DIFFERENCE_STEP * float(np.abs(getattr(instance, name)).max() or 1.0)
        # Third derivatives are at most about (x k)^3 V/6 = 1e5 here, losses at most 50.
        allowed = 1e5 * step**2 + 50.0 * 2.0**-50 / step
        assert np.abs(by_differences[name] - found[name].ravel()).max() <= allowed


def test_the_rounding_allowed_is_rounding(reference_file: Path) -> None:
    table = compare_gradients(make_request("benign-vit", instance=reference_file))
    assert table.agrees
    for row in table.rows:
        assert row.rounding < 1e-8
        assert max(row.errors["sympy"], row.errors["complex step"]) < 1e-13


@pytest.mark.parametrize("settings", [{}, {"N": 3, "M": 5, "d": 40, "d_h": 3}, {"d": 7, "d_h": 1, "M": 2}])
def test_drawn_problems_agree(settings: dict[str, int]) -> None:
    assert compare_gradients(make_request("benign-vit", settings=settings)).agrees


def test_large_weights_are_compared_at_some_entries() -> None:
    table = compare_gradients(make_request("benign-vit", seed=3))
    row = next(row for row in table.rows if row.weight == "W_Q")
    assert ENTRIES - 1 <= row.compared <= ENTRIES < row.entries


attention_gradient, logistic_loss = kernels.attention_gradient, kernels.logistic_loss


def without_the_mean(attention: Any, token_value: Any, pull: Any) -> None:
    pull[...] = attention * token_value[:, None, :] / attention.shape[1]


def transposed(attention: Any, token_value: Any, pull: Any) -> None:
    attention_gradient(attention, token_value, pull)
    pull[...] = pull.transpose(0, 2, 1).copy()


def without_the_average(attention: Any, token_value: Any, pull: Any) -> None:
    attention_gradient(attention, token_value, pull)
    pull *= attention.shape[1]


def of_the_wrong_sign(labels: Any, output: Any, loss_derivative: Any) -> float:
    loss = logistic_loss(labels, output, loss_derivative)
    loss_derivative *= -1.0
    return loss


FAULTS = {
    "the mean is left out of A": ("attention_gradient", without_the_mean, {"W_Q", "W_K"}),
    "A is transposed": ("attention_gradient", transposed, {"W_Q", "W_K"}),
    "A is not averaged over queries": ("attention_gradient", without_the_average, {"W_Q", "W_K"}),
    "the loss derivative has the wrong sign": ("logistic_loss", of_the_wrong_sign, {"W_Q", "W_K", "W_V"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_kernel_differs(
    fault: str, command: Callable[..., Any], reference_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, broken, wrong = FAULTS[fault]
    monkeypatch.setattr(kernels, name, broken)
    monkeypatch.setattr(compiled, "forward", kernels.forward)
    table = compare_gradients(make_request("benign-vit", instance=reference_file))
    assert {row.weight for row in table.rows if not row.agrees} == wrong
    status, out, _ = command("gradients", "benign-vit", "--instance", reference_file)
    assert status == 1
    assert out.count("DIFFERS") == len(wrong)
