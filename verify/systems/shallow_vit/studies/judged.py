"""What the judges of studies share: stated ranges, differences of means, and findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from proofs.language import Claim, Lemma, Observable
from proofs.shallow_vit.statements import statements
from verify.checking.verdicts import Verdict
from verify.studies.rules import RANGE_RULE, judge_range
from verify.studies.study import Finding, Row

Interval = tuple[float, float]

CONFIDENCE = 0.99
"""Of all verdicts of one study together."""


def limits(claims: Sequence[Claim], values: Mapping[Observable, float] | None = None) -> Interval:
    """The range that claims about one quantity state, where the observables on their right sides have these values.

    The bound of a strict claim is outside: cells that do not vary give intervals of no length, which can lie on it.
    """
    low, high = -math.inf, math.inf
    for claim in claims:
        bound = float(claim.rhs.xreplace(dict(values or {})))
        if claim.relation in (">", ">="):
            low = max(low, math.nextafter(bound, math.inf) if claim.relation == ">" else bound)
        else:
            high = min(high, math.nextafter(bound, -math.inf) if claim.relation == "<" else bound)
    return low, high


def finding(
    lemma: Lemma,
    verdict: Verdict,
    about: str,
    rule: str,
    words: str = "",
    estimate: float | None = None,
    interval: Interval | None = None,
    reason: str = "",
    control: bool = False,
) -> Finding:
    """A finding about a statement, under its name and kind."""
    statements()  # gives statements their names
    finite = None if interval is None or not np.isfinite(interval).all() else interval
    return Finding(
        lemma.name, str(lemma.kind), verdict, about, rule, words or lemma.words, estimate, finite, reason, control
    )


def in_range(
    lemma: Lemma,
    claims: Sequence[Claim],
    about: str,
    estimate: float,
    interval: Interval,
    values: Mapping[Observable, float] | None = None,
    words: str = "",
    control: bool = False,
) -> Finding:
    """A finding by the range that claims of the statement state."""
    verdict = judge_range(interval, *limits(claims, values))
    return finding(lemma, verdict, about, RANGE_RULE, words, estimate, interval, control=control)


def difference(first: Sequence[float], second: Sequence[float], confidence: float) -> tuple[float, Interval]:
    """Mean of the first less that of the second, with Welch's interval.

    Raises:
        ValueError: with fewer than 2 observations on a side.

    Examples:
        >>> estimate, (low, high) = difference([3.0, 3.1, 2.9], [1.0, 1.2, 0.8], 0.95)
        >>> round(estimate, 6), low > 1.5, high < 2.5
        (2.0, True, True)
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"{len(first)} and {len(second)} observations, a difference needs 2 and 2")
    parts = [np.var(each, ddof=1) / len(each) for each in (first, second)]
    estimate, variance = float(np.mean(first) - np.mean(second)), float(sum(parts))
    if variance == 0.0:
        return estimate, (estimate, estimate)
    freedom = variance**2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, (first, second), strict=True))
    half = float(stdtrit(freedom, 0.5 + confidence / 2.0)) * math.sqrt(variance)
    return estimate, (estimate - half, estimate + half)


def grouped(rows: Sequence[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some of their parameters, in the order of the design."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row.parameters[name] for name in names), []).append(row)
    return found


def measured(rows: Sequence[Row], name: str) -> list[float]:
    """One number of every row."""
    return [float(row.measured[name]) for row in rows]


def spread(values: Sequence[float]) -> str:
    """Mean and range, for readers."""
    if not len(values):
        return "-"
    return f"{np.mean(values):.3g} [{min(values):.3g}, {max(values):.3g}]"
