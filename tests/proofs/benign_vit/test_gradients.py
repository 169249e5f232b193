import pytest
from sympy import Expr, Matrix, exp, log

from proofs.benign_vit.gradients import (
    PROVED_SIZES,
    Instance,
    Size,
    TokenForm,
    prove_attention_gradient_rows_vanish,
    prove_token_directions,
    prove_weight_gradients,
)
from proofs.shared.softmax import IdentityFails

SMALLEST = Size(samples=2, tokens=2)


class WithoutAverage(TokenForm):
    def attention_gradient(self, n: int) -> Matrix:
        values = Matrix([self.instance.values(n)] * self.instance.size.tokens)
        return self.instance.attention(n).multiply_elementwise(values) / self.instance.size.tokens


class Transposed(TokenForm):
    def attention_gradient(self, n: int) -> Matrix:
        return super().attention_gradient(n).T


class WithoutTokenCountInAttention(TokenForm):
    def attention_gradient(self, n: int) -> Matrix:
        return super().attention_gradient(n) * self.instance.size.tokens


class WithoutTokenCountInValues(TokenForm):
    def value_gradient(self, n: int) -> Matrix:
        return super().value_gradient(n) * self.instance.size.tokens


class WithoutSampleCount(TokenForm):
    def sample_weight(self, n: int) -> Expr:
        return super().sample_weight(n) * self.instance.size.samples


class NegatedLossDerivative(TokenForm):
    def loss_derivative(self, n: int) -> Expr:
        return -super().loss_derivative(n)


class MarginNegatedInLossDerivative(TokenForm):
    def loss_derivative(self, n: int) -> Expr:
        return 1 / (1 + exp(-self.instance.y[n] * self.instance.output(n)))


class QueriesForKeys(TokenForm):
    def gradient_W_Q(self) -> Matrix:
        return super().gradient_W_K()

    def query_direction(self, token: Matrix) -> Matrix:
        return super().key_direction(token)


class OneSampleOnly(TokenForm):
    def sample_weight(self, n: int) -> Expr:
        return super().sample_weight(0)


@pytest.mark.parametrize("size", PROVED_SIZES, ids=str)
def test_weight_gradients_and_token_directions(size: Size) -> None:
    assert prove_weight_gradients(size)
    assert prove_token_directions(size)


def test_the_proved_sizes_cover_two_to_four_tokens_and_more_than_one_sample() -> None:
    assert {2, 3, 4} <= {size.tokens for size in PROVED_SIZES}
    assert {1, 2} <= {size.samples for size in PROVED_SIZES}
    assert any(size.head_width > 1 for size in PROVED_SIZES)
    assert any(size.value_width > 1 for size in PROVED_SIZES)


@pytest.mark.parametrize(
    ("broken", "entry"),
    [
        (WithoutAverage, "dL/dW_Q"),
        (Transposed, "dL/dW_Q"),
        (WithoutTokenCountInAttention, "dL/dW_Q"),
        (WithoutTokenCountInValues, "dL/dW_V"),
        (WithoutSampleCount, "dL/dW_Q"),
        (NegatedLossDerivative, "dL/dW_Q"),
        (MarginNegatedInLossDerivative, "dL/dW_Q"),
        (QueriesForKeys, "dL/dW_Q"),
        (OneSampleOnly, "dL/dW_Q"),
    ],
)
def test_a_broken_gradient_is_caught(broken: type[TokenForm], entry: str) -> None:
    with pytest.raises(IdentityFails) as caught:
        prove_weight_gradients(SMALLEST, broken)
    assert caught.value.entry.startswith(f"{entry}[")
    assert caught.value.difference != 0


@pytest.mark.parametrize(
    ("broken", "entry"),
    [
        (WithoutAverage, "query direction"),
        (Transposed, "query direction"),
        (WithoutTokenCountInAttention, "query direction"),
        (WithoutTokenCountInValues, "value direction"),
        (NegatedLossDerivative, "query direction"),
        (QueriesForKeys, "query direction"),
    ],
)
def test_a_broken_direction_is_caught(broken: type[TokenForm], entry: str) -> None:
    with pytest.raises(IdentityFails) as caught:
        prove_token_directions(SMALLEST, broken)
    assert caught.value.entry.startswith(f"{entry}[")


class KeyGradientNegated(TokenForm):
    def gradient_W_K(self) -> Matrix:
        return -super().gradient_W_K()

    def key_direction(self, token: Matrix) -> Matrix:
        return -super().key_direction(token)


def test_a_broken_key_gradient_is_caught() -> None:
    with pytest.raises(IdentityFails, match="dL/dW_K"):
        prove_weight_gradients(SMALLEST, KeyGradientNegated)
    with pytest.raises(IdentityFails, match="key direction"):
        prove_token_directions(SMALLEST, KeyGradientNegated)


@pytest.mark.parametrize("tokens", [2, 3, 4])
def test_rows_of_the_attention_gradient_sum_to_zero(tokens: int) -> None:
    assert prove_attention_gradient_rows_vanish(Size(samples=2, tokens=tokens))


@pytest.mark.parametrize("broken", [WithoutAverage, Transposed])
def test_rows_that_do_not_sum_to_zero_are_caught(broken: type[TokenForm]) -> None:
    with pytest.raises(IdentityFails, match=r"sum_j A\[0, 0, j\]"):
        prove_attention_gradient_rows_vanish(Size(tokens=3), broken)


def test_loss_is_the_mean_logistic_loss_of_the_networks_outputs() -> None:
    instance = Instance(Size(samples=2, tokens=2))
    zeros = {entry: 0 for weight in (instance.W_Q, instance.W_K, instance.W_V) for entry in weight}
    assert instance.loss().subs(zeros) == log(2)
    uniform = {entry: 0 for weight in (instance.W_Q, instance.W_K) for entry in weight}
    mean_value = sum(instance.values(0)) / 2
    assert (instance.output(0).subs(uniform) - mean_value).expand() == 0


@pytest.mark.parametrize("sizes", [{"tokens": 0}, {"width": 1}, {"samples": -1}])
def test_sizes_without_a_proof_are_refused(sizes: dict[str, int]) -> None:
    name = next(iter(sizes))
    with pytest.raises(ValueError, match=f"{name} = .*: must be at least"):
        Size(**sizes)
