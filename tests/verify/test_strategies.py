"""What strategies draw is a system's own, meets the paper's condition where asked, and shrinks to what can be read."""

import decimal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from verify.checking.meter import condition_meter
from verify.errors import RequestError
from verify.strategies import instances, problems, roundest, trajectories
from verify.systems.base import find_system, system_names

FEW = settings(max_examples=15)
SMALLEST = settings(max_examples=100, phases=[Phase.generate, Phase.shrink], derandomize=True, database=None)
SYSTEMS = system_names()


@pytest.mark.parametrize("system", SYSTEMS)
def test_problems_are_the_systems_own_and_can_be_prepared(system: str) -> None:
    found = find_system(system)

    @FEW
    @given(problems(system))
    def check(problem: Any) -> None:
        assert isinstance(problem, found.problem)
        assert found.prepare(problem, 0, "auto").dynamics.step == 0

    check()


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_condition_is_met_where_it_is_asked_for_and_not_elsewhere(system: str) -> None:
    """By the data that a run's statements have; without the request some problem fails it."""
    found = find_system(system)

    def missed(problem: Any) -> list[str]:
        constants = found.prepare(problem, 0, "auto", checked=True).constants
        meter = condition_meter(found.condition(), constants, found.drawn().sizes(problem))
        return [each.name for each in meter if each.ratio is not None and each.ratio < 1.0]

    @FEW
    @given(problems(system, condition=True))
    def check(problem: Any) -> None:
        assert missed(problem) == []

    check()
    find(problems(system), missed, settings=SMALLEST)


@pytest.mark.parametrize(
    ("system", "field", "rival"), [("benign-vit", "r", "step_size"), ("token-selection", "m", "SNR")]
)
def test_a_fixed_field_stays_and_takes_the_place_of_its_rival(system: str, field: str, rival: str) -> None:
    @FEW
    @given(problems(system, **{field: 2.0}), problems(system, **{field: st.just(3.0)}))
    def check(first: Any, second: Any) -> None:
        assert (getattr(first, field), getattr(second, field)) == (2.0, 3.0)
        if rival == "SNR":
            assert first.SNR is None

    check()


@pytest.mark.parametrize("make", [problems, instances, trajectories])
def test_what_does_not_exist_is_refused_when_it_is_asked_for(make: Any) -> None:
    with pytest.raises(RequestError, match="width: no such field"):
        make("benign-vit", width=3)
    with pytest.raises(RequestError, match="SYSTEM"):
        make("benign")


@pytest.mark.parametrize("system", SYSTEMS)
def test_instances_shrink_to_small_round_arrays(system: str) -> None:
    """Among those with an output of more than 1/2 for some sample there are readable ones."""
    found = find_system(system)

    def large(instance: Any) -> bool:
        return bool(np.abs(instance.X).max() > 0.5) and found.loss_and_gradients(instance)[0] >= 0.0

    smallest = find(instances(system), large, settings=SMALLEST)
    assert smallest.X.shape[0] == 1
    assert smallest.X.shape[1] <= 2
    assert set(np.unique(smallest.X)) <= {0.0, 1.0, -1.0}
    assert set(np.unique(smallest.y)) == {1.0}


@pytest.mark.parametrize("system", SYSTEMS)
def test_problems_shrink_to_few_samples_and_round_scales(system: str) -> None:
    field, least = {"benign-vit": ("N", 1), "token-selection": ("n", 2), "shallow-vit": ("N", 1)}[system]
    assert getattr(find(problems(system), lambda problem: True, settings=SMALLEST), field) == least


@pytest.mark.kernels
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("law", [False, True])
def test_trajectories_record_every_state(system: str, law: bool) -> None:
    counts = st.shared(st.integers(0, 4), key="steps")

    @settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])  # what is drawn first is compiled
    @given(trajectories(system, steps=counts, condition=law), counts)
    def check(trajectory: Any, steps: int) -> None:
        assert list(trajectory["step"].values) == list(range(steps + 1))
        assert trajectory.attrs["system"] == system
        assert np.isfinite(trajectory["loss"].values).all()

    check()


@given(st.floats(1e-12, 1e12), st.floats(1.0, 100.0))
def test_the_roundest_number_lies_between(low: float, factor: float) -> None:
    found = roundest(low, low * factor)
    assert low * (1 - 1e-15) <= found <= low * factor * (1 + 1e-15)
    if factor >= 10.0:
        assert len(str(decimal.Decimal(repr(found)).normalize().as_tuple().digits)) == len("(1,)")


def test_hypothesis_is_imported_with_the_strategies_alone() -> None:
    code = "import sys, verify; verify.run; print('hypothesis' in sys.modules, end=' ')"
    code += "; import verify.strategies; print('hypothesis' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]
