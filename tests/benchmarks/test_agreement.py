"""The comparison before any time is taken: rounding passes, errors and loss that hardly moves do not."""

import numpy as np
import pytest

from benchmarks.agreement import Agreement, compare, require_agreement
from benchmarks.contestants import FLOAT64, Array

STEPS, TERMS = 20, 100
REFERENCE = np.linspace(1.0, 0.5, STEPS)
GOOD = Agreement("good", difference=1e-15, tolerance=1e-14, moved=0.5)
WRONG = Agreement("wrong", difference=1e-3, tolerance=1e-14, moved=0.5)


class Given:
    name = "given"
    precision = FLOAT64

    def __init__(self, losses: Array) -> None:
        self._losses = losses

    def train(self, steps: int) -> Array:
        return self._losses[:steps]


@pytest.mark.parametrize(("factor", "holds"), [(1.0, True), (1.0 + 40 * FLOAT64, True), (1.0 + 50 * FLOAT64, False)])
def test_differences_are_held_against_rounding(factor: float, holds: bool) -> None:
    agreement = compare(REFERENCE, Given(REFERENCE * factor), TERMS)
    assert agreement.tolerance == pytest.approx(FLOAT64 * np.sqrt(STEPS * TERMS), rel=1e-15)
    assert agreement.holds is holds


def test_losses_that_do_not_move_agree_with_nothing() -> None:
    constant = np.ones(STEPS)
    assert not compare(constant, Given(constant), TERMS).holds


def test_disagreement_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match="wrong disagrees"):
        require_agreement([GOOD, WRONG], control=WRONG)


def test_a_control_that_agrees_is_refused() -> None:
    with pytest.raises(SystemExit, match="goes unseen"):
        require_agreement([GOOD], control=GOOD)


def test_agreement_with_a_control_that_disagrees_passes() -> None:
    require_agreement([GOOD], control=WRONG)
