"""How many samples zero test error needs, by the share of relevant tokens and by when training stops.

A fixed design: at every share three even sizes about a pilot, which comes from exploratory runs on other seeds; a
success is an exact test error of 0. The published exponent -2 is an upper bound; what is measured depends on stopping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from proofs.language import Lemma
from proofs.shallow_vit import order
from verify.checking.verdicts import Verdict
from verify.statistics import CONFIDENCE
from verify.studies.rules import (
    AT_MOST_RULE,
    EXPONENT_RULE,
    judge_at_most,
    judge_exponent,
    shared_out,
)
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.fields import Count
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.judged import finding, grouped, in_range
from verify.systems.shallow_vit.studies.logit import Logit, fit_logit
from verify.systems.shallow_vit.studies.training import train

EARLY, LATE = 0.7, 0.1
LENGTH = 40

BASE: Mapping[str, Any] = {
    "L": LENGTH,
    "M": 5,
    "d": 8,
    "m": 32,
    "dirichlet": 0.3,
    "xi": 0.01,
    "loss_target": EARLY,
    "max_steps": 3000,
}
"""The problem behind the studies of test error; all else by default."""

PILOTS: Mapping[float, tuple[float, float, float]] = {EARLY: (0.8, -2.0, 3.0), LATE: (2.8, -0.65, 2.0)}
"""Stop -> constant and exponent of the pilot in `alpha/(1 - alpha)`, and the factor between the three sizes."""


class Stopped(BaseModel):
    """One training set, trained until the loss over it reaches the stop."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    stop: float = Field(EARLY, description=f"training loss at which training stops: {EARLY} or {LATE}")
    n_star: Annotated[Count, Field(ge=1, le=LENGTH // 2)] = Field(4, description=f"relevant tokens of {LENGTH}")
    level: Annotated[Count, Field(ge=-1, le=1)] = Field(0, description="fewer samples than the pilot, as many, or more")
    N: Annotated[Count, Field(ge=2, le=10**6)] = Field(
        default_factory=lambda given: pilot(given["stop"], given["n_star"], given["level"]),
        description="training samples [by the level]",
    )

    @field_validator("stop")
    @classmethod
    def _with_a_pilot(cls, value: float) -> float:
        if value not in PILOTS:
            raise ValueError(f"should be {EARLY} or {LATE}")
        return value

    def problem(self) -> Problem:
        """The problem itself."""
        return Problem.model_validate({**BASE, "N": self.N, "n_star": self.n_star, "loss_target": self.stop})


def pilot(stop: float, n_star: int, level: int) -> int:
    """An even number of samples about where successes and failures meet.

    Examples:
        >>> [pilot(0.7, 4, level) for level in (-1, 0, 1)]
        [22, 64, 194]
    """
    constant, exponent, factor = PILOTS[stop]
    size = float(constant * (n_star / (LENGTH - n_star)) ** exponent * factor**level)
    return max(2, 2 * round(size / 2.0))


def measure_stopped(cell: Stopped, seed: int) -> dict[str, Any]:
    """Train one problem; whether its test error is 0, and whether rounding leaves that open."""
    end = train(cell.problem(), seed)
    zero, open_ = end.test["test_error"] == 0.0, end.test["test_error_low"] == 0.0 < end.test["test_error_high"]
    return {"zero_error": bool(zero), "undecided": bool(open_), "reached": end.loss <= cell.stop, **end.record()}


def share(row: Row) -> float:
    """`alpha`, the share of relevant tokens."""
    return float(row.parameters["n_star"] / LENGTH)


def odds(row: Row) -> float:
    """`alpha/(1 - alpha)`."""
    return share(row) / (1.0 - share(row))


VARIABLES = {"alpha": share, "alpha/(1 - alpha)": odds}


def fits_of(rows: Sequence[Row], confidence: float) -> dict[str, Logit]:
    """The fit of success in each variable.

    Raises:
        ValueError: if the cells determine none.
    """
    sizes = [float(row.parameters["N"]) for row in rows]
    successes = [bool(row.measured["zero_error"]) for row in rows]
    return {
        name: fit_logit(sizes, [variable(row) for row in rows], successes, confidence)
        for name, variable in VARIABLES.items()
    }


def judge_sample_complexity(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """The exponent of the required samples at each stop, against what is stated of it."""
    decided = [row for row in rows if not row.measured["undecided"]]
    stops = grouped(decided, "stop")
    confidence = shared_out(CONFIDENCE, max(1, len(stops)))
    findings: list[Finding] = []
    sheets: list[Sheet] = []
    results: dict[str, Any] = {"confidence": confidence, "stops": {}}
    notes = [f"{len(rows) - len(decided)} of {len(rows)} cells are undecided by rounding and left out"]
    late = sum(not row.measured["reached"] for row in decided)
    notes.append(f"{late} of {len(decided)} trainings ended before their loss reached the stop")
    for (stop,), members in stops.items():
        sheets.append(_successes(stop, members))
        try:
            fits = fits_of(members, confidence)
        except ValueError as error:
            findings.append(
                finding(
                    order.exponent_depends_on_stopping,
                    Verdict.INCONCLUSIVE,
                    f"stop {stop:g}",
                    AT_MOST_RULE,
                    reason=str(error),
                )
            )
            continue
        sheets.append(_slopes(stop, fits))
        results["stops"][f"{stop:g}"] = {name: _record(fit) for name, fit in fits.items()}
        findings += _judged(stop, fits["alpha"])
        if fits["alpha"].misfits:
            notes.append(
                f"stop {stop:g}: cells do not follow the model (p = {fits['alpha'].misfit:.1g}), intervals widened"
            )
    stated = _exponent_of(order.sufficient_samples.claims[0].rhs)
    notes.append(f"{stated:g} is the exponent of an upper bound, no law of what is required")
    return Judgement(results, findings, sheets, notes)


def _judged(stop: float, fit: Logit) -> list[Finding]:
    early, late = order.exponent_depends_on_stopping.claims
    (bound,) = order.sufficient_samples.claims
    stated = _exponent_of(bound.rhs)
    about = f"exponent of N_half in alpha, stop {stop:g}"
    low, high = fit.interval
    # An order in 1/alpha bounds the exponent in alpha from below.
    found = [
        _order(order.sufficient_samples, judge_at_most((-high, -low), -stated), about, AT_MOST_RULE, fit),
        in_range(
            order.exponent_depends_on_stopping, [early if stop == EARLY else late], about, fit.slope, fit.interval
        ),
    ]
    if stop == EARLY:
        found.append(
            _order(
                order.sufficient_samples,
                judge_at_most((-high, -low), 1.0),
                about,
                AT_MOST_RULE,
                fit,
                "of order 1/alpha samples suffice",
            )
        )
    else:
        found.append(
            _order(
                order.sufficient_samples,
                judge_exponent(fit.interval, stated),
                about,
                EXPONENT_RULE,
                fit,
                "near convergence the required samples are exactly of order 1/alpha^2",
            )
        )
    return found


def _exponent_of(power: Any) -> float:
    return float(power.as_base_exp()[1])


def _order(lemma: Lemma, verdict: Verdict, about: str, rule: str, fit: Logit, wrong: str = "") -> Finding:
    return finding(lemma, verdict, about, rule, wrong, fit.slope, fit.interval, control=bool(wrong))


def _record(fit: Logit) -> dict[str, Any]:
    low, high = fit.interval
    bounded = low > float("-inf")
    return {
        "slope": fit.slope,
        "interval": [low, high] if bounded else None,
        "lack_of_fit_p": fit.misfit,
        "dispersion": fit.dispersion,
    }


def _successes(stop: float, rows: Sequence[Row]) -> Sheet:
    lines = []
    for (n_star,), members in grouped(rows, "n_star").items():
        sizes = grouped(sorted(members, key=lambda row: int(row.parameters["N"])), "N")
        line = [
            f"{size}: {sum(row.measured['zero_error'] for row in some)}/{len(some)}" for (size,), some in sizes.items()
        ]
        lines.append((f"{n_star / LENGTH:g}", ", ".join(line)))
    return Sheet(f"Test error 0, stop {stop:g}", ("alpha", "N: how often"), lines)


def _slopes(stop: float, fits: Mapping[str, Logit]) -> Sheet:
    lines = []
    for name, fit in fits.items():
        low, high = fit.interval
        lines.append((name, f"{fit.slope:.2f} [{low:.2f}, {high:.2f}]", f"{fit.misfit:.2g}", f"{fit.dispersion:.2f}"))
    return Sheet(f"Exponent of N_half, stop {stop:g}", ("in", "exponent", "lack of fit p", "dispersion"), lines)


SAMPLE_COMPLEXITY = Study(
    name="sample-complexity",
    words="how the samples for zero test error grow as relevant tokens become rare, by when training stops",
    cell=Stopped,
    axes={"stop": (EARLY, LATE), "n_star": (2, 3, 4, 6, 8), "level": (-1, 0, 1)},
    seeds=80,
    measure=measure_stopped,
    judge=judge_sample_complexity,
    measured_as="sample-complexity",
)
