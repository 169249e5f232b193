"""A run repeated in balls: at a precision that it finds by itself, judged at every step, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb

from verify.certify.arrays import Balls, radius_in_bits, size_in_bits
from verify.certify.enclosing import Enclosing
from verify.certify.judge import SHARP, TIE_BITS, CertifiedJudge, ends
from verify.certify.memory import Undecided
from verify.certify.storage import exported, imported, write_whole
from verify.checking.balls import working_precision
from verify.checking.verdicts import LemmaVerdict, Verdict
from verify.engines.drive import Ending, Goal
from verify.errors import RequestError
from verify.io.request import AUTO, Request
from verify.progress import ProgressLine, clock
from verify.runs import prepare
from verify.systems.base import Prepared
from verify.versions import versions

FEWEST_BITS = 53
FIRST_BITS = 128
MOST_BITS = 8192
STRETCH = 16
"""Steps that are enclosed and judged together."""

SETTLED = 8
"""The rate at which bits are lost is believed after this part of the steps."""

CHECKPOINT = "checkpoint.json"
CHECKPOINT_SECONDS = 30.0


def bits_of(word: str | None) -> int | None:
    """The precision that a word asks for; `None` for one that finds itself.

    Raises:
        RequestError: if it is neither `auto` nor a number of bits.

    Examples:
        >>> bits_of("auto"), bits_of("256")
        (None, 256)
    """
    if word is None or word == AUTO:
        return None
    if not word.isdecimal() or not FEWEST_BITS <= int(word) <= MOST_BITS:
        raise RequestError.of("--precision", word, f"auto or an integer from {FEWEST_BITS} to {MOST_BITS}")
    return int(word)


class Interrupted(Exception):
    """The run was interrupted; `kept` is the checkpoint from which the same command goes on, if there is one."""

    def __init__(self, step: int, kept: Path | None) -> None:
        kept_words = f"{kept} keeps it: the same command goes on" if kept else "with --out DIR it could be resumed"
        super().__init__(f"interrupted at step {step:,}; {kept_words}")


class _TooFewBits(Exception):
    """Radii threaten a verdict; `wanted` bits are likely to do."""

    def __init__(self, step: int, why: str, wanted: int) -> None:
        super().__init__(why)
        self.step = step
        self.wanted = wanted


@dataclass(frozen=True)
class CertifiedRun:
    """A finished run on enclosures.

    `bits` is the precision that did, `tried` says of lower ones at which step and why they did not. `stages` maps
    events to steps, each proved: false at every step before, true there. `loss` encloses the training loss at the
    end; `bits_left` are the certain bits of the state at the end, those of its largest number. `given_up` says why the
    run ended before its end, if it did.
    """

    request: Request
    prepared: Prepared
    instance_hash: str
    ending: Ending
    steps: int
    bits: int
    tried: list[tuple[int, int, str]]
    stages: Mapping[str, int | None]
    loss: arb
    bits_left: float
    radius: float
    judged: list[LemmaVerdict]
    given_up: str = ""

    @property
    def exit_status(self) -> int:
        """0 if nothing is violated, 1 if something is."""
        return int(any(verdict.verdict is Verdict.VIOLATED for verdict in self.judged))

    @property
    def bits_lost_per_step(self) -> float:
        """How many of its certain bits the state loses in a step, on average."""
        return (self.bits - self.bits_left) / max(self.steps, 1)

    def record(self) -> dict[str, Any]:
        """The run as `verdicts.json` holds it."""
        return {
            "system": self.request.system.name,
            "problem": self.request.settings(),
            "seed": self.request.seed,
            "engine": self.prepared.engine,
            "arithmetic": "balls",
            "precision": self.bits,
            "tried": [{"precision": bits, "step": step, "reason": why} for bits, step, why in self.tried],
            "bits_lost_per_step": self.bits_lost_per_step,
            "radius": 2.0 ** max(self.radius, -1000.0),
            "instance_sha256": self.instance_hash,
            "steps": self.steps,
            "ending": self.given_up or self.ending.value,
            "final_loss": list(ends(self.loss)) if self.loss.is_finite() else None,
            "stages": dict(self.stages),
            "versions": versions(),
            "verdicts": [verdict.record() for verdict in self.judged],
        }


def certify(
    request: Request,
    precision: int | None = None,
    checkpoint: Path | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    show_progress: bool = False,
    on_instance: Callable[[str], None] = lambda found: None,
) -> CertifiedRun:
    """Repeat a run in balls and decide every statement on the enclosures.

    Without a `precision` it starts at 128 bits and begins again with more where radii threaten a verdict. It begins
    from the instance: more bits cannot narrow a ball that has grown. `checkpoint` is a file that is kept while the run
    lasts, and gone on from if it is there. `on_instance` is shown the hash of the instance before anything is made.

    Raises:
        RequestError: if the system has no certified engine for the request, or the checkpoint is another run's.
        Interrupted: when `interrupted` says so.
    """
    engine = request.system.engines[0] if request.engine == AUTO else request.engine
    attempt = _Attempts(replace(request, engine=engine), precision, checkpoint, interrupted, show_progress)
    on_instance(attempt.hash)
    return attempt.finished()


def instance_hash(instance: Any) -> str:
    """SHA-256 of all arrays and numbers of an instance.

    Examples:
        >>> from verify.systems.benign_vit import SYSTEM
        >>> from verify.systems.benign_vit.problem import Problem
        >>> one, other = (SYSTEM.instance_of(Problem(N=2, M=2, d=9, d_h=3), seed) for seed in (0, 1))
        >>> instance_hash(one) == instance_hash(one), instance_hash(one) == instance_hash(other)
        (True, False)
    """
    digest = sha256()
    for name, value in sorted(vars(instance).items()):
        array = np.ascontiguousarray(np.zeros(0) if value is None else value)
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


class _Attempts:
    """One run at one precision after another, until one does."""

    def __init__(
        self,
        request: Request,
        precision: int | None,
        checkpoint: Path | None,
        interrupted: Callable[[], bool],
        show_progress: bool,
    ) -> None:
        self._request = request
        self._prepared = prepared = prepare(request)
        problem: Any = prepared.problem
        self._goal = Goal(request.steps, problem.loss_target, problem.max_steps)
        self.hash = instance_hash(prepared.instance)
        self._fixed = precision is not None
        self._bits = precision or FIRST_BITS
        self._tried: list[tuple[int, int, str]] = []
        self._checkpoint = checkpoint
        self._interrupted = interrupted
        self._show_progress = show_progress
        self._progress: ProgressLine | None = None
        own = request.own_lemmas()
        self._lemmas = [*request.system.lemmas(), *own]

    @property
    def _mark(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        return {
            "system": self._request.system.name,
            "instance": self.hash,
            "engine": self._request.engine,
            "problem": self._request.settings(),
            "steps": self._request.steps,
            "fixed_precision": self._bits if self._fixed else None,
            "lemmas": [f"{lemma.name}: {lemma.claims}" for lemma in self._lemmas],
            "versions": versions(),
        }

    def finished(self) -> CertifiedRun:
        resumed = self._read()
        while True:
            try:
                with working_precision(self._bits):
                    found = self._attempt(resumed)
                if self._progress is not None:
                    self._progress.close()
                if self._checkpoint is not None:
                    self._checkpoint.unlink(missing_ok=True)
                return found
            except _TooFewBits as trouble:
                self._tried.append((self._bits, trouble.step, str(trouble)))
                self._bits = min(MOST_BITS, max(2 * self._bits, trouble.wanted))
                resumed = None

    def _attempt(self, resumed: Mapping[str, Any] | None) -> CertifiedRun:
        """One run; at a precision that may not be raised it ends where it cannot go on."""
        system, goal = self._request.system, self._goal
        dynamics = system.enclosing(self._prepared)
        judge = CertifiedJudge(
            system.name, self._lemmas, system.events(), dynamics.constants, dynamics.observables, self._request.engine
        )
        if resumed is not None:
            dynamics.set_state(resumed["step"], resumed["state"])
            judge.restore(resumed["judge"])
        watch = _Watch(self._bits, goal)
        self._progress = ProgressLine() if self._show_progress else None
        given_up, ending, last, loss = "", None, dynamics.step, arb("nan")
        while ending is None:
            steps = min(STRETCH, goal.horizon - dynamics.step)
            try:
                first = dynamics.step
                stretch, ending, last, loss = _made(dynamics, steps, goal)
                judge.observe(stretch, first)
            except Undecided as open_:
                given_up = f"enclosures of {self._bits} bits cannot tell {open_}"
                self._give_way(watch, dynamics.step, given_up)
                ending = Ending.STEPS
            trouble = watch.trouble(dynamics)
            if ending is None and (trouble := trouble or self._open(watch, judge.blunt)):
                self._give_way(watch, dynamics.step, trouble)
            self._show(dynamics, watch)
            if ending is None and self._interrupted():
                if self._progress is not None:
                    self._progress.close()
                raise Interrupted(dynamics.step, self._keep(dynamics, judge))
            if ending is None and watch.time_to_keep():
                self._keep(dynamics, judge)
        if not given_up and (blunt := self._open(watch, judge.lacks_bits(self._bits))):
            self._give_way(watch, dynamics.step, blunt)
        events = judge.evaluation.events
        return CertifiedRun(
            request=self._request,
            prepared=self._prepared,
            instance_hash=self.hash,
            ending=ending,
            steps=last,
            bits=self._bits,
            tried=self._tried,
            stages=events,
            loss=loss,
            bits_left=watch.bits_left(dynamics),
            radius=max(map(radius_in_bits, dynamics.state.values())),
            judged=judge.verdicts(given_up),
            given_up=given_up,
        )

    def _open(self, watch: _Watch, statement: str) -> str:
        """That a statement stays open, where more bits may settle it: not if many of many did not."""
        hopeless = self._bits >= TIE_BITS and watch.left > TIE_BITS / 2
        return f"{statement} stays open" if statement and not hopeless else ""

    def _give_way(self, watch: _Watch, step: int, why: str) -> None:
        """Begin again with more bits, where that is allowed."""
        if not self._fixed and self._bits < MOST_BITS:
            raise _TooFewBits(step, why, watch.wanted())

    def _show(self, dynamics: Enclosing, watch: _Watch) -> None:
        if self._progress is None or (seconds := self._progress.due()) is None:
            return
        rate = watch.steps_made / seconds
        left = clock((self._goal.horizon - dynamics.step) / rate) if rate else "?"
        most = "at most " if self._goal.steps is None else ""
        self._progress.write(
            f"step {dynamics.step:,} of {most}{self._goal.horizon:,}  {self._bits} bits, {watch.left:.0f} certain  "
            f"{rate:.1f} steps/s  {most}{left} left"
        )

    def _keep(self, dynamics: Enclosing, judge: CertifiedJudge) -> Path | None:
        """Write the checkpoint, if one is wanted."""
        if self._checkpoint is None:
            return None
        here = {"step": dynamics.step, "state": dict(dynamics.state), "judge": judge.save()}
        content = {"of": self._mark, "bits": self._bits, "tried": self._tried, "here": exported(here)}
        try:
            self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._checkpoint, content)
        except OSError as error:
            raise RequestError(f"--out: {self._checkpoint} cannot be written ({error.strerror})") from None
        return self._checkpoint

    def _read(self) -> Mapping[str, Any] | None:
        """What the checkpoint holds, if there is one."""
        if self._checkpoint is None or not self._checkpoint.exists():
            return None
        try:
            content = json.loads(self._checkpoint.read_text(encoding="utf-8"))
            of, bits, tried, here = content["of"], content["bits"], content["tried"], imported(content["here"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RequestError(f"--out: {self._checkpoint} is no checkpoint ({error})") from None
        wanted = json.loads(json.dumps(self._mark))
        if other := [name for name in wanted if of.get(name) != wanted[name]]:
            raise RequestError(
                f"--out: {self._checkpoint} belongs to a run with another {other[0]} (--force begins anew)"
            )
        self._bits, self._tried = bits, [tuple(each) for each in tried]
        found: Mapping[str, Any] = here
        return found


class _Watch:
    """Looks after the radii of one attempt."""

    def __init__(self, bits: int, goal: Goal) -> None:
        self._bits = bits
        self._horizon = None if goal.steps is None else goal.steps
        self._kept_at = time.monotonic()
        self._seen: list[tuple[int, float]] = []
        self.left = float(bits)

    @property
    def steps_made(self) -> int:
        """The steps seen in this attempt, since it began or was resumed."""
        return self._seen[-1][0] - self._seen[0][0] + STRETCH if self._seen else 0

    def bits_left(self, dynamics: Enclosing) -> float:
        """The certain bits of the state's largest numbers, those of the array that has fewest."""
        return min(map(_certain_bits, dynamics.state.values()), default=inf)

    def trouble(self, dynamics: Enclosing) -> str:
        """Why the bits will not do, or nothing."""
        self.left = min(self.bits_left(dynamics), float(self._bits))
        self._seen.append((dynamics.step, self.left))
        if self.left < -SHARP:
            return f"{max(self.left, 0.0):.0f} bits are certain"
        step = dynamics.step
        if self._horizon is not None and SETTLED * step >= self._horizon:
            expected = self.left - self._rate() * (self._horizon - step)
            if expected < 0.0:
                return f"{self.left:.0f} bits are certain, and {self._rate():.2g} are lost a step"
        return ""

    def wanted(self) -> int:
        """The precision at which so much loss would leave enough."""
        steps = 0 if self._horizon is None or not self._seen else self._horizon - self._seen[-1][0]
        lost = self._bits - self.left + self._rate() * steps
        return int(64 * np.ceil((lost - 2 * SHARP) / 64)) if np.isfinite(lost) else 2 * self._bits

    def _rate(self) -> float:
        """Bits lost a step, over the later half of the steps seen."""
        if len(self._seen) < 2:
            return 0.0
        (first, before), (last, now) = self._seen[len(self._seen) // 2], self._seen[-1]
        return max(0.0, (before - now) / max(last - first, 1)) if last > first else 0.0

    def time_to_keep(self) -> bool:
        """Whether the last checkpoint is old."""
        now = time.monotonic()
        due = now - self._kept_at > CHECKPOINT_SECONDS
        self._kept_at = now if due else self._kept_at
        return due


def _certain_bits(array: Balls) -> float:
    size = max(map(size_in_bits, np.ravel(array)), default=-inf)
    return size - radius_in_bits(array) if size > -inf else inf


def _made(dynamics: Enclosing, steps: int, goal: Goal) -> tuple[Mapping[str, Balls], Ending | None, int, arb]:
    """A stretch up to the first state whose loss certainly is at its target; why the run ends there; that step and
    loss.
    """
    first = dynamics.step
    stretch = dynamics.advance(steps)
    losses = stretch["loss"]
    for place, loss in enumerate(losses if goal.steps is None else ()):
        if loss <= goal.stopping_loss:
            cut = {name: array[: place + len(array) - steps] for name, array in stretch.items()}
            return cut, Ending.TARGET, first + place, loss
        if not loss > goal.stopping_loss:
            raise Undecided("whether the loss is at its target", first + place)
    at_end = dynamics.step >= goal.horizon
    ending = (Ending.LIMIT if goal.steps is None else Ending.STEPS) if at_end else None
    return stretch, ending, dynamics.step, losses[-1]
