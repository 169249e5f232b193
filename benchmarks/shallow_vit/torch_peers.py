"""The transformer in PyTorch, eager: as one would write it (autograd), and with gradients by hand."""

import numpy as np
import torch

from benchmarks.contestants import Array
from benchmarks.torch_tools import collected, letters
from verify.systems.shallow_vit.draw import Batches
from verify.systems.shallow_vit.instance import Instance

BATCHES_AHEAD = 256
"""Batches whose samples are looked up at a time."""


class _Descent:
    """Samples, batches and steps; `kind` is how gradients are made.

    Tokens stand in columns, (B, width, L): products of this shape are those that PyTorch makes fastest.
    """

    kind: str

    def __init__(self, instance: Instance, batches: Batches, dtype: torch.dtype, step_factor: float = 1.0) -> None:
        assert instance.step_size is not None
        self.name = f"PyTorch, {self.kind}, {letters(dtype)}"
        self.precision = torch.finfo(dtype).eps
        self._batches = batches
        self._made = 0
        self._step_size = step_factor * instance.step_size
        self._tokens = torch.tensor(instance.X, dtype=dtype)
        self._labels = torch.tensor(instance.y, dtype=dtype)
        self._readout = torch.tensor(instance.a, dtype=dtype)
        self._outer = torch.tensor(instance.W_O, dtype=dtype)
        self._inner = torch.tensor(np.vstack([instance.W_Q, instance.W_K, instance.W_V]), dtype=dtype)
        self._widths = [len(instance.W_Q), len(instance.W_K), len(instance.W_V)]

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        losses = []
        for first in range(self._made, self._made + steps, BATCHES_AHEAD):
            count = min(BATCHES_AHEAD, self._made + steps - first)
            chosen = torch.from_numpy(self._batches.of(first, count))
            losses += [self._step(self._tokens.index_select(0, batch), self._labels[batch]) for batch in chosen]
        self._made += steps
        return collected(losses)

    def _step(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class TorchAutograd(_Descent):
    """Attention batched over samples; queries, keys and values by one product, weights updated in place."""

    kind = "autograd"

    def __init__(self, instance: Instance, batches: Batches, dtype: torch.dtype, step_factor: float = 1.0) -> None:
        super().__init__(instance, batches, dtype, step_factor)
        self._weights = [self._inner.requires_grad_(), self._outer.requires_grad_()]

    def _step(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        columns = torch.bmm(_repeated(self._inner, tokens), tokens.transpose(1, 2))
        queries, keys, values = columns.split(self._widths, dim=1)
        attention = torch.softmax(torch.bmm(queries.transpose(1, 2), keys), dim=2)
        attended = torch.bmm(values, attention.transpose(1, 2))
        hidden = torch.bmm(_repeated(self._outer, tokens), attended)
        output = (self._readout[:, None] * torch.relu(hidden)).sum(dim=1).mean(dim=1)
        loss = torch.relu(1.0 - labels * output).mean()
        gradients = torch.autograd.grad(loss, self._weights)
        with torch.no_grad():
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.sub_(gradient, alpha=self._step_size)
        return loss.detach()


class TorchByHand(_Descent):
    """Gradients by hand; what a batch weighs is multiplied where arrays are small."""

    kind = "by hand"

    def train(self, steps: int) -> Array:
        """Make `steps` steps."""
        with torch.inference_mode():
            return super().train(steps)

    def _step(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        samples, length, _ = tokens.shape
        columns = torch.bmm(_repeated(self._inner, tokens), tokens.transpose(1, 2))
        queries, keys, values = columns.split(self._widths, dim=1)
        attention = torch.softmax(torch.bmm(queries.transpose(1, 2), keys), dim=2)
        attended = torch.bmm(values, attention.transpose(1, 2))
        hidden = torch.bmm(_repeated(self._outer, tokens), attended)
        gate = (hidden > 0.0).to(hidden.dtype).mul_(self._readout[:, None])
        back = torch.bmm(_repeated(self._outer.t(), tokens), gate)
        mean_effect = (back * attended).sum(dim=1)
        hinge = torch.relu(1.0 - labels * mean_effect.mean(dim=1))
        weight = (labels * (hinge > 0.0) * (self._step_size / (samples * length)))[:, None]
        back *= weight[:, :, None]
        pull = torch.bmm(back.transpose(1, 2), values).sub_((mean_effect * weight)[:, :, None]).mul_(attention)
        moves = torch.cat(
            (torch.bmm(keys, pull.transpose(1, 2)), torch.bmm(queries, pull), torch.bmm(back, attention)), dim=1
        )
        attended *= weight[:, :, None]
        self._outer += torch.bmm(gate, attended.transpose(1, 2)).sum(dim=0)
        self._inner += torch.bmm(moves, tokens).sum(dim=0)
        return hinge.mean()


def _repeated(matrix: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """One matrix for every sample, without copies."""
    return matrix.expand(len(tokens), -1, -1)
