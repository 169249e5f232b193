import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Expr, Integer, Symbol

from proofs.shared.softmax import (
    IdentityFails,
    prove_output_by_score,
    prove_row_sum_vanishes,
    prove_softmax_jacobian,
    require_zero,
    softmax,
    sympy_gradient_of_output,
    weighted_value,
)

rows = st.integers(2, 6).flatmap(
    lambda tokens: st.tuples(*[st.lists(st.floats(-8, 8), min_size=tokens, max_size=tokens)] * 2)
)


def test_jacobian_holds_for_every_number_of_tokens() -> None:
    assert prove_softmax_jacobian()
    assert prove_softmax_jacobian(lambda phi_j, phi_k, same: phi_k * (same - phi_j))


@pytest.mark.parametrize(
    "broken",
    [
        lambda phi_j, phi_k, same: phi_j * same,
        lambda phi_j, phi_k, same: -phi_j * phi_k,
        lambda phi_j, phi_k, same: phi_j * (phi_k - same),
        lambda phi_j, phi_k, same: phi_j * (same - phi_j),
        lambda phi_j, phi_k, same: phi_j * (1 - phi_k),
    ],
    ids=["no product", "no diagonal", "sign", "wrong index", "diagonal everywhere"],
)
def test_a_wrong_jacobian_is_caught(broken) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(IdentityFails, match="d phi_j / d s_k"):
        prove_softmax_jacobian(broken)


def without_average(phi_k: Expr, value_k: Expr, output: Expr) -> Expr:
    return phi_k * value_k


def with_average_added(phi_k: Expr, value_k: Expr, output: Expr) -> Expr:
    return phi_k * (value_k + output)


def negated(phi_k: Expr, value_k: Expr, output: Expr) -> Expr:
    return phi_k * (output - value_k)


@pytest.mark.parametrize("broken", [without_average, with_average_added, negated])
def test_a_wrong_derivative_of_the_output_is_caught(broken) -> None:  # type: ignore[no-untyped-def]
    assert prove_output_by_score()
    with pytest.raises(IdentityFails, match="d output / d s_k"):
        prove_output_by_score(broken)


@pytest.mark.parametrize("broken", [without_average, with_average_added])
def test_a_derivative_whose_row_does_not_sum_to_zero_is_caught(broken) -> None:  # type: ignore[no-untyped-def]
    assert prove_row_sum_vanishes()
    with pytest.raises(IdentityFails, match="sum over k"):
        prove_row_sum_vanishes(broken)


def test_only_the_symbol_zero_is_accepted() -> None:
    x = Symbol("x")
    require_zero("expanded", (x + 1) ** 2 - x**2 - 2 * x - 1)
    with pytest.raises(IdentityFails) as caught:
        require_zero("an entry", x - x * Integer(2))
    assert caught.value.entry == "an entry"
    assert caught.value.difference == -x


@given(rows)
def test_generated_derivatives_agree_with_mpmath(row: tuple[list[float], list[float]]) -> None:
    scores, values = row
    output, by_score, by_value = sympy_gradient_of_output(len(scores))(scores, values)
    with mpmath.workdps(40):
        weights = [mpmath.exp(s) for s in scores]
        total = mpmath.fsum(weights)
        expected = mpmath.fsum(w * v for w, v in zip(weights, values, strict=True)) / total
        by_value_expected = [w / total for w in weights]
        by_score_expected = [w / total * (mpmath.mpf(v) - expected) for w, v in zip(weights, values, strict=True)]
    # Each printed derivative is a sum of products of at most 2 M terms of size max |V|, each a few
    # roundings off.
    tolerance = 64 * len(scores) * np.finfo(float).eps * (1 + max(abs(v) for v in values))
    assert math.isclose(output, float(expected), rel_tol=0, abs_tol=tolerance)
    np.testing.assert_allclose(by_value, [float(b) for b in by_value_expected], rtol=0, atol=tolerance)
    np.testing.assert_allclose(by_score, [float(b) for b in by_score_expected], rtol=0, atol=tolerance)


def test_generated_derivatives_accept_arrays_and_are_generated_once() -> None:
    row_derivatives = sympy_gradient_of_output(3)
    assert sympy_gradient_of_output(3) is row_derivatives
    scores, values = np.arange(12.0).reshape(3, 4) / 7, np.arange(12.0)[::-1].reshape(3, 4)
    together = row_derivatives(scores, values)
    for column in range(4):
        alone = row_derivatives(list(scores[:, column]), list(values[:, column]))
        np.testing.assert_allclose([a[column] for a in together.by_score], alone.by_score, rtol=1e-14)


def test_softmax_weights_add_up_to_one_and_average_the_values() -> None:
    s = [Symbol(f"s{j}") for j in range(3)]
    phi = softmax(s)
    assert sum(phi).simplify() == 1
    assert weighted_value(phi, [Integer(5)] * 3).simplify() == 5
