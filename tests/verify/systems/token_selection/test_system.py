"""`token-selection` from end to end: runs, what they record, and what is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verify
from proofs.token_selection import exact, symbols
from verify.checking.compile import value_of
from verify.checking.judge import Judge
from verify.checking.verdicts import Verdict
from verify.controls import edit
from verify.errors import RequestError
from verify.runs import Run
from verify.systems.token_selection import SYSTEM, kernels
from verify.systems.token_selection.controls import uncompiled
from verify.systems.token_selection.dynamics import probe_coefficients
from verify.systems.token_selection.problem import PRESETS, Problem

TINY = {"n": 4, "T": 4, "d": 40, "m": 4.0, "step_size": 0.2, "test_samples": 200, "eta_f": 0.5}


@pytest.fixture(scope="module", params=["reduced", "weights"])
def run(request: pytest.FixtureRequest) -> Run:
    finished: Run = verify.run("token-selection", settings=TINY, engine=request.param, steps=60, seed=2)
    return finished


def test_exact_statements_hold_at_every_step(run: Run) -> None:
    found = {row["lemma"].removeprefix("token-selection/"): row for row in run.verdicts}
    for name in (
        *("drives-cancel", "drive-by-pairs", "gram-system", "query-growth", "balance-drift"),
        *("representer-step", "representer", "gap-step", "gap-identity", "first-step"),
    ):
        assert found[name]["verdict"] == "holds", name
    assert run.exit_status == 0


def test_the_trajectory_has_its_variables(run: Run) -> None:
    data = run.trajectory
    assert data["attention"].dims == data["score"].dims == ("step", "sample", "token")
    assert data["value"].dims == ("sample", "token")
    assert data["output"].dims == data["loss_derivative"].dims == ("step", "sample")
    for name in ("test_loss", "test_error", "test_selection", "test_attention"):
        assert data[name].dims == ("step",)
        assert np.all((data[f"{name}_low"] <= data[name]) & (data[name] <= data[f"{name}_high"]))
    np.testing.assert_allclose(data["attention"].sum("token"), 1.0)
    np.testing.assert_allclose((data["attention"] * data["value"]).sum("token"), data["output"], atol=1e-12)
    assert float(data["loss"][-1]) < float(data["loss"][0])


def test_a_run_from_elsewhere_than_zero(tmp_path: Path) -> None:
    """A state reached is an instance: statements hold on it, those about p = 0 do not apply."""
    first = SYSTEM.prepare(Problem.model_validate(TINY), 0, "reduced")
    first.dynamics.advance(10, -1.0, [])
    SYSTEM.save_instance(first.dynamics.instance(), tmp_path / "later.npz")
    finished: Run = verify.run("token-selection", instance=tmp_path / "later.npz", steps=20)
    found = {row["lemma"].removeprefix("token-selection/"): row["verdict"] for row in finished.verdicts}
    assert found["representer"] == found["balance-drift"] == found["gram-system"] == "holds"
    assert found["first-step"] == "hypothesis not met"
    assert "no test loss: an instance has no data law (give it with --set m=... sigma=...)" in finished.prepared.notes


def test_test_samples_beside_given_arrays(official_file: Path) -> None:
    settings = {"m": 10.0, "sigma": 1.0, "test_samples": 500}
    instance = verify.load_instance("token-selection", official_file)
    runs = [verify.simulate(instance, steps=40, engine=engine, **settings) for engine in ("reduced", "weights")]
    for data in runs:
        assert float(data["test_attention"][-1]) > float(data["test_attention"][0])
    np.testing.assert_allclose(runs[0]["test_loss"], runs[1]["test_loss"], rtol=1e-10)


def test_presets_at_their_first_steps() -> None:
    for preset, named in PRESETS.items():
        problem = Problem.model_validate({**named.settings, "test_samples": 100})
        prepared = SYSTEM.prepare(problem, 0, "auto")
        losses = prepared.dynamics.advance(5, -1.0, []).arrays["loss"]
        assert np.all(np.diff(losses) < 0), preset


def test_arrays_that_cannot_fit_are_refused() -> None:
    settings: Mapping[str, Any] = {"n": 10_000, "T": 1000, "d": 10**6}
    with pytest.raises(RequestError, match="GiB of memory"):
        SYSTEM.prepare(Problem.model_validate(settings), 0, "auto")


def test_more_kinds_of_tokens_than_tokens_are_refused(official_file: Path) -> None:
    instance = verify.load_instance("token-selection", official_file)
    with pytest.raises(RequestError, match="k_w: 9 is not allowed"):
        verify.simulate(instance, steps=1, m=10.0, sigma=1.0, k_w=9)


def test_a_run_without_a_step_size_is_refused(official_file: Path) -> None:
    from dataclasses import replace

    instance = replace(verify.load_instance("token-selection", official_file), step_size=None)
    with pytest.raises(RequestError, match="step_size: the instance names none"):
        verify.simulate(instance, steps=1)


def test_reduced_and_full_runs_with_an_orthogonal_start_select_alike() -> None:
    """Both are exact in law; at n SNR^2 = 20 all of them select the signal, which a wrong reduction would miss."""
    settings = {"n": 8, "T": 4, "d": 300, "m": 27.0, "step_size": 0.02, "start": "orthogonal", "test_samples": 500}
    found = []
    for drawn in ("full", "reduced"):
        problem = Problem.model_validate({**settings, "drawn": drawn})
        dynamics = SYSTEM.prepare(problem, 0, "reduced").dynamics
        outputs = dynamics.test_outputs(dynamics.advance(200, -1.0, [200]).kept[200])
        assert outputs is not None
        found.append(float(np.mean(outputs[3])))
    assert min(found) > 0.99


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_test_samples_select_their_signal_from_t_select_on(engine: str) -> None:
    """Without weak signals the event is exact: there the share of samples that select it passes one half."""
    settings = {"n": 8, "T": 4, "d": 400, "m": 8.0, "rho": 0.0, "sigma": 1.0, "step_size": 0.02}
    run: Run = verify.run("token-selection", settings=settings, engine=engine, steps=300)
    step = run.stages["T_select"]
    assert step is not None
    kept = [step // 2, step - 1, step, 2 * step]
    dynamics = SYSTEM.prepare(Problem.model_validate(settings), 0, engine).dynamics
    stretch = dynamics.advance(kept[-1], -1.0, kept)
    shares = []
    for each in kept:
        outputs = dynamics.test_outputs(stretch.kept[each])
        assert outputs is not None
        labels, selected = outputs[0], outputs[3]
        shares.append(min(float(np.mean(selected[labels == label])) for label in (1.0, -1.0)))
    noise = 4.0 * 0.5 / np.sqrt(20_000)
    assert shares[0] < 0.5 - noise
    assert shares[1] < 0.5 + noise
    assert shares[2] > 0.5 - noise
    assert shares[3] > 0.5 + noise


def test_the_direction_that_scores_tokens_is_as_long_as_statements_say() -> None:
    prepared = SYSTEM.prepare(Problem.model_validate({**TINY, "rho": 0.3}), 1, "weights", checked=True)
    stretch = prepared.dynamics.advance(25, -1.0, [])
    known = {**prepared.constants, **prepared.dynamics.vectors()}
    square = value_of(symbols.direction_square, known, stretch.arrays)
    leads = value_of(symbols.test_lead, known, stretch.arrays)
    instance = prepared.dynamics.instance()
    direction = instance.W.T @ instance.p
    np.testing.assert_allclose(square[-1], direction @ direction, rtol=1e-11)
    means = TINY["m"] * direction[:2]
    shares = [[1.0, 0.3, 0.0, 0.0], [0.0, 0.0, 0.3, 0.0]]
    for own in (0, 1):
        score = np.array(shares[0]) * means[own] + np.array(shares[1]) * means[1 - own]
        np.testing.assert_allclose(leads[-1, own], score[0] - score, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("engine", ["reduced", "weights"])
def test_all_of_m_and_of_the_representer_is_judged_at_snapshots(engine: str) -> None:
    run: Run = verify.run("token-selection", settings=TINY, engine=engine, steps=20)
    found = {row["lemma"].removeprefix("token-selection/"): row["in_full"] for row in run.verdicts}
    for name in ("gram-system", "representer-step"):
        assert found[name]["snapshots"] == 2, name
        assert found[name]["resolution"] < 1e-6, name


def test_what_the_probes_cannot_see_is_caught_at_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: M gains a part that vanishes along the probes of every step."""
    probes = probe_coefficients(16)
    away = np.eye(16) - probes @ np.linalg.pinv(probes)
    monkeypatch.setattr(kernels, "hidden", 1e-5 * away @ away.T, raising=False)
    planted = edit(kernels, "grow_map", "by_drive * gram_drive[j]", "by_drive * gram_drive[j] + hidden[i, j]")
    with planted.planted(), uncompiled():
        prepared = SYSTEM.prepare(Problem.model_validate(TINY), 0, "reduced", checked=True)
        judge = Judge("token-selection", lambda: ([exact.gram_system], ()), prepared)
        judge.observe(prepared.dynamics.advance(10, -1.0, []), prepared.dynamics.twin())
    (verdict,) = judge.verdicts()
    by_scores, along_probes, in_full = verdict.claims
    assert by_scores.verdict is along_probes.verdict is Verdict.HOLDS
    assert in_full.verdict is Verdict.VIOLATED
    assert in_full.snapshots == (0, 8)


def test_test_samples_turn_to_their_signal_at_t_gen() -> None:
    settings = {"n": 8, "T": 4, "d": 400, "m": 8.0, "rho": 0.0, "sigma": 1.0, "step_size": 0.02}
    run: Run = verify.run("token-selection", settings=settings, steps=1500, record_every=50)
    attention = run.trajectory["test_attention"].values
    step = run.stages["T_gen"]
    assert step is not None
    place = list(run.trajectory["step"].values).index(step)
    assert attention[place - 1] < 0.5 <= attention[place]
    selected = run.stages["T_select"]
    assert selected is not None
    assert selected < step
    assert run.states[step]["test_attention"] == attention[place]
    short: Run = verify.run("token-selection", settings=settings, steps=1)
    assert short.stages["T_gen"] is None


def test_a_run_of_no_steps_is_judged() -> None:
    """An event that speaks of increments has none to look at."""
    finished = verify.run("token-selection", settings={"n": 4, "T": 3, "d": 10, "k_c": 0}, steps=0)
    assert (finished.steps, finished.exit_status) == (0, 0)
