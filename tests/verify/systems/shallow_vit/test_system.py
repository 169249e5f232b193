"""What users see: presets, refusals, files, test errors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verify
from verify.engines.drive import Ending
from verify.systems.base import find_system
from verify.systems.shallow_vit.draw import draw
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.problem import PRESETS, Problem

from .conftest import small

SYSTEM = find_system("shallow-vit")
QUICK = ("learnt", "population", "spurious")


@pytest.mark.parametrize(
    "preset", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in PRESETS]
)
def test_presets_run_without_a_violation(preset: str) -> None:
    finished = verify.run("shallow-vit", preset=preset, steps=12)
    found = {record["lemma"]: record["verdict"] for record in finished.verdicts}
    assert finished.exit_status == 0
    assert found["shallow-vit/closed-recursion"] == "holds"
    assert found["shallow-vit/homogeneity"] == "holds"
    assert finished.trajectory["output"].dims == ("step", "sample")


def test_noise_runs_without_a_violation() -> None:
    settings = {"N": 3, "L": 5, "d": 40, "m": 8, "n_star": 2, "tau": 0.5, "B": 2}
    finished = verify.run("shallow-vit", settings=settings, steps=9, engine="weights")
    found = {record["lemma"]: record["verdict"] for record in finished.verdicts}
    assert finished.exit_status == 0
    assert found["shallow-vit/moves-in-token-span"] == "holds"
    assert found["shallow-vit/moves-in-head-span"] == "hypothesis not met"
    assert found["shallow-vit/key-sum-conserved"] == "hypothesis not met"


@pytest.mark.parametrize(("heads", "verdict"), [(8, "holds"), (7, "hypothesis not met")])
def test_heads_beyond_the_first_queries_and_keys_rest(heads: int, verdict: str) -> None:
    """Four queries and three differences of keys leave a direction free in eight dimensions, and none in seven."""
    finished = verify.run("shallow-vit", settings={"N": 8, "M": 4, "m_b": heads, "start": "aligned"}, steps=12)
    found = {record["lemma"]: record["verdict"] for record in finished.verdicts}
    assert found["shallow-vit/moves-in-head-span"] == verdict


def test_orthogonal_noise_keeps_the_sum_of_keys() -> None:
    settings = {"N": 3, "L": 5, "d": 12, "m": 8, "n_star": 2, "tau": 0.5, "noise": "orthogonal", "B": 2}
    finished = verify.run("shallow-vit", settings=settings, steps=9)
    found = {record["lemma"]: record["verdict"] for record in finished.verdicts}
    assert found["shallow-vit/key-sum-conserved"] == "holds"


def test_the_products_tell_nothing_of_single_weights() -> None:
    finished = verify.run("shallow-vit", settings={"N": 8}, engine="gram", steps=6)
    found = {record["lemma"]: record["verdict"] for record in finished.verdicts}
    assert found["shallow-vit/closed-recursion"] == "holds"
    assert found["shallow-vit/head-balance-drift"] == "not judged here"


def test_error_of_equal_counts_is_a_half() -> None:
    finished = verify.run("shallow-vit", preset="equal-counts", steps=20)
    np.testing.assert_allclose(finished.trajectory["test_error"], 0.5, atol=1e-12)


def test_an_error_is_zero_only_beyond_rounding() -> None:
    labels, probability, doubt = np.ones(2), np.array([0.25, 0.75]), np.full(2, 1e-9)
    found = SYSTEM.test_quantities(labels, np.array([1.0, 1e-10]), probability, doubt)
    assert (found["test_error"], found["test_error_low"], found["test_error_high"]) == (0.0, 0.0, 0.75)
    found = SYSTEM.test_quantities(labels, np.array([1.0, 0.0]), probability, doubt)
    assert found["test_error"] == 0.75


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "n_star=101"), "n_star + n_sharp + n_spurious should be at most L = 100"),
        (("--set", "m_b=5"), "perp starts need m_b of at least 8"),
        (("--set", "d=3"), "should be at least M = 4"),
        (("--set", "tau=0.1", "--engine", "patterns"), "patterns needs tokens without noise"),
        (("--set", "tau=0.1", "population=true"), "cannot be summed"),
        (("--set", "M=2", "m_b=5"), "n_star + n_sharp + n_spurious should be L = 100"),
        (("--engine", "quantum"), "auto or patterns or gram or weights or reduced"),
    ],
)
def test_refusals(refusal: Callable[..., str], words: tuple[str, ...], says: str) -> None:
    assert says in refusal("run", "shallow-vit", *words)


def test_files_keep_every_bit(tmp_path: Path) -> None:
    instance = SYSTEM.instance_of(small(tau=0.1), 0)
    SYSTEM.save_instance(instance, tmp_path / "F.npz")
    found, notes = SYSTEM.load_instance(tmp_path / "F.npz")
    assert notes == []
    for name in ("X", "y", "a", "W_O", "W_V", "W_K", "W_Q", "batches", "patterns"):
        np.testing.assert_array_equal(getattr(found, name), getattr(instance, name))


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("y", np.array([1.0, 2.0]), "labels are -1 or 1"),
        ("batches", np.array([[0, 2]]), "whole numbers from 0 to 1 are allowed"),
        ("batches", np.array([[0.5, 1.0]]), "whole numbers from 0 to 1 are allowed"),
        ("step_size", np.array(0.0), "greater than 0"),
        ("W_K", np.zeros((3, 2)), "W_K"),
    ],
)
def test_broken_files_are_refused(
    name: str, array: np.ndarray, says: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    instance = draw(Problem.model_validate({"N": 2, "L": 12, "M": 2, "n_star": 12, "m": 3, "d": 4}), 0)
    arrays = {each: getattr(instance, each) for each in ("X", "y", "a", "W_O", "W_V", "W_K", "W_Q")}
    np.savez(tmp_path / "F.npz", **(arrays | {"step_size": np.array(0.1)} | {name: array}))
    status, _, err = command("run", "shallow-vit", "--instance", tmp_path / "F.npz")
    assert status == 2
    assert says in err


def test_skew_patterns_are_left_out(tmp_path: Path, noisy: Instance) -> None:
    SYSTEM.save_instance(replace(noisy, patterns=np.ones((2, 9))), tmp_path / "F.npz")
    found, notes = SYSTEM.load_instance(tmp_path / "F.npz")
    assert found.patterns is None
    assert "patterns are not two orthonormal rows" in notes[0]


def test_a_run_repeats_from_its_folder(tmp_path: Path, command: Callable[..., Any]) -> None:
    words = ("--set", "N=8", "n_star=10", "--steps", 10)
    assert command("run", "shallow-vit", *words, "--out", tmp_path / "a").status == 0
    again = ("--config", tmp_path / "a" / "problem.toml", "--out", tmp_path / "b")
    assert command("run", "shallow-vit", *again).status == 0
    names = [(tmp_path / folder / "verdicts.json").read_text() for folder in "ab"]
    assert names[0] == names[1]


@pytest.mark.parametrize("settings", [{"xi": 1e200}, {"step_size": 1e12}], ids=str)
def test_leaving_the_range_of_float64_is_told(settings: dict[str, object], tmp_path: Path) -> None:
    finished = verify.run("shallow-vit", settings={"N": 4, "B": 2, "m": 4, "L": 12} | settings, steps=60)
    assert finished.ending is Ending.DIVERGED
    assert finished.steps < 60
    finished.save(tmp_path / "run")


EXTREME = {
    "one token": {"L": 1, "n_star": 1},
    "two patterns": {"M": 2, "L": 6, "n_star": 6, "m_a": 2, "m_b": 4, "d": 2},
    "one neuron": {"L": 6, "n_star": 2, "m": 1},
    "dead neurons": {"L": 6, "n_star": 2, "xi": 0.0},
    "absent keys with the largest scores": {"L": 3, "n_star": 3, "start": "aligned", "kappa": 30.0},
    "huge noise": {"L": 4, "n_star": 2, "tau": 100.0},
    "huge steps": {"L": 6, "n_star": 2, "xi": 5.0, "step_size": 2.0, "loss_target": 0.0},
}


@pytest.mark.parametrize("settings", EXTREME.values(), ids=EXTREME.keys())
@pytest.mark.parametrize("engine", ["auto", pytest.param("gram", marks=pytest.mark.slow)])
def test_no_false_alarm(settings: dict[str, object], engine: str) -> None:
    problem = {"N": 3, "B": 2, "m": 4, "d": 6, "test_samples": 10} | settings
    finished = verify.run("shallow-vit", settings=problem, steps=8, engine=engine)
    assert [record["lemma"] for record in finished.verdicts if record["verdict"] == "violated"] == []
