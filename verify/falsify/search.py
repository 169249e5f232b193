"""The search itself: Hypothesis draws trials, steered towards small margins, until one breaks or time is up."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings, target
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from proofs.language import Lemma
from verify.falsify import space
from verify.falsify.attack import Attack, Broken, Look
from verify.falsify.trial import ArraysTrial, Trial
from verify.progress import ProgressLine, clock
from verify.systems.base import System

ROUND = 300
"""Trials between fresh starts: Hypothesis climbs towards small margins within a round."""

FIRST_ROUND = 20
"""Trials of a kind after which it is given up, if none determines the statement."""

SHRINKING = 12.0
"""Seconds for which a counterexample is made smaller at most, after the search."""

MOST_DIGITS = 4
"""Numbers of a counterexample are rounded to so many digits and fewer, as long as it stays one."""


@dataclass(frozen=True)
class Found:
    """A trial that breaks the statement, and how."""

    trial: Trial
    broken: Broken


@dataclass
class Searched:
    """What a search came to.

    `trials` were looked at, `determined` of them have all that the statement names, `met` of those its hypotheses
    somewhere; `steps` states and increments were evaluated. `closest` is the smallest relative margin and its trial,
    `worst` the violation of the smallest, `found` the counterexample that is easiest to read.
    """

    trials: int = 0
    determined: int = 0
    met: int = 0
    steps: int = 0
    seconds: float = 0.0
    closest: tuple[Trial, Look] | None = None
    nearest_hypothesis: float | None = None
    worst: Found | None = None
    found: Found | None = None
    undetermined: str = ""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, trial: Trial, look: Look) -> None:
        """Count a trial."""
        self.trials += 1
        if look.undetermined:
            self.undetermined = look.undetermined
            return
        self.determined += 1
        self.steps += look.steps + 1
        self.met += look.met
        if look.closeness is not None:
            self.nearest_hypothesis = max(look.closeness, self.nearest_hypothesis or look.closeness)
        if look.met:
            self._widen(trial)
        if look.margin is not None and (self.closest is None or look.margin < _margin(self.closest[1])):
            self.closest = trial, look
        if look.broken is not None:
            found = Found(trial, look.broken)
            if self.worst is None or _depth(found) < _depth(self.worst):
                self.worst = found
            if self.found is None or trial.size < self.found.trial.size:
                self.found = found

    def _widen(self, trial: Trial) -> None:
        spread: dict[str, float] = dict(trial.lengths)
        if isinstance(trial, ArraysTrial):
            spread["step size"] = float(trial.instance.step_size)
            arrays = [array for name, array in trial.arrays.items() if name != "step_size"]
            spread["largest entry"] = max(float(np.abs(array).max(initial=0.0)) for array in arrays)
        for name, value in spread.items():
            low, high = self.ranges.get(name, (value, value))
            self.ranges[name] = min(low, value), max(high, value)


def _margin(look: Look) -> float:
    return np.inf if look.margin is None else look.margin


def _depth(found: Found) -> float:
    return found.broken.place.relative_margin


class _TimeIsUp(BaseException):
    """Ends a round; no exception, for those Hypothesis takes for a failure of the test."""


class _IsBroken(Exception):
    """The trial breaks the statement: Hypothesis makes it smaller."""


def search(
    system: System,
    lemma: Lemma,
    seconds: float,
    seed: int = 0,
    first: Iterable[Trial] = (),
    show_progress: bool = False,
    shrinking: float = SHRINKING,
) -> Searched:
    """Look for a trial that breaks a statement, for so many seconds; what is found is made smaller for `shrinking`.

    `first` are trials to begin with, counterexamples of before. The seed fixes the order of trials; how many there is
    time for depends on the machine.
    """
    searching = _Searching(system, lemma, seconds, shrinking, show_progress)
    with TemporaryDirectory(prefix="verify-") as scratch:
        set_hypothesis_home_dir(scratch)  # it would leave a folder where the user works
        try:
            searching.run(seed, first)
        finally:
            set_hypothesis_home_dir(None)
            searching.progress.close()
    searched = searching.searched
    searched.seconds = time.monotonic() - searching.started
    return searched


class _Searching:
    def __init__(self, system: System, lemma: Lemma, seconds: float, shrinking: float, show_progress: bool) -> None:
        self._system = system
        self._lemma = lemma
        self._attack = Attack(system, lemma)
        self._show = show_progress
        self._known: dict[object, Look] = {}
        self.searched = Searched()
        self.progress = ProgressLine()
        self.started = time.monotonic()
        self._ends = self.started + seconds
        self._shrinking = shrinking

    def run(self, seed: int, first: Iterable[Trial]) -> None:
        try:
            self._warm_up()
            for trial in first:
                self._look(trial)
            kinds = dict(space.of_arrays(self._system))
            problems = False
            number = 0
            while kinds and not self._is_over():
                for name, trials in list(kinds.items()):
                    before = self.searched.determined
                    self._round(trials, (seed, number), FIRST_ROUND if number < len(kinds) else ROUND)
                    number += 1
                    if self.searched.determined == before:
                        del kinds[name]
                    if self._is_over():
                        break
                if not kinds and not problems:
                    kinds, problems = dict(space.of_problems(self._system)), True
        except _TimeIsUp:
            pass
        if self.searched.found is not None:
            self._ends = max(self._ends, time.monotonic() + 0.5 * self._shrinking)
            self._shorten()

    def _is_over(self) -> bool:
        return self.searched.found is not None

    def _warm_up(self) -> None:
        """Compile statement and kernels on one trial, before the clock runs."""
        budget = self._ends - self.started

        @seeded(0)
        @settings(max_examples=1, database=None, deadline=None, phases=[Phase.generate])
        @given(space.of_arrays(self._system)["arrays of any kind"])
        def once(trial: Trial) -> None:
            self._attack.look(trial)

        once()
        self.started = time.monotonic()
        self._ends = self.started + budget

    def _round(self, trials: st.SearchStrategy[Trial], seed: tuple[int, int], most: int) -> None:
        """One round of Hypothesis, which shrinks what it finds; its order follows from the seed."""

        @seeded(hash(seed))
        @settings(
            max_examples=most,
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate, Phase.target, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(trials)
        def attempt(trial: Trial) -> None:
            look = self._look(trial)
            if look.broken is not None:
                raise _IsBroken
            if look.margin is not None:
                target(-max(look.margin, 0.0), label="margin")
            elif look.closeness is not None:
                target(look.closeness, label="hypotheses")

        with suppress(_IsBroken):
            attempt()

    def _look(self, trial: Trial) -> Look:
        if trial.key not in self._known:
            if time.monotonic() > self._ends:
                raise _TimeIsUp
            look = self._known[trial.key] = self._attack.look(trial)
            had = self.searched.found is not None
            self.searched.add(trial, look)
            if not had and self.searched.found is not None:
                self._ends = time.monotonic() + self._shrinking
            self._tell()
        return self._known[trial.key]

    def _tell(self) -> None:
        seconds = self.progress.due() if self._show else None
        if seconds is None:
            return
        searched, left = self.searched, clock(max(0.0, self._ends - time.monotonic()))
        if searched.found is not None:
            doing = "a counterexample is made smaller"
        elif searched.closest is None:
            doing = "hypotheses not met so far"
        else:
            doing = f"met {searched.met:,} times, smallest relative margin {_margin(searched.closest[1]):.3g}"
        self.progress.write(f"{self._lemma.name}: {searched.trials:,} instances, {doing}, at most {left} left")

    def _shorten(self) -> None:
        """Fewer steps, and numbers of fewer digits: what Hypothesis does not do to drawn data."""
        try:
            self._take_steps_off()
            self._round_numbers()
        except _TimeIsUp:
            pass

    def _take_steps_off(self) -> None:
        found = self._found
        earliest = found.broken.place.step + int(found.broken.claim.on_increments)
        for steps in dict.fromkeys((earliest, max(1, earliest))):
            if steps < self._found.trial.steps:
                self._look(self._found.trial.with_steps(steps))

    def _round_numbers(self) -> None:
        trial = self._found.trial
        if not isinstance(trial, ArraysTrial):
            return
        for name, array in trial.arrays.items():
            if array.dtype != np.float64:
                continue
            for digits in range(1, MOST_DIGITS + 1):
                trial = self._found.trial
                assert isinstance(trial, ArraysTrial)
                shorter = _rounded(array, digits)
                if self._look(trial.replaced(name, shorter)).broken is not None:
                    break

    @property
    def _found(self) -> Found:
        found = self.searched.found
        assert found is not None
        return found


def _rounded(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]], digits: int) -> object:
    """Numbers of so many significant digits; a float for an array without axes."""
    rounded = np.array([float(f"{number:.{digits - 1}e}") for number in array.reshape(-1)])
    return rounded.reshape(array.shape) if array.ndim else float(rounded[0])
