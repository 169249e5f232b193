"""The theorem of stage one and the sandwiches of stage two, at every step of every preset."""

import pytest

from proofs.token_selection import stage_one, stage_two
from verify.checking.judge import Judge
from verify.checking.verdicts import Verdict
from verify.engines.drive import STRETCH_STEPS
from verify.systems.token_selection import SYSTEM
from verify.systems.token_selection.problem import PRESETS
from verify.systems.token_selection.studies.seeds import Seeded

SHORT = 200

A_PRIORI = (
    *("stage-one-scores", "stage-one-query-norm", "stage-one-gaps", "stage-one-loss-derivatives"),
    *("stage-one-not-shorter", "stage-one-not-longer"),
)
SANDWICHES = ("gap-sandwich", "growth-sandwich")


def verdicts_of(preset: str, seed: int, steps: int) -> tuple[dict[str, Verdict], dict[str, int], dict[str, int | None]]:
    """Verdicts of both theorems, at how many steps they were checked, and the events."""
    problem = Seeded(case=preset, test_samples=2).problem()
    prepared = SYSTEM.prepare(problem, seed, "reduced", checked=True)
    lemmas = [lemma for lemma in SYSTEM.lemmas() if lemma.module in (stage_one.__name__, stage_two.__name__)]
    judge = Judge("token-selection", lambda: (lemmas, SYSTEM.events()), prepared)
    dynamics, twin = prepared.dynamics, prepared.dynamics.twin()
    while dynamics.step < steps:
        judge.observe(dynamics.advance(min(STRETCH_STEPS, steps - dynamics.step), -1.0, []), twin)
    found = {each.statement.name: each for each in judge.verdicts() if each.statement.name in A_PRIORI + SANDWICHES}
    checked = {name: each.claims[0].checked_steps for name, each in found.items()}
    return {name: each.verdict for name, each in found.items()}, checked, judge.events


def hold_throughout(preset: str, seed: int, steps: int) -> None:
    verdicts, checked, events = verdicts_of(preset, seed, steps)
    assert set(verdicts) == {*A_PRIORI, *SANDWICHES}
    end = events["tau_1"]
    assert end is not None
    for name, verdict in verdicts.items():
        # Stage one is too short to be judged beyond its bracket where it ends at the first step.
        begun = end >= 2 or name not in A_PRIORI[:4]
        assert verdict is (Verdict.HOLDS if begun else Verdict.HYPOTHESIS_NOT_MET), name
    assert {checked[name] for name in SANDWICHES} == {steps}
    assert {checked[name] for name in A_PRIORI[:4]} == {max(end - 1, 0)}
    assert checked["stage-one-not-shorter"] == 1
    assert checked["stage-one-not-longer"] == events["tau_quarter"]


@pytest.mark.parametrize("preset", PRESETS)
def test_theorems_hold_at_the_first_steps_of_every_preset(preset: str) -> None:
    hold_throughout(preset, 1, min(SHORT, PRESETS[preset].settings["max_steps"]))


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_theorems_hold_at_every_step_of_every_preset(preset: str) -> None:
    hold_throughout(preset, 2, PRESETS[preset].settings["max_steps"])
