"""The data that statements about `benign-vit` name, measured on an instance or known from its problem."""

from typing import Any

import numpy as np

from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.problem import Problem, Training

EPSILON = float(np.finfo(float).eps)


def inner_products(table: TokenTable) -> Array:
    """Gram matrix of the tokens, with 0 for those that float64 cannot tell from orthogonal ones.

    An inner product of d terms carries a rounding error of up to d times epsilon times the sum of their
    absolute values.
    """
    tokens = table.tokens
    gram = tokens @ tokens.T
    rounding = tokens.shape[1] * EPSILON * (np.abs(tokens) @ np.abs(tokens).T)
    return np.where(np.abs(gram) <= rounding, 0.0, gram)


def is_benign(table: TokenTable, overlap: Array, labels: Array) -> bool:
    """Whether signals' values grow faster than large noise tokens' under uniform attention: `N SNR^2 > 2 C_p^2`."""
    samples = np.arange(len(labels))
    same = labels[:, None] == labels[None, :]
    signal = (overlap[table.token_at[:, 0]][:, :, 0] * same).sum(axis=1)
    noise = overlap[table.token_at[:, 1], samples, 1]
    return bool(signal.mean() >= noise.mean())


def probe_data(directions: Array) -> dict[str, Any]:
    """The constants that say along which directions (r, Z) queries and keys are followed."""
    return {"probe": directions, "probe_norm": np.linalg.norm(directions, axis=0)}


def statement_data(
    instance: Instance, table: TokenTable, training: Training, directions: Array, balance_terms: int
) -> dict[str, Any]:
    """The constant observables of `proofs.benign_vit.symbols`; parameters of the data law only for a drawn problem."""
    gram = inner_products(table)
    overlap = gram[:, table.token_at]
    samples, tokens = table.token_at.shape
    benign = is_benign(table, overlap, instance.y)
    selected = np.full(samples, 0 if benign else 1, dtype=np.int64)
    is_selected = np.zeros(len(gram))
    is_selected[table.token_at[np.arange(samples), selected]] = 1.0
    is_signal = np.zeros(len(gram))
    is_signal[: table.signals] = 1.0
    data: dict[str, Any] = {
        "label": instance.y,
        "token_at": table.token_at,
        "overlap": overlap,
        "token_square": np.diagonal(gram).copy(),
        "is_signal": is_signal,
        "is_selected": is_selected,
        "selected": selected,
        "is_noise_place": (np.arange(tokens) > 0).astype(float),
        "benign": float(benign),
        "step_size": instance.step_size,
        "readout": instance.readout,
        "loss_target": training.loss_target,
        "failure_probability": training.delta,
        "width": float(len(directions)),
        "balance_terms": float(balance_terms),
    }
    data |= probe_data(directions)
    if isinstance(training, Problem):
        deviation = training.sigma_p * np.where(table.position == 1, training.C_p, 1.0) * (1.0 - is_signal)
        data = scales(training) | data | {"noise_deviation": deviation}
    return data


def scales(problem: Problem) -> dict[str, float]:
    """The sizes and scales of a drawn problem, by the names that the paper's condition and the statements use."""
    return {
        "dimension": float(problem.d),
        "head_dimension": float(problem.d_h),
        "signal_square": problem.signal_norm**2,
        "noise_square": problem.noise_norm**2,
        "noise_multiplier": problem.C_p,
        "head_scale": problem.sigma_h,
        "value_scale": problem.sigma_V,
        "readout": problem.w_O_norm**2,
        "step_size": problem.step_size,
        "loss_target": problem.loss_target,
        "failure_probability": problem.delta,
    }
