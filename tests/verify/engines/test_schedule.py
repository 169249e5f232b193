"""Which states are recorded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.engines import memory
from verify.engines.schedule import Schedule
from verify.errors import RequestError

horizons = st.integers(0, 10**12)


@given(horizon=st.integers(0, 3000), every=st.integers(1, 400), cut=st.integers(0, 3000))
def test_every_kth_step(horizon: int, every: int, cut: int) -> None:
    schedule = Schedule(horizon, every)
    cut = min(cut, horizon)
    assert schedule.within(0, horizon) == list(range(0, horizon + 1, every))
    assert schedule.within(0, cut) + schedule.within(cut + 1, horizon) == schedule.within(0, horizon)
    assert schedule.count(cut) == len(schedule.within(0, cut))


@given(horizon=horizons, cut=horizons)
def test_some_hundred_steps_spaced_like_a_logarithm(horizon: int, cut: int) -> None:
    schedule = Schedule(horizon)
    steps = schedule.within(0, horizon)
    assert steps[0] == 0
    assert steps[-1] in (horizon, 1)
    assert len(steps) == len(set(steps)) <= 651
    cut = min(cut, horizon)
    assert schedule.within(0, cut) + schedule.within(cut + 1, horizon) == steps
    assert schedule.count(cut) == len(schedule.within(0, cut))
    late = np.array([step for step in steps if step > 10_000], dtype=float)
    if len(late) > 2:
        ratios = late[1:] / late[:-1]
        assert ratios.max() / ratios.min() < 1.001


@given(horizon=st.integers(0, 400))
def test_the_first_steps_are_all_recorded(horizon: int) -> None:
    assert Schedule(horizon).within(0, min(horizon, 30)) == list(range(min(horizon, 30) + 1))


def test_more_states_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    Schedule(100, every=1).require_memory(100, 4000)
    with pytest.raises(RequestError, match=r"^--record-every 1: recording 1,001 states needs .* GiB"):
        Schedule(1000, every=1).require_memory(1000, 4000)
    with pytest.raises(RequestError, match=r"^recording \d+ states needs"):
        Schedule(1000).require_memory(1000, 40_000)
