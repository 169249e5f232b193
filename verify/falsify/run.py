"""One request to falsify a statement, from its name to what was found."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from proofs.language import Lemma, plain
from verify.errors import RequestError
from verify.falsify.keep import FOLDER, Kept, check_folder, keep, kept_before
from verify.falsify.search import SHRINKING, Searched, search
from verify.falsify.trial import ArraysTrial
from verify.falsify.weaken import chosen, droppable, source_of, weakened
from verify.io.lemmas import load_lemmas
from verify.systems.base import System, find_system

LONGEST_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Falsified:
    """A finished search: of what, with which hypotheses dropped, what it came to, and the counterexample kept."""

    system: System
    lemma: Lemma
    dropped: Mapping[str, str]
    seed: int
    searched: Searched
    kept: Kept | None

    @property
    def exit_status(self) -> int:
        """0 if no counterexample was found, 1 if one was."""
        return int(self.kept is not None)

    def record(self) -> dict[str, Any]:
        """The search as `verify falsify --json` prints it."""
        searched = self.searched
        closest = searched.closest
        return {
            "system": self.system.name,
            "lemma": f"{self.system.name}/{self.lemma.name}",
            "without": dict(self.dropped),
            "seed": self.seed,
            "seconds": searched.seconds,
            "instances": searched.trials,
            "determined": searched.determined,
            "met_hypotheses": searched.met,
            "steps": searched.steps,
            "ranges": {name: list(ends) for name, ends in sorted(searched.ranges.items())},
            "smallest_relative_margin": None if closest is None else closest[1].margin,
            "broken": searched.found is not None,
            "counterexample": None if self.kept is None else self._counterexample(self.kept),
            "worst": None if searched.worst is None else _violation(searched.worst.broken),
        }

    def _counterexample(self, kept: Kept) -> dict[str, Any]:
        found = self.searched.found
        assert found is not None
        arrays = found.trial.arrays if isinstance(found.trial, ArraysTrial) else {}
        return {
            "file": str(kept.file),
            "replay": kept.command,
            "steps": found.trial.steps,
            **_violation(found.broken),
            "arrays": {name: array.tolist() for name, array in arrays.items()},
        }


def _violation(broken: Any) -> dict[str, Any]:
    place, claim = broken.place, broken.claim
    sets = {index.name: index.ranges_over.name for index in claim.indices}
    return {
        "claim": plain(claim),
        "step": place.step,
        "where": {sets[letter]: position for letter, position in place.where.items()},
        "lhs": place.lhs,
        "rhs": place.rhs,
        "margin": place.margin,
        "relative_margin": place.relative_margin,
        "evidence": broken.evidence,
    }


def falsify(
    name: str,
    without: Sequence[str] = (),
    lemmas: Path | None = None,
    seconds: float = 60.0,
    seed: int = 0,
    out: Path | None = None,
    show_progress: bool = False,
    shrinking: float = SHRINKING,
) -> Falsified:
    """Search for a counterexample to `SYSTEM/LEMMA`, and keep what is found in the folder `out`.

    Raises:
        RequestError: if there is no such statement or hypothesis, or no single run can judge the statement.
    """
    system, lemma = judged_lemma(name, lemmas)
    dropped = chosen(lemma, without) if without else ()
    if dropped and lemmas is not None:
        raise RequestError("--without: the lemma stands in a file of yours; drop its hypotheses there")
    require_seconds(seconds)
    folder = FOLDER if out is None else out
    check_folder(folder)
    weaker = weakened(lemma, dropped)
    with threadpool_limits(limits=1):
        before = kept_before(folder, system, weaker.name)
        searched = search(system, weaker, seconds, seed, before, show_progress, shrinking)
    kept = None
    if searched.found is not None:
        source = source_of(system.name, lemma, dropped) if dropped else None
        kept = keep(folder, system, weaker.name, searched.found, lemmas, source)
    texts = droppable(lemma)
    return Falsified(system, weaker, {each: texts[each] for each in dropped}, seed, searched, kept)


def judged_lemma(name: str, lemmas: Path | None) -> tuple[System, Lemma]:
    """The system, and its statement or the one of the user's file, if one run can judge it.

    Raises:
        RequestError: if there is none, or a run cannot judge it: the studies that do are named.
    """
    system_name, _, lemma_name = name.partition("/")
    system = find_system(system_name)
    statements: dict[str, Any] = dict(system.statements())
    if lemmas is not None:
        statements |= {each.name: each for each in load_lemmas(lemmas, system)}
    if lemma_name not in statements:
        near = difflib.get_close_matches(lemma_name, statements, n=3, cutoff=0.3)
        raise RequestError.of("LEMMA", lemma_name, f"did you mean {', '.join(near)}?" if near else "see verify list")
    lemma = statements[lemma_name]
    if not isinstance(lemma, Lemma):
        raise RequestError(f"LEMMA: {lemma_name} is about all real numbers (verify show {name} proves it)")
    if not lemma.judged_in_a_run:
        raise RequestError(f"LEMMA: {lemma_name} is of kind {lemma.kind}: {_judges(system, lemma)}")
    return system, lemma


def require_seconds(seconds: float) -> None:
    """Refuse a budget that is none.

    Raises:
        RequestError: naming what is allowed.
    """
    if not 0.0 < seconds <= LONGEST_SECONDS:
        raise RequestError.of("--seconds", seconds, f"more than 0, up to {LONGEST_SECONDS:.0f}")


def _judges(system: System, lemma: Lemma) -> str:
    """Which studies judge what no single instance can break."""
    bearing = [headline.studies for headline in system.ledger().values() if lemma in headline.statements]
    studies = list(dict.fromkeys(study for each in bearing for study in each))
    if not studies:
        return f"no single instance can break it (verify study {system.name} lists what judges families)"
    commands = " or ".join(f"verify study {system.name} {study}" for study in studies)
    return f"no single instance can break it; judged by {commands}"
