"""`benign-vit` as the machine sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from verify.engines.memory import require_memory
from verify.systems.base import InFull, Prepared, SampledEvent, chosen_step_size
from verify.systems.benign_vit import files, gradients
from verify.systems.benign_vit.draw import LARGEST_FULL_DRAW, draw, full_draw_entries, noise_scales
from verify.systems.benign_vit.dynamics import (
    ITEM,
    MOST_PROJECTIONS,
    FullWeights,
    Reduced,
    reduced_cost,
    reduced_rank,
    weights_cost,
)
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.observed import probe_data, statement_data
from verify.systems.benign_vit.problem import DEFAULT_PRESET, PRESETS, ArraysGiven, Problem
from verify.systems.benign_vit.testing import TestSamples, draw_test_samples, draw_test_samples_of_arrays
from verify.systems.described import Described
from verify.systems.draws import Stream, stream
from verify.systems.sampled import mean_quantity, share_quantity, shown

if TYPE_CHECKING:
    from verify.certify.enclosing import Enclosing


class BenignVit(Described):
    """Benign overfitting of a two-layer vision transformer."""

    proofs = "proofs.benign_vit"
    home = "verify.systems.benign_vit"
    name = "benign-vit"
    title = "benign overfitting in a two-layer vision transformer"
    source = "arXiv:2409.19345"
    presets = PRESETS
    default_preset = DEFAULT_PRESET
    engines = ("reduced", "weights")
    exclusive = (("r", "step_size"),)
    sampled_events: ClassVar[dict[str, SampledEvent]] = {}
    problem = Problem
    arrays_given = ArraysGiven
    dimensions: ClassVar[dict[str, tuple[str, ...]]] = {
        "loss": (),
        "output": ("sample",),
        "loss_derivative": ("sample",),
        "attention": ("sample", "query", "key"),
        "score": ("sample", "query", "key"),
        "value": ("token",),
    }

    def prepare(self, problem: Problem, seed: int, engine: str, checked: bool = False) -> Prepared:
        """Draw an instance and set up its dynamics.

        Small arrays are drawn in full, so that both engines run the same ones; larger ones in full for
        `weights`, at reduced size otherwise.

        Raises:
            RequestError: if the arrays cannot fit.
        """
        small = full_draw_entries(problem) <= LARGEST_FULL_DRAW
        chosen, reason = _choose(engine, problem.distinct_tokens, problem.d, problem.d_h, weights_possible=small)
        full = small or chosen == "weights"
        _require_memory(problem, chosen, full)
        instance = draw(problem, seed, full=full)
        test = None
        if problem.test_samples:
            test = draw_test_samples(problem, instance, stream(seed, Stream.TEST))
        return _prepared(problem, instance, TokenTable.of(instance), test, chosen, reason, [], checked)

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
            RequestError: if no step size is given, or the run cannot fit.
        """
        step_size = chosen_step_size(given.step_size, instance.step_size)
        instance = instance.with_step_size(step_size)
        samples, width, d, d_h = instance.shape
        table = TokenTable.of(instance)
        tokens = len(table.tokens)
        chosen, reason = _choose(engine, tokens, d, d_h, weights_possible=True)
        planned = _planned(chosen, samples, width, tokens, d, d_h, given.test_samples if given.sigma_p else 0)
        require_memory(ITEM * planned, f"the {chosen} engine on {tokens} distinct tokens")
        test, missing = _test_of_arrays(instance, given, seed)
        return _prepared(given, instance, table, test, chosen, reason, [*notes, *missing], checked)

    def load_instance(self, path: Path) -> tuple[Instance, list[str]]:
        """An instance from an `.npz` file."""
        return files.load_instance(path)

    def save_instance(self, instance: Instance, path: Path) -> None:
        """Write an instance."""
        files.save_instance(instance, path)

    def instance_of(self, problem: Problem, seed: int) -> Instance:
        """An instance of a problem: its arrays in full where they are small, in token space otherwise."""
        _require_memory(problem, "reduced", full=full_draw_entries(problem) <= LARGEST_FULL_DRAW)
        return draw(problem, seed)

    def loss_and_gradients(self, instance: Instance) -> tuple[float, dict[str, Array]]:
        """Training loss and gradients by the kernels."""
        return gradients.loss_and_gradients(instance)

    def gradient_references(self, instance: Instance, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
        """The same gradients at some entries by sympy, by the complex step and by central differences."""
        return gradients.references(instance, entries)

    def gradient_rounding(self, instance: Instance) -> dict[str, float]:
        """How far correct evaluations of each gradient can differ."""
        return gradients.rounding_bounds(instance)

    def enclosing(self, prepared: Prepared) -> Enclosing:
        """Gradient descent in balls, on what the prepared engine moves."""
        from verify.systems.benign_vit.enclosures import ENCLOSURES

        training: Any = prepared.problem
        return ENCLOSURES[prepared.engine](prepared.instance, training)

    def summary(self, state: Mapping[str, Array]) -> dict[str, str]:
        """Loss, loss derivatives, values, attention and test quantities of one state."""
        derivatives, value, attention = state["loss_derivative"], state["value"], state["attention"]
        columns = {
            "loss": f"{float(state['loss']):.4g}",
            "loss derivatives": f"{derivatives.min():.4f} to {derivatives.max():.4f}",
            "values": f"{value.min():.3g} to {value.max():.3g}",
            "attention": f"{attention.min():.3f} to {attention.max():.3f}",
        }
        if "test_loss" in state:
            columns["test loss"] = shown(state, "test_loss")
            columns["test error"] = shown(state, "test_error")
        return columns

    def test_quantities(self, labels: Array, outputs: Array) -> dict[str, float]:
        """Test loss and test error with their 95 % intervals (Student; Clopper-Pearson)."""
        margins = labels * outputs
        losses = np.logaddexp(0.0, -margins)
        wrong = int(np.count_nonzero(margins < 0.0))
        return {
            **mean_quantity("test_loss", losses),
            **share_quantity("test_error", wrong, len(labels)),
        }


_DYNAMICS: dict[str, Callable[[Instance, TokenTable, TestSamples | None, bool], Any]] = {
    "reduced": Reduced,
    "weights": FullWeights,
}


def _choose(engine: str, tokens: int, d: int, d_h: int, weights_possible: bool) -> tuple[str, str]:
    """The engine to take and why."""
    if engine != "auto":
        return engine, "as asked for"
    if not weights_possible:
        return "reduced", "the weight matrices are too large to be worth drawing"
    reduced, weights = reduced_cost(tokens, d_h), weights_cost(tokens, d, d_h)
    chosen = "reduced" if reduced <= weights else "weights"
    return chosen, f"{reduced:.2g} multiplications a step reduced, {weights:.2g} on the weights"


def _require_memory(problem: Problem, engine: str, full: bool) -> None:
    """Bound what a drawn problem will take, its test samples included."""
    tokens = problem.distinct_tokens
    span = problem.d if full else min(tokens, problem.d)
    heads = problem.d_h if full else reduced_rank(span, problem.d_h)
    arrays = problem.N * problem.M * span + 2 * span * heads + span * problem.d_v
    planned = 2.0 * arrays + _planned(engine, problem.N, problem.M, tokens, span, heads, problem.test_samples)
    if problem.test_law == "joint" and not full:
        planned += 5.0 * (problem.test_samples * (problem.M - 1)) ** 2
    what = f"the {engine} engine at N={problem.N}, M={problem.M}, d={problem.d:.4g}, d_h={problem.d_h:.4g}"
    require_memory(ITEM * planned, what)


def _planned(engine: str, samples: int, width: int, tokens: int, span: int, heads: int, test_samples: int) -> float:
    """How many numbers a run takes beside its arrays: its state with copies and buffers, and its test samples."""
    if engine == "weights":
        rank, state = heads, 2 * span * heads
    else:
        rank = reduced_rank(tokens, heads)
        state = tokens**2 + 8 * tokens * rank
    places = samples * width * (rank + width)
    return 4.0 * (state + places) + test_samples * width * float(2 * span + 4 * max(heads, rank) + tokens)


def _prepared(
    problem: Problem | ArraysGiven,
    instance: Instance,
    table: TokenTable,
    test: TestSamples | None,
    engine: str,
    reason: str,
    notes: list[str],
    checked: bool,
) -> Prepared:
    with np.errstate(over="ignore", invalid="ignore"):  # told at the first state, where the loss is not finite
        dynamics = _DYNAMICS[engine](instance, table, test, checked)
        constants = {}
        in_full = None
        if checked:
            constants = statement_data(instance, table, problem, dynamics.directions, dynamics.balance_terms)
            in_full = _in_full(dynamics, constants)
    return Prepared(
        problem=problem,
        instance=instance,
        dynamics=dynamics,
        engine=engine,
        reason=reason,
        test_samples=0 if test is None else len(test),
        coordinates={
            "label": ("sample", instance.y),
            "token_sample": ("token", table.sample),
            "token_position": ("token", table.position),
        },
        constants=constants,
        notes=notes,
        in_full=in_full,
    )


def _in_full(dynamics: Reduced | FullWeights, constants: Mapping[str, Any]) -> InFull:
    """The balance of queries and keys as a whole matrix, which runs follow along a few probe directions."""

    def begin() -> tuple[Reduced | FullWeights, dict[str, Any]]:
        whole = dynamics.in_full()
        return whole, {**constants, **probe_data(whole.directions)}

    rank, numbers = len(dynamics.directions), dynamics.projections_in_full
    refused = f"rank {rank}: a state has {numbers:,} projections, in full are taken up to {MOST_PROJECTIONS:,}"
    return InFull(frozenset({"balance"}), begin, "" if numbers <= MOST_PROJECTIONS else refused)


def _test_of_arrays(instance: Instance, given: ArraysGiven, seed: int) -> tuple[TestSamples | None, list[str]]:
    """Test samples beside given arrays, or a note that says what is missing for them."""
    if not given.test_samples:
        return None, []
    if given.sigma_p is None or given.C_p is None:
        return None, ["no test loss: an instance has no data law (give it with --set sigma_p=... C_p=...)"]
    signals = []
    for label in (1.0, -1.0):
        rows = np.unique(instance.X[instance.y == label, 0], axis=0)
        if len(rows) != 1:
            found = "no sample" if len(rows) == 0 else f"{len(rows)} different signals"
            return None, [f"no test loss: the class {label:+g} has {found}, the data law has one signal a class"]
        signals.append(rows[0])
    _, tokens, _, _ = instance.shape
    scales = noise_scales(tokens, given.sigma_p, given.C_p)
    rng = stream(seed, Stream.TEST)
    return draw_test_samples_of_arrays(instance, np.array(signals), scales, given.test_samples, rng), []
