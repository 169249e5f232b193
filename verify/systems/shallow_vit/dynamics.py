"""Stochastic gradient descent of an instance: on weights, in coordinates of the patterns, or on products of weights.

All give the same trajectory (`docs/shallow-vit.md`); they differ in what a step costs.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from verify.engines.stretch import Stretch
from verify.systems.shallow_vit import compiled
from verify.systems.shallow_vit.buffers import (
    gram_buffers,
    pattern_workspace,
    products_as_weights,
    recording,
    token_workspace,
)
from verify.systems.shallow_vit.draw import Batches
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.kernels import Array, Grams, Integers, Samples, Weights, Workspace
from verify.systems.shallow_vit.measures import Measured, Probes, Setting, complete_probes
from verify.systems.shallow_vit.testing import AT_ONCE, Seen, TestLaw, output_doubt

ITEM = 8
"""Bytes of a float64."""

WEIGHTS = ("W_O", "W_V", "W_K", "W_Q")

WATCHED_NAMES = ("score", "attention", "token_effect", "attention_gradient")


@dataclass(frozen=True)
class Course:
    """What no step changes.

    `samples` are rows of different samples, `row_of` (N,) says which each training sample is. `relevant` (rows, S) is 1
    for tokens that agree with the label. Where `everything_at_once`, every batch is all rows with their weights.
    `watched` are rows. `radius` is the largest norm of a token, `terms` counts the roundings of an output.
    """

    samples: Samples
    row_of: Integers
    relevant: Array
    readout: Array
    batches: Batches | None
    batch: int
    watched: Integers
    step_size: float
    attention_step: float
    loss_every: int
    radius: float
    terms: int

    @property
    def label(self) -> Array:
        """The labels of the training samples, (N,)."""
        return self.samples.label[self.row_of]

    @property
    def batch_weight(self) -> Array:
        """The weights of the samples of a batch, (B,)."""
        return self.samples.weight if self.batches is None else np.full(self.batch, 1.0 / self.batch)

    def rows(self, first: int, count: int) -> Integers:
        """The rows that the batches of some steps use, (count, B)."""
        if self.batches is None:
            return np.tile(np.arange(self.batch), (count, 1))
        return np.ascontiguousarray(self.row_of[self.batches.of(first, count)])

    def looks(self, first: int, count: int, keep: Sequence[int]) -> NDArray[np.bool_]:
        """At which states all samples are looked at: every so many steps, where one is kept, and the last."""
        steps = np.arange(first, first + count)
        looks = np.asarray(steps % self.loss_every == 0)
        looks[[step - first for step in keep]] = True
        looks[-1] = True
        return looks


class _Descent:
    """What both representations of the weights share."""

    name: str

    def __init__(
        self, instance: Instance, course: Course, setting: Setting | None, test: TestLaw | None, frame: Array | None
    ) -> None:
        self._instance = instance
        self._course = course
        self._setting = setting
        self._test = test
        self._frame = frame
        samples = course.samples
        self._everything = np.arange(len(samples.label))
        self._dimension = samples.key_count.shape[1] if not samples.tokens.size else samples.tokens.shape[2]
        self._at_once = max(course.batch, len(course.watched), min(len(self._everything), AT_ONCE))
        if samples.tokens.size:
            self._at_once = max(course.batch, len(course.watched))
        self.step = 0
        self._begin()
        self._observables = list(self.advance(0, -1.0, []).arrays)

    def _begin(self) -> None:
        """Take the first state, with buffers of its own."""
        raise NotImplementedError

    def _workspace(self, weights: Weights) -> Workspace:
        samples, neurons = self._course.samples, len(self._course.readout)
        if samples.tokens.size:
            return token_workspace(weights, neurons, samples.key_count.shape[1], self._at_once)
        return pattern_workspace(self._dimension, neurons, self._at_once)

    @property
    def _state(self) -> Any:
        """The arrays that a step moves, a named tuple."""
        raise NotImplementedError

    def _run(self, recorded: Any, **arguments: Any) -> int:
        raise NotImplementedError

    @property
    def observables(self) -> list[str]:
        """The names of what stretches hold."""
        return self._observables

    @property
    def bytes_per_step(self) -> int:
        """Memory that one recorded state takes."""
        slots = self._course.samples.key_count.shape[1]
        numbers = 4 * len(self._course.watched) * slots * slots + 4 * self._course.batch + 2 * len(self._course.row_of)
        if self._setting is not None:  # what is measured besides: P, R, H, K and their products
            numbers += self._dimension * (4 * self._dimension + 4 * len(self._course.readout))
        return int(ITEM * numbers + self.bytes_per_kept)

    @property
    def bytes_per_kept(self) -> int:
        """Memory that one kept state takes."""
        sizes: list[int] = [array.size for array in self._state]
        return ITEM * sum(sizes)

    def advance(self, steps: int, loss_target: float, keep: Sequence[int]) -> Stretch:
        """Make up to `steps` steps; see `verify.engines.stretch.Dynamics`."""
        course, samples = self._course, self._course.samples
        first, start = self.step, self.save()
        states = steps + 1
        rows = course.rows(first, states)
        record = recording(states, course.batch, len(samples.label), len(course.watched), samples.key_count.shape[1])
        recorded = type(self._state)(*(np.empty((states, *array.shape)) for array in self._state))
        made = self._run(
            recorded,
            batches=rows,
            looks=course.looks(first, states, keep),
            watches=self._setting is not None,
            loss_target=loss_target,
            recording=record,
        )
        self.step += made
        until = slice(made + 1)
        label = samples.label[rows[until]]
        outputs = record.all_output[until][:, course.row_of]
        arrays = {
            "batch_loss": record.batch_loss[until],
            "loss": record.loss[until],
            "relevant_attention": record.relevant_attention[until],
            "output": outputs,
            "loss_derivative": np.where(np.isnan(outputs), np.nan, course.label * outputs < 1.0),
            "batch_label": label,
            "batch_weight": np.broadcast_to(course.batch_weight, label.shape),
            "batch_output": record.batch_output[until],
            "batch_active": record.batch_active[until],
            **{name: getattr(record, name)[until] for name in WATCHED_NAMES},
            "watched_output": record.output[until],
        }
        states_of = {name: array[until] for name, array in recorded._asdict().items()}
        kept = {
            step: type(recorded)(*(array[step - first].copy() for array in recorded))
            for step in keep
            if step <= self.step
        }
        return Stretch(first, made, Measured(arrays, self._setting, states_of, rows[until]), start, kept)

    def save(self) -> Any:
        """The present state."""
        return self.step, type(self._state)(*(array.copy() for array in self._state))

    def restore(self, saved: Any) -> None:
        """Go back to a saved state."""
        self.step = saved[0]
        for mine, theirs in zip(self._state, saved[1], strict=True):
            mine[...] = theirs

    def twin(self) -> Self:
        """The same with buffers of its own."""
        twin = copy(self)
        saved = self.save()
        twin._begin()
        twin.restore(saved)
        return twin

    def in_full(self) -> Self:
        """The same at its start, which follows matrices along unit vectors."""
        assert self._setting is not None
        whole = copy(self)
        whole._setting = replace(self._setting, probes=self.complete_probes)
        whole.step = 0
        whole._begin()
        return whole

    @property
    def complete_probes(self) -> Probes:
        """Unit vectors of all spaces."""
        instance = self._instance
        return complete_probes(self._dimension, len(self._course.readout), len(instance.W_V), len(instance.W_K))

    def vectors(self) -> dict[str, Array]:
        """Nothing: stretches hold the whole state."""
        return {}

    def test_outputs(self, kept: Any) -> Seen | None:
        """Labels, outputs, probabilities and doubts of the test samples at a kept state."""
        if self._test is None:
            return None
        score_map, effect_map, norms = self._maps(kept)
        doubt = output_doubt(self._course.readout, norms, self._course.radius, self._course.terms)
        return self._test.seen(self._course.readout, score_map, effect_map, doubt)

    @staticmethod
    def _maps(kept: Any) -> tuple[Array, Array, tuple[float, float, float, float]]:
        """P, R^T and the Frobenius norms of the four weights."""
        raise NotImplementedError


class OnWeights(_Descent):
    """Gradient descent on `W_O`, `W_V`, `W_K`, `W_Q`: as they are, or in the coordinates of the patterns."""

    def __init__(
        self, instance: Instance, course: Course, setting: Setting | None, test: TestLaw | None, frame: Array | None
    ) -> None:
        self.name = "weights" if frame is None else "patterns"
        super().__init__(instance, course, setting, test, frame)

    @property
    def start(self) -> Weights:
        """The weights of the first state, in the run's coordinates."""
        return weights_in(self._instance, self._frame)

    @property
    def course(self) -> Course:
        """What no step changes."""
        return self._course

    @property
    def setting(self) -> Setting:
        """What the measures need; there where the statements are checked."""
        assert self._setting is not None
        return self._setting

    def _begin(self) -> None:
        self._weights = self.start
        self._gradients = Weights(*(np.empty_like(array) for array in self._weights))
        self._work = self._workspace(self._weights)

    @property
    def _state(self) -> Weights:
        return self._weights

    def _run(self, recorded: Any, **arguments: Any) -> int:
        course = self._course
        return int(
            compiled.advance(
                course.samples,
                course.samples.own_tokens,
                course.relevant,
                course.readout,
                self._weights,
                course.step_size,
                course.attention_step,
                arguments["batches"],
                course.batch_weight,
                self._everything,
                course.watched,
                arguments["looks"],
                arguments["watches"],
                arguments["loss_target"],
                self._work,
                self._gradients,
                arguments["recording"],
                recorded,
            )
        )

    def instance(self) -> Instance:
        """The instance with its weights as they are now."""
        W_O, W_V, W_K, W_Q = (weight.copy() for weight in self._weights)
        if self._frame is not None:
            W_V, W_K, W_Q = (self._embedded(name) for name in WEIGHTS[1:])
        return replace(self._instance, W_O=W_O, W_V=W_V, W_K=W_K, W_Q=W_Q)

    def _embedded(self, name: str) -> Array:
        """A weight in the coordinates of the instance; what is orthogonal to the patterns stays."""
        assert self._frame is not None
        start: Array = getattr(self._instance, name)
        now: Array = getattr(self._weights, name)
        return np.asarray(start + (now - start @ self._frame.T) @ self._frame)

    @staticmethod
    def _maps(kept: Weights) -> tuple[Array, Array, tuple[float, float, float, float]]:
        norms = tuple(float(np.linalg.norm(array)) for array in kept)
        return kept.W_K.T @ kept.W_Q, kept.W_V.T @ kept.W_O.T, (norms[0], norms[1], norms[2], norms[3])


class OnGrams(_Descent):
    """Gradient descent on the products `W_K^T W_Q`, `W_O W_V` and four Gram matrices: free of the inner widths."""

    name = "gram"

    def _begin(self) -> None:
        weights = weights_in(self._instance, self._frame)
        self._grams = grams_of(weights)
        dimension, neurons = self._dimension, len(self._course.readout)
        self._products = products_as_weights(dimension, neurons)
        self._drives = products_as_weights(dimension, neurons)
        self._work = self._workspace(self._products)._replace(
            score_map=self._grams.score_map,
            effect_map=self._grams.effect_map,
            score_drive=self._drives.W_Q,
            effect_drive=np.empty((dimension, neurons)),
        )
        self._buffers = gram_buffers(dimension, neurons)

    @property
    def _state(self) -> Grams:
        return self._grams

    def _run(self, recorded: Any, **arguments: Any) -> int:
        course = self._course
        return int(
            compiled.advance_grams(
                course.samples,
                course.samples.own_tokens,
                course.relevant,
                course.readout,
                self._grams,
                course.step_size,
                course.attention_step,
                arguments["batches"],
                course.batch_weight,
                self._everything,
                course.watched,
                arguments["looks"],
                arguments["watches"],
                arguments["loss_target"],
                self._work,
                self._buffers,
                self._products,
                self._drives,
                arguments["recording"],
                recorded,
            )
        )

    def instance(self) -> Instance:
        """The instance with weights that have the products of now: roots of their joint Gram matrices."""
        grams = self._grams
        keys_and_queries = np.block([[grams.key_gram, grams.score_map], [grams.score_map.T, grams.query_gram]])
        outputs_and_values = np.block([[grams.output_gram, grams.effect_map.T], [grams.effect_map, grams.value_gram]])
        heads, values = _root(keys_and_queries), _root(outputs_and_values)
        neurons = len(self._course.readout)
        W_K, W_Q = np.split(heads, 2, axis=1)
        frame = np.eye(self._dimension) if self._frame is None else self._frame
        W_O, W_V = np.ascontiguousarray(values[:, :neurons].T), values[:, neurons:] @ frame
        return replace(self._instance, W_O=W_O, W_V=W_V, W_K=W_K @ frame, W_Q=W_Q @ frame)

    @staticmethod
    def _maps(kept: Grams) -> tuple[Array, Array, tuple[float, float, float, float]]:
        traces = (kept.output_gram, kept.value_gram, kept.key_gram, kept.query_gram)
        norms = [float(np.sqrt(np.trace(gram))) for gram in traces]
        return kept.score_map, kept.effect_map, (norms[0], norms[1], norms[2], norms[3])


def _root(gram: Array) -> Array:
    """A matrix W with W^T W the given one."""
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


def weights_in(instance: Instance, frame: Array | None) -> Weights:
    """Copies of the weights, in the coordinates of the patterns (M, d) where a frame is given."""
    weights = [getattr(instance, name) for name in WEIGHTS]
    if frame is not None:
        weights[1:] = [weight @ frame.T for weight in weights[1:]]
    return Weights(*(np.array(weight, order="C") for weight in weights))


def grams_of(weights: Weights) -> Grams:
    """The products that the closed recursion moves."""
    W_O, W_V, W_K, W_Q = weights
    products = (W_K.T @ W_Q, W_K.T @ W_K, W_Q.T @ W_Q, (W_O @ W_V).T, W_O @ W_O.T, W_V.T @ W_V)
    return Grams(*(np.ascontiguousarray(product) for product in products))
