"""What the PyTorch peers of all systems share."""

import numpy as np
import torch

from benchmarks.contestants import Array


def letters(dtype: torch.dtype) -> str:
    """How tables call a type.

    Examples:
        >>> letters(torch.float32)
        'float32'
    """
    return str(dtype).removeprefix("torch.")


def collected(losses: list[torch.Tensor]) -> Array:
    """The losses of some steps, fetched once."""
    return torch.stack(losses).double().numpy() if losses else np.empty(0)
