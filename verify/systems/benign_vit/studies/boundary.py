"""Where benign overfitting ends: the signal-to-noise ratio at which the test loss crosses a cut-off, and its law."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import field_validator

from proofs.benign_vit.stage_three import phase_boundary
from verify.checking.verdicts import Verdict
from verify.statistics import mean_interval
from verify.studies.fits import Fit, PowerLaw, power_law
from verify.studies.rules import EXPONENT_RULE, RANGE_RULE, judge_exponent, judge_range
from verify.studies.study import Finding, Judgement, Row, Sheet, Study
from verify.studies.words import with_interval
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.studies.family import (
    Cutoff,
    Training,
    families_of,
    named,
    predicted_crossing,
    training_notes,
)
from verify.systems.benign_vit.studies.training import Trained, train

CUTOFFS = (0.25, 0.4, 0.5)
"""Test losses at which the crossing is located; at initialisation the test loss is log 2 = 0.69."""

RESOLUTION = 0.04
"""Width in `log(N SNR^2)` at which the bisection stops; the crossing is interpolated inside."""

WIDEST = 3.0**6
"""How far from the predicted crossing the search goes, as a factor of `N SNR^2`."""

EVEN_COUNTS = (4, 6, 8, 10, 14, 18, 24, 32)
"""Numbers of samples of the default design, spaced about evenly in the logarithm. Even ones: an odd number splits into
unequal classes, the smaller of which is learnt later, and shifts the crossing by up to (N + 1) / (N - 1)."""

WRONG_EXPONENTS = (1.0, 3.0)


@dataclass(frozen=True)
class Crossings:
    """Where the test loss crosses each cut-off, as `N SNR^2` (`None`: nowhere in reach), and what was trained."""

    at: Mapping[float, float | None]
    trained: Mapping[float, Trained]


def locate(problem_at: Callable[[float], Problem], predicted: float, seed: int) -> Crossings:
    """Locate the crossings of all cut-offs by bisection over the signal-to-noise ratio.

    `problem_at` gives the problem at an `SNR`; `predicted` is where `N SNR^2` is expected. All points use one
    seed: the same noise and the same start, scaled.
    """
    known: dict[float, Trained] = {}
    samples = problem_at(1.0).N

    def loss(position: float) -> float:
        """The test loss at `N SNR^2 = e^position`."""
        if position not in known:
            known[position] = train(problem_at(math.sqrt(math.exp(position) / samples)), seed)
        return known[position].test["test_loss"]

    start = math.log(predicted)
    crossings = {cutoff: _crossing(loss, known, start, cutoff) for cutoff in CUTOFFS}
    return Crossings(
        {cutoff: None if at is None else math.exp(at) for cutoff, at in crossings.items()},
        {math.exp(position): known[position] for position in sorted(known)},
    )


def _crossing(
    loss: Callable[[float], float], known: Mapping[float, Trained], start: float, cutoff: float
) -> float | None:
    """Between a place where the loss is above the cut-off and one further up where it is not."""
    low = max((position for position in known if loss(position) > cutoff), default=start)
    reach = math.log(3.0)
    while not loss(low) > cutoff:
        low -= reach
        if start - low > math.log(WIDEST):
            return None
    high = min((position for position in known if position > low), default=low + reach)
    while loss(high) > cutoff:
        low, high = high, high + reach
        if high - start > math.log(WIDEST):
            return None
    while high - low > RESOLUTION:
        middle = (low + high) / 2.0
        if loss(middle) > cutoff:
            low = middle
        else:
            high = middle
    share = (loss(low) - cutoff) / (loss(low) - loss(high))
    return low + share * (high - low)


def measure_crossings(cell: Training, seed: int) -> dict[str, Any]:
    """The crossings of one number of samples, with every point that was trained on the way."""
    found = locate(cell.problem, predicted_crossing(cell.C_p), seed)
    return {
        "crossing": {f"{cutoff:g}": at for cutoff, at in found.at.items()},
        "trained": [{"N_SNR2": position, **end.record()} for position, end in found.trained.items()],
    }


class Located(Cutoff):
    """One of the cut-offs at which crossings are located."""

    @field_validator("cutoff")
    @classmethod
    def _one_of_them(cls, cutoff: float) -> float:
        if cutoff not in CUTOFFS:
            raise ValueError(f"one of {', '.join(f'{each:g}' for each in CUTOFFS)}")
        return cutoff


@dataclass(frozen=True)
class Boundary:
    """The fitted boundary of one family at one cut-off.

    `law` is `SNR = constant N^exponent` over single crossings: the number of samples is exact, the crossing is what was
    measured. `slope` is that of `log N = a - slope log SNR`; `constant` is the mean of `N SNR^2 / C_p^2` (geometric).
    """

    family: Mapping[str, Any]
    cutoff: float
    law: PowerLaw
    slope: float
    slope_interval: tuple[float, float]
    constant: float
    constant_interval: tuple[float, float]
    samples: tuple[int, int]
    missing: int

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "family": dict(self.family),
            "cutoff": self.cutoff,
            "slope": self.slope,
            "slope_interval": list(self.slope_interval),
            "constant": self.constant,
            "constant_interval": list(self.constant_interval),
            "points": self.law.points,
            "cells_without_crossing": self.missing,
        }


def fit_boundary(family: Mapping[str, Any], cutoff: float, crossings: Sequence[tuple[int, float | None]]) -> Boundary:
    """Fit one family's crossings, pairs of N and `N SNR^2`.

    Raises:
        ValueError: if they do not determine a line.
    """
    points = [(samples, at) for samples, at in crossings if at is not None]
    law = power_law([samples for samples, _ in points], [math.sqrt(at / samples) for samples, at in points])
    low, high = law.exponent_interval
    if not high < 0.0:
        raise ValueError("the boundary does not fall with the number of samples")
    logs = np.log([at / family["C_p"] ** 2 for _, at in points])
    ends = mean_interval(logs)
    return Boundary(
        family=family,
        cutoff=cutoff,
        law=law,
        slope=-1.0 / law.exponent,
        slope_interval=(-1.0 / low, -1.0 / high),
        constant=float(np.exp(np.mean(logs))),
        constant_interval=(math.exp(ends[0]), math.exp(ends[1])),
        samples=(min(samples for samples, _ in points), max(samples for samples, _ in points)),
        missing=len(crossings) - len(points),
    )


def boundaries_of(rows: Sequence[Row]) -> tuple[list[Boundary], list[str]]:
    """Every family at every cut-off, and notes on those that determine no boundary."""
    fitted, notes = [], []
    families = families_of(rows)
    for family, members in families:
        for cutoff in CUTOFFS:
            crossings = [(row.parameters["N"], row.measured["crossing"][f"{cutoff:g}"]) for row in members]
            try:
                fitted.append(fit_boundary(family, cutoff, crossings))
            except ValueError as error:
                notes.append(
                    f"{named([each for each, _ in families], family)}, cut-off {cutoff:g}: no boundary ({error})"
                )
    return fitted, notes


def judge_boundary(rows: Sequence[Row], question: Located) -> Judgement:
    """Exponent and constant of each family at each cut-off; the verdict is about the asked one."""
    fitted, notes = boundaries_of(rows)
    families = [family for family, _ in families_of(rows)]
    asked = [each for each in fitted if each.cutoff == question.cutoff]
    findings: list[Finding] = []
    for boundary in asked:
        findings.extend(_findings(boundary, named(families, boundary.family)))
    if not asked:
        findings.append(_unfitted(question.cutoff, notes))
    results: dict[str, Any] = {"cutoff": question.cutoff, "constant_unit": "C_p^2", "predicted_constant": 2.0}
    for name in ("slope", "slope_interval", "constant", "constant_interval"):
        results[name] = asked[0].record()[name] if asked else None
    results["boundaries"] = [each.record() for each in fitted]
    results["powers"] = {name: _power(asked, name) for name in ("C_p", "M")}
    sheets = [_boundary_sheet(fitted, families), _constants_sheet(rows, families)]
    return Judgement(results, findings, sheets, [*notes, *training_notes(rows), *_power_notes(results["powers"])])


def _unfitted(cutoff: float, notes: Sequence[str]) -> Finding:
    return Finding(
        statement=phase_boundary.name,
        kind="order",
        verdict=Verdict.INCONCLUSIVE,
        about=f"cut-off {cutoff:g}",
        rule=RANGE_RULE,
        words=phase_boundary.words,
        reason=notes[0] if notes else f"crossings were located at {', '.join(f'{each:g}' for each in CUTOFFS)} only",
    )


def _findings(boundary: Boundary, name: str) -> list[Finding]:
    """The statement's claims about exponent and constant, and the wrong exponents as controls."""
    ends = [float(claim.rhs) for claim in phase_boundary.claims]
    ranges = {"exponent": (ends[0], ends[1]), "constant / C_p^2": (ends[2], ends[3])}
    seen = {
        "exponent": (boundary.slope, boundary.slope_interval),
        "constant / C_p^2": (boundary.constant, boundary.constant_interval),
    }
    findings = [
        Finding(
            statement=phase_boundary.name,
            kind="order",
            verdict=judge_range(seen[what][1], *allowed),
            about=f"{what} at {name}, cut-off {boundary.cutoff:g}",
            rule=f"in [{allowed[0]:g}, {allowed[1]:g}]: {RANGE_RULE}",
            words=phase_boundary.words,
            estimate=seen[what][0],
            interval=seen[what][1],
            fit=Fit(boundary.law, "N", f"SNR at the crossing of {boundary.cutoff:g}") if what == "exponent" else None,
        )
        for what, allowed in ranges.items()
    ]
    controls = [
        Finding(
            statement=phase_boundary.name,
            kind="order",
            verdict=judge_exponent(boundary.slope_interval, wrong),
            about=f"exponent {wrong:g} in place of 2 at {name}",
            rule=EXPONENT_RULE,
            words=f"The test loss crosses over along N SNR^{wrong:g}.",
            estimate=boundary.slope,
            interval=boundary.slope_interval,
            control=True,
        )
        for wrong in WRONG_EXPONENTS
    ]
    return findings + controls


def _power(boundaries: Sequence[Boundary], name: str) -> dict[str, Any] | None:
    """How `N SNR^2` at the boundary scales with a parameter, all else equal, if the design varies it."""
    values = {boundary.family[name] for boundary in boundaries}
    if len(values) < 2:
        return None
    others = {str({k: v for k, v in boundary.family.items() if k != name}) for boundary in boundaries}
    if len(boundaries) < 3 or len(others) > 1:
        return None
    law = power_law(
        [boundary.family[name] for boundary in boundaries],
        [boundary.constant * boundary.family["C_p"] ** 2 for boundary in boundaries],
    )
    return {"exponent": law.exponent, "interval": list(law.exponent_interval)}


def _power_notes(powers: Mapping[str, Any]) -> list[str]:
    return [
        f"N SNR^2 at the boundary grows like {name}^{found['exponent']:.3f}"
        f" [{found['interval'][0]:.3f}, {found['interval'][1]:.3f}]"
        for name, found in powers.items()
        if found is not None
    ]


def _boundary_sheet(fitted: Sequence[Boundary], families: Sequence[Mapping[str, Any]]) -> Sheet:
    rows = [
        (
            named(families, boundary.family),
            f"{boundary.cutoff:g}",
            with_interval(boundary.slope, boundary.slope_interval),
            with_interval(boundary.constant, boundary.constant_interval),
            "2",
            str(boundary.law.points),
        )
        for boundary in fitted
    ]
    columns = ("family", "cut-off", "exponent", "N SNR^2 / C_p^2", "predicted", "cells")
    return Sheet("Boundary: log N = a - exponent log SNR", columns, rows)


def _constants_sheet(rows: Sequence[Row], families: Sequence[Mapping[str, Any]]) -> Sheet:
    """The crossing of each number of samples, in units of `C_p^2`: smallest to largest over seeds."""
    lines = []
    for family, members in families_of(rows):
        for samples in sorted({row.parameters["N"] for row in members}):
            line = [named(families, family), str(samples)]
            for cutoff in CUTOFFS:
                found = [row.measured["crossing"][f"{cutoff:g}"] for row in members if row.parameters["N"] == samples]
                there = [at / family["C_p"] ** 2 for at in found if at is not None]
                line.append(f"{min(there):.2f} to {max(there):.2f}" if there else "none")
            lines.append(line)
    columns = ("family", "N", *(f"cut-off {cutoff:g}" for cutoff in CUTOFFS))
    return Sheet("N SNR^2 / C_p^2 at the crossing", columns, lines)


PHASE_BOUNDARY = Study(
    name="phase-boundary",
    words="where the test loss crosses a cut-off: exponent and constant of N SNR^2",
    cell=Training,
    axes={"N": EVEN_COUNTS},
    seeds=3,
    measure=measure_crossings,
    judge=judge_boundary,
    measured_as="phase-boundary",
    question=Located,
)
