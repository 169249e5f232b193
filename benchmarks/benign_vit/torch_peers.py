"""Full weights in PyTorch, eager: as one would write it (autograd), and as fast as it gets (by hand)."""

import numpy as np
import torch
from torch.nn.functional import softplus

from benchmarks.contestants import Array
from benchmarks.torch_tools import collected, letters
from verify.systems.benign_vit.instance import Instance, TokenTable


class TorchAutograd:
    """Attention batched over samples, gradients by autograd, weights updated in place."""

    def __init__(self, instance: Instance, dtype: torch.dtype) -> None:
        assert instance.step_size is not None
        self.name = f"PyTorch, full weights, autograd, {letters(dtype)}"
        self.precision = torch.finfo(dtype).eps
        self._step_size = instance.step_size
        self._samples, self._width, d = instance.X.shape
        self._labels = torch.tensor(instance.y, dtype=dtype)
        self._tokens = torch.tensor(instance.X, dtype=dtype).reshape(-1, d)
        self._w_O = torch.tensor(instance.w_O, dtype=dtype)
        self._weights = [
            torch.tensor(weight, dtype=dtype, requires_grad=True)
            for weight in (instance.W_Q, instance.W_K, instance.W_V)
        ]

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        return collected([self._step() for _ in range(steps)])

    def _step(self) -> torch.Tensor:
        W_Q, W_K, W_V = self._weights
        shape = (self._samples, self._width, -1)
        queries, keys = (self._tokens @ W_Q).view(shape), (self._tokens @ W_K).view(shape)
        value = (self._tokens @ (W_V @ self._w_O)).view(shape)
        attention = torch.softmax(queries @ keys.transpose(1, 2), dim=2)
        output = (attention @ value).mean(dim=(1, 2))
        loss = softplus(-self._labels * output).mean()
        gradients = torch.autograd.grad(loss, self._weights)
        with torch.no_grad():
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.sub_(gradient, alpha=self._step_size)
        return loss.detach()


class TorchByHand:
    """Gradients by hand: each distinct token is multiplied once, products add straight into the weights."""

    def __init__(self, instance: Instance, dtype: torch.dtype) -> None:
        assert instance.step_size is not None
        self.name = f"PyTorch, full weights, by hand, {letters(dtype)}"
        self.precision = torch.finfo(dtype).eps
        table = TokenTable.of(instance)
        self._step_size = instance.step_size
        self._labels = torch.tensor(instance.y, dtype=dtype)
        self._tokens = torch.tensor(table.tokens, dtype=dtype)
        self._token_at = torch.tensor(table.token_at)
        self._w_O = torch.tensor(instance.w_O, dtype=dtype)
        self._weights_qk = torch.tensor(np.hstack([instance.W_Q, instance.W_K]), dtype=dtype)
        self._weights_v = torch.tensor(instance.W_V, dtype=dtype)
        self._states = self._tokens.new_empty(len(table.tokens), self._weights_qk.shape[1])
        self._direction = torch.empty_like(self._states)
        self._value_direction = self._tokens.new_empty(len(table.tokens))

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        with torch.inference_mode():
            return collected([self._step() for _ in range(steps)])

    def _step(self) -> torch.Tensor:
        at, places = self._token_at, self._token_at.view(-1)
        torch.mm(self._tokens, self._weights_qk, out=self._states)
        queries, keys = self._states[at].chunk(2, dim=2)
        value = (self._tokens @ (self._weights_v @ self._w_O))[at]
        attention = torch.softmax(queries @ keys.transpose(1, 2), dim=2)
        attended = attention @ value.unsqueeze(2)
        margin = self._labels * attended.mean(dim=(1, 2))
        weight = self._labels * torch.sigmoid(-margin) * (self._step_size / at.numel())
        pull = attention * (value.unsqueeze(1) - attended) * weight[:, None, None]
        moves = torch.cat((pull @ keys, pull.transpose(1, 2) @ queries), dim=2)
        self._direction.zero_().index_add_(0, places, moves.view(len(places), -1))
        self._value_direction.zero_().index_add_(0, places, (attention.sum(dim=1) * weight[:, None]).view(-1))
        self._weights_qk.addmm_(self._tokens.t(), self._direction)
        self._weights_v.addr_(self._tokens.t() @ self._value_direction, self._w_O)
        return softplus(-margin).mean()


def torch_peers(instance: Instance) -> list[TorchAutograd | TorchByHand]:
    """Both programs in both precisions."""
    dtypes = (torch.float32, torch.float64)
    return [peer(instance, dtype) for dtype in dtypes for peer in (TorchAutograd, TorchByHand)]
