"""What a study tells while it goes on."""

import pytest

from verify import progress as telling
from verify.studies.progress import StudyProgress


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


def test_a_short_study_tells_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = StudyProgress(10, 0)
    clock.now += 1.9
    progress.tell()
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_cells_rate_time_left_and_failures(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = StudyProgress(1000, 200)
    clock.now += 10.0
    for place in range(80):
        progress.count(failed=place < 3)
    progress.tell()
    clock.now += 1.0
    progress.tell()
    assert capsys.readouterr().err.splitlines() == [
        "280 of 1,000 cells (200 of these from the store)  8 cells/s  90 s left  3 failed"
    ]


def test_before_the_first_cell_no_time_is_guessed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = StudyProgress(5, 0)
    clock.now += 60.0
    progress.tell()
    assert capsys.readouterr().err == "0 of 5 cells\n"


def test_a_terminal_has_one_line_rewritten_and_cleared(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling.sys.stderr, "isatty", lambda: True, raising=False)
    progress = StudyProgress(5, 0)
    for _ in range(2):
        clock.now += 3.0
        progress.count(failed=False)
        progress.tell()
    progress.close()
    err = capsys.readouterr().err
    assert "\n" not in err
    assert err.count("\r\x1b[K") == 3
