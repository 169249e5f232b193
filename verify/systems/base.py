"""What the machine needs to know of a system, and how systems are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from verify.controls import Control
from verify.engines.stretch import Dynamics
from verify.errors import RequestError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from proofs.language import Claim, Event, Headline, Lemma, Statement
    from verify.certify.enclosing import Enclosing
    from verify.studies.study import Study
    from verify.systems.drawn import Drawn

Array = NDArray[np.float64]

GROUP = "verify.systems"


@dataclass(frozen=True)
class Preset:
    """Named settings of a problem, and what they show."""

    shows: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class InFull:
    """What a run follows by a sample alone, and a way to record it in full at a few steps.

    `observables` name it: statements about them are judged in full besides. `begin` gives a dynamics that records all
    of it and takes the saved states of the run's own, and the constants of the statements there. `refused` says why
    that is not done, where it would take too much; `begin` is then never called.
    """

    observables: frozenset[str]
    begin: Callable[[], tuple[Dynamics, Mapping[str, Any]]]
    refused: str = ""


@dataclass(frozen=True)
class Prepared:
    """A problem ready to run.

    `coordinates` label the trajectory's axes; `constants` are the data that statements name (no step axis);
    `notes` tell what was ignored or left out, and why; `reason` says why this engine was taken; `in_full` is there
    where the statements are checked and the run follows something of theirs by a sample alone.
    """

    problem: BaseModel
    instance: Any
    dynamics: Dynamics
    engine: str
    reason: str
    test_samples: int
    coordinates: Mapping[str, tuple[str | tuple[str, ...], Array | NDArray[np.int64]]] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    in_full: InFull | None = None


@dataclass(frozen=True)
class SampledEvent:
    """An event of the data law, seen on test samples: a test quantity reaches a level.

    It is looked for at the recorded steps, and found at the first of them at which it has happened.
    """

    quantity: str
    at_least: float
    words: str


class System(Protocol):
    """One system: its problem, its data law, its dynamics and its statements.

    Of the fields in a tuple of `exclusive` only one is given; where it is the first, the others follow from it.
    `dimensions` names the axes of what the dynamics records.
    """

    name: str
    title: str
    source: str
    presets: Mapping[str, Preset]
    default_preset: str
    engines: Sequence[str]
    exclusive: Sequence[tuple[str, ...]]
    problem: type[BaseModel]
    arrays_given: type[BaseModel]
    dimensions: Mapping[str, tuple[str, ...]]
    sampled_events: Mapping[str, SampledEvent]

    def prepare(self, problem: Any, seed: int, engine: str, checked: bool = False) -> Prepared:
        """Draw an instance of a problem and set up its dynamics; where it is `checked`, with the data of the
        statements.
        """
        ...

    def prepare_arrays(
        self, instance: Any, given: Any, seed: int, engine: str, notes: Sequence[str] = (), checked: bool = False
    ) -> Prepared:
        """Set up the dynamics of a given instance."""
        ...

    def statements(self) -> Mapping[str, Statement]:
        """The system's statements by name, with the scalar inequalities behind them."""
        ...

    def ledger(self) -> Mapping[str, Headline]:
        """The headline claims of its paper, each with the statements and studies that bear on it."""
        ...

    def lemmas(self) -> Sequence[Lemma]:
        """The system's statements, in reading order."""
        ...

    def events(self) -> Sequence[Event]:
        """The events that mark its stages."""
        ...

    def condition(self) -> Mapping[str, tuple[str, Claim]]:
        """The requirements that its paper makes: name -> (as the paper says it, the claim)."""
        ...

    def controls(self) -> Sequence[Control]:
        """Errors planted one at a time, each of which a check must catch."""
        ...

    def studies(self) -> Sequence[Study]:
        """Families of problems, and the questions asked of them."""
        ...

    def drawn(self) -> Drawn:
        """Small problems and arrays of it, for property-based tests; imports Hypothesis."""
        ...

    def extremes(self) -> SearchStrategy[Any]:
        """Small instances made to break statements: short entries, repeated tokens, huge scales; imports Hypothesis."""
        ...

    def load_instance(self, path: Path) -> tuple[Any, list[str]]:
        """An instance from a file, and notes on what was ignored."""
        ...

    def save_instance(self, instance: Any, path: Path) -> None:
        """Write an instance to a file that `load_instance` accepts."""
        ...

    def instance_of(self, problem: Any, seed: int) -> Any:
        """An instance of a problem, drawn at a size that fits."""
        ...

    def loss_and_gradients(self, instance: Any) -> tuple[float, dict[str, Array]]:
        """Training loss and its gradient by each weight, by the kernels that train."""
        ...

    def gradient_references(self, instance: Any, entries: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
        """Method -> weight -> the gradient at the weight's `entries` (K, 2), by independent methods."""
        ...

    def gradient_rounding(self, instance: Any) -> dict[str, float]:
        """Weight -> how far correct float64 evaluations of its gradient can differ."""
        ...

    def enclosing(self, prepared: Prepared) -> Enclosing:
        """Gradient descent of a prepared problem in balls, at the precision at hand.

        Raises:
            RequestError: if its engine has no counterpart in balls.
        """
        ...

    def summary(self, state: Mapping[str, Array]) -> dict[str, str]:
        """What the stage table shows of one recorded state: column -> text."""
        ...

    @property
    def test_quantities(self) -> Callable[..., dict[str, float]]:
        """Makes test statistics, with intervals (`_low`, `_high`), of what `Dynamics.test_outputs` gives."""
        ...


def system_names() -> list[str]:
    """The names of the installed systems."""
    return sorted(point.name for point in entry_points(group=GROUP))


def find_system(name: str) -> System:
    """The system of that name.

    Raises:
        RequestError: if there is none.
    """
    for point in entry_points(group=GROUP):
        if point.name == name:
            system: System = point.load()
            return system
    raise RequestError.of("SYSTEM", name, " or ".join(system_names()))


def chosen_step_size(given: float | None, own: float | None) -> float:
    """The step size to run given arrays with: what was set overrides what their file names.

    Raises:
        RequestError: if there is neither.
    """
    step_size = own if given is None else given
    if step_size is None:
        raise RequestError("step_size: the instance names none (give it with --set step_size=...)")
    return step_size
