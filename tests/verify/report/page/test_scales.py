"""Axes: places, ticks, and what is shown on a logarithmic one."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from verify.report.page.scales import MOST_TICKS, Scale, number, scale_for

finite = st.floats(-1e12, 1e12, allow_subnormal=False)
positive = st.floats(1e-12, 1e12)


@given(st.lists(finite, min_size=1), st.sampled_from(["linear", None]))
def test_everything_has_a_place_inside(values: list[float], kind: str | None) -> None:
    scale = scale_for([values], kind)  # type: ignore[arg-type]
    places = scale.at(np.array(values))
    inside = places[~np.isnan(places)]
    assert ((inside >= 0.0) & (inside <= 1.0)).all()
    if scale.kind == "linear":
        assert not np.isnan(places).any()


@given(positive, positive, st.sampled_from(["linear", "log", "steps"]))
def test_ticks_lie_on_the_axis_ascend_and_are_few(one: float, other: float, kind: str) -> None:
    low, high = sorted((one, other))
    if high <= low * 1.001:
        high = 2 * low
    scale = Scale(kind, 0.0 if kind == "steps" else low, high)  # type: ignore[arg-type]
    ticks = scale.ticks
    assert ticks == sorted(set(ticks))
    assert 1 <= len(ticks) <= MOST_TICKS + 2
    assert all(-1e-6 <= place <= 1 + 1e-6 for place in scale.at(np.array(ticks)) if kind != "steps" or high >= 1)


@given(st.lists(positive, min_size=2))
def test_a_logarithmic_place_depends_on_ratios_alone(values: list[float]) -> None:
    doubled = [2 * value for value in values]
    here, there = (scale_for([each], "log").at(np.array(each)) for each in (values, doubled))
    np.testing.assert_allclose(here, there, atol=1e-6)


def test_zero_has_no_place_on_a_logarithmic_axis_but_on_that_of_steps() -> None:
    assert math.isnan(Scale("log", 1.0, 10.0).at(np.array([0.0]))[0])
    assert Scale("steps", 0.0, 10.0).at(np.array([0.0]))[0] == 0.0


@given(st.floats(-1e15, 1e15))
def test_a_written_number_is_the_number(value: float) -> None:
    written = number(value, 6).replace("−", "-").replace(",", "")
    assert math.isclose(float(written), value, rel_tol=1e-5)
