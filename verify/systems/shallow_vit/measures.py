"""What statements need besides what a run records, worked out in NumPy from its recorded weights.

Nothing here comes from the kernels: the drives K and H are made anew, from P and R of every state, in formulas of
their own. So both sides of a statement about a step come from different places: the differences of the weights, which
the kernels made, and these drives. Minus signs as in the kernels: K and H are minus the derivatives of the batch loss.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from verify.systems.shallow_vit.kernels import Array, Integers, Samples

CHUNK = 2**21
"""Numbers in the largest array that is made at a time."""


class Probes(NamedTuple):
    """Directions along which matrices are followed: (D, Z), (m, Z), (m_a, Z), (m_b, Z)."""

    token: Array
    neuron: Array
    value: Array
    head: Array


PROBES = 2
"""Random directions in each space, the same in every run."""


def random_probes(dimension: int, neurons: int, value_width: int, head_width: int) -> Probes:
    """The directions of every step."""
    rng = np.random.Generator(np.random.PCG64(0))
    return Probes(*(rng.standard_normal((width, PROBES)) for width in (dimension, neurons, value_width, head_width)))


def complete_probes(dimension: int, neurons: int, value_width: int, head_width: int) -> Probes:
    """Unit vectors: what is linear in a direction is known in full along them."""
    return Probes(*(np.eye(width) for width in (dimension, neurons, value_width, head_width)))


@dataclass(frozen=True)
class Setting:
    """What the measures need of a run beside its states.

    `frame` (M, D) are the patterns in the run's coordinates (`None`: unknown), `nulls` the directions that no step
    sees, by name (D,), or (m_b,) for `head_null`. `watched` are the rows of the watched samples, which have twins where
    slots are patterns.
    """

    samples: Samples
    readout: Array
    batch_weight: Array
    watched: Integers
    probes: Probes
    frame: Array | None
    nulls: Mapping[str, Array]
    step_size: float
    attention_step: float
    start_score_map: Array
    start_hidden_map: Array


def evaluate(
    setting: Setting, score_map: Array, hidden_map: Array, rows: Integers, key_count: Array
) -> tuple[Array, Array, Array, Array]:
    """Attention (T, B, S, S), active neurons with their readout (T, B, S, m), effects (T, B, S, S), outputs (T, B).

    `score_map` (T, D, D) is P and `hidden_map` (T, m, D) is R; `rows` (T, B) are samples, `key_count` (T, B, S).
    """
    samples = setting.samples
    if samples.tokens.size:
        X = samples.tokens[rows]
        score = X @ (X @ score_map[:, None]).swapaxes(2, 3)
        seen = X @ hidden_map[:, None].swapaxes(2, 3)
    else:
        score = np.broadcast_to(score_map.transpose(0, 2, 1)[:, None], (*rows.shape, *score_map.shape[1:]))
        seen = np.broadcast_to(hidden_map.transpose(0, 2, 1)[:, None], (*rows.shape, *hidden_map.shape[:0:-1]))
    present = key_count[:, :, None, :] > 0
    largest = np.where(present, score, -np.inf).max(axis=3, keepdims=True)
    attention = np.where(present, key_count[:, :, None, :] * np.exp(np.where(present, score - largest, 0.0)), 0.0)
    attention /= attention.sum(axis=3, keepdims=True)
    hidden = attention @ seen
    gate = setting.readout * (hidden > 0.0)
    output = np.sum(samples.query_weight[rows] * np.sum(gate * hidden, axis=3), axis=2)
    return attention, gate, gate @ seen.swapaxes(2, 3), output


def drives(setting: Setting, score_map: Array, hidden_map: Array, rows: Integers) -> tuple[Array, Array]:
    """K (T, m, D) and H (T, D, D) of the batches `rows` (T, B)."""
    samples = setting.samples
    attention, gate, effect, output = evaluate(setting, score_map, hidden_map, rows, samples.key_count[rows])
    label = samples.label[rows]
    push = setting.batch_weight * label * (1.0 - label * output > 0.0)
    query = (push[:, :, None] * samples.query_weight[rows])[..., None]
    by_effect = attention.swapaxes(2, 3) @ (query * gate)
    # The softmax's Jacobian, diag(A) - A A^T, times the effects.
    attended = attention * effect
    by_score = query * (attended - attention * attended.sum(axis=3, keepdims=True))
    if not samples.tokens.size:
        return by_effect.sum(axis=1).swapaxes(1, 2), by_score.sum(axis=1).swapaxes(1, 2)
    X = samples.tokens[rows]
    together = X.reshape(len(rows), -1, X.shape[3])
    by_effect, by_score = by_effect.reshape(*together.shape[:2], -1), by_score.swapaxes(2, 3) @ X
    return by_effect.swapaxes(1, 2) @ together, together.swapaxes(1, 2) @ by_score.reshape(together.shape)


def squares(matrices: Array) -> Array:
    """Squared Frobenius norms (T,)."""
    return np.asarray(np.einsum("tij,tij->t", matrices, matrices))


def operator_norms(matrices: Array) -> Array:
    """Largest singular values (T,); not a number where an entry has left the range of float64."""
    finite = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    norms = np.linalg.norm(np.where(finite[:, None, None], matrices, 0.0), 2, axis=(1, 2))
    return np.where(finite, norms, np.nan)


class Measured(Mapping[str, Array]):
    """The arrays of a stretch: those recorded, and those that follow from its states once somebody asks for them.

    `states` are the recorded weights by name (leading axis the states), or the matrices of the closed recursion;
    `rows` (T, B) are the batches.
    """

    def __init__(
        self, recorded: Mapping[str, Array], setting: Setting | None, states: Mapping[str, Array], rows: Integers
    ) -> None:
        self._recorded = {**recorded, **({} if setting is None else states)}
        self._setting = setting
        self._states = states
        self._rows = rows
        self._made: dict[str, Array] = {}
        self._groups = {} if setting is None else groups_of("W_O" in states, setting)

    def __getitem__(self, name: str) -> Array:
        if name in self._recorded:
            return self._recorded[name]
        if name not in self._made:
            assert self._setting is not None
            with np.errstate(all="ignore"):
                self._made |= self._groups[name](self._quantities, self._setting)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._recorded, *self._groups])

    def __len__(self) -> int:
        return len(self._recorded) + len(self._groups)

    @cached_property
    def _quantities(self) -> "Quantities":
        assert self._setting is not None
        return Quantities(self._setting, self._states, self._rows)


class Quantities:
    """Matrices of the states of a stretch, each made once."""

    def __init__(self, setting: Setting, states: Mapping[str, Array], rows: Integers) -> None:
        self.setting = setting
        self.weights = states
        self.rows = rows

    @cached_property
    def score_map(self) -> Array:
        """P (T, D, D)."""
        if "score_map" in self.weights:
            return self.weights["score_map"]
        return np.asarray(self.weights["W_K"].swapaxes(1, 2) @ self.weights["W_Q"])

    @cached_property
    def hidden_map(self) -> Array:
        """R (T, m, D)."""
        if "effect_map" in self.weights:
            return np.asarray(self.weights["effect_map"].swapaxes(1, 2))
        return np.asarray(self.weights["W_O"] @ self.weights["W_V"])

    @cached_property
    def drives(self) -> tuple[Array, Array]:
        """K and H, some states at a time."""
        setting = self.setting
        slots = setting.samples.key_count.shape[1]
        wide = max(len(setting.readout), slots * slots, setting.samples.tokens.shape[2])
        step = max(1, CHUNK // (self.rows.shape[1] * slots * wide))
        parts = [
            drives(setting, self.score_map[at : at + step], self.hidden_map[at : at + step], self.rows[at : at + step])
            for at in range(0, len(self.rows), step)
        ]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    @property
    def K(self) -> Array:
        """Minus the derivative by R."""
        return self.drives[0]

    @property
    def H(self) -> Array:
        """Minus the derivative by P."""
        return self.drives[1]

    def along(self, name: str, direction: Array) -> Array:
        """A weight times a direction (T, rows)."""
        return np.asarray(self.weights[name] @ direction)


Group = Callable[[Quantities, Setting], dict[str, Array]]


def groups_of(weights: bool, setting: Setting) -> dict[str, Group]:
    """The measured observables that a run can follow, each with the function that makes it and its neighbours."""
    groups: list[tuple[Group, tuple[str, ...]]] = [(_maps, MAPS), (_drive_sizes, DRIVE_SIZES)]
    groups += [(_scores_along, SCORES_ALONG), (_effects_along, EFFECTS_ALONG)]
    groups += [(_sizes, SIZES) if weights else (_gram_sizes, GRAM_SIZES)]
    if weights:
        groups += [(_norms, NORMS), (_steps, STEPS), (_gradients, GRADIENTS), (_balances, BALANCES), (_nulls, NULLS)]
    if setting.frame is not None:
        groups.append((_pattern_maps, PATTERN_MAPS))
    if not setting.samples.tokens.size:
        groups.append((_twins, TWINS))
    return {name: group for group, names in groups for name in names}


SIZES = ("output_square", "value_square", "key_square", "query_square")
GRAM_SIZES = SIZES
NORMS = ("output_norm", "value_norm", "key_norm", "query_norm")
MAPS = ("hidden_moved", "score_moved", "score_size")
DRIVE_SIZES = (
    "hidden_drive",
    "score_drive",
    "hidden_drive_size",
    "score_drive_size",
    "hidden_drive_norm",
    "score_drive_norm",
    "score_pull",
)
STEPS = ("output_pairing", "value_pairing", "key_pairing", "query_pairing", "largest_move")
GRADIENTS = ("output_gradient_square", "value_gradient_square", "key_gradient_square", "query_gradient_square")
BALANCES = ("head_balance", "head_drift", "value_balance", "value_drift")
NULLS = ("value_outside", "query_outside", "key_outside", "key_sum", "head_sum_beyond", "head_difference_beyond")
PATTERN_MAPS = ("score_on_patterns", "hidden_on_patterns")
TWINS = ("twin_output",)
_FOLLOWED = ("_step", "_move")
SCORES_ALONG = tuple(f"{name}{part}" for name in ("score", "key_gram", "query_gram") for part in _FOLLOWED)
EFFECTS_ALONG = tuple(f"{name}{part}" for name in ("hidden", "output_gram", "value_gram") for part in _FOLLOWED)
BY_PROBES = frozenset((*BALANCES, *SCORES_ALONG, *EFFECTS_ALONG))
"""What a run follows along probes alone."""


def _sizes(of: Quantities, setting: Setting) -> dict[str, Array]:
    return {name: squares(of.weights[weight]) for name, weight in zip(SIZES, ("W_O", "W_V", "W_K", "W_Q"), strict=True)}


def _gram_sizes(of: Quantities, setting: Setting) -> dict[str, Array]:
    grams = ("output_gram", "value_gram", "key_gram", "query_gram")
    return {name: np.trace(of.weights[gram], axis1=1, axis2=2) for name, gram in zip(GRAM_SIZES, grams, strict=True)}


def _norms(of: Quantities, setting: Setting) -> dict[str, Array]:
    weights = ("W_O", "W_V", "W_K", "W_Q")
    return {name: operator_norms(of.weights[weight]) for name, weight in zip(NORMS, weights, strict=True)}


def _maps(of: Quantities, setting: Setting) -> dict[str, Array]:
    return {
        "hidden_moved": operator_norms(of.hidden_map - setting.start_hidden_map),
        "score_moved": operator_norms(of.score_map - setting.start_score_map),
        "score_size": np.sqrt(squares(of.score_map)),
    }


def _drive_sizes(of: Quantities, setting: Setting) -> dict[str, Array]:
    return {
        "hidden_drive": of.K,
        "score_drive": of.H,
        "hidden_drive_size": np.sqrt(squares(of.K)),
        "score_drive_size": np.sqrt(squares(of.H)),
        "hidden_drive_norm": operator_norms(of.K),
        "score_drive_norm": operator_norms(of.H),
        "score_pull": np.einsum("tij,tij->t", of.H, of.score_map),
    }


def _steps(of: Quantities, setting: Setting) -> dict[str, Array]:
    moves = {name: of.weights[name][1:] - of.weights[name][:-1] for name in ("W_O", "W_V", "W_K", "W_Q")}
    found = {
        name: np.einsum("tij,tij->t", move, of.weights[weight][:-1])
        for name, (weight, move) in zip(STEPS, moves.items(), strict=False)
    }
    largest = [np.abs(move).max(axis=(1, 2)) for move in moves.values()]
    return {**found, "largest_move": np.max(largest, axis=0)}


def _gradients(of: Quantities, setting: Setting) -> dict[str, Array]:
    W, K, H = of.weights, of.K, of.H
    return {
        "output_gradient_square": squares(K @ W["W_V"].swapaxes(1, 2)),
        "value_gradient_square": squares(W["W_O"].swapaxes(1, 2) @ K),
        "key_gradient_square": squares(W["W_Q"] @ H.swapaxes(1, 2)),
        "query_gradient_square": squares(W["W_K"] @ H),
    }


def _balances(of: Quantities, setting: Setting) -> dict[str, Array]:
    W, K, H = of.weights, of.K, of.H
    head, value = setting.probes.head, setting.probes.value
    keys, queries = W["W_K"].swapaxes(1, 2) @ head, W["W_Q"].swapaxes(1, 2) @ head
    outputs, values = W["W_O"] @ value, W["W_V"].swapaxes(1, 2) @ value
    H_t, K_t = H.swapaxes(1, 2), K.swapaxes(1, 2)
    return {
        "head_balance": W["W_K"] @ keys - W["W_Q"] @ queries,
        "head_drift": W["W_Q"] @ (H_t @ (H @ queries)) - W["W_K"] @ (H @ (H_t @ keys)),
        "value_balance": W["W_O"].swapaxes(1, 2) @ outputs - W["W_V"] @ values,
        "value_drift": W["W_V"] @ (K_t @ (K @ values)) - W["W_O"].swapaxes(1, 2) @ (K @ (K_t @ outputs)),
    }


def _nulls(of: Quantities, setting: Setting) -> dict[str, Array]:
    W = of.weights["W_K"]
    nowhere = np.zeros(W.shape[2])
    token, difference, patterns = (
        setting.nulls.get(name, nowhere) for name in ("token_null", "difference_null", "pattern_sum")
    )
    heads = setting.nulls["head_null"]
    return {
        "value_outside": of.along("W_V", token),
        "query_outside": of.along("W_Q", token),
        "key_outside": of.along("W_K", difference),
        "key_sum": of.along("W_K", patterns),
        "head_sum_beyond": heads @ (W + of.weights["W_Q"]) @ setting.probes.token,
        "head_difference_beyond": heads @ (W - of.weights["W_Q"]) @ setting.probes.token,
    }


def _pattern_maps(of: Quantities, setting: Setting) -> dict[str, Array]:
    frame = setting.frame
    assert frame is not None
    return {"score_on_patterns": frame @ of.score_map @ frame.T, "hidden_on_patterns": of.hidden_map @ frame.T}


def _twins(of: Quantities, setting: Setting) -> dict[str, Array]:
    rows = np.broadcast_to(setting.watched, (len(of.rows), len(setting.watched)))
    counts = setting.samples.key_count[rows]
    counts = counts[..., [1, 0, *range(2, counts.shape[-1])]]
    # The twin has other queries too: every token is a query.
    twins = setting.samples._replace(query_weight=counts[0] / counts[0].sum(axis=1, keepdims=True))
    numbered = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    changed = Setting(**{**vars(setting), "samples": twins})
    return {"twin_output": evaluate(changed, of.score_map, of.hidden_map, numbered, counts)[3]}


def _followed(name: str, step: float, own: Array, first: Array, second: Array) -> dict[str, Array]:
    return {f"{name}_step": own[1:] - own[:-1], f"{name}_move": step * first + step**2 * second}


def _scores_along(of: Quantities, setting: Setting) -> dict[str, Array]:
    P, H, z, step = of.score_map, of.H, setting.probes.token, setting.attention_step
    P_t, H_t = P.swapaxes(1, 2), H.swapaxes(1, 2)
    key_gram, query_gram = _grams(of, "key_gram", "W_K"), _grams(of, "query_gram", "W_Q")
    Hz, H_t_z = H @ z, H_t @ z
    return {
        **_followed("score", step, P @ z, key_gram(Hz) + H @ query_gram(z), H @ (P_t @ Hz)),
        **_followed("key_gram", step, key_gram(z), H @ (P_t @ z) + P @ H_t_z, H @ query_gram(H_t_z)),
        **_followed("query_gram", step, query_gram(z), P_t @ Hz + H_t @ (P @ z), H_t @ key_gram(Hz)),
    }


def _effects_along(of: Quantities, setting: Setting) -> dict[str, Array]:
    R, K, z, y, step = of.hidden_map, of.K, setting.probes.token, setting.probes.neuron, setting.step_size
    R_t, K_t = R.swapaxes(1, 2), K.swapaxes(1, 2)
    output_gram, value_gram = _grams(of, "output_gram", "W_O", rows=True), _grams(of, "value_gram", "W_V")
    Kz, K_t_y = K @ z, K_t @ y
    return {
        **_followed("hidden", step, R @ z, output_gram(Kz) + K @ value_gram(z), K @ (R_t @ Kz)),
        **_followed("output_gram", step, output_gram(y), K @ (R_t @ y) + R @ K_t_y, K @ value_gram(K_t_y)),
        **_followed("value_gram", step, value_gram(z), R_t @ Kz + K_t @ (R @ z), K_t @ output_gram(Kz)),
    }


def _grams(of: Quantities, gram: str, weight: str, rows: bool = False) -> Callable[[Array], Array]:
    """Products of vectors with `W^T W`, or with `W W^T`."""

    def times(vectors: Array) -> Array:
        if gram in of.weights:
            return np.asarray(of.weights[gram] @ vectors)
        W = of.weights[weight]
        W_t = W.swapaxes(1, 2)
        return np.asarray(W @ (W_t @ vectors) if rows else W_t @ (W @ vectors))

    return times
