"""What is kept of a run."""

from typing import Any

import numpy as np
import pytest

from verify.engines.collect import Collector
from verify.engines.drive import Ending, Goal, drive
from verify.engines.schedule import Schedule

GOAL = Goal(1000, 0.0, 1000)


def outputs(labels: np.ndarray, found: np.ndarray) -> dict[str, float]:
    return {"outputs": float(found[0])}


def test_wanted_states_are_made_again_and_the_run_goes_on_undisturbed(scripted: Any) -> None:
    wanted = {3, 300, 301, 999}
    dynamics = scripted(lambda step: 1.0 / (step + 1))
    schedule = Schedule(1000, every=400)
    collector = Collector(["loss"], outputs, lambda stretch: wanted & set(range(stretch.first, stretch.last + 1)))
    assert drive(dynamics, GOAL, schedule, [collector]) is Ending.STEPS
    collector.finish(dynamics)
    assert collector.steps == [0, 400, 800, 1000]
    for step in wanted:
        assert collector.state(step) == {"loss": 1.0 / (step + 1), "outputs": 10.0 * step}
    assert collector.state(400)["outputs"] == 4000.0
    with pytest.raises(KeyError):
        collector.state(4)
    arrays = collector.arrays()
    np.testing.assert_array_equal(arrays["loss"], 1.0 / (np.array(collector.steps) + 1))
    np.testing.assert_array_equal(arrays["outputs"], 10.0 * np.array(collector.steps))


def test_the_last_state_is_kept_wherever_the_run_ends(scripted: Any) -> None:
    dynamics = scripted(lambda step: 1.0 if step < 77 else np.nan)
    collector = Collector(["loss"], outputs)
    assert drive(dynamics, GOAL, Schedule(1000, every=50), [collector]) is Ending.DIVERGED
    collector.finish(dynamics)
    assert collector.steps == [0, 50, 77]


def test_states_beyond_the_end_are_dropped(scripted: Any) -> None:
    dynamics = scripted(lambda step: 1.0)
    collector = Collector(["loss"], outputs)
    drive(dynamics, Goal(100, 0.0, 100), Schedule(1000, every=10), [collector])
    dynamics.restore(35)
    collector.finish(dynamics)
    assert collector.steps == [0, 10, 20, 30, 35]


def test_without_test_samples_there_are_no_test_quantities(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted, "test_outputs", lambda self, kept: None)
    dynamics = scripted(lambda step: 1.0)
    collector = Collector(["loss"], outputs)
    drive(dynamics, Goal(10, 0.0, 10), Schedule(10), [collector])
    assert set(collector.arrays()) == {"loss"}
