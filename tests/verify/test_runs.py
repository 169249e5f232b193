"""Runs: how long they are, what they record, that they repeat, and that their memory does not grow."""

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import verify
from verify.engines.drive import Ending
from verify.engines.schedule import POINTS, Schedule
from verify.runs import Run

pytestmark = pytest.mark.usefixtures("unjudged")

TINY = {"N": 2, "M": 2, "d": 1e6, "d_h": 1e6, "test_samples": 10}


def run(**words: Any) -> Run:
    finished: Run = verify.run("benign-vit", **{"settings": TINY, **words})
    return finished


def assert_same_bits(found: xarray.Dataset, wanted: xarray.Dataset) -> None:
    assert set(found) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(found[name].values, wanted[name].values, err_msg=str(name))


def strict_json(path: Path) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in {path.name}")

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.parametrize("steps", [0, 1, 300])
def test_counted_steps_are_made_exactly_whatever_the_loss(steps: int) -> None:
    finished = run(steps=steps, settings={**TINY, "loss_target": 100.0, "max_steps": 1})
    assert finished.steps == steps
    assert finished.ending is Ending.STEPS
    assert int(finished.trajectory["step"][0]) == 0
    assert int(finished.trajectory["step"][-1]) == steps
    assert finished.converged


def test_a_run_ends_at_the_first_state_at_its_target() -> None:
    finished = run(settings={**TINY, "loss_target": 0.6, "r": 10.0}, record_every=1)
    loss = finished.trajectory["loss"].values
    assert finished.ending is Ending.TARGET
    assert finished.converged
    assert len(loss) == finished.steps + 1 > 10
    assert loss[-1] <= 0.6 < loss[:-1].min()


def test_a_run_ends_at_max_steps() -> None:
    finished = run(settings={**TINY, "max_steps": 20})
    assert (finished.ending, finished.steps, finished.converged) == (Ending.LIMIT, 20, False)


@pytest.mark.parametrize(("steps", "every"), [(100, 30), (90, 30), (5, 30), (300, 1)])
def test_every_kth_state_the_first_and_the_last_are_recorded(steps: int, every: int) -> None:
    recorded = list(run(steps=steps, record_every=every, settings={**TINY, "N": 1}).trajectory["step"].values)
    assert set(recorded) >= {*range(0, steps + 1, every), steps}


def test_what_is_recorded_less_often_is_the_same() -> None:
    every, third = (run(steps=30, record_every=k).trajectory for k in (1, 3))
    assert_same_bits(third, every.sel(step=third["step"]))


def test_seeds_repeat_bit_for_bit_and_differ() -> None:
    once, again, other = (run(steps=20, seed=seed).trajectory for seed in (5, 5, 6))
    assert_same_bits(again, once)
    for name in ("loss", "score", "value", "test_loss"):
        assert np.all(once[name].values != other[name].values)


@pytest.mark.parametrize(
    "words", [{"seed": 3}, {"seed": 2**100, "engine": "weights", "settings": {**TINY, "d": 9, "d_h": 2}}]
)
def test_a_saved_problem_repeats_the_run_bit_for_bit(words: dict[str, Any], tmp_path: Path) -> None:
    first = run(steps=15, record_every=4, **words)
    first.save(tmp_path)
    again: Run = verify.run("benign-vit", config=tmp_path / "problem.toml")
    assert again.steps == 15
    assert again.prepared.engine == first.prepared.engine
    assert_same_bits(again.trajectory, first.trajectory)
    assert again.record()["problem"] == first.record()["problem"]


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_a_saved_problem_on_arrays_repeats_the_run_bit_for_bit(
    engine: str, reference_file: Path, tmp_path: Path
) -> None:
    law = {"sigma_p": 0.3, "C_p": 2.0, "step_size": 0.01, "test_samples": 20}
    first: Run = verify.run("benign-vit", instance=reference_file, engine=engine, steps=15, settings=law, seed=4)
    first.save(tmp_path / "run")
    again: Run = verify.run("benign-vit", config=tmp_path / "run" / "problem.toml")
    assert_same_bits(again.trajectory, first.trajectory)
    assert "test_loss" in first.trajectory


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    finished = run(steps=12)
    assert finished.save(tmp_path / "run") == tmp_path / "run"
    assert {"problem.toml", "trajectory.nc", "verdicts.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
    record = strict_json(tmp_path / "run" / "verdicts.json")
    assert record["system"] == "benign-vit"
    assert record["steps"] == 12
    assert record["seed"] == 0
    assert record["converged"] is False
    assert set(record["versions"]) >= {"verify", "numpy", "numba", "python"}
    with xarray.open_dataset(tmp_path / "run" / "trajectory.nc") as written:
        assert_same_bits(written, finished.trajectory)
    with pytest.raises(verify.RequestError, match="holds another run"):
        finished.save(tmp_path / "run")
    finished.save(tmp_path / "run", force=True)


def test_the_trajectory_is_labelled() -> None:
    dataset = run(steps=3).trajectory
    assert dict(dataset.sizes) == {"step": 4, "sample": 2, "query": 2, "key": 2, "token": 4}
    assert dataset["attention"].dims == dataset["score"].dims == ("step", "sample", "query", "key")
    assert list(dataset["label"].values) == [1.0, -1.0]
    assert list(dataset["token_sample"].values) == [-1, -1, 0, 1]
    assert list(dataset["token_position"].values) == [0, 0, 1, 1]
    np.testing.assert_allclose(dataset["attention"].sum("key"), 1.0, rtol=1e-14)


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_a_step_size_that_is_too_large_is_told(engine: str, reference_file: Path, tmp_path: Path) -> None:
    law = {"sigma_p": 0.3, "C_p": 2.0, "test_samples": 20}
    finished: Run = verify.run(
        "benign-vit", instance=reference_file, engine=engine, steps=1000, settings={**law, "step_size": 1e200}
    )
    assert finished.ending is Ending.DIVERGED
    assert 0 < finished.steps < 1000
    assert not finished.converged
    assert not math.isfinite(float(finished.trajectory["loss"][-1]))
    finished.save(tmp_path / "run")
    record = strict_json(tmp_path / "run" / "verdicts.json")
    assert record["ending"] == Ending.DIVERGED.value
    assert record["steps"] == finished.steps


def peak_memory(steps: int) -> int:
    settings = {"N": 1, "M": 2, "d": 4, "d_h": 1, "test_samples": 0, "r": 1e-3}
    tracemalloc.start()
    verify.run("benign-vit", settings=settings, steps=steps)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("more", [10**5, pytest.param(10**6, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_number_of_steps(more: int) -> None:
    peak_memory(1000)  # what the first run compiles and imports
    few, many = peak_memory(10**4), peak_memory(more)
    # In a longer run more of the log-spaced states fall on steps of their own, and never more than POINTS.
    assert many < few * POINTS / Schedule(10**4).count(10**4)


def test_recording_every_state_does_grow() -> None:
    """The measure sees memory that is kept."""
    tracemalloc.start()
    verify.run(
        "benign-vit",
        settings={"N": 1, "M": 2, "d": 4, "d_h": 1, "test_samples": 0},
        steps=3000,
        record_every=1,
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak > peak_memory(3000) + 200_000
