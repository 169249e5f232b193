"""`token-selection` as the machine sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from verify.engines.memory import require_memory
from verify.errors import RequestError
from verify.systems.base import InFull, Prepared, SampledEvent, chosen_step_size
from verify.systems.described import Described
from verify.systems.draws import Stream, stream
from verify.systems.sampled import mean_quantity, share_quantity, shown
from verify.systems.token_selection import files, gradients
from verify.systems.token_selection.draw import draw, drawn_in_full, full_draw_entries, signal_shares
from verify.systems.token_selection.dynamics import ITEM, FullWeights, Reduced, reduced_cost, weights_cost
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.kernels import Array
from verify.systems.token_selection.observed import BY_PROBES, probe_data, statement_data
from verify.systems.token_selection.problem import DEFAULT_PRESET, PRESETS, ArraysGiven, Problem
from verify.systems.token_selection.testing import TestSamples, draw_test_samples

if TYPE_CHECKING:
    from verify.certify.enclosing import Enclosing

MOST_IN_FULL = 2**18
"""Entries of M that are still judged one by one at snapshots."""


class TokenSelection(Described):
    """Token selection of one attention head under label noise."""

    proofs = "proofs.token_selection"
    home = "verify.systems.token_selection"
    name = "token-selection"
    title = "token selection of attention under label noise"
    source = "arXiv:2409.17625"
    presets = PRESETS
    default_preset = DEFAULT_PRESET
    engines = ("reduced", "weights")
    exclusive = (("SNR", "m"),)
    sampled_events: ClassVar[dict[str, SampledEvent]] = {
        "T_gen": SampledEvent(
            "test_attention", 0.5, "test samples give their signal half of their attention on average"
        )
    }
    problem = Problem
    arrays_given = ArraysGiven
    dimensions: ClassVar[dict[str, tuple[str, ...]]] = {
        "loss": (),
        "output": ("sample",),
        "loss_derivative": ("sample",),
        "attention": ("sample", "token"),
        "score": ("sample", "token"),
    }

    def prepare(self, problem: Problem, seed: int, engine: str, checked: bool = False) -> Prepared:
        """Draw an instance and set up its dynamics.

        Both engines run the same arrays: small ones in full, larger ones in few coordinates; only where `drawn` is full
        do the weights keep all of theirs.

        Raises:
            RequestError: if the arrays cannot fit.
        """
        keep = engine == "weights" and problem.drawn == "full"
        _require_memory(problem, keep)
        instance = draw(problem, seed, keep_weights=keep)
        shares = signal_shares(problem.T, problem.rho, problem.k_w, problem.k_c)
        test = _test(instance, problem.m, problem.sigma, shares, problem.test_samples, seed)
        return _prepared(problem, instance, test, engine, [], checked)

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
            RequestError: if no step size is given, the run cannot fit, or the data law has more tokens than a sample.
        """
        step_size = chosen_step_size(given.step_size, instance.step_size)
        samples, tokens, dimension, rows = instance.shape
        planned = _planned(samples * tokens, dimension, rows, given.test_samples * tokens)
        require_memory(ITEM * planned, f"{samples * tokens} tokens of dimension {dimension}")
        test, missing = _test_of_arrays(instance, given, seed)
        return _prepared(given, instance.with_step_size(step_size), test, engine, [*notes, *missing], checked)

    def load_instance(self, path: Path) -> tuple[Instance, list[str]]:
        """An instance from an `.npz` file."""
        return files.load_instance(path)

    def save_instance(self, instance: Instance, path: Path) -> None:
        """Write an instance."""
        files.save_instance(instance, path)

    def instance_of(self, problem: Problem, seed: int) -> Instance:
        """An instance of a problem after its first step: at the start p is 0, and the loss has no derivative by W."""
        dynamics = self.prepare(problem, seed, "auto").dynamics
        dynamics.advance(1, -1.0, [])
        after: Instance = dynamics.instance()
        return after

    def loss_and_gradients(self, instance: Instance) -> tuple[float, dict[str, Array]]:
        """Training loss and gradients by the kernels; that of p is a column."""
        return gradients.loss_and_gradients(instance)

    def gradient_references(self, instance: Instance, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
        """The same gradients at some entries by sympy, by the complex step and by central differences."""
        return gradients.references(instance, entries)

    def gradient_rounding(self, instance: Instance) -> dict[str, float]:
        """How far correct evaluations of each gradient can differ."""
        return gradients.rounding_bounds(instance)

    def enclosing(self, prepared: Prepared) -> Enclosing:
        """Gradient descent in balls, on what the prepared engine moves."""
        from verify.systems.token_selection.enclosures import ENCLOSURES

        training: Any = prepared.problem
        return ENCLOSURES[prepared.engine](prepared.instance, training)

    def summary(self, state: Mapping[str, Array]) -> dict[str, str]:
        """Loss, loss derivatives, attention and test quantities of one state."""
        derivatives, first = state["loss_derivative"], state["attention"][:, 0]
        columns = {
            "loss": f"{float(state['loss']):.4g}",
            "loss derivatives": f"{derivatives.min():.4f} to {derivatives.max():.4f}",
            "attention to token 0": f"{first.min():.3f} to {first.max():.3f}",
        }
        if "test_loss" in state:
            columns["test loss"] = shown(state, "test_loss")
            columns["test error"] = shown(state, "test_error")
            columns["token 0 selected"] = shown(state, "test_selection")
        return columns

    def test_quantities(self, labels: Array, outputs: Array, attention: Array, selected: Array) -> dict[str, float]:
        """Test loss and error, share of samples that select token 0, mean attention to it; with 95 % intervals."""
        margins = labels * outputs
        wrong = int(np.count_nonzero(margins < 0.0))
        right = int(np.count_nonzero(selected))
        return {
            **mean_quantity("test_loss", np.logaddexp(0.0, -margins)),
            **share_quantity("test_error", wrong, len(labels)),
            **share_quantity("test_selection", right, len(labels)),
            **mean_quantity("test_attention", attention),
        }


_DYNAMICS: dict[str, Callable[[Instance, TestSamples | None, bool], Any]] = {
    "reduced": Reduced,
    "weights": FullWeights,
}


def _choose(engine: str, instance: Instance) -> tuple[str, str]:
    """The engine to take and why."""
    if engine != "auto":
        return engine, "as asked for"
    samples, tokens, dimension, rows = instance.shape
    reduced, weights = reduced_cost(samples * tokens), weights_cost(samples * tokens, dimension, rows)
    chosen = "reduced" if reduced <= weights else "weights"
    return chosen, f"a step goes through {reduced:.2g} numbers reduced, {weights:.2g} on the weights"


def _require_memory(problem: Problem, keep_weights: bool) -> None:
    """Bound what a drawn problem will take, its test samples included."""
    full = keep_weights or drawn_in_full(problem)
    span = 2 + min(problem.total_tokens, problem.d - 2)
    rows = problem.d if keep_weights or full_draw_entries(problem) < problem.d * span else span
    dimension = problem.d if full else min(2 * span, problem.d)
    planned = _planned(problem.total_tokens, dimension, rows, problem.test_samples * problem.T)
    require_memory(ITEM * planned, f"token-selection at n={problem.n}, T={problem.T}, d={problem.d:.4g}")


def _planned(tokens: int, dimension: int, rows: int, test_tokens: int) -> float:
    """How many numbers a run takes: tokens, W with copies, inner products with copies, and test samples."""
    return 4.0 * tokens * dimension + 5.0 * rows * dimension + 12.0 * float(tokens) ** 2 + 4.0 * test_tokens


def _prepared(
    problem: Problem | ArraysGiven,
    instance: Instance,
    test: TestSamples | None,
    engine: str,
    notes: list[str],
    checked: bool,
) -> Prepared:
    chosen, reason = _choose(engine, instance)
    with np.errstate(over="ignore", invalid="ignore"):  # told at the first state, where the loss is not finite
        dynamics = _DYNAMICS[chosen](instance, test, checked)
        constants: dict[str, Any] = {}
        in_full = None
        if checked:
            constants = statement_data(instance, dynamics.geometry, problem, dynamics.roundings())
            in_full = _in_full(dynamics, constants)
    return Prepared(
        problem=problem,
        instance=instance,
        dynamics=dynamics,
        engine=chosen,
        reason=reason,
        test_samples=0 if test is None else len(test),
        coordinates={
            "label": ("sample", instance.y),
            "true_label": ("sample", instance.y_clean),
            "value": (("sample", "token"), instance.value),
        },
        constants=constants,
        notes=notes,
        in_full=in_full,
    )


def _in_full(dynamics: Reduced | FullWeights, constants: Mapping[str, Any]) -> InFull:
    """M and the representer column by column, which runs follow along a few probes."""
    samples, tokens = constants["value"].shape
    total = samples * tokens

    def begin() -> tuple[Reduced | FullWeights, dict[str, Any]]:
        return dynamics.in_full(), {**constants, **probe_data(np.eye(total), samples)}

    refused = f"M has {total**2:,} entries, in full are taken up to {MOST_IN_FULL:,}"
    return InFull(BY_PROBES, begin, "" if total**2 <= MOST_IN_FULL else refused)


def _test(
    instance: Instance, signal_norm: float, deviation: float, shares: Array, count: int, seed: int
) -> TestSamples | None:
    if not count:
        return None
    return draw_test_samples(instance.nu, signal_norm, deviation, shares, count, stream(seed, Stream.TEST))


def _test_of_arrays(instance: Instance, given: ArraysGiven, seed: int) -> tuple[TestSamples | None, list[str]]:
    """Test samples beside given arrays, or a note that says what is missing for them."""
    if not given.test_samples:
        return None, []
    if given.m is None or given.sigma is None:
        return None, ["no test loss: an instance has no data law (give it with --set m=... sigma=...)"]
    tokens = instance.shape[1]
    if tokens < 1 + given.k_w + given.k_c:
        raise RequestError.of("k_w", given.k_w, f"1 + k_w + k_c is at most T = {tokens}; k_c is {given.k_c}")
    shares = signal_shares(tokens, given.rho, given.k_w, given.k_c)
    return _test(instance, given.m, given.sigma, shares, given.test_samples, seed), []
