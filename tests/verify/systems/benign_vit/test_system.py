"""How a request becomes a run: engines, memory, test samples beside given arrays, what the table shows."""

from pathlib import Path

import numpy as np
import pytest
from scipy import special

import verify
from verify.errors import RequestError
from verify.systems.benign_vit import SYSTEM
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.problem import ArraysGiven, Problem


def instance(samples: int = 4, tokens: int = 3, dimension: int = 12) -> Instance:
    problem = Problem(N=samples, M=tokens, d=dimension, d_h=5, d_v=2, SNR=2.0, sigma_h=0.3, sigma_V=0.3, r=1.0)
    return draw(problem, seed=0, full=True)


LAW = {"sigma_p": 0.3, "C_p": 5.0}


def test_engines_are_chosen_by_cost() -> None:
    assert SYSTEM.prepare(Problem(N=2, M=2, d=1000, d_h=100), 0, "auto").engine == "reduced"
    assert SYSTEM.prepare(Problem(N=20, M=4, d=3, d_h=1), 0, "auto").engine == "weights"
    for engine in ("reduced", "weights"):
        assert SYSTEM.prepare(Problem(N=2, M=2, d=10, d_h=10), 0, engine).engine == engine


def test_both_engines_are_given_the_same_small_arrays() -> None:
    reduced, weights = (SYSTEM.prepare(Problem(N=2, M=2, d=50, d_h=50), 3, engine) for engine in ("reduced", "weights"))
    assert reduced.instance.shape == (2, 2, 50, 50)
    np.testing.assert_array_equal(reduced.instance.X, weights.instance.X)
    np.testing.assert_array_equal(reduced.instance.W_Q, weights.instance.W_Q)


@pytest.mark.parametrize(
    ("settings", "engine"),
    [
        ({"d": 10**8, "d_h": 10**8}, "weights"),
        ({"d": 10**15, "d_h": 10**15}, "weights"),
        ({"N": 10**6, "M": 100}, "reduced"),
        ({"N": 10**5}, "auto"),
        ({"test_samples": 10**6, "M": 100, "d": 10**6}, "reduced"),
        ({"test_samples": 10**5, "test_law": "joint"}, "reduced"),
    ],
)
def test_a_problem_that_cannot_fit_is_refused_before_it_is_drawn(settings: dict[str, object], engine: str) -> None:
    with pytest.raises(RequestError, match=r"needs \S+ GiB of memory \(\S+ GiB can be used here\)"):
        SYSTEM.prepare(Problem(**settings), 0, engine)
    if engine != "weights":
        with pytest.raises(RequestError, match="GiB"):
            SYSTEM.instance_of(Problem(**{**settings, "N": 10**6}), 0)


def test_arrays_that_fit_but_whose_run_does_not_are_refused() -> None:
    rng = np.random.default_rng(0)
    many = Instance(rng.standard_normal((60_000, 2, 3)), np.ones(60_000), *3 * [np.ones((3, 1))], np.ones(1), 0.1)
    with pytest.raises(RequestError, match="on 120000 distinct tokens needs"):
        SYSTEM.prepare_arrays(many, ArraysGiven(), 0, "reduced")
    wide = instance(samples=2, tokens=2, dimension=4000)
    with pytest.raises(RequestError, match="GiB"):
        SYSTEM.prepare_arrays(wide, ArraysGiven(test_samples=10**6, **LAW), 0, "auto")


def test_arrays_without_a_step_size_need_one() -> None:
    bare = Instance(*(getattr(instance(), name) for name in ("X", "y", "W_Q", "W_K", "W_V", "w_O")))
    with pytest.raises(RequestError, match=r"^step_size: .*--set step_size="):
        SYSTEM.prepare_arrays(bare, ArraysGiven(), 0, "auto")
    assert SYSTEM.prepare_arrays(bare, ArraysGiven(step_size=0.5), 0, "auto").instance.step_size == 0.5


def test_no_test_loss_without_a_data_law() -> None:
    prepared = SYSTEM.prepare_arrays(instance(), ArraysGiven(), 0, "auto")
    assert prepared.test_samples == 0
    assert [note.startswith("no test loss:") for note in prepared.notes] == [True]
    assert "sigma_p=" in prepared.notes[0]
    assert SYSTEM.prepare_arrays(instance(), ArraysGiven(test_samples=0), 0, "auto").notes == []


def test_no_test_loss_where_a_class_has_no_one_signal() -> None:
    whole = instance()
    one_class = Instance(**{**vars(whole), "X": whole.X[whole.y > 0], "y": whole.y[whole.y > 0]})
    assert "no sample" in SYSTEM.prepare_arrays(one_class, ArraysGiven(**LAW), 0, "auto").notes[0]
    X = instance().X.copy()
    X[0, 0] *= 2.0
    prepared = SYSTEM.prepare_arrays(Instance(**{**vars(instance()), "X": X}), ArraysGiven(**LAW), 0, "auto")
    assert "2 different signals" in prepared.notes[0]
    assert prepared.test_samples == 0


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_test_samples_beside_arrays_are_real_ones_of_the_given_law(engine: str) -> None:
    prepared = SYSTEM.prepare_arrays(instance(), ArraysGiven(**LAW, test_samples=4000), 0, engine)
    assert prepared.test_samples == 4000
    dataset = verify.simulate(instance(), steps=3, engine=engine, record_every=1, **LAW, test_samples=4000)
    assert np.all(np.isfinite(dataset["test_loss"]))
    assert np.all(dataset["test_loss_low"] <= dataset["test_loss"])
    assert np.all(dataset["test_loss"] <= dataset["test_loss_high"])


def test_test_loss_beside_arrays_against_a_monte_carlo_of_ones_own() -> None:
    """The law written out: the label's signal, then Gaussian noise orthogonal to both signals."""
    arrays, count = instance(), 40_000
    found = verify.simulate(arrays, steps=0, **LAW, test_samples=count).isel(step=0)
    rng = np.random.default_rng(99)
    signals = np.stack([arrays.X[arrays.y == label, 0][0] for label in (1.0, -1.0)])
    away = np.eye(12) - np.linalg.pinv(signals) @ signals
    y = rng.choice([1.0, -1.0], size=count)
    X = np.concatenate([signals[np.where(y > 0, 0, 1)][:, None], rng.standard_normal((count, 2, 12)) @ away], axis=1)
    X[:, 1] *= LAW["sigma_p"] * LAW["C_p"]
    X[:, 2] *= LAW["sigma_p"]
    attention = special.softmax((X @ arrays.W_Q) @ (X @ arrays.W_K).transpose(0, 2, 1), axis=2)
    margin = y * np.einsum("nlj,nj->n", attention, X @ arrays.W_V @ arrays.w_O) / 3
    losses = np.logaddexp(0.0, -margin)
    error = np.hypot(losses.std() / count**0.5, float(found["test_loss_high"] - found["test_loss"]) / 1.96)
    assert float(found["test_loss"]) == pytest.approx(losses.mean(), abs=4.0 * error)
    assert float(found["test_error"]) == pytest.approx((margin < 0.0).mean(), abs=4.0 / count**0.5)


@pytest.mark.usefixtures("unjudged")
def test_the_number_of_test_samples_leaves_training_unchanged() -> None:
    runs = [
        verify.run("benign-vit", settings={"N": 4, "test_samples": count}, steps=20, record_every=5).trajectory
        for count in (0, 10, 1000)
    ]
    assert "test_loss" not in runs[0]
    for name in runs[0]:
        np.testing.assert_array_equal(runs[1][name], runs[0][name])
        np.testing.assert_array_equal(runs[2][name], runs[0][name])
    assert np.all(runs[1]["test_loss"].values != runs[2]["test_loss"].values)


def test_test_quantities_have_intervals_that_hold_their_numbers() -> None:
    found = SYSTEM.test_quantities(np.array([1.0, 1.0, -1.0, -1.0]), np.array([2.0, -2.0, -1.0, -3.0]))
    losses = np.logaddexp(0.0, -np.array([2.0, -2.0, 1.0, 3.0]))
    assert found["test_loss"] == pytest.approx(losses.mean())
    assert found["test_error"] == 0.25
    assert 0.0 <= found["test_error_low"] < 0.25 < found["test_error_high"] <= 1.0
    assert found["test_loss_low"] < found["test_loss"] < found["test_loss_high"]


@pytest.mark.usefixtures("unjudged")
def test_an_instance_file_keeps_a_drawn_problem(tmp_path: Path) -> None:
    drawn = SYSTEM.instance_of(Problem(N=3, d=1e9, d_h=1e9), seed=2)
    SYSTEM.save_instance(drawn, tmp_path / "drawn.npz")
    loaded = verify.load_instance("benign-vit", tmp_path / "drawn.npz")
    problem = {"N": 3, "d": 1e9, "d_h": 1e9, "test_samples": 0}
    by_problem = verify.run("benign-vit", settings=problem, seed=2, steps=10, record_every=5).trajectory
    by_file = verify.simulate(loaded, steps=10, record_every=5, engine="reduced")
    for name in ("loss", "output", "score", "value"):
        np.testing.assert_array_equal(by_file[name], by_problem[name])
