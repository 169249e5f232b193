"""Gradient descent of an instance: on its tokens' states (`Reduced`) or on its weight matrices (`FullWeights`).

Both give the same trajectory (`docs/reduction.md`); they differ in what a step costs.
"""

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from verify.engines.drive import AHEAD
from verify.engines.stretch import Stretch
from verify.systems.benign_vit import compiled
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.kernels import Array, Integers, Norms, Recording, Workspace
from verify.systems.benign_vit.testing import TestSamples

ITEM = 8
"""Bytes of a float64."""


def reduced_rank(tokens: int, d_h: int) -> int:
    """Width `min(2P, d_h)` to which the reduction brings queries and keys."""
    return min(2 * tokens, d_h)


def reduced_cost(tokens: int, d_h: int) -> float:
    """Multiplications of one reduced step: the Gram matrix times the directions of queries and keys."""
    return 2.0 * tokens**2 * reduced_rank(tokens, d_h)


def weights_cost(tokens: int, d: int, d_h: int) -> float:
    """Multiplications of one step on the weights: tokens times weights, and directions back to weights."""
    return 4.0 * tokens * float(d) * d_h


PROBES = 2
"""Random directions on which the balance of queries and keys is followed at every step."""

MOST_PROJECTIONS = 2**22
"""Projections of one state that are still taken in full: enough for rank 200 where tokens are half as many."""


def probe_directions(rank: int) -> Array:
    """The directions (r, Z) of every step, the same in every run."""
    return np.random.Generator(np.random.PCG64(0)).standard_normal((rank, PROBES))


def complete_directions(rank: int) -> Array:
    """Basis vectors and their sums in pairs (r, r(r+1)/2): quadratic forms that agree on them agree everywhere.

    Examples:
        >>> complete_directions(2)
        array([[1., 1., 0.],
               [0., 1., 1.]])
    """
    first, second = np.triu_indices(rank)
    directions = np.zeros((rank, len(first)))
    places = np.arange(len(first))
    directions[first, places] = directions[second, places] = 1.0
    return directions


def projections_in_full(vectors: int, rank: int) -> int:
    """How many numbers the projections of so many vectors on `complete_directions` are."""
    return vectors * (rank * (rank + 1) // 2)


def workspace(samples: int, tokens: int, distinct: int, rank: int) -> Workspace:
    """The buffers of one step."""
    square, drive = (samples, tokens, tokens), (samples, tokens, rank)
    return Workspace(
        queries=np.empty(drive),
        keys=np.empty(drive),
        query_drive=np.empty(drive),
        key_drive=np.empty(drive),
        score=np.empty(square),
        attention=np.empty(square),
        pull=np.empty(square),
        token_value=np.empty((samples, tokens)),
        output=np.empty(samples),
        loss_derivative=np.empty(samples),
        direction=np.empty((distinct, 2 * rank)),
        increment=np.empty((distinct, 2 * rank)),
        value_direction=np.empty(distinct),
        value_increment=np.empty(distinct),
    )


class _Recorder:
    """The buffers of a stretch, grown to the longest asked for; norms only where they are wanted.

    There are several sets that take turns: stretches can be looked at while the next are made. `directions` (r, Z) are
    those along which queries and keys are followed.
    """

    def __init__(self, samples: int, tokens: int, distinct: int, directions: Array, norms: bool) -> None:
        rank, probes = directions.shape
        places = (samples, tokens)
        self._shapes: dict[str, tuple[int, ...]] = {
            "score": (*places, tokens),
            "attention": (*places, tokens),
            "attention_gradient": (*places, tokens),
            "value": (distinct,),
            "output": (samples,),
            "loss_derivative": (samples,),
            "loss": (),
        }
        self._norm_shapes: dict[str, tuple[int, ...]] = {
            "square": (distinct, 2),
            "change": (distinct, 2),
            "query_drive": places,
            "key_drive": places,
            "query_overlap": places,
            "key_overlap": places,
            "probe": (distinct, 2 * probes),
            "balance": (probes,),
            "balance_scale": (probes,),
        }
        self._norms = norms
        self._buffers = {
            "directions": directions,
            "start": np.zeros((distinct, 2 * probes)),
            "balance_start": np.zeros(probes),
            "moved": np.empty((distinct, 2 * probes)),
            "pulled": np.empty((distinct, 2 * probes)),
            "after": np.empty((distinct, 2 * rank)),
        }
        self.take_turns(AHEAD + 1)

    def begin(self, states: Array) -> None:
        """Remember the probes of the first state, from its queries and keys (P, 2r)."""
        flat = states.reshape(-1, states.shape[1] // 2) @ self.directions
        self._buffers["start"][...] = flat.reshape(len(states), -1)

    def begin_from_balance(self, balance: Array) -> None:
        """Remember the balance (Z,) of the first state."""
        self._buffers["balance_start"][...] = balance

    @property
    def directions(self) -> Array:
        """The probe directions (r, Z)."""
        return self._buffers["directions"]

    @property
    def bytes_per_step(self) -> int:
        shapes = [*self._shapes.values(), *(self._norm_shapes.values() if self._norms else [])]
        return ITEM * sum(int(np.prod(shape)) for shape in shapes)

    def take_turns(self, sets: int) -> None:
        """Start anew with so many sets."""
        self._sets = [self._take(0) for _ in range(sets)]
        self._turn = 0

    def for_steps(self, steps: int) -> tuple[Recording, Norms]:
        """The set whose turn it is, long enough for so many steps."""
        self._turn = (self._turn + 1) % len(self._sets)
        if steps + 1 > len(self._sets[self._turn][0].loss):
            self._sets[self._turn] = self._take(steps + 1)
        return self._sets[self._turn]

    def _take(self, states: int) -> tuple[Recording, Norms]:
        recording = Recording(**{name: np.empty((states, *shape)) for name, shape in self._shapes.items()})
        measured = states if self._norms else 0
        taken = {name: np.empty((measured, *shape)) for name, shape in self._norm_shapes.items()}
        return recording, Norms(**taken, **self._buffers)

    def arrays(self, steps: int, value_rounding: Array) -> dict[str, Array]:
        """The observables of the states of a stretch of so many steps; increments have one entry less.

        `value_rounding` (P,) is what rounding can add to a recorded value beyond its last bit.
        """
        recording, norms = self._sets[self._turn]
        arrays = {name: array[: steps + 1] for name, array in recording._asdict().items()}
        if self._norms:
            arrays["query_square"], arrays["key_square"] = np.moveaxis(norms.square[: steps + 1], 2, 0)
            arrays["query_change"], arrays["key_change"] = np.moveaxis(norms.change[:steps], 2, 0)
            for name in ("query_drive", "key_drive", "query_overlap", "key_overlap", "balance", "balance_scale"):
                arrays[name] = getattr(norms, name)[: steps + 1]
            arrays["value_rounding"] = np.broadcast_to(value_rounding, (steps + 1, *value_rounding.shape))
            arrays["query_probe"], arrays["key_probe"] = np.split(norms.probe[: steps + 1], 2, axis=2)
        return arrays


def _offsets(keep: Sequence[int], here: int) -> Integers:
    return np.array(keep, dtype=np.int64) - here


def _outputs(score: Array, value: Array) -> Array:
    """Outputs of test samples from scores (S, M, M) and values (S, M)."""
    weights = np.exp(score - score.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return np.asarray(np.einsum("nlj,nj->n", weights, value) / score.shape[1])


class Reduced:
    """Gradient descent in token space: queries, keys and values of the distinct tokens, moved by their Gram matrix.

    Source: section "vectorised Q & K, scalarised V" of arXiv:2409.19345; exactness derived, see `docs/reduction.md`.
    """

    name = "reduced"

    def __init__(self, instance: Instance, table: TokenTable, test: TestSamples | None, norms: bool = False) -> None:
        assert instance.step_size is not None
        self._instance = instance
        self._table = table
        self._labels = instance.y
        self._step_size = instance.step_size
        self._readout = instance.readout
        self._token_at = table.token_at
        self._gram = np.ascontiguousarray(table.tokens @ table.tokens.T)
        queries, keys = table.tokens @ instance.W_Q, table.tokens @ instance.W_K
        frame = self._frame = _frame(queries, keys)
        self._first_states = np.ascontiguousarray(np.hstack([queries @ frame, keys @ frame]))
        self._first_values = table.tokens @ (instance.W_V @ instance.w_O)
        self._test = None if test is None else _TestOverlaps(instance, table, test, frame)
        self._begin(probe_directions(frame.shape[1]), norms)

    def _begin(self, directions: Array, norms: bool) -> None:
        """Take the first state, with buffers of its own."""
        self._states, self._values = self._first_states.copy(), self._first_values.copy()
        self._dual, self._value_dual = np.zeros_like(self._states), np.zeros_like(self._values)
        samples, tokens = self._token_at.shape
        self._work = workspace(samples, tokens, len(self._values), len(directions))
        self._recorder = _Recorder(samples, tokens, len(self._values), directions, norms)
        self._recorder.begin(self._states)
        self.step = 0

    @property
    def observables(self) -> list[str]:
        """The names of what stretches hold."""
        return list(self._recorder.arrays(0, np.zeros(len(self._token_at))))

    @property
    def bytes_per_step(self) -> int:
        """Memory that one recorded state takes."""
        return self._recorder.bytes_per_step

    @property
    def bytes_per_kept(self) -> int:
        """Memory that one kept state takes."""
        return self._dual.nbytes + self._value_dual.nbytes

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Make up to `steps` steps; see `verify.engines.stretch.Dynamics`."""
        first, start = self.step, self.save()
        recording, norms = self._recorder.for_steps(steps)
        kept_dual = np.empty((len(keep), *self._dual.shape))
        kept_value_dual = np.empty((len(keep), *self._value_dual.shape))
        made = compiled.advance(
            self._gram,
            self._token_at,
            self._labels,
            self._step_size,
            self._readout,
            self._states,
            self._values,
            self._dual,
            self._value_dual,
            steps,
            loss_target,
            self._work,
            recording,
            norms,
            _offsets(keep, first),
            kept_dual,
            kept_value_dual,
        )
        self.step += made
        kept = {step: (kept_dual[i], kept_value_dual[i]) for i, step in enumerate(keep) if step <= self.step}
        return Stretch(first, made, self._recorder.arrays(made, np.zeros_like(self._values)), start, kept)

    def save(self) -> Any:
        """The present state."""
        return (
            self.step,
            self._states.copy(),
            self._values.copy(),
            self._dual.copy(),
            self._value_dual.copy(),
        )

    def restore(self, saved: Any) -> None:
        """Go back to a saved state."""
        self.step = saved[0]
        for mine, theirs in zip((self._states, self._values, self._dual, self._value_dual), saved[1:], strict=True):
            mine[...] = theirs

    def twin(self) -> "Reduced":
        """The same with buffers of its own."""
        first = self._first_states, self._first_values
        shared = (
            self._instance,
            self._table,
            self._gram,
            self._token_at,
            self._labels,
            self._frame,
            self._test,
            *first,
        )
        twin = deepcopy(self, {id(each): each for each in shared})
        twin._recorder.take_turns(1)
        return twin

    def in_full(self) -> "Reduced":
        """The same at its start, which follows queries and keys along a complete set of directions."""
        whole = copy(self)
        whole._begin(complete_directions(len(self.directions)), norms=True)
        whole._recorder.take_turns(1)
        return whole

    @property
    def projections_in_full(self) -> int:
        """How many numbers a state has along a complete set of directions."""
        return projections_in_full(2 * max(len(self._values), self._token_at.size), len(self.directions))

    def instance(self) -> Instance:
        """The instance with its weights as they are now."""
        tokens, rank = self._table.tokens, self._states.shape[1] // 2
        moved = tokens.T @ self._dual
        return replace(
            self._instance,
            W_Q=self._instance.W_Q + moved[:, :rank] @ self._frame.T,
            W_K=self._instance.W_K + moved[:, rank:] @ self._frame.T,
            W_V=self._instance.W_V + np.outer(tokens.T @ self._value_dual, self._instance.w_O),
        )

    def vectors(self) -> dict[str, Array]:
        """Queries and keys of the tokens (P, r)."""
        query, key = np.split(self._states, 2, axis=1)
        return {"query": query.copy(), "key": key.copy()}

    @property
    def directions(self) -> Array:
        """The probe directions (r, Z)."""
        return self._recorder.directions

    @property
    def balance_terms(self) -> int:
        """How many terms the recorded balance sums."""
        return 2 * len(self._values) + int(self._states.shape[1])

    def test_outputs(self, kept: Any) -> tuple[Array, Array] | None:
        """Labels and outputs of the test samples at a kept state."""
        if self._test is None:
            return None
        dual, value_dual = kept
        return self._test.y, self._test.outputs(dual, value_dual, self._readout)


def _frame(queries: Array, keys: Array) -> Array:
    """Orthonormal columns (d_h, min(2P, d_h)) that span all queries and keys; the identity where it saves nothing."""
    rank = reduced_rank(len(queries), queries.shape[1])
    if rank == queries.shape[1]:
        return np.eye(rank)
    return np.asarray(np.linalg.qr(np.vstack([queries, keys]).T)[0])


class _TestOverlaps:
    """Test samples as a reduced run sees them: their inner products with the training tokens, and their start."""

    def __init__(self, instance: Instance, table: TokenTable, test: TestSamples, frame: Array) -> None:
        queries = test.tokens @ instance.W_Q + test.queries_beyond
        keys = test.tokens @ instance.W_K + test.keys_beyond
        self.y = test.y
        self._overlap = test.tokens @ table.tokens.T
        self._queries, self._keys = queries @ frame, keys @ frame
        outside = queries - self._queries @ frame.T, keys - self._keys @ frame.T
        self._score_beyond = test.score_beyond + outside[0] @ outside[1].transpose(0, 2, 1)
        self._value = test.tokens @ (instance.W_V @ instance.w_O) + test.value_beyond

    def outputs(self, dual: Array, value_dual: Array, readout: float) -> Array:
        moved = self._overlap @ dual
        rank = dual.shape[1] // 2
        queries, keys = self._queries + moved[..., :rank], self._keys + moved[..., rank:]
        score = queries @ keys.transpose(0, 2, 1) + self._score_beyond
        return _outputs(score, self._value + readout * (self._overlap @ value_dual))


class FullWeights:
    """Gradient descent on `W_Q`, `W_K` and `W_V` themselves."""

    name = "weights"

    def __init__(self, instance: Instance, table: TokenTable, test: TestSamples | None, norms: bool = False) -> None:
        assert instance.step_size is not None
        self._instance = instance
        self._labels = instance.y
        self._step_size = instance.step_size
        self._w_O = instance.w_O
        self._tokens = table.tokens
        self._transposed = np.ascontiguousarray(table.tokens.T)
        self._token_at = table.token_at
        self._test = test
        self._begin(probe_directions(instance.W_Q.shape[1]), norms)

    def _begin(self, directions: Array, norms: bool) -> None:
        """Take the first state, with buffers of its own."""
        self._weights_qk = np.ascontiguousarray(np.hstack([self._instance.W_Q, self._instance.W_K]))
        self._weights_v = self._instance.W_V.copy()
        self._weights_increment = np.empty_like(self._weights_qk)
        samples, tokens = self._token_at.shape
        self._work = workspace(samples, tokens, len(self._tokens), len(directions))
        self._recorder = _Recorder(samples, tokens, len(self._tokens), directions, norms)
        self._weights_probe = np.empty((2 * len(self._weights_qk), directions.shape[1]))
        self.step = 0
        if norms:  # by the kernel that takes it off later: the balance of the first state is 0, not its rounding
            self._recorder.begin_from_balance(self.advance(0, -1.0, []).arrays["balance"][0])

    @property
    def observables(self) -> list[str]:
        """The names of what stretches hold."""
        return list(self._recorder.arrays(0, np.zeros(len(self._token_at))))

    @property
    def bytes_per_step(self) -> int:
        """Memory that one recorded state takes."""
        return self._recorder.bytes_per_step

    @property
    def bytes_per_kept(self) -> int:
        """Memory that one kept state takes."""
        return self._weights_qk.nbytes + self._weights_v.nbytes

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Make up to `steps` steps; see `verify.engines.stretch.Dynamics`."""
        first, start = self.step, self.save()
        rounding = self._value_rounding()
        recording, norms = self._recorder.for_steps(steps)
        kept_qk = np.empty((len(keep), *self._weights_qk.shape))
        kept_v = np.empty((len(keep), *self._weights_v.shape))
        made = compiled.advance_weights(
            self._tokens,
            self._token_at,
            self._labels,
            self._step_size,
            self._w_O,
            self._weights_qk,
            self._weights_v,
            steps,
            loss_target,
            self._work,
            recording,
            norms,
            self._transposed,
            self._weights_increment,
            self._weights_probe,
            _offsets(keep, first),
            kept_qk,
            kept_v,
        )
        self.step += made
        kept = {step: (kept_qk[i], kept_v[i]) for i, step in enumerate(keep) if step <= self.step}
        return Stretch(
            first, made, self._recorder.arrays(made, np.maximum(rounding, self._value_rounding())), start, kept
        )

    def save(self) -> Any:
        """The present state."""
        return self.step, self._weights_qk.copy(), self._weights_v.copy()

    def restore(self, saved: Any) -> None:
        """Go back to a saved state."""
        self.step = saved[0]
        self._weights_qk[...], self._weights_v[...] = saved[1:]

    def twin(self) -> "FullWeights":
        """The same with buffers of its own."""
        shared = (self._instance, self._tokens, self._transposed, self._token_at, self._labels, self._w_O, self._test)
        twin = deepcopy(self, {id(each): each for each in shared})
        twin._recorder.take_turns(1)
        return twin

    def in_full(self) -> "FullWeights":
        """The same at its start, which follows queries and keys along a complete set of directions."""
        whole = copy(self)
        whole._begin(complete_directions(len(self.directions)), norms=True)
        whole._recorder.take_turns(1)
        return whole

    @property
    def projections_in_full(self) -> int:
        """How many numbers a state has along a complete set of directions."""
        vectors = 2 * (max(len(self._tokens), self._token_at.size) + len(self._weights_qk))
        return projections_in_full(vectors, len(self.directions))

    def instance(self) -> Instance:
        """The instance with its weights as they are now."""
        W_Q, W_K = np.split(self._weights_qk, 2, axis=1)
        return replace(self._instance, W_Q=W_Q.copy(), W_K=W_K.copy(), W_V=self._weights_v.copy())

    def vectors(self) -> dict[str, Array]:
        """Queries and keys of the tokens (P, d_h)."""
        query, key = np.split(self._tokens @ self._weights_qk, 2, axis=1)
        return {"query": query, "key": key}

    @property
    def directions(self) -> Array:
        """The probe directions (r, Z)."""
        return self._recorder.directions

    def _value_rounding(self) -> Array:
        """Rounding of a recorded value (P,), which is made anew from the weights of each step."""
        terms = self._tokens.shape[1] + self._weights_v.shape[1] + 2
        sizes = np.abs(self._tokens) @ (np.abs(self._weights_v) @ np.abs(self._w_O))
        return np.asarray(terms * np.finfo(float).eps * sizes)

    @property
    def balance_terms(self) -> int:
        """How many terms the recorded balance sums."""
        return len(self._weights_qk) + int(self._weights_qk.shape[1])

    def test_outputs(self, kept: Any) -> tuple[Array, Array] | None:
        """Labels and outputs of the test samples at a kept state."""
        if self._test is None:
            return None
        weights_qk, weights_v = kept
        test, heads = self._test, weights_qk.shape[1] // 2
        queries = test.tokens @ weights_qk[:, :heads] + test.queries_beyond
        keys = test.tokens @ weights_qk[:, heads:] + test.keys_beyond
        score = queries @ keys.transpose(0, 2, 1) + test.score_beyond
        return test.y, _outputs(score, test.tokens @ (weights_v @ self._w_O) + test.value_beyond)
