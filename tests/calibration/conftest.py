"""How often intervals cover and rules err on families whose truth is known; the table is printed after the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from scipy.stats import binom

Interval = tuple[float, float]

LEVEL = 1e-6
"""Probability that one test of a right interval or rule fails."""

SHORT = 0.8
"""The control of every test: the same intervals at this share of their length."""

_lines: list[tuple[str, ...]] = []


@dataclass(frozen=True)
class Count:
    """So many of so many independent families, or, where `of` is 0, a probability that was summed up exactly."""

    share: float
    of: int

    @property
    def number(self) -> int:
        return round(self.share * self.of)

    def can_be_at_least(self, probability: float) -> bool:
        """Whether such a count has more than `LEVEL` of a chance where the event has at least this probability."""
        if not self.of:
            return self.share >= probability - 1e-12
        return bool(binom.cdf(self.number, self.of, probability) > LEVEL)

    def can_be_at_most(self, probability: float) -> bool:
        """Whether such a count has more than `LEVEL` of a chance where the event has at most this probability."""
        if not self.of:
            return self.share <= probability + 1e-12
        return bool(binom.sf(self.number - 1, self.of, probability) > LEVEL)

    def __str__(self) -> str:
        return f"{100.0 * self.share:.3g} %" + (f" of {self.of:,}" if self.of else " exactly")


def shortened(interval: Interval, share: float = SHORT) -> Interval:
    """The interval about the same middle."""
    middle, half = (interval[0] + interval[1]) / 2.0, share * (interval[1] - interval[0]) / 2.0
    return middle - half, middle + half


@pytest.fixture(scope="session")
def count() -> type[Count]:
    return Count


@pytest.fixture(scope="session")
def shorten() -> Callable[[Interval], Interval]:
    return shortened


@pytest.fixture
def table() -> Callable[..., None]:
    """Add a line: what, stated, measured, and what the control gave."""

    def add(*cells: object) -> None:
        _lines.append(tuple(map(str, cells)))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _lines:
        return
    columns = ("quantity", "stated", "measured", f"intervals at {SHORT:.0%} of their length")
    rows = [columns, *_lines]
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    terminalreporter.section("calibration")
    for row in rows:
        terminalreporter.write_line(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
