"""Matrices of mpmath numbers for trajectories computed in 60 digits, and what enclosures of them miss."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb

from verify.checking.balls import working_precision

DIGITS = 60
ACCURACY = arb("1e-50")
"""What a reference may be off by: its numbers are of order 1, and it makes some thousand operations."""


def exact(number: Any) -> Any:
    """A binary64 number."""
    return mpmath.mpf(float(number))


def exact_matrix(array: Any) -> Any:
    """A matrix, or a row, of binary64 numbers."""
    return mpmath.matrix([[exact(entry) for entry in row] for row in np.atleast_2d(array)])


def row_of(numbers: Sequence[Any]) -> Any:
    """A row of mpmath numbers."""
    return mpmath.matrix([list(numbers)])


def numbers_of(matrix: Any) -> dict[tuple[int, ...], Any]:
    """The entries of a matrix by their places."""
    return {(i, j): matrix[i, j] for i in range(matrix.rows) for j in range(matrix.cols)}


def missed(arrays: Mapping[str, Any], reference: Sequence[Mapping[str, Any]]) -> list[str]:
    """What enclosures do not hold of a trajectory; entries of its states by their places, or one number."""
    found = []
    with working_precision(400):
        for step, state in enumerate(reference):
            for name, wanted in state.items():
                for place, number in (wanted if isinstance(wanted, dict) else {(): wanted}).items():
                    if not arrays[name][(step, *place)].overlaps(arb(mpmath.nstr(number, DIGITS), ACCURACY)):
                        found.append(f"{name}{list(place)} at {step}")
    return found


@pytest.fixture(scope="session")
def sixty_digits() -> SimpleNamespace:
    """What trajectories in 60 digits are made with, and compared with."""
    return SimpleNamespace(
        digits=DIGITS, exact=exact, matrix=exact_matrix, row=row_of, numbers_of=numbers_of, missed=missed
    )
