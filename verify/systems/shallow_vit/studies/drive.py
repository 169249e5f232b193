"""How often the drives at the start point at the relevant patterns, counted on drawn training sets without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.integrate import quad
from scipy.special import ndtr

from proofs.language import Observable
from proofs.shallow_vit import order
from proofs.shallow_vit.inequalities import PALEY_ZYGMUND, critical_samples, drive_alignment, drive_misaligned
from proofs.shallow_vit.statements import statements
from verify.checking.trials import Trials
from verify.checking.verdicts import Verdict
from verify.statistics import clopper_pearson
from verify.studies.rules import PROBABILITY_RULE, judge_probability, judge_range, shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.fields import Count
from verify.systems.shallow_vit.draw import Stream, balanced_labels, stream
from verify.systems.shallow_vit.kernels import Array
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.judged import CONFIDENCE, finding, grouped
from verify.systems.shallow_vit.studies.sample_complexity import BASE, LENGTH
from verify.systems.shallow_vit.testing import enumerate_law

AGREES = 0.03
"""Probabilities nearer than this count as equal: shares of tokens are not normal."""

AGREES_RULE = (
    f"supported if the Clopper-Pearson interval lies within {AGREES} of it, refuted if outside, else inconclusive"
)

CHUNK = 2**20
"""Numbers in the largest array of one chunk of draws."""

DELTA = 0.1
"""Failure probability at which the sufficient number of samples is taken."""


class Drawn(BaseModel):
    """So many training sets of one size, in units of the critical one; 0 takes what is proved sufficient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_star: Annotated[Count, Field(ge=1, le=LENGTH // 2)] = Field(3, description=f"relevant tokens of {LENGTH}")
    c: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        1.0, description="samples in units of 4 s^2/D^2 (0: as many as are proved to suffice)"
    )
    trials: Annotated[Count, Field(ge=1, le=10**6)] = Field(2500, description="independent training sets in a cell")

    def problem(self, N: int = 2) -> Problem:
        """The problem of so many samples."""
        return Problem.model_validate({**BASE, "N": N, "n_star": self.n_star})

    def constants(self) -> dict[str, float]:
        """What the statements about drives name, at the number of samples of the cell."""
        problem = self.problem()
        _, counts, probability = enumerate_law(problem)
        shares = counts[:, 2] / problem.L
        centred = shares - probability @ shares
        variance = float(probability @ centred**2)
        found = {
            "relevant_share": problem.alpha_star,
            "confusion_share": problem.alpha_sharp,
            "patterns": float(problem.M),
            "failure_probability": DELTA,
            "share_variance": variance,
            "share_kurtosis": float(probability @ centred**4) / variance**2,
        }
        (enough,) = drive_alignment.given
        size = self.c * _value(critical_samples, found) if self.c else _value(enough.rhs, found)
        even = 2.0 * (round(size / 2.0) if self.c else -(-size // 2.0))
        found["samples"] = max(2.0, even)
        return found | {"drive_fraction": min(1.0, found["samples"] / _value(critical_samples, found))}


def _value(expression: Any, values: Mapping[str, float]) -> float:
    """A number from an expression in observables."""
    return float(expression.xreplace({each: values[each.name] for each in expression.atoms(Observable)}))


@cache
def _counted() -> Trials:
    statements()  # gives statements their names
    return Trials([drive_alignment, drive_misaligned], ["irrelevant_drive"])


def measure_drawn(cell: Drawn, seed: int) -> dict[str, Any]:
    """Count the event of the statements on drawn training sets."""
    constants = cell.constants()
    counted = _counted().count(constants, _drives(cell.problem(int(constants["samples"])), cell.trials, seed))
    return {"constants": constants, **{name: asdict(each) for name, each in counted.items()}}


def _drives(problem: Problem, trials: int, seed: int) -> Iterator[dict[str, Array]]:
    """Training sets from the enumerated law: irrelevant counts do not depend on labels, which are balanced."""
    labels, counts, probability = enumerate_law(problem)
    shares, reached = counts[labels > 0, 2:] / problem.L, np.cumsum(probability[labels > 0])
    rng = stream(seed, Stream.SAMPLES)
    while trials:
        size = min(trials, max(1, CHUNK // (problem.N * problem.M)))
        drawn = shares[np.searchsorted(reached, rng.random((size, problem.N)) * reached[-1])]
        drive = np.einsum("n,tnj->tj", balanced_labels(problem.N) / problem.N, drawn)
        yield {"irrelevant_drive": np.abs(drive).max(axis=1)}
        trials -= size


@cache
def normal_failure(c: float, count: int) -> float:
    """The probability that one of so many standard normal numbers of correlation `-1/(count - 1)` exceeds `sqrt(c)`.

    They are independent ones given that these add up to 0, rescaled: a convolution power of a truncated density.

    Examples:
        >>> round(normal_failure(1.0, 2), 9) == round(float(2 * ndtr(-1.0)), 9)
        True
    """
    end = np.sqrt(c * (count - 1) / count)
    if count == 2:
        return float(2.0 * ndtr(-np.sqrt(c)))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    mass = weights * end * np.exp(-((end * nodes) ** 2) / 2.0) / np.sqrt(2.0 * np.pi)

    def power(t: float) -> float:
        return float((mass @ np.cos(t * end * nodes)) ** count)

    reach = 200.0 / end
    integral = quad(power, 0.0, reach, limit=2000, epsabs=1e-9, epsrel=1e-7)[0] / np.pi
    return float(1.0 - integral * np.sqrt(2.0 * np.pi * count))


def judge_drive(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Failures against the normal law and the bounds, and against a wrong scaling in the share."""
    statements()  # gives statements their names
    cells = grouped(rows, "n_star", "c")
    confidence = shared_out(CONFIDENCE, 3 * len(cells))
    findings: list[Finding] = []
    lines: list[Sequence[str]] = []
    gaps = sorted({_gap(members[0]) for members in cells.values()})
    middle = gaps[len(gaps) // 2]
    for (n_star, c), members in cells.items():
        constants = members[0].measured["constants"]
        where = f"alpha={n_star / LENGTH:g} N={constants['samples']:g}"
        trials = sum(row.measured[drive_alignment.name]["trials"] for row in members)
        held = sum(row.measured[drive_alignment.name]["successes"] for row in members)
        failures = sum(row.measured[drive_misaligned.name]["successes"] for row in members)
        interval = clopper_pearson(failures, trials, confidence)
        scale = constants["samples"] / _value(critical_samples, constants)
        expected = normal_failure(scale, int(constants["patterns"]) - 2)
        lines.append((where, f"{scale:.3g}", f"{failures / trials:.3f}", f"{expected:.3f}"))
        if c == 0.0:
            verdict, bounds = judge_probability(held, trials, 1.0 - constants["failure_probability"], confidence)
            about = f"probability that it holds at {where}, claimed: {1.0 - constants['failure_probability']:g}"
            findings.append(finding(drive_alignment, verdict, about, PROBABILITY_RULE, "", held / trials, bounds))
            continue
        findings.append(_against(expected, failures / trials, interval, f"failures at {where}, normal {expected:.3f}"))
        if c < 1.0:
            claimed = _value(PALEY_ZYGMUND, constants)
            verdict, bounds = judge_probability(failures, trials, claimed, confidence)
            about = f"probability of misaligned drives at {where}, claimed: {claimed:.3f}"
            findings.append(finding(drive_misaligned, verdict, about, PROBABILITY_RULE, "", failures / trials, bounds))
        if _gap(members[0]) in (gaps[0], gaps[-1]) and gaps[0] < gaps[-1] and 0.5 <= c <= 2.0:
            # Were the critical number of samples of order 1/D, matched at the middle share, c would be this.
            wrong = normal_failure(scale * middle / _gap(members[0]), int(constants["patterns"]) - 2)
            about = f"failures at {where}, with N in units of 1/D: {wrong:.3f}"
            findings.append(_against(wrong, failures / trials, interval, about, "exponent -1 in D"))
    columns = ("at", "c", "failures", "normal law")
    return Judgement({"cells": [list(line) for line in lines]}, findings, [Sheet("Misaligned drives", columns, lines)])


def _gap(row: Row) -> float:
    constants = row.measured["constants"]
    return float(constants["relevant_share"] - constants["confusion_share"])


def _against(expected: float, estimate: float, interval: tuple[float, float], about: str, wrong: str = "") -> Finding:
    verdict: Verdict = judge_range(interval, expected - AGREES, expected + AGREES)
    return finding(order.drive_failure_law, verdict, about, AGREES_RULE, wrong, estimate, interval, control=bool(wrong))


DRIVE = Study(
    name="drive",
    words="how often the drives at the start point at the relevant patterns, against the normal law and the bounds",
    cell=Drawn,
    axes={"n_star": (2, 3, 4), "c": (0.0, 0.25, 1.0, 2.0)},
    seeds=4,
    measure=measure_drawn,
    judge=judge_drive,
    measured_as="drive",
)
