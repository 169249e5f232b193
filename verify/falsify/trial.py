"""What a search tries: small arrays or a small drawn problem, and how many steps it is trained for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from pydantic import BaseModel

from verify.io.request import AUTO, Request
from verify.io.settings import validated
from verify.systems.base import Prepared, System


@dataclass(frozen=True, eq=False)
class ArraysTrial:
    """Arrays, as `verify run --instance` takes them, trained for so many steps."""

    instance: Any
    steps: int

    def prepare(self, system: System) -> Prepared:
        """Set up the dynamics."""
        return system.prepare_arrays(self.instance, validated(system.arrays_given, {}), 0, AUTO, checked=True)

    @property
    def arrays(self) -> Mapping[str, Any]:
        """The arrays that there are, by their names, the step size among them."""
        named = {each.name: getattr(self.instance, each.name) for each in fields(self.instance)}
        return {name: np.asarray(array) for name, array in named.items() if array is not None}

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for trials that are the same."""
        arrays = [(name, array.shape, array.tobytes()) for name, array in self.arrays.items()]
        return (*arrays, self.steps)

    @property
    def size(self) -> tuple[float, ...]:
        """Smaller for what is easier to read: few numbers, short ones, few steps."""
        numbers = np.concatenate([array.reshape(-1).astype(float) for array in self.arrays.values()])
        return (len(numbers) + 2 * self.steps, sum(len(f"{number:.17g}") for number in numbers))

    @property
    def lengths(self) -> Mapping[str, int]:
        """Samples, tokens, dimension, and the steps."""
        samples, tokens, dimension = self.instance.X.shape
        return {"samples": samples, "tokens": tokens, "dimension": dimension, "steps": self.steps}

    def replaced(self, name: str, array: Any) -> ArraysTrial:
        """The same with another array."""
        return replace(self, instance=replace(self.instance, **{name: array}))

    def with_steps(self, steps: int) -> ArraysTrial:
        """The same, trained for so many steps."""
        return replace(self, steps=steps)


@dataclass(frozen=True, eq=False)
class ProblemTrial:
    """A drawn problem, as `verify run --config` takes it: for statements that name the law of the data."""

    problem: BaseModel
    seed: int
    steps: int

    def prepare(self, system: System) -> Prepared:
        """Draw it and set up its dynamics."""
        return system.prepare(self.problem, self.seed, AUTO, checked=True)

    def request(self, system: System) -> Request:
        """The run that repeats it."""
        return Request(
            system, self.problem, instance=None, engine=AUTO, steps=self.steps, seed=self.seed, record_every=None
        )

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for trials that are the same."""
        return (self.problem.model_dump_json(), self.seed, self.steps)

    @property
    def size(self) -> tuple[float, ...]:
        """Smaller for what is easier to read: small fields, a small seed, few steps."""
        numbers = [each for each in self.problem.model_dump().values() if isinstance(each, int | float)]
        return (self.steps + sum(abs(number) for number in numbers if isinstance(number, int)), self.seed)

    @property
    def lengths(self) -> Mapping[str, int]:
        """The whole-numbered fields, and the steps."""
        dumped = self.problem.model_dump().items()
        whole = {name: value for name, value in dumped if isinstance(value, int) and not isinstance(value, bool)}
        return {**whole, "steps": self.steps}

    def with_steps(self, steps: int) -> ProblemTrial:
        """The same, trained for so many steps."""
        return replace(self, steps=steps)


Trial = ArraysTrial | ProblemTrial
