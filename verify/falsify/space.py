"""Where a search looks for counterexamples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from verify.falsify.trial import ArraysTrial, ProblemTrial, Trial
from verify.strategies import SEEDS, instances, problems
from verify.systems.base import System

STEPS = st.sampled_from([1, 2, 3, 5, 10, 30, 100])
"""How long a trial is trained: mostly one statement can be broken at the start or never, some need a stage to begin."""

FACTORS = st.sampled_from([1.0, 0.1, 10.0, 100.0])
"""How much larger than its own the step size of a drawn instance is made."""

SMALL = {"d": [8, 30], "d_h": [4, 1]}
"""Dimensions of drawn instances: where everything is to be looked at, arrays have to be small."""

Space = Mapping[str, st.SearchStrategy[Trial]]


def of_arrays(system: System) -> Space:
    """Arrays made to break statements, arrays of any kind, and those of drawn problems, by these words."""
    small: dict[str, Any] = {
        name: st.sampled_from(sizes) for name, sizes in SMALL.items() if name in system.problem.model_fields
    }
    drawn = instances(system.name, test_samples=0, **small)
    return {
        "arrays made to break it": st.builds(ArraysTrial, system.extremes(), STEPS),
        "arrays of any kind": st.builds(ArraysTrial, instances(system.name), STEPS),
        "drawn instances": st.builds(_faster, drawn, FACTORS, STEPS),
    }


def of_problems(system: System) -> Space:
    """Drawn problems themselves, for statements that name the law of their data."""
    drawn = st.one_of(problems(system.name, test_samples=0), problems(system.name, condition=True, test_samples=0))
    return {"drawn problems": st.builds(ProblemTrial, drawn, SEEDS, STEPS)}


def _faster(instance: Any, factor: float, steps: int) -> ArraysTrial:
    step_size = instance.step_size
    return ArraysTrial(instance if step_size is None else instance.with_step_size(factor * step_size), steps)
