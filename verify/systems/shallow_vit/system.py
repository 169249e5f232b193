"""`shallow-vit` as the machine sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from verify.engines.memory import require_memory
from verify.errors import RequestError
from verify.systems.base import InFull, Prepared, SampledEvent, chosen_step_size
from verify.systems.described import Described
from verify.systems.sampled import mean_quantity, share_quantity
from verify.systems.shallow_vit import files, gradients
from verify.systems.shallow_vit.draw import Batches, coordinates, draw, drawn_in_full
from verify.systems.shallow_vit.dynamics import ITEM, WEIGHTS, Course, OnGrams, OnWeights
from verify.systems.shallow_vit.instance import (
    Instance,
    counted,
    pattern_places,
    samples_of_counts,
    samples_of_tokens,
)
from verify.systems.shallow_vit.kernels import Array, Integers, Samples
from verify.systems.shallow_vit.measures import BY_PROBES, Setting, random_probes
from verify.systems.shallow_vit.observed import head_null, null_directions, probe_data, statement_data, token_sizes
from verify.systems.shallow_vit.problem import DEFAULT_PRESET, PRESETS, ArraysGiven, Problem
from verify.systems.shallow_vit.testing import TestLaw, enumerate_law, law_states, test_law

if TYPE_CHECKING:
    from verify.certify.enclosing import Enclosing

PATTERNS, GRAM, ON_WEIGHTS, REDUCED = "patterns", "gram", "weights", "reduced"

MOST_WATCHED, WATCHED_NUMBERS = 8, 4096
"""How many samples are watched, and how many attention weights of theirs at most (of one sample always)."""

MOST_IN_FULL = 2**16
"""Entries of a state's matrices that are still followed in full at snapshots."""


class ShallowVit(Described):
    """Learning with a shallow vision transformer: stochastic gradient descent on all four matrices."""

    proofs = "proofs.shallow_vit"
    home = "verify.systems.shallow_vit"
    name = "shallow-vit"
    title = "learning and sparse attention in a shallow vision transformer"
    source = "arXiv:2302.06015"
    presets = PRESETS
    default_preset = DEFAULT_PRESET
    engines = (PATTERNS, GRAM, ON_WEIGHTS, REDUCED)
    exclusive = ()
    sampled_events: ClassVar[dict[str, SampledEvent]] = {}
    problem = Problem
    arrays_given = ArraysGiven
    dimensions: ClassVar[dict[str, tuple[str, ...]]] = {
        "loss": (),
        "batch_loss": (),
        "output": ("sample",),
        "loss_derivative": ("sample",),
        "relevant_attention": (),
        "attention": ("watched", "query", "key"),
        "score": ("watched", "query", "key"),
    }

    def prepare(self, problem: Problem, seed: int, engine: str, checked: bool = False) -> Prepared:
        """Draw an instance and set up its dynamics: small arrays are drawn in full, others in few coordinates.

        Raises:
            RequestError: if the arrays cannot fit, or the engine cannot train on them.
        """
        _require_memory(problem)
        instance = draw(problem, seed)
        assert instance.patterns is not None
        law = _population(problem, engine) if problem.population else None
        return _prepared(problem, instance, problem.step_size, problem.attention_step, seed, engine, [], checked, law)

    def prepare_arrays(
        self,
        instance: Instance,
        given: ArraysGiven,
        seed: int,
        engine: str,
        notes: Sequence[str] = (),
        checked: bool = False,
    ) -> Prepared:
        """Set up the dynamics of given arrays.

        Raises:
            RequestError: if no step size is given, the run cannot fit, or the engine cannot train on the arrays.
        """
        step_size = chosen_step_size(given.step_size, instance.step_size)
        instance = instance.with_step_size(step_size)
        attention_step = step_size if given.attention_step is None else given.attention_step
        missing = ["no test loss: an instance has no data law"] if given.test_samples else []
        return _prepared(given, instance, step_size, attention_step, seed, engine, [*notes, *missing], checked, None)

    def load_instance(self, path: Path) -> tuple[Instance, list[str]]:
        """An instance from an `.npz` file."""
        return files.load_instance(path)

    def save_instance(self, instance: Instance, path: Path) -> None:
        """Write an instance."""
        files.save_instance(instance, path)

    def instance_of(self, problem: Problem, seed: int) -> Instance:
        """An instance of a problem with its first batch: in full where it is small, in few coordinates otherwise."""
        _require_memory(problem)
        batch = np.arange(problem.N)[None] if problem.B >= problem.N else Batches(problem.N, problem.B, seed).of(0, 1)
        return replace(draw(problem, seed), batches=batch)

    def loss_and_gradients(self, instance: Instance) -> tuple[float, dict[str, Array]]:
        """Hinge loss over the first batch (all samples where none is given) and gradients by the kernels."""
        return gradients.loss_and_gradients(instance)

    def gradient_references(self, instance: Instance, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
        """The same gradients at some entries by sympy, by the complex step and by central differences."""
        return gradients.references(instance, entries)

    def gradient_rounding(self, instance: Instance) -> dict[str, float]:
        """How far correct evaluations of each gradient can differ."""
        return gradients.rounding_bounds(instance)

    def enclosing(self, prepared: Prepared) -> Enclosing:
        """Gradient descent in balls, on the weights that the prepared engine trains."""
        from verify.systems.shallow_vit.enclosures import Enclosure

        dynamics = prepared.dynamics
        if not isinstance(dynamics, OnWeights):
            raise RequestError.of("--engine", prepared.engine, "certified are patterns and weights")
        return Enclosure(dynamics.start, dynamics.course, dynamics.setting, prepared.constants)

    def summary(self, state: Mapping[str, Array]) -> dict[str, str]:
        """Losses, active samples, attention and test quantities of one state."""
        relevant = float(state["relevant_attention"])
        columns = {
            "loss": f"{float(state['loss']):.4g}",
            "batch loss": f"{float(state['batch_loss']):.4g}",
            "active samples": f"{float(np.mean(state['loss_derivative'])):.3f}",
            "attention to relevant tokens": "unknown" if np.isnan(relevant) else f"{relevant:.3f}",
        }
        if "test_loss" in state:
            columns["test loss"] = _with_interval(state, "test_loss")
            columns["test error"] = _with_interval(state, "test_error")
        return columns

    def test_quantities(self, labels: Array, outputs: Array, probability: Array, doubt: Array) -> dict[str, float]:
        """Test loss and test error, ties counted as errors.

        Of all possible samples (`doubt` says how far rounding can change each output) they are sums, and the interval
        is what rounding leaves open: an error is 0 only where every margin exceeds its doubt. Of drawn samples the
        intervals are 95 % (Student; Clopper-Pearson).
        """
        margins = labels * outputs
        losses = np.maximum(1.0 - margins, 0.0)
        if len(doubt):
            within = {"": margins <= 0.0, "_low": margins < -doubt, "_high": margins <= doubt}
            errors = {f"test_error{end}": float(probability[wrong].sum()) for end, wrong in within.items()}
            loss, around = float(probability @ losses), float(probability @ doubt)
            return {"test_loss": loss, "test_loss_low": loss - around, "test_loss_high": loss + around, **errors}
        wrong = int(np.count_nonzero(margins <= 0.0))
        return {
            **mean_quantity("test_loss", losses),
            **share_quantity("test_error", wrong, len(labels)),
        }


def _with_interval(state: Mapping[str, Array], name: str) -> str:
    value, low, high = (float(state[name + end]) for end in ("", "_low", "_high"))
    return f"{value:.3f}" if high - low < 5e-4 else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _require_memory(problem: Problem) -> None:
    dimension = coordinates(problem, drawn_in_full(problem))
    arrays = problem.N * problem.L * float(dimension) * (2.0 if problem.tau else 1.0)
    tests = problem.test_samples * problem.L * float(dimension) if problem.tau else 0.0
    weights = dimension * float(problem.m_a + 2 * problem.m_b + problem.m) + dimension**2
    slots = float(problem.L if problem.tau else min(problem.L, problem.M))
    widths = dimension + 2.0 * problem.m + 4.0 * (problem.m_a + problem.m_b)
    batch = min(problem.N, problem.B) * slots * (2.0 * slots + widths)
    what = f"N={problem.N}, L={problem.L} in {dimension} coordinates, m={problem.m}, B={problem.B}"
    require_memory(ITEM * (2.0 * arrays + tests + 60.0 * weights + 3.0 * batch), what)


def _population(problem: Problem, engine: str) -> tuple[Samples, Integers]:
    """All possible samples with their probabilities, for training on the data law itself."""
    if engine == ON_WEIGHTS:
        raise RequestError("--engine: weights has no tokens for the data law itself (population: patterns or gram)")
    if law_states(problem) > 10**5:
        raise RequestError(f"population: the data law has {law_states(problem):,} possible samples (at most 100,000)")
    return samples_of_counts(*enumerate_law(problem))


def _prepared(
    problem: Problem | ArraysGiven,
    instance: Instance,
    step_size: float,
    attention_step: float,
    seed: int,
    engine: str,
    notes: list[str],
    checked: bool,
    law: tuple[Samples, Integers] | None,
) -> Prepared:
    places = pattern_places(instance) if engine != ON_WEIGHTS else None
    chosen, reason, reduced = _choose(engine, instance, places, problem.B)
    frame = instance.patterns if reduced else None
    if law is not None:
        samples, row_of = law
        places = None
    elif frame is not None and places is not None:
        counts = counted(places, len(frame))
        samples, row_of = samples_of_counts(instance.y, counts, np.full(len(instance.y), 1.0 / len(instance.y)))
    else:
        samples, slot_of = samples_of_tokens(instance)
        row_of = np.arange(len(instance.y))
    if frame is not None:
        relevant = np.zeros_like(samples.key_count)
        relevant[np.arange(len(relevant)), np.where(samples.label > 0, 0, 1)] = 1.0
    else:
        relevant = _relevant_slots(instance, samples, slot_of)
    radius, _ = token_sizes(samples)
    slots = samples.key_count.shape[1]
    wholly = instance.batches is None and (law is not None or len(instance.y) <= problem.B)
    batches = None if wholly else Batches(len(instance.y), problem.B, seed, instance.batches)
    batch = len(samples.label) if batches is None else batches.of(0, 1).shape[1]
    dimension = slots if frame is not None else instance.X.shape[2]
    widths = (*instance.W_O.shape, len(instance.W_K))
    course = Course(
        samples=samples,
        row_of=row_of,
        relevant=relevant,
        readout=instance.a,
        batches=batches,
        batch=batch,
        watched=_watched(row_of, slots),
        step_size=step_size,
        attention_step=attention_step,
        loss_every=problem.loss_every,
        radius=radius,
        terms=2 * (dimension + sum(widths) + slots) + batch + 64,
    )
    test = None
    if isinstance(problem, Problem) and instance.patterns is not None:
        in_run = np.eye(slots) if frame is not None else instance.patterns
        test = test_law(problem, in_run, seed)
    setting = _setting(instance, course, frame) if checked else None
    kind: Any = OnGrams if chosen == GRAM else OnWeights
    dynamics = kind(instance, course, setting, test, frame)
    constants: dict[str, Any] = {}
    in_full = None
    if setting is not None:
        squares = {
            f"start_{name}_square": float(np.vdot(getattr(instance, weight), getattr(instance, weight)))
            for name, weight in zip(("output", "value", "key", "query"), WEIGHTS, strict=True)
        }
        constants = statement_data(
            course,
            problem,
            setting.probes,
            dict(setting.nulls),
            squares,
            length=instance.X.shape[1],
            total=len(row_of),
            patterns=0 if setting.frame is None else len(setting.frame),
        )
        in_full = _in_full(dynamics, constants)
    return Prepared(
        problem=problem,
        instance=instance,
        dynamics=dynamics,
        engine=dynamics.name,
        reason=reason,
        test_samples=0 if test is None or test.exact else len(test),
        coordinates={
            "label": ("sample", course.label),
            "watched_sample": ("watched", np.array([int(np.argmax(row_of == row)) for row in course.watched])),
        },
        constants=constants,
        notes=[*notes, *_notes(problem, instance, course, test)],
        in_full=in_full,
    )


def _notes(problem: Problem | ArraysGiven, instance: Instance, course: Course, test: TestLaw | None) -> list[str]:
    notes = []
    if test is not None and test.exact:
        notes.append(f"test loss and error: summed over all {len(test)} possible samples, up to rounding")
    if isinstance(problem, Problem) and instance.X.shape[2] < problem.d:
        notes.append(f"drawn and trained in {instance.X.shape[2]} of {problem.d} coordinates, exactly in law")
    if instance.batches is not None and len(instance.batches) < problem.max_steps:
        notes.append(
            f"{len(instance.batches)} batches are given; steps beyond them would use them from the first again"
        )
    if np.isnan(course.relevant).any():
        notes.append("attention to relevant tokens is unknown: the instance names no patterns")
    return notes


def _choose(engine: str, instance: Instance, places: Integers | None, batch: int) -> tuple[str, str, bool]:
    """The engine to take, why, and whether it trains in the coordinates of the patterns.

    Raises:
        RequestError: if the tokens are not patterns and the engine needs them to be.
    """
    exact = places is not None
    if engine == PATTERNS and not exact:
        raise RequestError("--engine: patterns needs tokens without noise and orthonormal patterns (gram or weights)")
    if engine not in ("auto", REDUCED):
        return engine, "as asked for", exact and engine != ON_WEIGHTS
    if exact:
        return PATTERNS, "tokens are patterns: cost does not depend on d and L", True
    if engine == REDUCED:
        return GRAM, "tokens have noise: free of the inner widths alone", False
    by_gram, by_weights = _cost(instance, batch, gram=True), _cost(instance, batch, gram=False)
    chosen = GRAM if by_gram < by_weights else ON_WEIGHTS
    return chosen, f"{by_weights:.2g} multiplications a step on the weights, {by_gram:.2g} on their products", False


def _cost(instance: Instance, batch: int, gram: bool) -> float:
    """Multiplications of a step where tokens have noise."""
    samples, tokens, dimension = instance.shape
    neurons, value_width = instance.W_O.shape
    if gram:  # tokens are their own keys, values their own hidden units
        a_sample = 2.0 * tokens * dimension * (dimension + neurons) + tokens**2 * (2.0 * dimension + 3.0 * neurons)
        step = 7.0 * dimension**3 + 8.0 * dimension**2 * neurons + 3.0 * neurons**2 * dimension
        return float(min(batch, samples) * a_sample + step)
    heads = len(instance.W_K)
    a_sample = 2.0 * tokens * dimension * (2.0 * heads + value_width) + 3.0 * tokens**2 * (heads + value_width)
    return float(min(batch, samples) * (a_sample + 3.0 * tokens * value_width * neurons))


def _relevant_slots(instance: Instance, samples: Samples, slot_of: Integers) -> Array:
    """1 for tokens nearest to the pattern of their sample's label; not a number where patterns are unknown."""
    if instance.patterns is None:
        return np.full(samples.key_count.shape, np.nan)
    own = np.where(samples.label > 0, 0, 1)
    nearest = np.argmax(samples.tokens @ instance.patterns.T, axis=2)
    return np.asarray(((nearest == own[:, None]) & (samples.key_count > 0)).astype(float))


def _watched(row_of: Integers, slots: int) -> Integers:
    """The first few different samples."""
    count = max(1, min(MOST_WATCHED, WATCHED_NUMBERS // slots**2))
    _, first = np.unique(row_of, return_index=True)
    return np.ascontiguousarray(row_of[np.sort(first)[:count]])


def _setting(instance: Instance, course: Course, frame: Array | None) -> Setting:
    samples = course.samples
    in_run = instance.patterns if frame is None else np.eye(len(frame))
    W_V, W_K, W_Q = (
        weight if frame is None else weight @ frame.T for weight in (instance.W_V, instance.W_K, instance.W_Q)
    )
    dimension, (neurons, value_width) = W_V.shape[1], instance.W_O.shape
    return Setting(
        samples=samples,
        readout=course.readout,
        batch_weight=course.batch_weight,
        watched=course.watched,
        probes=random_probes(dimension, neurons, value_width, len(W_K)),
        frame=in_run,
        nulls={**null_directions(samples, in_run), "head_null": head_null(samples, W_K, W_Q)},
        step_size=course.step_size,
        attention_step=course.attention_step,
        start_score_map=W_K.T @ W_Q,
        start_hidden_map=instance.W_O @ W_V,
    )


def _in_full(dynamics: OnWeights | OnGrams, constants: Mapping[str, Any]) -> InFull:
    """Matrices entry by entry, which runs follow along a few probe directions."""
    widths = [len(each) for each in dynamics.complete_probes]
    numbers = sum(width**2 for width in widths)

    def begin() -> tuple[OnWeights | OnGrams, dict[str, Any]]:
        return dynamics.in_full(), {**constants, **probe_data(dynamics.complete_probes)}

    refused = f"{numbers:,} entries a state, in full are taken up to {MOST_IN_FULL:,}"
    return InFull(BY_PROBES, begin, "" if numbers <= MOST_IN_FULL else refused)
