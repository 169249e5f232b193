"""What the terminal shows of a search for a counterexample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np
from rich.text import Text

from proofs.language import plain
from verify.falsify.attack import Broken
from verify.falsify.run import Falsified
from verify.falsify.trial import ArraysTrial, Trial
from verify.report.text import console_for


def print_falsified(falsified: Falsified, stream: IO[str]) -> None:
    """Print the counterexample, or what was searched and how close it came."""
    console = console_for(stream)
    console.print(Text(f"{falsified.system.name}/{falsified.lemma.name}, seed {falsified.seed}", style="bold"))
    for name, text in falsified.dropped.items():
        console.print(Text(f"dropped {name}: {text}"), soft_wrap=True)
    for line in _lines(falsified):
        console.print(Text(line), soft_wrap=True)


def _lines(falsified: Falsified) -> Iterator[str]:
    searched = falsified.searched
    if searched.found is not None and falsified.kept is not None:
        yield "A counterexample was found."
        yield from _violated(searched.found.broken)
        yield from shown(searched.found.trial)
        if searched.worst is not None and searched.worst is not searched.found:
            yield f"worst seen: relative margin {searched.worst.broken.place.relative_margin:.3g}"
        yield from _searched(falsified)
        yield f"kept: {falsified.kept.file}"
        yield f"repeat: {falsified.kept.command}"
        return
    if not searched.determined:
        yield f"Nothing was tested: no instance has all that the statement names ({searched.undetermined})."
    elif not searched.met:
        yield "Nothing was tested: its hypotheses were never met. This is no evidence for the statement."
        if searched.nearest_hypothesis is not None:
            yield f"closest to being met: relative margin {searched.nearest_hypothesis:.3g}"
    else:
        yield "No counterexample was found. This is no proof."
        if searched.closest is not None:
            _, look = searched.closest
            assert look.place is not None
            where = "".join(f", {letter} {place}" for letter, place in look.place.where.items())
            rounding = " (inside rounding)" if look.place.margin < 0.0 else ""
            yield (
                f"smallest relative margin: {look.margin:.3g}{rounding} at step {look.place.step}{where}: "
                f"left side {look.place.lhs:.6g}, right side {look.place.rhs:.6g}"
            )
    yield from _searched(falsified)


def _violated(broken: Broken) -> Iterator[str]:
    sets = {index.name: index.ranges_over.name for index in broken.claim.indices}
    where = "".join(f", {sets[letter]} {position}" for letter, position in broken.place.where.items())
    place = broken.place
    yield f"claimed: {plain(broken.claim)}"
    yield (
        f"at step {place.step}{where}: left side {place.lhs:.9g}, right side {place.rhs:.9g}, "
        f"margin {place.margin:.3g} (relative {place.relative_margin:.3g})"
    )
    decided = "decided in ball arithmetic" if broken.evidence == "balls" else "beyond the bound on its rounding"
    yield f"{decided}; so are its hypotheses" if broken.evidence == "balls" else decided


def shown(trial: Trial) -> Iterator[str]:
    """A trial in lines that can be read."""
    if isinstance(trial, ArraysTrial):
        for name, array in trial.arrays.items():
            yield f"    {name} = {np.array2string(array, separator=', ', threshold=200).replace(chr(10), '')}"
    else:
        yield f"    {trial.problem!r}, seed {trial.seed}"
    yield f"    trained for {trial.steps} steps"


def _searched(falsified: Falsified) -> Iterator[str]:
    searched = falsified.searched
    yield (
        f"searched: {searched.trials:,} instances in {searched.seconds:.0f} s, {searched.determined:,} of them with "
        f"all that the statement names, {searched.met:,} met its hypotheses; {searched.steps:,} states"
    )
    if searched.ranges:
        ends = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in sorted(searched.ranges.items()))
        yield f"where they were met: {ends}"
