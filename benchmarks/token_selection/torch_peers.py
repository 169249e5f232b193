"""Full weights in PyTorch, eager: as published, with products in the cheap order, and with gradients by hand."""

import numpy as np
import torch
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contestants import Array
from benchmarks.torch_tools import collected, letters
from verify.systems.token_selection.instance import Instance


class Attention(torch.nn.Module):
    """One head whose query p and map W are trained; `nu` reads values off tokens."""

    def __init__(self, instance: Instance, dtype: torch.dtype, queries_first: bool) -> None:
        super().__init__()
        self.map = torch.nn.Parameter(torch.tensor(np.ascontiguousarray(instance.W.T), dtype=dtype))
        self.query = torch.nn.Parameter(torch.tensor(instance.p[:, None], dtype=dtype))
        self.register_buffer("nu", torch.tensor(instance.nu[:, None], dtype=dtype))
        self._queries_first = queries_first

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Outputs (n,) of tokens (n, T, d)."""
        score = tokens @ (self.map @ self.query) if self._queries_first else tokens @ self.map @ self.query
        attention = torch.softmax(score, dim=1)
        return (attention * (tokens @ self.nu)).sum(dim=(1, 2))


class TorchModule:
    """A module, SGD and a data loader that serves all samples at every step.

    The published program trains so; where `queries_first`, scores are `X (W p)` in place of its `(X W) p`.
    """

    def __init__(self, instance: Instance, dtype: torch.dtype, queries_first: bool) -> None:
        assert instance.step_size is not None
        order = "X (W p)" if queries_first else "(X W) p as published"
        self.name = f"PyTorch, module, autograd, {order}, {letters(dtype)}"
        self.precision = torch.finfo(dtype).eps
        samples = TensorDataset(torch.tensor(instance.X, dtype=dtype), torch.tensor(instance.y, dtype=dtype))
        self._loader = DataLoader(samples, batch_size=len(samples))
        self._module = Attention(instance, dtype, queries_first)
        self._optimizer = torch.optim.SGD(self._module.parameters(), lr=instance.step_size)

    def train(self, steps: int) -> Array:
        """Make `steps` steps, each a pass through the data loader."""
        return collected([self._step(tokens, labels) for _ in range(steps) for tokens, labels in self._loader])

    def _step(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self._optimizer.zero_grad()
        loss = softplus(-labels * self._module(tokens)).mean()
        loss.backward()
        self._optimizer.step()
        return loss.detach()


class TorchByHand:
    """Gradients by hand: W meets vectors alone, and takes its increment in place."""

    def __init__(self, instance: Instance, dtype: torch.dtype) -> None:
        assert instance.step_size is not None
        self.name = f"PyTorch, full weights, by hand, {letters(dtype)}"
        self.precision = torch.finfo(dtype).eps
        self._step_size = instance.step_size
        self._labels = torch.tensor(instance.y, dtype=dtype)
        self._value = torch.tensor(instance.value, dtype=dtype)
        self._tokens = torch.tensor(instance.tokens, dtype=dtype)
        self._W = torch.tensor(instance.W, dtype=dtype)
        self._p = torch.tensor(instance.p, dtype=dtype)

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        with torch.inference_mode():
            return collected([self._step() for _ in range(steps)])

    def _step(self) -> torch.Tensor:
        score = torch.mv(self._tokens, self._p @ self._W).view_as(self._value)
        attention = torch.softmax(score, dim=1)
        output = (attention * self._value).sum(dim=1, keepdim=True)
        margin = self._labels * output[:, 0]
        weight = self._labels * torch.sigmoid(-margin) * (self._step_size / len(margin))
        drive = weight[:, None] * attention * (self._value - output)
        direction = drive.view(-1) @ self._tokens
        pulled = torch.mv(self._W, direction)
        self._W.addr_(self._p, direction)
        self._p += pulled
        return softplus(-margin).mean()
