"""Collects the states that plots and tables show, while memory stays independent of the number of steps."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from verify.engines.stretch import Array, Dynamics, Stretch

Row = dict[str, Any]
"""One kept state: observables and test quantities by name."""

TestQuantities = Callable[..., dict[str, float]]
"""Makes test statistics of the arrays that `Dynamics.test_outputs` gives."""


class Collector:
    """An observer that keeps the scheduled states, the first and the last, and, apart from them, those that
    `wanted` names.

    `wanted` is asked after each stretch for steps inside it (a stage's event, say); a state that the stretch
    did not keep is made again from its start.
    """

    def __init__(
        self,
        names: Iterable[str],
        test_quantities: TestQuantities,
        wanted: Callable[[Stretch], Iterable[int]] = lambda stretch: (),
    ) -> None:
        self._names = tuple(names)
        self._test_quantities = test_quantities
        self._wanted = wanted
        self._rows: dict[int, Row] = {}
        self._marked: dict[int, Row] = {}

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Keep what is due in this stretch."""
        for step in stretch.kept:
            self._rows[step] = self._row(stretch, step, dynamics)
        for step in self._wanted(stretch):
            if step not in self._marked:
                dynamics.restore(stretch.start)
                again = dynamics.advance(step - stretch.first, -1.0, [step])
                self._marked[step] = self._row(again, step, dynamics)

    def finish(self, dynamics: Dynamics) -> None:
        """Keep the state at which the run ended, and drop what was kept beyond it."""
        last = dynamics.step
        self._rows = {step: row for step, row in self._rows.items() if step <= last}
        self._marked = {step: row for step, row in self._marked.items() if step <= last}
        if last not in self._rows:
            self._rows[last] = self._row(dynamics.advance(0, -1.0, [last]), last, dynamics)

    def state(self, step: int) -> Row:
        """A kept state; raises KeyError if the step was neither scheduled nor wanted."""
        return self._rows[step] if step in self._rows else self._marked[step]

    def _row(self, stretch: Stretch, step: int, dynamics: Dynamics) -> Row:
        row: Row = {name: np.array(stretch.arrays[name][step - stretch.first]) for name in self._names}
        with np.errstate(over="ignore", invalid="ignore"):  # a run that left float64 says so at its end
            outputs = dynamics.test_outputs(stretch.kept[step])
            if outputs is not None:
                row.update(self._test_quantities(*outputs))
        return row

    @property
    def steps(self) -> list[int]:
        """The steps kept so far, ascending."""
        return sorted(self._rows)

    def arrays(self) -> Mapping[str, Array]:
        """What was kept, one array a name, the leading axis along `steps`."""
        steps = self.steps
        return {name: np.stack([np.asarray(self._rows[t][name]) for t in steps]) for name in self._rows[steps[0]]}
