from typing import Any

import pytest
from sympy import Expr, Matrix, exp

from proofs.shared.softmax import IdentityFails
from proofs.token_selection.gradients import (
    PROVED_SIZES,
    STEP_SIZES,
    HandForm,
    Instance,
    Size,
    gram_step,
    prove_gap_identity,
    prove_gradients,
    prove_gram_system,
    prove_pairwise_drive,
    prove_representer,
    prove_steps_of_weights,
)

SMALLEST = Size(samples=2, width=1, rows=1)


class MeanForgotten(HandForm):
    def score_drive(self, n: int) -> Matrix:
        phi = [exp(score) for score in self.instance.scores(n)]
        weight = self.instance.Y[n] / (1 + exp(self.instance.Y[n] * self.instance.output(n)))
        drives = [each * gamma / sum(phi) for each, gamma in zip(phi, self.instance.gamma[n], strict=True)]
        return weight / self.instance.size.samples * Matrix(drives)


class SamplesSummed(HandForm):
    def score_drive(self, n: int) -> Matrix:
        return super().score_drive(n) * self.instance.size.samples


class PushedBack(HandForm):
    def gradient_p(self) -> Matrix:
        return -super().gradient_p()


class WeightsUnscaled(HandForm):
    def gradient_W(self) -> Matrix:
        return super().gradient_W() * 2


@pytest.mark.parametrize("size", PROVED_SIZES, ids=str)
def test_gradients_are_the_derivatives_of_the_loss(size: Size) -> None:
    assert prove_gradients(size)


@pytest.mark.parametrize("form", [MeanForgotten, SamplesSummed, PushedBack, WeightsUnscaled])
def test_wrong_gradients_are_refused(form: type[HandForm]) -> None:
    with pytest.raises(IdentityFails, match=r"dL/d[pW]\[0, 0\]"):
        prove_gradients(SMALLEST, form)


@pytest.mark.parametrize("size", STEP_SIZES, ids=str)
def test_steps(size: Size) -> None:
    assert prove_gram_system(size)
    assert prove_steps_of_weights(size)


def without_squares(h: Expr, K: Matrix, c: Matrix, a: Matrix, M: Matrix, q: Expr) -> tuple[Matrix, Matrix, Expr]:
    scores, M_next, q_next = gram_step(h, K, c, a, M, q)
    first_order: Any = [each.applyfunc(lambda entry: entry.expand().coeff(h, 0)) for each in (scores, M_next)]
    return first_order[0] + h * (M * c + q * K * c), M_next, q_next


def test_first_order_steps_are_refused() -> None:
    with pytest.raises(IdentityFails, match="scores"):
        prove_gram_system(Size(rows=1, width=1), without_squares)


@pytest.mark.parametrize("size", STEP_SIZES[:2], ids=str)
def test_the_representer(size: Size) -> None:
    assert prove_representer(size)


def test_pairs_and_gaps() -> None:
    assert prove_pairwise_drive(3)
    assert prove_gap_identity()


@pytest.mark.parametrize("name", ["samples", "tokens", "width", "rows"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0"):
        Size(**{name: 0})


def test_every_entry_of_an_instance_is_a_symbol_of_its_own() -> None:
    instance = Instance(Size(samples=2, tokens=3))
    entries = [entry for X in instance.X for entry in X] + [gamma for row in instance.gamma for gamma in row]
    assert len({*entries, *instance.W, *instance.p, *instance.Y}) == len(entries) + 4 + 2 + 2
