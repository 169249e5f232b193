"""Derived scales against the formulas of the theory, and what is refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import RequestError
from verify.io.settings import validated
from verify.systems.benign_vit.problem import PRESETS, Problem

sizes = st.fixed_dictionaries(
    {
        "N": st.integers(1, 10**6),
        "M": st.integers(2, 10**4),
        "d": st.integers(3, 10**15),
        "d_h": st.integers(1, 10**15),
        "SNR": st.floats(1e-3, 1e3),
        "w_O_norm": st.floats(1e-3, 1e3),
        "delta": st.floats(1e-6, 0.9),
        "r": st.floats(1e-3, 1e3),
    }
)


@given(given_sizes=sizes)
def test_scales_follow_from_sizes(given_sizes: dict[str, Any]) -> None:
    problem = Problem(**given_sizes)
    C_p = 5 * math.sqrt(problem.M)
    m = max(problem.SNR**2, C_p**2)  # sigma_p^2 d = 1
    c_log = math.log(6 * problem.N**2 * problem.M**2 / problem.delta)
    root = math.sqrt(problem.d_h)
    assert problem.C_p == pytest.approx(C_p)
    assert problem.sigma_p**2 * problem.d == pytest.approx(1.0)
    assert problem.signal_norm == pytest.approx(problem.SNR)
    assert problem.log_term == pytest.approx(c_log)
    assert problem.sigma_h**2 == pytest.approx(1 / (m * root * c_log**1.75))
    assert problem.sigma_V == pytest.approx(0.1 / (math.sqrt(m) * problem.d_h**0.25 * problem.w_O_norm))
    assert problem.step_size == pytest.approx(problem.r / (m * root))
    assert problem.distinct_tokens == 2 + problem.N * (problem.M - 1)


@given(given_sizes=sizes, sigma_p=st.floats(1e-3, 1e3), C_p=st.floats(1e-3, 1e3))
def test_scales_follow_the_noise_that_is_given(given_sizes: dict[str, Any], sigma_p: float, C_p: float) -> None:
    problem = Problem(**given_sizes, sigma_p=sigma_p, C_p=C_p)
    noise = sigma_p * math.sqrt(problem.d)
    assert problem.signal_norm == pytest.approx(problem.SNR * noise)
    m = max(problem.signal_norm**2, (C_p * noise) ** 2)
    assert problem.step_size == pytest.approx(problem.r / (m * math.sqrt(problem.d_h)))


def test_presets_are_the_documented_problems() -> None:
    benign, harmful, asymptotic, small = (
        Problem(**PRESETS[name].settings) for name in ("benign", "harmful", "benign-asymptotic", "small")
    )
    assert (benign.N, benign.M, benign.d, benign.d_h, benign.SNR) == (20, 4, 10**8, 10**8, 14.0)
    assert (benign.r, benign.loss_target, benign.balanced) == (100.0, 0.0125, True)
    assert (harmful.SNR, harmful.r, harmful.d) == (0.5, 300.0, 10**8)
    assert (asymptotic.d, asymptotic.d_h) == (10**12, 10**12)
    assert (small.d, small.d_h) == (2000, 64)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("N", value) for value in (0, -1, 2.5, 10**7, True, "many", None, [1])),
        *(("M", value) for value in (1, 0, -3)),
        *(("d", value) for value in (2, 10**16, math.inf, math.nan)),
        *(("d_h", value) for value in (0, -1)),
        *(("d_v", value) for value in (0, -1)),
        *((name, value) for name in ("SNR", "C_p", "sigma_p", "w_O_norm", "r") for value in (0, -1.0)),
        *(("SNR", value) for value in (math.nan, math.inf, -math.inf, "big", True)),
        *((name, value) for name in ("sigma_h", "sigma_V") for value in (-1e-9, math.nan, math.inf)),
        *(("step_size", value) for value in (0, -1.0, math.nan, math.inf)),
        *(("delta", value) for value in (0, 1, -0.5, math.nan)),
        *(("loss_target", value) for value in (-1.0, math.nan, math.inf)),
        *(("max_steps", value) for value in (0, -1, 0.5, 10**13)),
        *(("test_samples", value) for value in (-1, 0.5, 10**7)),
        *(("test_law", value) for value in ("other", 1, True)),
        *(("balanced", value) for value in ("perhaps", 2)),
    ],
)
def test_a_wrong_field_is_named_with_its_value(field: str, value: object) -> None:
    with pytest.raises(RequestError) as refused:
        validated(Problem, {field: value})
    line = str(refused.value)
    assert line.startswith(
        f"{field}: {value!r} is not allowed (" if isinstance(value, str) else f"{field}: {value} is not"
    )
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"sigma_p": 1e-200},
        {"sigma_p": 1e200},
        {"C_p": 1e160},
        {"SNR": 1e200},
        {"w_O_norm": 1e-320},
        {"r": 1e-320},
    ],
)
def test_scales_that_leave_float64_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        validated(Problem, settings)


def test_only_one_of_r_and_step_size() -> None:
    with pytest.raises(RequestError, match="r and step_size"):
        validated(Problem, {"r": 1.0, "step_size": 1.0})


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RequestError, match=r"^width: no such field \(fields: .*\bd_h\b.*\)$"):
        validated(Problem, {"width": 3})


@pytest.mark.parametrize(("written", "meant"), [("1e8", 10**8), ("40", 40), (1e6, 10**6), ("3.0", 3)])
def test_dimensions_may_be_written_as_powers_of_ten(written: object, meant: int) -> None:
    assert validated(Problem, {"d": written}).d == meant


def test_the_other_fields_follow_a_field_that_is_set() -> None:
    assert validated(Problem, {"M": 9}).C_p == 15.0
    assert validated(Problem, {"d": 400}).sigma_p == 0.05
