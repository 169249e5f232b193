from collections.abc import Callable

import pytest
from sympy import Matrix

from proofs.shallow_vit import recursions
from proofs.shallow_vit.gradients import PROVED_SIZES, ByHand, Size, prove_scores_do_not_sum, prove_weight_gradients
from proofs.shared.softmax import IdentityFails


class Uncentred(ByHand):
    def attention_gradient(self, n: int) -> Matrix:
        return self.instance.attention(n).multiply_elementwise(self.effects(n))


class Transposed(ByHand):
    def by_score_map(self) -> Matrix:
        return super().by_score_map().T


class GatesForgotten(ByHand):
    def gate(self, n: int) -> Matrix:
        return Matrix([list(self.instance.a)] * self.instance.size.tokens)


class NotAveraged(ByHand):
    def by_hidden_map(self) -> Matrix:
        return super().by_hidden_map() * self.instance.size.tokens


class KeysForQueries(ByHand):
    def gradient(self, name: str) -> Matrix:
        return super().gradient({"W_K": "W_Q", "W_Q": "W_K"}.get(name, name))


@pytest.mark.parametrize("size", PROVED_SIZES, ids=str)
def test_gradients_are_sympys(size: Size) -> None:
    assert prove_weight_gradients(size)


@pytest.mark.parametrize("form", [Uncentred, Transposed, GatesForgotten, NotAveraged, KeysForQueries])
def test_wrong_gradients_are_noticed(form: type[ByHand]) -> None:
    with pytest.raises(IdentityFails):
        prove_weight_gradients(Size(), form)


def test_rows_of_the_softmax_jacobian() -> None:
    assert prove_scores_do_not_sum(Size(tokens=3))
    with pytest.raises(IdentityFails):
        prove_scores_do_not_sum(Size(), Uncentred)


@pytest.mark.parametrize("name", ["tokens", "neurons", "value_width", "head_width", "samples"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0: must be at least 1"):
        Size(**{name: 0})


@pytest.mark.parametrize("proof", [recursions.prove_closed_recursion, recursions.prove_balances])
def test_recursions_need_every_weight_to_move_at_once(
    proof: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert proof()
    late = recursions.Q + recursions.h * recursions.K_next * recursions.H
    monkeypatch.setattr(recursions, "Q_next", late)
    with pytest.raises(IdentityFails):
        proof()


def test_transposes_turn_products_round() -> None:
    t = recursions.transposed
    product = recursions.O * recursions.V + 3 * recursions.H
    assert t(t(product)) == product.expand()
    assert t(product) == t(recursions.V) * t(recursions.O) + 3 * t(recursions.H)
