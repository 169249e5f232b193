"""One run: a problem or given arrays, trained and judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.checking.judge import Judge, LemmaViolation
from verify.checking.meter import Requirement, condition_meter
from verify.checking.sides import Laws, RecordedSides, sides_dataset
from verify.checking.verdicts import LemmaVerdict, Verdict
from verify.engines.collect import Collector
from verify.engines.drive import Ending, Goal, Observer, drive
from verify.engines.progress import Progress
from verify.engines.schedule import Schedule
from verify.io.folder import (
    MARK,
    NUMBERING,
    PAGE,
    PROBLEM,
    REPLAY,
    SIDES,
    TRAJECTORY,
    Writer,
    check_folder,
    write_folder,
)
from verify.io.request import Request, make_request
from verify.io.results import json_text, toml_text
from verify.io.trajectory import trajectory_dataset, write_trajectory
from verify.numbering import UNNUMBERED, Numbering
from verify.systems.base import Prepared, SampledEvent
from verify.versions import machine, versions

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from proofs.language import Lemma


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    `stages` maps events to the step at which they occurred (`None`: never), `trajectory` is an
    `xarray.Dataset` of the recorded states, `sides` one of both sides of statements at such steps
    (`verify.checking.sides.sides_dataset`), `states` the states at the start, at events and at the end, `steps` the
    gradient steps made.
    """

    request: Request
    prepared: Prepared
    ending: Ending
    steps: int
    stages: Mapping[str, int | None]
    trajectory: xarray.Dataset
    sides: xarray.Dataset
    states: Mapping[int, Mapping[str, Any]]
    judged: Sequence[LemmaVerdict]
    requirements: Sequence[Requirement]
    violation: LemmaViolation | None = None
    numbering: Numbering = UNNUMBERED

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """One record a statement, as `verdicts.json` holds it."""
        return [verdict.record() for verdict in self.judged]

    @property
    def converged(self) -> bool:
        """Whether the training loss was at most its target at the end."""
        target: float = self.prepared.problem.loss_target  # type: ignore[attr-defined]
        return float(self.trajectory["loss"][-1]) <= target

    @property
    def exit_status(self) -> int:
        """0 if nothing is violated, 1 if something is."""
        return int(any(verdict.verdict is Verdict.VIOLATED for verdict in self.judged))

    def __repr__(self) -> str:
        from verify.report.notebook import counts

        found = counts(verdict.verdict for verdict in self.judged)
        return f"Run({self.request.system.name}, seed {self.request.seed}, {self.steps:,} steps; {found})"

    def _repr_html_(self) -> str:
        from verify.report.notebook import run_html

        return run_html(self)

    def record(self) -> dict[str, Any]:
        """The run as `verdicts.json` holds it."""
        return {
            "system": self.request.system.name,
            "problem": self.request.settings(),
            "seed": self.request.seed,
            "engine": self.prepared.engine,
            "steps": self.steps,
            "converged": self.converged,
            "ending": self.ending.value,
            "lemmas": None if self.request.lemmas is None else str(self.request.lemmas.resolve()),
            "stages": dict(self.stages),
            "condition": [requirement.record() for requirement in self.requirements],
            "notes": list(self.prepared.notes),
            "versions": versions(),
            "machine": machine(),
            "verdicts": self.verdicts,
        }

    def figure(self, name: str, width: str = "column") -> Figure:
        """One of the figures that `verify figure` makes, as matplotlib's.

        Raises:
            RequestError: if there is none of that name.
        """
        from verify.io.saved import FinishedRun
        from verify.report.figure import draw_figure

        return draw_figure(FinishedRun.of(self), name, width)

    def save(self, folder: Path | str, force: bool = False) -> Path:
        """Write the run's files into a folder, whole or not at all.

        Raises:
            RequestError: if the folder holds another run (unless `force`) or cannot be written.
        """
        path = Path(folder)
        check_folder(path, force)
        from verify.report.page.run import Shown, run_page

        config = self.request.config(self.prepared.engine)
        record = json_text(self.record())
        page = Shown(
            self.request.system, config, json.loads(record), self.trajectory, self.sides, self._lemmas(), self.numbering
        )
        files: dict[str, Writer] = {
            PROBLEM: lambda file: _write_text(file, toml_text(config)),
            TRAJECTORY: lambda file: write_trajectory(self.trajectory, file),
            SIDES: lambda file: write_trajectory(self.sides, file),
            PAGE: lambda file: _write_text(file, run_page(page)),
            MARK: lambda file: _write_text(file, record),
        }
        if self.numbering:
            files[NUMBERING] = lambda file: _write_text(file, self.numbering.text())
        if self.violation is not None:
            replay = self.violation.replay
            files[REPLAY] = lambda file: self.request.system.save_instance(replay, file)
        write_folder(path, files)
        return path

    def _lemmas(self) -> list[Lemma]:
        """The lemmas that were judged, those of the user's file among them."""
        from proofs.language import Lemma

        return [verdict.statement for verdict in self.judged if isinstance(verdict.statement, Lemma)]


def run(system: str, strict: bool = False, **asked: Any) -> Run:
    """Train one problem of a system and judge it.

    Keyword arguments are those of `verify.io.request.make_request`: `preset`, `settings`, `config`,
    `instance`, `engine`, `steps`, `seed`, `record_every`, `lemmas`, `numbering`.

    Raises:
        RequestError: if the request cannot be carried out.
        LemmaViolation: at the first violation, if `strict`.

    Examples:
        >>> finished = run("benign-vit", settings={"N": 4, "d": 1e6, "d_h": 1e6}, steps=10, seed=1)
        >>> finished.steps, finished.trajectory["loss"].dims, finished.exit_status
        (10, ('step',), 0)
    """
    finished = carry_out(make_request(system, **asked), strict=strict)
    if finished.violation is not None:
        raise finished.violation
    return finished


def carry_out(
    request: Request,
    strict: bool = False,
    interrupted: Callable[[], bool] = lambda: False,
    show_progress: bool = False,
) -> Run:
    """Carry out a request; a strict run ends at the first violation."""
    prepared = prepare(request)
    system, problem, dynamics = request.system, prepared.problem, prepared.dynamics
    goal = Goal(request.steps, problem.loss_target, problem.max_steps)  # type: ignore[attr-defined]
    schedule = Schedule(goal.horizon, request.record_every)
    schedule.require_memory(goal.horizon, dynamics.bytes_per_step)
    own = request.own_lemmas()
    numbering = request.read_numbering(own)
    shown = Schedule(goal.horizon)
    sides, laws = RecordedSides(shown), Laws(system.lemmas, prepared.constants, shown)
    judge = Judge(system.name, lambda: ([*system.lemmas(), *own], system.events()), prepared, strict, sides)
    progress = Progress(goal)
    collector = Collector(system.dimensions, system.test_quantities, wanted=judge.events_within)
    try:
        observers: list[Observer] = [collector, laws, *([progress] if show_progress else [])]
        ending = drive(dynamics, goal, schedule, observers, interrupted, judge)
    finally:
        progress.close()
    collector.finish(dynamics)
    attributes = {
        "system": system.name,
        "source": system.source,
        "engine": prepared.engine,
        "seed": str(request.seed),
        "test_samples": prepared.test_samples,
        "ending": ending.value,
        "verify_version": version("verify"),
    }
    arrays = collector.arrays()
    sampled = {name: first_reached(event, collector.steps, arrays) for name, event in system.sampled_events.items()}
    seen = [step for step in sampled.values() if step is not None]
    return Run(
        request=request,
        prepared=prepared,
        ending=ending,
        steps=dynamics.step,
        stages={**judge.events, **sampled},
        trajectory=trajectory_dataset(collector.steps, arrays, system.dimensions, prepared.coordinates, attributes),
        sides=sides_dataset(sides, laws, dynamics.step),
        judged=judge.verdicts(),
        states={step: collector.state(step) for step in (0, *judge.event_steps, *seen, dynamics.step)},
        requirements=condition_meter(system.condition(), prepared.constants, judge.sizes),
        violation=judge.violation,
        numbering=numbering,
    )


def first_reached(event: SampledEvent, steps: Sequence[int], arrays: Mapping[str, Any]) -> int | None:
    """The first of the recorded steps at which the event has happened.

    Examples:
        >>> half = SampledEvent("share", 0.5, "half of them")
        >>> first_reached(half, [0, 1, 4], {"share": [0.1, 0.4, 0.6]}), first_reached(half, [0], {})
        (4, None)
    """
    there = zip(steps, arrays.get(event.quantity, ()), strict=False)
    return next((step for step, quantity in there if quantity >= event.at_least), None)


def prepare(request: Request) -> Prepared:
    """Draw or load what a request names, and set up its dynamics."""
    if request.instance is None:
        return request.system.prepare(request.problem, request.seed, request.engine, checked=True)
    instance, notes = request.system.load_instance(request.instance)
    return request.system.prepare_arrays(instance, request.problem, request.seed, request.engine, notes, checked=True)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
