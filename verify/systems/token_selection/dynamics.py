"""Gradient descent of an instance: on inner products of its tokens (`Reduced`) or on its weights (`FullWeights`).

Both give the same trajectory (`docs/token-selection.md`); they differ in what a step costs.
"""

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from verify.engines.drive import AHEAD
from verify.engines.stretch import Stretch
from verify.systems.token_selection import compiled
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.kernels import (
    Array,
    Directions,
    Fixed,
    Integers,
    Measures,
    Probes,
    Recording,
    State,
    Workspace,
)
from verify.systems.token_selection.testing import Seen, TestSamples

ITEM = 8
"""Bytes of a float64."""

EPSILON = float(np.finfo(float).eps)

PROBES = 2
"""Random coefficients of the tokens along which M, the representer and the balance are followed at every step."""


def reduced_cost(tokens: int) -> float:
    """Entries of matrices that one reduced step goes through: products with K, M and P, and updates of M and P."""
    return 5.0 * tokens**2


def weights_cost(tokens: int, dimension: int, rows: int) -> float:
    """The same of one step on the weights: `W^T p`, `W v`, `p v^T`; scores, and `Z^T c`."""
    return 3.0 * dimension * float(rows) + 2.0 * tokens * float(dimension)


def workspace(samples: int, tokens: int) -> Workspace:
    """The buffers of one step."""
    total = samples * tokens
    return Workspace(
        attention=np.empty((samples, tokens)),
        score_drive=np.empty((samples, tokens)),
        output=np.empty(samples),
        loss_derivative=np.empty(samples),
        gram_drive=np.empty(total),
        map_drive=np.empty(total),
        representer_drive=np.empty(total),
        start_pull=np.empty(total),
        arrived=np.empty(total),
        pull=np.empty(total),
        numbers=np.empty(3),
    )


class Geometry:
    """What training and statements see of an instance's arrays: inner products of its tokens, also through W.

    `tokens` Z (N, d), `images` `W_0 Z^T` (r, N), `gram` K and `start_map` M_0 (N, N), `start_score` a_0 (N,), `mapped`
    `Z W_0^T W_0` (N, d), and `start_direction` `W_0^T p_0` (d,).
    """

    def __init__(self, instance: Instance) -> None:
        self.tokens = instance.tokens
        self.images = np.ascontiguousarray((self.tokens @ instance.W.T).T)
        self.gram = np.ascontiguousarray(self.tokens @ self.tokens.T)
        self.start_map = np.ascontiguousarray(self.images.T @ self.images)
        self.start_score = self.images.T @ instance.p
        self.start_square = float(instance.p @ instance.p)
        self.start_direction = instance.p @ instance.W
        self.mapped = self.images.T @ instance.W


def gram_bound(geometry: Geometry) -> Array:
    """A bound (N,) on the norm of `sum_i |x_i| |x'_i|` over all tokens x', for each token x."""
    return np.asarray(np.linalg.norm(geometry.tokens, axis=1) * np.linalg.norm(geometry.tokens))


def probe_coefficients(tokens: int) -> Array:
    """The probes (N, Z) of every run of so many tokens, about as long as one token's coefficient."""
    rng = np.random.Generator(np.random.PCG64(0))
    return np.ascontiguousarray(rng.standard_normal((tokens, PROBES)) / np.sqrt(tokens))


def _fixed(instance: Instance, geometry: Geometry) -> Fixed:
    assert instance.step_size is not None
    return Fixed(
        value=instance.value,
        labels=instance.y,
        gram=geometry.gram,
        start_map=geometry.start_map,
        start_score=geometry.start_score,
        numbers=np.array([instance.step_size, geometry.start_square]),
    )


def _state(instance: Instance, geometry: Geometry) -> State:
    samples, tokens, _, _ = instance.shape
    total = samples * tokens
    return State(
        score=geometry.start_score.reshape(samples, tokens).copy(),
        token_map=geometry.start_map.copy(),
        representer=np.zeros((total, total)),
        coefficient=np.zeros(total),
        start_coefficient=np.zeros(total),
        numbers=np.array([geometry.start_square, 1.0]),
    )


class _Recorder:
    """The buffers of a stretch, grown to the longest asked for; measures only where they are wanted.

    There are several sets that take turns: stretches can be looked at while the next are made.
    """

    def __init__(self, samples: int, tokens: int, probes: int, measured: bool) -> None:
        places = (samples, tokens)
        self._shapes: dict[str, tuple[int, ...]] = {
            "score": places,
            "attention": places,
            "output": (samples,),
            "loss_derivative": (samples,),
            "loss": (),
        }
        numbers = Measures._fields[: Measures._fields.index("score_drive")]
        self._measure_shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(Measures._fields, places),
            **dict.fromkeys(numbers, ()),
            **dict.fromkeys(("map_probe", "representer_probe"), (*places, probes)),
            **dict.fromkeys(("balance", "balance_scale"), (probes,)),
        }
        self._measured = measured
        self.take_turns(AHEAD + 1)

    @property
    def bytes_per_step(self) -> int:
        shapes = [*self._shapes.values(), *(self._measure_shapes.values() if self._measured else [])]
        return ITEM * sum(int(np.prod(shape)) for shape in shapes)

    def take_turns(self, sets: int) -> None:
        """Start anew with so many sets."""
        self._sets = [self._take(0) for _ in range(sets)]
        self._turn = 0

    def for_steps(self, steps: int) -> tuple[Recording, Measures]:
        """The set whose turn it is, long enough for so many steps."""
        self._turn = (self._turn + 1) % len(self._sets)
        if steps + 1 > len(self._sets[self._turn][0].loss):
            self._sets[self._turn] = self._take(steps + 1)
        return self._sets[self._turn]

    def _take(self, states: int) -> tuple[Recording, Measures]:
        recording = Recording(**{name: np.empty((states, *shape)) for name, shape in self._shapes.items()})
        measured = states if self._measured else 0
        return recording, Measures(**{n: np.empty((measured, *shape)) for n, shape in self._measure_shapes.items()})

    def arrays(self, steps: int, score_rounding: Array) -> dict[str, Array]:
        """The observables of the states of a stretch of so many steps.

        `score_rounding` (n, T) is what rounding can add to a recorded score beyond its last bit.
        """
        recording, measures = self._sets[self._turn]
        arrays = {name: array[: steps + 1] for name, array in recording._asdict().items()}
        if self._measured:
            arrays |= {name: array[: steps + 1] for name, array in measures._asdict().items()}
            arrays["score_rounding"] = np.broadcast_to(score_rounding, (steps + 1, *score_rounding.shape))
        return arrays


def _offsets(keep: Sequence[int], here: int) -> Integers:
    return np.array(keep, dtype=np.int64) - here


class Reduced:
    """Gradient descent on inner products of tokens: the closed system of scores, M and q, and the representer.

    Source: derived, see `docs/token-selection.md`.
    """

    name = "reduced"

    def __init__(self, instance: Instance, test: TestSamples | None, measured: bool = False) -> None:
        self._instance = instance
        self.geometry = Geometry(instance)
        self._fixed = _fixed(instance, self.geometry)
        self._test = test
        self._measured = measured
        self._begin(probe_coefficients(len(self._fixed.gram)))

    def _begin(self, probes: Array) -> None:
        """Go to the start, with probes (N, Z)."""
        samples, tokens, _, _ = self._instance.shape
        self._state = _state(self._instance, self.geometry)
        self._work = workspace(samples, tokens)
        self._recorder = _Recorder(samples, tokens, probes.shape[1], self._measured)
        self._probes = _probes(self.geometry, probes)
        self.step = 0

    def in_full(self) -> Self:
        """The same at its start, which follows M and the representer along all unit vectors."""
        whole = copy(self)
        whole._begin(np.eye(len(self._fixed.gram)))
        return whole

    @property
    def observables(self) -> list[str]:
        """The names of what stretches hold."""
        return list(self._recorder.arrays(0, self._rounding))

    @property
    def _rounding(self) -> Array:
        return np.zeros_like(self._state.score)

    @property
    def bytes_per_step(self) -> int:
        """Memory that one recorded state takes."""
        return self._recorder.bytes_per_step

    @property
    def bytes_per_kept(self) -> int:
        """Memory that one kept state takes."""
        return 2 * self._state.coefficient.nbytes + ITEM

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Make up to `steps` steps; see `verify.engines.stretch.Dynamics`."""
        first, start = self.step, self.save()
        recording, measures = self._recorder.for_steps(steps)
        kept_coefficient, kept_pull = np.empty((2, len(keep), len(self._state.coefficient)))
        kept_share = np.empty(len(keep))
        made = compiled.advance(
            self._fixed,
            self._state,
            steps,
            loss_target,
            self._work,
            recording,
            measures,
            self._probes,
            _offsets(keep, first),
            kept_coefficient,
            kept_pull,
            kept_share,
        )
        self.step += made
        kept = {
            step: (kept_coefficient[i], kept_pull[i], float(kept_share[i]))
            for i, step in enumerate(keep)
            if step <= self.step
        }
        return Stretch(first, made, self._recorder.arrays(made, self._rounding), start, kept)

    def save(self) -> Any:
        """The present state."""
        return self.step, State(*(array.copy() for array in self._state))

    def restore(self, saved: Any) -> None:
        """Go back to a saved state."""
        self.step = saved[0]
        for mine, theirs in zip(self._state, saved[1], strict=True):
            mine[...] = theirs

    def twin(self) -> "Reduced":
        """The same with buffers of its own."""
        shared = (self._instance, self.geometry, self._fixed, self._test)
        twin = deepcopy(self, {id(each): each for each in shared})
        twin._recorder.take_turns(1)
        return twin

    def instance(self) -> Instance:
        """The instance with its weights as they are now."""
        start, state, geometry = self._instance, self._state, self.geometry
        grown = geometry.images @ state.representer + np.outer(start.p, state.start_coefficient)
        return replace(
            start,
            W=start.W + grown @ geometry.tokens,
            p=state.numbers[1] * start.p + geometry.images @ state.coefficient,
        )

    def vectors(self) -> dict[str, Array]:
        """M and the representer (n, T, n, T)."""
        places = (*self._state.score.shape, *self._state.score.shape)
        return {
            "token_map": self._state.token_map.reshape(places).copy(),
            "representer": self._state.representer.reshape(places).copy(),
        }

    def roundings(self) -> dict[str, Any]:
        """How many terms recorded numbers sum: inner products, the same through W, the norm of p, and the balance.

        And the norms (n, T) of the rows of K.
        """
        total = float(len(self._fixed.gram))
        size = np.linalg.norm(self._fixed.gram, axis=1).reshape(self._state.score.shape)
        return {
            "gram_size": size,
            "gram_terms": total,
            "map_terms": total,
            "square_terms": 0.0,
            "balance_terms": 4.0 * total,
        }

    def test_outputs(self, kept: Any) -> Seen | None:
        """What test samples come to at a kept state."""
        if self._test is None:
            return None
        coefficient, pull, share = kept
        geometry = self.geometry
        direction = share * geometry.start_direction + coefficient @ geometry.mapped + pull @ geometry.tokens
        return self._test.seen(direction)


def _probes(geometry: Geometry, coefficients: Array) -> Probes:
    return Probes(
        coefficients=np.ascontiguousarray(coefficients.T),
        start=np.ascontiguousarray(geometry.start_map @ coefficients),
        query=geometry.start_score @ coefficients,
        gram_size=np.linalg.norm(geometry.gram, axis=1),
        pulled=np.empty(coefficients.T.shape),
        moved=np.empty(coefficients.T.shape),
    )


class FullWeights:
    """Gradient descent on `W` and `p` themselves; where statements are checked, the representer goes along."""

    name = "weights"

    def __init__(self, instance: Instance, test: TestSamples | None, measured: bool = False) -> None:
        self._instance = instance
        self.geometry = Geometry(instance)
        self._fixed = _fixed(instance, self.geometry)
        self._test = test
        self._measured = measured
        self._begin(probe_coefficients(len(self._fixed.gram)))

    def _begin(self, probes: Array) -> None:
        """Go to the start, with probes (N, Z)."""
        instance = self._instance
        samples, tokens, dimension, rows = instance.shape
        self._follower = _state(instance, self.geometry)
        self._W, self._p = instance.W.copy(), instance.p.copy()
        self._work = workspace(samples, tokens)
        self._recorder = _Recorder(samples, tokens, probes.shape[1], self._measured)
        self._probes = _probes(self.geometry, probes)
        self._directions = _directions(instance, self.geometry, probes)
        self._direction, self._moved, self._pulled = np.empty(dimension), np.empty(dimension), np.empty(rows)
        self.step = 0

    def in_full(self) -> Self:
        """The same at its start, which follows M and the representer along all unit vectors."""
        whole = copy(self)
        whole._begin(np.eye(len(self._fixed.gram)))
        return whole

    @property
    def observables(self) -> list[str]:
        """The names of what stretches hold."""
        return list(self._recorder.arrays(0, np.zeros_like(self._follower.score)))

    @property
    def bytes_per_step(self) -> int:
        """Memory that one recorded state takes."""
        return self._recorder.bytes_per_step

    @property
    def bytes_per_kept(self) -> int:
        """Memory that one kept state takes."""
        return self._direction.nbytes

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Make up to `steps` steps; see `verify.engines.stretch.Dynamics`."""
        first, start, rounding = self.step, self.save(), self._score_rounding()
        recording, measures = self._recorder.for_steps(steps)
        kept_direction = np.empty((len(keep), len(self._direction)))
        made = compiled.advance_weights(
            self._fixed,
            self.geometry.tokens,
            self._W,
            self._p,
            self._follower,
            steps,
            loss_target,
            self._work,
            recording,
            measures,
            self._probes,
            self._directions,
            self._direction,
            self._moved,
            self._pulled,
            _offsets(keep, first),
            kept_direction,
        )
        self.step += made
        kept = {step: kept_direction[i] for i, step in enumerate(keep) if step <= self.step}
        rounding = np.maximum(rounding, self._score_rounding())
        return Stretch(first, made, self._recorder.arrays(made, rounding), start, kept)

    def save(self) -> Any:
        """The present state."""
        return self.step, self._W.copy(), self._p.copy(), State(*(array.copy() for array in self._follower))

    def restore(self, saved: Any) -> None:
        """Go back to a saved state."""
        self.step = saved[0]
        self._W[...], self._p[...] = saved[1:3]
        for mine, theirs in zip(self._follower, saved[3], strict=True):
            mine[...] = theirs

    def twin(self) -> "FullWeights":
        """The same with buffers of its own."""
        shared = (self._instance, self.geometry, self._fixed, self._test)
        twin = deepcopy(self, {id(each): each for each in shared})
        twin._recorder.take_turns(1)
        return twin

    def instance(self) -> Instance:
        """The instance with its weights as they are now."""
        return replace(self._instance, W=self._W.copy(), p=self._p.copy())

    def vectors(self) -> dict[str, Array]:
        """M and the representer (n, T, n, T)."""
        places = (*self._follower.score.shape, *self._follower.score.shape)
        images = self.geometry.tokens @ self._W.T
        return {
            "token_map": (images @ images.T).reshape(places),
            "representer": self._follower.representer.reshape(places).copy(),
        }

    def roundings(self) -> dict[str, Any]:
        """How many terms recorded numbers sum: inner products, the same through W, the norm of p, and the balance.

        And bounds (n, T) of the absolute terms of a row of K.
        """
        _, _, dimension, rows = self._instance.shape
        total = float(len(self._fixed.gram))
        return {
            "gram_size": gram_bound(self.geometry).reshape(self._follower.score.shape),
            "gram_terms": total + 2.0 * dimension,
            "map_terms": total + 3.0 * dimension + 2.0 * rows,
            "square_terms": float(rows),
            "balance_terms": 4.0 * total + 3.0 * dimension + 3.0 * rows,
        }

    def test_outputs(self, kept: Any) -> Seen | None:
        """What test samples come to at a kept state."""
        return None if self._test is None else self._test.seen(kept)

    def _score_rounding(self) -> Array:
        """Rounding of a recorded score (n, T), which is made anew from the weights of each step."""
        if not self._measured:
            return np.zeros_like(self._follower.score)
        terms = sum(self._W.shape) + 2
        sizes = np.abs(self.geometry.tokens) @ (np.abs(self._p) @ np.abs(self._W))
        return np.asarray(terms * EPSILON * sizes).reshape(self._follower.score.shape)


def _directions(instance: Instance, geometry: Geometry, coefficients: Array) -> Directions:
    _, _, dimension, rows = instance.shape
    queries = np.ascontiguousarray(geometry.images @ coefficients)
    start = ((instance.W.T @ queries) ** 2).sum(axis=0) - (instance.p @ queries) ** 2
    return Directions(
        tokens=np.ascontiguousarray(geometry.tokens.T @ coefficients),
        queries=queries,
        start=start,
        gram_size=gram_bound(geometry),
        by_map=np.empty((dimension, coefficients.shape[1])),
        by_direction=np.empty((rows, coefficients.shape[1])),
    )
