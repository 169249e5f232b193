"""Hypothesis strategies: problems, instances and trajectories of every system, for tests of one's own.

All shrink towards few samples and tokens, low dimensions and round numbers.

Examples:
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, deadline=None, database=None)
    ... @given(trajectories("benign-vit", steps=3, N=2))
    ... def losses_stay_positive(trajectory):
    ...     assert (trajectory["loss"] > 0).all()
    >>> losses_stay_positive()
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hypothesis import assume
from hypothesis import strategies as st

from verify.api import simulate
from verify.checking.meter import Requirement, condition_meter
from verify.errors import RequestError
from verify.io.settings import validated
from verify.systems.base import System, find_system
from verify.systems.drawn import Drawn, Lever

if TYPE_CHECKING:
    import xarray

__all__ = ["instances", "problems", "trajectories"]

SEEDS = st.integers(0, 2**32 - 1)
MOST_STEPS = 20


def problems(system: str, condition: bool = False, **fields: Any) -> st.SearchStrategy[Any]:
    """Small problems of a system.

    `condition` asks for those that meet every requirement of the paper's condition, hidden constants set to one.
    `fields` are fixed: values, or strategies of values.

    Raises:
        RequestError: if there is no such system or field.

    Examples:
        >>> from hypothesis import find
        >>> find(problems("benign-vit", condition=True, N=3), lambda problem: problem.N * problem.SNR**2 > 10).SNR
        2.0
    """
    found = find_system(system)
    unknown = [name for name in fields if name not in found.problem.model_fields]
    if unknown:
        raise RequestError(f"{unknown[0]}: no such field (fields: {' '.join(found.problem.model_fields)})")
    if condition:
        found.condition()  # read now: while it draws, Hypothesis has no patience for that
    return _problems(found, condition, fields)


def instances(system: str, condition: bool = False, **fields: Any) -> st.SearchStrategy[Any]:
    """Small instances of a system.

    With a `condition` or `fields` they are drawn from the data law of such `problems`; without, they are any arrays at
    all, equal tokens and zeros among them, as a user's own arrays may be.

    Raises:
        RequestError: if there is no such system or field.

    Examples:
        >>> from hypothesis import find
        >>> find(instances("token-selection"), lambda instance: instance.shape[0] > 1).y
        array([1., 1.])
    """
    if not condition and not fields:
        return find_system(system).drawn().arrays()
    found = find_system(system)
    drawn = problems(system, condition, **fields)
    return st.builds(lambda problem, seed: found.prepare(problem, seed, "auto").instance, drawn, SEEDS)


def trajectories(
    system: str, steps: int | st.SearchStrategy[int] | None = None, condition: bool = False, **fields: Any
) -> st.SearchStrategy[xarray.Dataset]:
    """Trajectories of small `instances`, every state recorded: `verify.simulate` describes the dataset.

    `steps` are the gradient steps made, up to 20 if not given. Training is compiled when it is first needed, for
    which Hypothesis has no patience unless the test is set to `deadline=None`.

    Raises:
        RequestError: if there is no such system or field.
    """
    counts = st.integers(0, MOST_STEPS) if steps is None else st.just(steps) if isinstance(steps, int) else steps
    return st.builds(_trajectory, instances(system, condition, **fields), counts)


def _trajectory(instance: Any, steps: int) -> xarray.Dataset:
    return simulate(instance, steps=steps, record_every=1)


@st.composite
def _problems(draw: st.DrawFn, system: System, condition: bool, fields: Mapping[str, Any]) -> Any:
    drawn = system.drawn()
    settings = draw(drawn.settings())
    fixed = {name: draw(value) if isinstance(value, st.SearchStrategy) else value for name, value in fields.items()}
    settings = _replaced(system, settings, fixed)
    if condition:
        for lever in drawn.levers:
            if lever.field not in _with_rivals(system, fixed):
                settings = _replaced(system, settings, {lever.field: _set(draw, system, settings, lever)})
    problem = validated(system.problem, settings)
    if condition:
        assume(all(_met(each) for each in _requirements(system, drawn, problem).values()))
    return problem


def _with_rivals(system: System, fields: Mapping[str, Any]) -> set[str]:
    """Fields, and those that exclude them."""
    return set(fields).union(*(group for group in system.exclusive if set(group) & set(fields)))


def _replaced(system: System, settings: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some fields in place of those that they exclude."""
    gone = _with_rivals(system, fields)
    return {**{name: value for name, value in settings.items() if name not in gone}, **fields}


def _requirements(system: System, drawn: Drawn, problem: Any) -> dict[str, Requirement]:
    meter = condition_meter(system.condition(), drawn.scales(problem), drawn.sizes(problem))
    return {requirement.name: requirement for requirement in meter}


def _met(requirement: Requirement) -> bool:
    lhs, rhs = requirement.lhs, requirement.rhs
    assert lhs is not None
    assert rhs is not None
    return {"<=": lhs <= rhs, ">=": lhs >= rhs, "<": lhs < rhs, ">": lhs > rhs}[requirement.relation]


def _set(draw: st.DrawFn, system: System, settings: Mapping[str, Any], lever: Lever) -> float:
    """A round value of a lever's field at which the requirements that bound it are met."""
    problem = validated(system.problem, settings)
    requirements = _requirements(system, system.drawn(), problem)
    now = getattr(problem, lever.field)
    decades = 10.0 ** draw(st.integers(0, 1))
    low = high = None
    if lever.at_least is not None:
        low = now / _factor(requirements[lever.at_least], lever)
    if lever.at_most is not None:
        high = now * _factor(requirements[lever.at_most], lever)
    if low is None:
        assert high is not None
        low, high = high / decades / 10.0, high / decades
    elif high is None:
        low, high = max(1.0, low) * decades, max(1.0, low) * decades * 10.0
    return roundest(low, high)


def _factor(requirement: Requirement, lever: Lever) -> float:
    """By which factor the field could change until the requirement is met with equality."""
    assert requirement.ratio is not None
    return float(requirement.ratio ** (1.0 / lever.power))


def roundest(low: float, high: float) -> float:
    """The number with the fewest digits between two positive ones, near their geometric mean.

    Examples:
        >>> roundest(0.123, 0.9), roundest(1234.0, 1260.0)
        (0.3, 1250.0)
    """
    middle = math.sqrt(low * high)
    rounded = (float(f"{middle:.{digits}e}") for digits in range(17))
    return next((number for number in rounded if low <= number <= high), middle)
