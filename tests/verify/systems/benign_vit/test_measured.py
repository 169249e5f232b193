"""Stages measured by an independent prototype come out again in size (N = 20, M = 4, C_p = 10, d = d_h).

How long the first stage takes depends on the seed: it ends when the largest of 60 noise values, random at the
start, is outgrown. Hence medians over seeds; later events vary by a per cent or two.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray

import verify
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.problem import PRESETS, Problem

SEEDS = range(9)


def trained(problem: Problem, seed: int, steps: int) -> xarray.Dataset:
    """Every state of a run at reduced size, nothing judged."""
    return verify.simulate(draw(problem, seed, full=False), steps=steps, record_every=1)


def first(condition: np.ndarray) -> float:
    """The first step at which a condition holds; infinite if it never does."""
    return float(np.argmax(condition)) if condition.any() else np.inf


@dataclass(frozen=True)
class Stages:
    """The events of a run: values separate, values large, attention saturated."""

    separated: float
    large: float
    saturated: float
    lowest_derivative: np.ndarray

    def derivative_at(self, step: float) -> float:
        return float(self.lowest_derivative[int(step)])


def stages(problem: Problem, dataset: xarray.Dataset, selected_position: int) -> Stages:
    """By the theory's predicates: selected values against the largest other and 2/c_log, attention at 0.9."""
    value = dataset["value"].values
    position, sample = dataset["token_position"].values, dataset["token_sample"].values
    selected = position == selected_position
    of_sample = dataset["label"].values[sample[selected]]
    token_label = of_sample if selected_position else np.array([1.0, -1.0])
    learnt = (value[:, selected] * token_label).min(axis=1)
    others = ~selected if selected_position else position > 0
    largest_other = np.abs(value[:, others]).max(axis=1)
    attention = dataset["attention"].values[:, :, selected_position, selected_position].min(axis=1)
    return Stages(
        separated=first(learnt >= 3 * problem.M * largest_other),
        large=first(learnt >= 2.0 / problem.log_term),
        saturated=first(attention >= 0.9),
        lowest_derivative=dataset["loss_derivative"].values.min(axis=1),
    )


def benign(size: float, r: float) -> Problem:
    return Problem(N=20, M=4, SNR=14.0, d=size, d_h=size, r=r, test_samples=0)


@dataclass(frozen=True)
class Row:
    """One row of the table: steps and smallest loss derivatives as the prototype measured them.

    `digit` is the last digit given of the first derivative; attention is saturated by step `horizon`.
    """

    size: float
    r: float
    separated: int
    derivative_then: float
    large: int
    derivative_when_large: float
    derivative_when_saturated: float
    horizon: int
    digit: float = 1e-3


ROWS = [
    Row(1e4, 10, 52, 0.479, 26, 0.489, 0.177, 800),
    Row(1e6, 10, 185, 0.492, 245, 0.490, 0.337, 2600),
    Row(1e8, 100, 60, 0.4975, 235, 0.489, 0.446, 800, digit=1e-4),
    pytest.param(Row(1e10, 10, 1870, 0.4992, 19261, 0.484, 0.483, 22000, digit=1e-4), marks=pytest.mark.slow),
    Row(1e12, 1000, 59, 0.4996, 1500, 0.480, 0.494, 1650, digit=1e-4),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.size:.0e}")


@every_row
def test_values_separate_when_the_prototype_says(row: Row) -> None:
    problem = benign(row.size, row.r)
    runs = [stages(problem, trained(problem, seed, 3 * row.separated), 0) for seed in SEEDS]
    separated = np.array([run.separated for run in runs])
    assert separated.min() <= row.separated <= separated.max()
    # T1 eta |mu|^2 |w_O|^2 d_h^(1/4) is near 60 at every size.
    constant = np.median(separated) * problem.step_size * problem.signal_norm**2 * problem.d_h**0.25
    assert constant == pytest.approx(60.0, rel=0.1)
    derivatives = [run.derivative_at(run.separated) for run in runs if np.isfinite(run.separated)]
    assert min(derivatives) - row.digit <= row.derivative_then <= max(derivatives) + row.digit


@every_row
def test_values_grow_and_attention_saturates_when_the_prototype_says(row: Row) -> None:
    problem = benign(row.size, row.r)
    run = stages(problem, trained(problem, 0, row.horizon), 0)
    assert run.large == pytest.approx(row.large, rel=0.05)
    assert run.derivative_at(run.large) == pytest.approx(row.derivative_when_large, abs=1e-3)
    assert run.derivative_at(run.saturated) == pytest.approx(row.derivative_when_saturated, rel=0.02)
    assert (run.large < run.saturated) == (row.size < 1e11), "at 1e12 attention saturates first"
    assert (run.large < run.separated) == (row.size < 3e5), "below 3e5 values are large before they separate"


def test_the_first_stage_shortens_like_the_fourth_root_of_the_heads() -> None:
    """The same random numbers at every size: only the scales differ."""
    constants = []
    for size, r in ((1e6, 10), (1e8, 100), (1e12, 1000), (1e14, 1000)):
        problem = benign(size, r)
        run = stages(problem, trained(problem, 0, 300), 0)
        constants.append(run.separated * problem.step_size * problem.signal_norm**2 * problem.d_h**0.25)
    assert max(constants) < 1.05 * min(constants)


def test_harmful_stages() -> None:
    problem = Problem(**PRESETS["harmful"].settings, test_samples=0)
    runs = [stages(problem, trained(problem, seed, 100), 1) for seed in SEEDS]
    assert min(run.separated for run in runs) <= 32 <= max(run.separated for run in runs)
    dataset = trained(problem, 0, 2400)
    run = stages(problem, dataset, 1)
    assert run.large == pytest.approx(785, rel=0.05)
    assert run.derivative_at(run.large) == pytest.approx(0.4895, abs=1e-3)
    assert run.saturated == pytest.approx(2190, rel=0.05)
    signal_value = np.abs(dataset["value"].values[:, dataset["token_position"].values == 0])
    assert signal_value.max() < 0.04, "the signal is hardly learnt"


@pytest.mark.parametrize("signal_to_noise", [3920, 720])
def test_values_separate_only_where_signals_outgrow_noise(signal_to_noise: int) -> None:
    """That needs N SNR^2 above 6 M C_p^2 = 2400."""
    problem = Problem(N=20, M=4, SNR=(signal_to_noise / 20) ** 0.5, d=1e8, d_h=1e8, r=100.0, test_samples=0)
    run = stages(problem, trained(problem, 0, 3000), 0)
    assert np.isfinite(run.separated) == (signal_to_noise > 2400)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "steps"), [("benign", 39625), ("benign-asymptotic", 170820)])
def test_benign_runs_converge_when_the_prototype_did(preset: str, steps: int) -> None:
    finished = verify.run("benign-vit", preset=preset)
    assert finished.converged
    assert finished.steps == pytest.approx(steps, rel=0.05)
    last = finished.trajectory.isel(step=-1)
    assert float(last["test_error"]) == 0.0
    # Fresh noise tokens have learnt no query: they attend uniformly, only the signal selects itself.
    phi, tokens = float(last["attention"].values[:, 0, 0].min()), 4
    signal_value = float(last["value"].values[0])
    output = signal_value * (phi + (tokens - 1) / tokens) / tokens
    assert float(last["test_loss"]) == pytest.approx(np.log1p(np.exp(-output)), rel=0.05)


@pytest.mark.slow
def test_harmful_runs_overfit_and_do_not_generalise() -> None:
    finished = verify.run("benign-vit", preset="harmful", steps=40000)
    assert float(finished.trajectory["loss"][-1]) == pytest.approx(0.033, rel=0.05)
    assert float(finished.trajectory["test_loss"][-1]) > 0.1
