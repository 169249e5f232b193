"""The data that statements about `token-selection` name, measured on an instance or known from its problem."""

from typing import Any

import numpy as np

from verify.systems.token_selection.draw import signal_parts, signal_shares
from verify.systems.token_selection.dynamics import Geometry, probe_coefficients
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.norms import block_norms, norm_on_span
from verify.systems.token_selection.problem import ArraysGiven, Problem
from verify.systems.token_selection.selection import half_lead

FOURTH_MOMENT = {"gaussian": 3.0, "uniform": 9.0 / 5.0}
"""`E w^4 / (E w^2)^2` of an entry of W."""


BY_PROBES = frozenset(("map_probe", "representer_probe"))
"""What a run follows along probes alone."""


def probe_data(coefficients: Array, samples: int) -> dict[str, Any]:
    """The constants that say along which coefficients (N, Z) of the tokens matrices are followed."""
    return {"probe": coefficients.reshape(samples, -1, coefficients.shape[1])}


def statement_data(
    instance: Instance, geometry: Geometry, training: Problem | ArraysGiven, roundings: dict[str, Any]
) -> dict[str, Any]:
    """The constant observables of `proofs.token_selection.symbols`; those of the data law only where it is known."""
    samples, tokens, _, _ = instance.shape
    places = (samples, tokens)
    blocks = (samples, tokens, samples, tokens)
    data: dict[str, Any] = {
        "label": instance.y,
        "true_label": instance.y_clean,
        "is_noisy": (instance.y != instance.y_clean).astype(float),
        "is_other": (np.arange(tokens) > 0).astype(float),
        "value": instance.value,
        "token_gram": geometry.gram.reshape(blocks),
        "start_map": geometry.start_map.reshape(blocks),
        "start_score": geometry.start_score.reshape(places),
        "start_query_square": geometry.start_square,
        "step_size": instance.step_size,
        "loss_target": training.loss_target,
        **probe_data(probe_coefficients(len(geometry.tokens)), samples),
        "token_norm": np.linalg.norm(geometry.tokens, axis=1).reshape(places),
        "start_size": np.linalg.norm(geometry.images, axis=0).reshape(places),
        "diameter": _diameters(instance.X),
        "start_norm": norm_on_span(instance.W, geometry.tokens),
        **_blocks("start", geometry.start_map, samples),
        **_blocks("gram", geometry.gram, samples),
        **roundings,
    }
    if training.m is not None:
        signals = geometry.tokens[:, :2] * training.m
        shares = signal_shares(tokens, training.rho, training.k_w, training.k_c)
        data |= {
            "signal_norm": training.m,
            "weak_scale": training.rho,
            "weak_tokens": float(training.k_w),
            "confusing_tokens": float(training.k_c),
            "own_share": shares[0],
            "other_share": shares[1],
            "start_square_map": (geometry.mapped @ geometry.mapped.T).reshape(blocks),
            "half_lead": half_lead(tokens),
            "signal_overlap": signals.T.reshape(2, *places),
            "signal_start_map": (training.m * geometry.mapped[:, :2]).T.reshape(2, *places),
        }
    if training.sigma is not None:
        data["noise_deviation"] = training.sigma
    if isinstance(training, Problem):
        parts = signal_parts(training).reshape(-1, 2)
        data |= {
            "dimension": float(training.d),
            "flip_rate": training.eta_f,
            "start_scale": training.s_0,
            "start_spread": start_spread(training),
            "signal_gram": (parts @ parts.T).reshape(blocks),
        }
    return data


def _blocks(name: str, matrix: Array, samples: int) -> dict[str, Array]:
    block, rest = block_norms(matrix, samples)
    return {f"{name}_block": block, f"{name}_rest": rest}


def start_spread(problem: Problem) -> float:
    """`E (W^T W)^2 / s_0^2`, a multiple of the identity: `2 + (k_4 - 2)/d` for independent entries."""
    if problem.start == "orthogonal":
        return 1.0
    return 2.0 + (FOURTH_MOMENT[problem.start] - 2.0) / problem.d


def _diameters(X: Array) -> Array:
    """The largest distance between two tokens of each sample, (n,)."""
    return np.array([np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2)).max() for x in X])
