"""Collects the states that plots and tables show, while memory stays independent of the number of steps."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from verify.engines.schedule import Schedule
from verify.engines.stretch import Array, Dynamics, Stretch

TestQuantities = Callable[[Array, Array], dict[str, float]]


class Collector:
    """An observer that keeps the scheduled states, the first and the last, and any that `wanted` names.

    `wanted` is asked after each stretch for further steps inside it (a stage's event, say); a state that the stretch did not
    keep is made again from its start.
    """

    def __init__(
        self,
        names: Iterable[str],
        schedule: Schedule,
        test_quantities: TestQuantities,
        wanted: Callable[[Stretch], Iterable[int]] = lambda stretch: (),
    ) -> None:
        self._names = tuple(names)
        self._schedule = schedule
        self._test_quantities = test_quantities
        self._wanted = wanted
        self._rows: dict[int, dict[str, Array | float]] = {}

    def observe(self, stretch: Stretch, dynamics: Dynamics) -> None:
        """Keep what is due in this stretch."""
        for step in stretch.kept:
            self._keep(stretch, step, dynamics)
        for step in self._wanted(stretch):
            if step not in self._rows:
                here = dynamics.save()
                dynamics.restore(stretch.start)
                self._keep(dynamics.advance(step - stretch.first, -1.0, [step]), step, dynamics)
                dynamics.restore(here)

    def finish(self, dynamics: Dynamics) -> None:
        """Keep the state at which the run ended, and drop what was kept beyond it."""
        self._rows = {step: row for step, row in self._rows.items() if step <= dynamics.step}
        if dynamics.step not in self._rows:
            self._keep(dynamics.advance(0, -1.0, [dynamics.step]), dynamics.step, dynamics)

    def _keep(self, stretch: Stretch, step: int, dynamics: Dynamics) -> None:
        row: dict[str, Array | float] = {
            name: np.array(stretch.arrays[name][step - stretch.first]) for name in self._names
        }
        with np.errstate(over="ignore", invalid="ignore"):  # a run that left float64 says so at its end
            outputs = dynamics.test_outputs(stretch.kept[step])
            if outputs is not None:
                row.update(self._test_quantities(*outputs))
        self._rows[step] = row

    @property
    def steps(self) -> list[int]:
        """The steps kept so far, ascending."""
        return sorted(self._rows)

    def arrays(self) -> Mapping[str, Array]:
        """What was kept, one array a name, the leading axis along `steps`."""
        steps = self.steps
        return {name: np.stack([np.asarray(self._rows[t][name]) for t in steps]) for name in self._rows[steps[0]]}
