"""Enclosures of operator norms hold the norm, are narrow, and give up nothing where entries are not exact."""

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.certify.arrays import balls
from verify.certify.norms import operator_norm
from verify.checking.balls import working_precision

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(arrays(float, SHAPES, elements=st.floats(-5, 5).map(lambda x: round(x, 3))))
def test_the_norm_is_that_of_the_singular_values(matrix: np.ndarray) -> None:
    with working_precision(128):
        found = operator_norm(balls(matrix))
    assert abs(float(found) - np.linalg.norm(matrix, 2)) <= 1e-12 * (1 + np.linalg.norm(matrix, 2))
    assert float(found.rad()) <= 1e-12 * float(found)


@pytest.mark.parametrize("angle", [0.0, 0.3, 2.0])
def test_known_norms_are_held_also_where_singular_values_are_equal(angle: float) -> None:
    with working_precision(128):
        turn = np.array([[arb(angle).cos(), -arb(angle).sin()], [arb(angle).sin(), arb(angle).cos()]], dtype=object)
        assert operator_norm(turn).contains(1)
        stretched = operator_norm(turn @ balls(np.diag([3.0, 3.0])))
        assert stretched.contains(3)
        assert stretched.rad() < arb("1e-25")


def test_the_norm_of_a_blurred_matrix_reaches_all_its_members() -> None:
    found = operator_norm(np.array([[arb(1, 0.5), arb(0)], [arb(0), arb(1, 0.25)]], dtype=object))
    for member in (0.75, 1.0, 1.25, 1.5):
        assert found.contains(member)


def test_nothing_is_zero_and_what_is_no_number_has_no_norm() -> None:
    assert operator_norm(balls(np.zeros((2, 3)))) == 0
    assert not operator_norm(np.array([[arb("nan")]], dtype=object)).is_finite()
