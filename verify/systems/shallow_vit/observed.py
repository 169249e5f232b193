"""The data that statements about `shallow-vit` name, measured on an instance or known from its problem."""

from typing import Any

import numpy as np

from verify.systems.shallow_vit.dynamics import Course
from verify.systems.shallow_vit.instance import EPSILON
from verify.systems.shallow_vit.kernels import Array, Samples
from verify.systems.shallow_vit.measures import Probes
from verify.systems.shallow_vit.problem import ArraysGiven, Problem

WIDEST_NULL = 2000
"""Largest dimension at which directions that no step sees are looked for."""


def token_sizes(samples: Samples) -> tuple[float, float]:
    """The largest norm of a token, and the largest distance of two tokens of a sample."""
    if not samples.tokens.size:
        several = np.count_nonzero(samples.key_count, axis=1).max() > 1
        return 1.0, float(np.sqrt(2.0)) if several else 0.0
    radius, diameter = 0.0, 0.0
    for tokens, count in zip(samples.tokens, samples.key_count, strict=True):
        there = tokens[count > 0]
        square = np.einsum("sd,sd->s", there, there)
        radius = max(radius, float(square.max()))
        diameter = max(diameter, float((square[:, None] + square - 2.0 * there @ there.T).max()))
    return float(np.sqrt(radius)), float(np.sqrt(max(diameter, 0.0)))


def null_directions(samples: Samples, frame: Array | None) -> dict[str, Array]:
    """Directions (D,) that no step sees, by the names of `proofs.shallow_vit.symbols`; zeros where there are none.

    Those that are not known are left out: in too many dimensions, or where patterns are unknown.
    """
    if not samples.tokens.size:
        ones = np.ones(samples.key_count.shape[1])
        return {"difference_null": ones / np.sqrt(len(ones)), "pattern_sum": ones}
    there = samples.key_count > 0
    tokens = samples.tokens[there]
    means = (samples.tokens * there[..., None]).sum(axis=1) / there.sum(axis=1)[:, None]
    differences = (samples.tokens - means[:, None])[there]
    nowhere = np.zeros(tokens.shape[1])
    found: dict[str, Array] = {}
    if tokens.shape[1] <= WIDEST_NULL:
        beyond_tokens, beyond_differences = _null_space(tokens), _null_space(differences)
        found["token_null"] = beyond_tokens[:, 0] if beyond_tokens.shape[1] else nowhere
        found["difference_null"] = nowhere
        if beyond_differences.shape[1]:
            along = _along(beyond_differences, means.mean(axis=0))
            found["difference_null"] = beyond_differences[:, 0] if along is None else along
    if frame is not None:
        total = frame.sum(axis=0)
        seen = np.abs(differences @ total).max() > 8.0 * tokens.shape[1] * EPSILON
        found["pattern_sum"] = nowhere if seen else total
    return found


def head_null(samples: Samples, W_K: Array, W_Q: Array) -> Array:
    """The unit vector (m_b,) along the mean key, orthogonal to all queries and to all differences of a sample's keys.

    Zeros if the mean key has no such part.
    """
    if samples.tokens.size:
        there = samples.key_count > 0
        queries, keys = samples.tokens[there] @ W_Q.T, samples.tokens @ W_K.T
        means = (keys * there[..., None]).sum(axis=1) / there.sum(axis=1)[:, None]
        differences = (keys - means[:, None])[there]
    else:
        queries, means = W_Q.T, W_K.T
        differences = means - means.mean(axis=0)
    beyond = _null_space(np.concatenate([queries, differences]))
    along = _along(beyond, means.mean(axis=0))
    return np.zeros(len(W_K)) if along is None else along


def _along(beyond: Array, vector: Array) -> Array | None:
    """The unit vector along a vector in the span of orthonormal columns; `None` if that has no part there."""
    along = beyond @ (beyond.T @ vector)
    length = float(np.linalg.norm(along))
    return along / length if length > np.sqrt(EPSILON) else None


def _null_space(rows: Array) -> Array:
    """Orthonormal columns orthogonal to all rows."""
    _, sizes, directions = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=True)
    rank = int(np.count_nonzero(sizes > sizes.max(initial=0.0) * max(rows.shape) * EPSILON))
    return np.asarray(directions[rank:].T)


def probe_data(probes: Probes) -> dict[str, Array]:
    """The directions along which matrices are followed, and their norms."""
    directions = probes._asdict().items()
    norms = {f"{name}_probe_norm": np.linalg.norm(each, axis=0) for name, each in directions}
    return norms | {f"{name}_probe": each for name, each in directions}


def statement_data(
    course: Course,
    problem: Problem | ArraysGiven,
    probes: Probes,
    nulls: dict[str, Array],
    start_squares: dict[str, float],
    length: int,
    total: int,
    patterns: int,
) -> dict[str, Any]:
    """The constant observables of `proofs.shallow_vit.symbols`; parameters of the data law only for a drawn problem.

    `length` counts the tokens of a sample, `total` the samples, `patterns` the patterns (0: unknown).
    """
    samples, watched = course.samples, course.watched
    radius, diameter = token_sizes(samples)
    counts = samples.key_count[watched]
    data: dict[str, Any] = {
        "step_size": course.step_size,
        "attention_step_size": course.attention_step,
        "loss_target": problem.loss_target,
        "token_radius": radius,
        "token_diameter": diameter,
        "readout_norm": float(np.linalg.norm(course.readout)),
        "operations": float(course.terms),
        "product_operations": float(sum(map(len, (probes.token, probes.value, probes.head))) + 16),
        "label": samples.label[watched],
        "key_count": counts,
        "has_key": (counts > 0).astype(float),
        "query_weight": samples.query_weight[watched],
        "samples": float(total),
        "batch_size": float(course.batch),
        "length": float(length),
        **{name: float(direction.any()) for name, direction in nulls.items()},
        **start_squares,
        **probe_data(probes),
    }
    if patterns:
        data["patterns"] = float(patterns)
    if not samples.tokens.size:
        data |= _pattern_data(course, counts, length)
    if isinstance(problem, Problem):
        data |= {
            "relevant_share": problem.alpha_star,
            "confusion_share": problem.alpha_sharp,
            "token_noise": problem.tau,
            "head_scale": problem.kappa,
            "value_error": problem.sigma,
            "head_error": problem.delta,
            "readout_scale": problem.xi,
        }
    return data


def _pattern_data(course: Course, counts: Array, length: int) -> dict[str, Any]:
    """What is known where slots are patterns."""
    samples = course.samples
    patterns = counts.shape[1]
    own = np.where(samples.label[course.watched] > 0, 0, 1)
    weighted = (samples.weight * samples.label)[:, None] * samples.key_count / length
    return {
        "twin_count": counts[:, [1, 0, *range(2, patterns)]],
        "twin_has_key": (counts[:, [1, 0, *range(2, patterns)]] > 0).astype(float),
        "own_key": own,
        "other_key": 1 - own,
        "is_irrelevant": (np.arange(patterns) >= 2).astype(float),
        "pattern_drive": weighted.sum(axis=0),
    }
