"""Arrays in, arrays out: training and gradients without judging."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.engines.collect import Collector
from verify.engines.drive import Goal, drive
from verify.engines.schedule import Schedule
from verify.io.request import MOST_STEPS, known_engine, whole_number
from verify.io.settings import validated
from verify.io.trajectory import trajectory_dataset
from verify.systems.base import Array, find_system

if TYPE_CHECKING:
    import xarray


def load_instance(system: str, path: Path | str) -> Any:
    """An instance of a system from an `.npz` file.

    Raises:
        RequestError: if the file is not such an instance.
    """
    instance, _ = find_system(system).load_instance(Path(path))
    return instance


def loss_and_gradients(instance: Any) -> tuple[float, dict[str, Array]]:
    """Training loss of an instance, and its gradient by each weight, shaped like the weight."""
    return find_system(instance.system).loss_and_gradients(instance)


def simulate(
    instance: Any,
    step_size: float | None = None,
    steps: int = 1000,
    engine: str = "auto",
    record_every: int | None = None,
    **given: Any,
) -> xarray.Dataset:
    """Train an instance for exactly `steps` steps without judging; returns the recorded states.

    `step_size` overrides the instance's own; `given` are further fields that can be set beside arrays (the
    law of the test samples, say).

    Raises:
        RequestError: if no step size is known, or a field is not allowed.
    """
    system = find_system(instance.system)
    settings = {**given, **({} if step_size is None else {"step_size": step_size})}
    steps = whole_number("steps", steps, 0, MOST_STEPS)
    every = None if record_every is None else whole_number("record_every", record_every, 1, MOST_STEPS)
    engine = known_engine(system, engine)
    prepared = system.prepare_arrays(instance, validated(system.arrays_given, settings), 0, engine, [])
    schedule = Schedule(steps, every)
    schedule.require_memory(steps, prepared.dynamics.bytes_per_step)
    collector = Collector(system.dimensions, system.test_quantities)
    drive(prepared.dynamics, Goal(steps, 0.0, steps), schedule, [collector])
    collector.finish(prepared.dynamics)
    return trajectory_dataset(
        collector.steps,
        collector.arrays(),
        system.dimensions,
        prepared.coordinates,
        {"system": system.name, "engine": prepared.engine},
    )
