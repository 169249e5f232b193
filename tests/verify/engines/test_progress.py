"""What a run tells while it goes on."""

from typing import Any

import numpy as np
import pytest

from verify import progress as telling
from verify.engines.drive import Goal
from verify.engines.progress import Progress
from verify.engines.stretch import Stretch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(telling, "time", clock)
    return clock


def show(progress: Progress, step: int, loss: float) -> None:
    progress.observe(Stretch(step, 0, {"loss": np.array([loss])}, None), dynamics=Any)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_a_short_run_tells_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Goal(100, 0.0, 100))
    clock.now += 1.9
    show(progress, 50, 0.5)
    progress.close()
    assert lines(capsys) == []


def test_rate_loss_and_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Goal(100_000, 0.0, 100_000))
    clock.now += 10.0
    show(progress, 20_000, 0.25)
    clock.now += 1.0
    show(progress, 22_000, 0.25)
    assert lines(capsys) == ["step 20,000  loss 0.25  2,000 steps/s  40 s left"]


def test_time_left_to_a_target_is_guessed_from_the_loss(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """With loss = c/step the target c/40000 is 30000 steps beyond step 10000."""
    progress = Progress(Goal(None, 0.01, 10**6))
    clock.now += 10.0
    show(progress, 10_000, 0.04)
    assert lines(capsys) == ["step 10,000  loss 0.04  1,000 steps/s  about 30 s left"]
    early = Progress(Goal(None, 0.01, 10**6))
    clock.now += 10.0
    show(early, 10_000, 0.69)
    assert lines(capsys) == ["step 10,000  loss 0.69  1,000 steps/s  at most 17 min left"]


def test_a_slow_start_tells_nothing_before_the_first_step(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Goal(0, 0.0, 0))
    clock.now += 60.0
    show(progress, 0, 0.69)
    assert lines(capsys) == []


@pytest.mark.parametrize("loss", [np.nan, np.inf, 0.0])
def test_any_loss_can_be_told(loss: float, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Goal(None, 0.01, 1000))
    clock.now += 10.0
    show(progress, 10, loss)
    assert f"loss {loss:.4g}" in lines(capsys)[0]


def test_a_terminal_has_one_line_rewritten_and_cleared(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling.sys.stderr, "isatty", lambda: True, raising=False)
    progress = Progress(Goal(1000, 0.0, 1000))
    for step in (10, 20):
        clock.now += 3.0
        show(progress, step, 0.5)
    progress.close()
    err = capsys.readouterr().err
    assert "\n" not in err
    assert err.count("\r\x1b[K") == 3
    assert err.endswith("\r\x1b[K")
