"""When a run ends, and that its observers see every state once."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.engines import drive as driving
from verify.engines.collect import Collector
from verify.engines.drive import STRETCH_STEPS, Ending, Goal, StopRun, drive
from verify.engines.schedule import Schedule
from verify.engines.stretch import Stretch
from verify.errors import RequestError


class Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def observe(self, stretch: Stretch, dynamics: Any) -> None:
        self.seen.append((stretch.first, stretch.last))
        # Whatever an observer does with the twin that it is given, the run goes on undisturbed.
        dynamics.restore(stretch.start)
        again = dynamics.advance(stretch.steps, -1.0, [])
        np.testing.assert_array_equal(again.arrays["loss"], stretch.arrays["loss"])


def halving(step: int) -> float:
    return 2.0**-step


def flat(step: int) -> float:
    return 1.0


def test_counted_steps_are_made_exactly_and_never_stop_early(scripted: Any) -> None:
    for steps in (0, 1, STRETCH_STEPS - 1, STRETCH_STEPS, STRETCH_STEPS + 1, 3000):
        dynamics = scripted(halving)
        assert drive(dynamics, Goal(steps, 1.0, 10), Schedule(steps), []) is Ending.STEPS
        assert dynamics.step == steps


@pytest.mark.parametrize(("target", "end"), [(1.0, 0), (0.5, 1), (0.3, 2), (2.0**-300, 300)])
def test_a_run_ends_at_the_first_state_at_its_target(target: float, end: int, scripted: Any) -> None:
    dynamics = scripted(halving)
    assert drive(dynamics, Goal(None, target, 1000), Schedule(1000), []) is Ending.TARGET
    assert dynamics.step == end


def test_max_steps_is_the_limit(scripted: Any) -> None:
    dynamics = scripted(flat)
    assert drive(dynamics, Goal(None, 0.5, 700), Schedule(700), []) is Ending.LIMIT
    assert dynamics.step == 700


def test_a_target_reached_with_the_last_step_is_reached(scripted: Any) -> None:
    assert drive(scripted(halving), Goal(None, 2.0**-256, 256), Schedule(256), []) is Ending.TARGET


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("steps", [None, 900])
def test_a_loss_that_is_not_finite_ends_the_run_there(value: float, steps: int | None, scripted: Any) -> None:
    dynamics = scripted(lambda step: value if step == 300 else 1.0)
    assert drive(dynamics, Goal(steps, 0.0, 900), Schedule(900), []) is Ending.DIVERGED
    assert dynamics.step == 300


def test_a_loss_that_is_not_finite_at_the_start_is_refused(scripted: Any) -> None:
    with pytest.raises(RequestError, match="at the start is not finite"):
        drive(scripted(lambda step: np.nan), Goal(10, 0.0, 10), Schedule(10), [])


def test_an_interruption_keeps_the_stretch_that_was_made(scripted: Any) -> None:
    dynamics, asked = scripted(flat), iter([False, True])
    ending = drive(dynamics, Goal(10_000, 0.0, 10_000), Schedule(10_000), [], lambda: next(asked))
    assert ending is Ending.INTERRUPTED
    assert dynamics.step == 2 * STRETCH_STEPS, "what was made beyond is not counted"


def test_a_finished_run_is_not_interrupted(scripted: Any) -> None:
    assert drive(scripted(flat), Goal(10, 0.0, 10), Schedule(10), [], lambda: True) is Ending.STEPS


class Stopper:
    """Stops the run in its second stretch."""

    STEP = STRETCH_STEPS + 44

    def observe(self, stretch: Stretch, dynamics: Any) -> None:
        if stretch.last >= self.STEP:
            dynamics.restore(self.STEP)
            raise StopRun(Ending.VIOLATED)


def test_a_judge_can_stop_the_run_at_a_step(scripted: Any) -> None:
    dynamics, watcher, steps = scripted(flat), Watcher(), 4 * STRETCH_STEPS
    assert drive(dynamics, Goal(steps, 0.0, steps), Schedule(steps), [watcher], judge=Stopper()) is Ending.VIOLATED
    assert dynamics.step == Stopper.STEP
    assert len(watcher.seen) == 2, "observers see the stretch in which the judge stops too"


def test_a_judge_that_fails_fails_the_run(scripted: Any) -> None:
    class Broken:
        def observe(self, stretch: Stretch, dynamics: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(scripted(flat), Goal(1000, 0.0, 1000), Schedule(1000), [], judge=Broken())


budgets = st.integers(1, 600)


@given(
    steps=st.integers(0, 900),
    every=st.one_of(st.none(), st.integers(1, 400)),
    state_bytes=budgets,
    kept_bytes=budgets,
)
def test_every_state_is_seen_and_every_due_state_kept_within_the_memory_allowed(
    steps: int, every: int | None, state_bytes: int, kept_bytes: int, scripted: Any
) -> None:
    dynamics = scripted(halving, state_bytes, kept_bytes)
    schedule = Schedule(steps, every)
    watcher, judge = Watcher(), Watcher()
    collector = Collector(["loss", "power"], lambda labels, outputs: {"outputs": float(outputs[0])})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driving, "STRETCH_BYTES", 1200)
        assert drive(dynamics, Goal(steps, 0.0, steps), schedule, [watcher, collector], judge=judge) is Ending.STEPS
    collector.finish(dynamics)
    assert judge.seen == watcher.seen
    firsts, lasts = zip(*watcher.seen, strict=True)
    assert firsts[0] == 0
    assert lasts[-1] == steps
    assert firsts[1:] == lasts[:-1]
    assert collector.steps == sorted({*schedule.within(0, steps), 0, steps})
    arrays = collector.arrays()
    np.testing.assert_array_equal(arrays["loss"], [halving(step) for step in collector.steps])
    np.testing.assert_array_equal(arrays["power"][:, 1], np.square(collector.steps))
    np.testing.assert_array_equal(arrays["outputs"], 10 * np.array(collector.steps))
    assert dynamics.longest * state_bytes <= max(1200, state_bytes)
    assert dynamics.most_kept * kept_bytes <= max(1200, 2 * kept_bytes)
