"""Assertions about a finished run, a saved one or one of this session, for tests of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.io.commands import replay_command, run_command
from verify.io.folder import PROBLEM, REPLAY
from verify.io.nearest import unknown_name
from verify.io.saved import load_run
from verify.numbering import UNNUMBERED, Numbering

if TYPE_CHECKING:
    import xarray

    from verify.runs import Run


class LemmaNotHeld(AssertionError):
    """A statement that does not hold where a test says that it does."""


@dataclass(frozen=True)
class Verified:
    """A run that tests look at.

    `verdicts` are the rows of `verdicts.json` by the names of their statements, `stages` the steps of the events
    (`None`: never), `trajectory` the recorded states. `replay` is the command that repeats the run up to its first
    violation; `violation` says which one ended a strict run.
    """

    system: str
    verdicts: Mapping[str, Mapping[str, Any]]
    stages: Mapping[str, int | None]
    trajectory: xarray.Dataset
    replay: str
    violation: str = ""
    numbering: Numbering = UNNUMBERED

    def assert_holds(self, *lemmas: str) -> None:
        """Assert that each of the lemmas was put to the test and holds.

        What was not put to the test does not hold: a hypothesis that was never met, a statement that one run cannot
        judge, an inconclusive one.

        Raises:
            LemmaNotHeld: with the lemma, the step, the place, both sides and the command that replays it.
            RequestError: if the system has no such lemma.
        """
        __tracebackhide__ = True
        for lemma in lemmas:
            if lemma not in self.verdicts:
                raise RequestError(f"LEMMA: {unknown_name(lemma, self.verdicts, self.system)}")
        self._assert_unstopped()
        for lemma in lemmas:
            if self.verdicts[lemma]["verdict"] != Verdict.HOLDS.value:
                raise LemmaNotHeld(self._told(self.verdicts[lemma]))

    def assert_nothing_violated(self) -> None:
        """Assert that no statement of the run is violated; what was not put to the test is no violation.

        Raises:
            LemmaNotHeld: with every violated lemma, as `assert_holds` tells it.
        """
        __tracebackhide__ = True
        self._assert_unstopped()
        violated = [row for row in self.verdicts.values() if row["verdict"] == Verdict.VIOLATED.value]
        if violated:
            raise LemmaNotHeld("\n".join(map(self._told, violated)))

    def _assert_unstopped(self) -> None:
        __tracebackhide__ = True
        if self.violation:
            raise LemmaNotHeld(f"{self.violation}\n  replay: {self.replay}")

    def _told(self, row: Mapping[str, Any]) -> str:
        number = self.numbering.number(row["lemma"].partition("/")[2])
        named = f"{row['lemma']} ({number})" if number else row["lemma"]
        lines = [f"{named}: {row['verdict']}" + (f": {row['reason']}" if row["reason"] else "")]
        if row["first_violation"] is not None:
            lines.append(f"  first violated at step {row['first_violation']}")
        for claim in row["claims"]:
            if claim["verdict"] == row["verdict"] and claim["lhs"] is not None:
                where = ", ".join(f"{name} {index}" for name, index in claim["where"].items())
                lines.append(f"  worst at step {claim['at_step']}{f' ({where})' if where else ''}")
                lines.append(f"  left side {claim['lhs']:.17g}, right side {claim['rhs']:.17g}")
                lines.append(f"  claimed: {claim['claim']}")
        return "\n".join([*lines, f"  replay: {self.replay}"])


def verified_run(system: str, asked: Mapping[str, Any], strict: bool, kept: Path) -> Verified:
    """Carry out a run; a strict one ends at its first violation and keeps its files in the folder `kept`.

    Raises:
        RequestError: if the request cannot be carried out.
    """
    from verify.io.request import make_request
    from verify.runs import carry_out

    request = make_request(system, **asked)
    run = carry_out(request, strict=strict)
    violation, replay = "", run_command(system, {**asked, "strict": True})
    if run.violation is not None:
        run.save(kept, force=True)
        violation = str(run.violation)
        replay = replay_command(system, kept / REPLAY, run.violation.replay_step, request.lemmas)
    return verified(run, replay, violation)


def verified(run: Run, replay: str, violation: str = "") -> Verified:
    """A finished run for tests to look at."""
    verdicts = {row["lemma"].partition("/")[2]: row for row in run.verdicts}
    return Verified(run.request.system.name, verdicts, run.stages, run.trajectory, replay, violation, run.numbering)


def verified_folder(folder: Path) -> Verified:
    """A saved run for tests to look at.

    Raises:
        RequestError: if the folder holds no run.
    """
    saved = load_run(folder)
    numbering = saved.numbering(None)
    asked = {"config": folder / PROBLEM, "lemmas": saved.record.get("lemmas"), "strict": True}
    replay = run_command(saved.system, asked)
    return Verified(saved.system, saved.verdicts, saved.record["stages"], saved.trajectory, replay, numbering=numbering)
