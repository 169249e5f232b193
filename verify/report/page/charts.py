"""Charts as SVG that stretches with the page, while its labels are text of the page and keep their size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from verify.report.page.scales import Array, Kind, Scale, number, scale_for

SIDE = 1000
"""Width and height of the drawing, in its own units."""

LETTER = 0.025
"""Width of a letter, as a share of the drawing's on a narrow screen."""


@dataclass(frozen=True)
class Line:
    """A line, with a band around it where `low` and `high` are given; `look` is a class of the style sheet."""

    name: str
    x: Array
    y: Array
    look: str
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True)
class Dots:
    """Single points; with `low` and `high` each has an upright bar."""

    name: str
    x: Array
    y: Array
    look: str
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True)
class Span:
    """A shaded part of the horizontal axis."""

    first: float
    last: float
    name: str


@dataclass(frozen=True)
class Mark:
    """A line across, at a place of one of the axes."""

    at: float
    name: str


@dataclass(frozen=True)
class Tiles:
    """Rectangles beside one another: `values` has a row for each y; the darker the larger."""

    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Chart:
    """A chart: what is drawn, and on which axes."""

    title: str
    x_name: str
    y_name: str
    lines: Sequence[Line] = ()
    dots: Sequence[Dots] = ()
    spans: Sequence[Span] = ()
    events: Sequence[Mark] = ()
    levels: Sequence[Mark] = ()
    tiles: Tiles | None = None
    x_kind: Kind | None = "steps"
    y_kind: Kind | None = None
    note: str = ""

    @property
    def x_scale(self) -> Scale:
        """The horizontal axis."""
        if self.tiles is not None:
            return Scale("log", *_ends(self.tiles.x))
        return scale_for([each.x for each in self._drawn], self.x_kind)

    @property
    def _drawn(self) -> list[Line | Dots]:
        return [*self.lines, *self.dots]

    @property
    def y_scale(self) -> Scale:
        """The vertical axis."""
        if self.tiles is not None:
            return Scale("log", *_ends(self.tiles.y))
        drawn = [part for each in self._drawn for part in (each.y, each.low, each.high)]
        levels = [np.array([level.at]) for level in self.levels]
        return scale_for([part for part in (*drawn, *levels) if part is not None], self.y_kind)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(np.isfinite(each.y).any() for each in self._drawn)


def _edges(centres: Sequence[float]) -> list[float]:
    """Where neighbouring tiles meet, half-way in the logarithm, and the two outer ends."""
    logs = np.log(np.asarray(centres, dtype=float))
    if len(logs) < 2:
        return [float(np.exp(logs[0] - 0.5)), float(np.exp(logs[0] + 0.5))]
    middle = (logs[1:] + logs[:-1]) / 2
    edges = [2 * logs[0] - middle[0], *middle, 2 * logs[-1] - middle[-1]]
    return [float(np.exp(edge)) for edge in edges]


def _ends(centres: Sequence[float]) -> tuple[float, float]:
    edges = _edges(centres)
    return edges[0], edges[-1]


LIGHT, DARK = (247, 249, 252), (8, 48, 107)
"""Colours of the smallest and the largest value; the maps of attention have the same."""


def _tiled(tiles: Tiles, across: Scale, up: Scale) -> Markup:
    known = [value for line in tiles.values for value in line if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    x, y = across.at(np.array(_edges(tiles.x))) * SIDE, (1.0 - up.at(np.array(_edges(tiles.y)))) * SIDE
    parts = []
    for row, line in enumerate(tiles.values):
        for column, value in enumerate(line):
            if value is None:
                continue
            share = (value - low) / (high - low) if high > low else 0.0
            colour = ",".join(f"{first + share * (last - first):.0f}" for first, last in zip(LIGHT, DARK, strict=True))
            parts.append(
                Markup('<rect class="tile" x="{}" y="{}" width="{}" height="{}" fill="rgb({})"/>').format(
                    f"{x[column]:.1f}",
                    f"{y[row + 1]:.1f}",
                    f"{x[column + 1] - x[column]:.1f}",
                    f"{y[row] - y[row + 1]:.1f}",
                    colour,
                )
            )
    return Markup("").join(parts)


def _path(x: Array, y: Array) -> str:
    """The path through the points, interrupted where one has no place."""
    parts, drawing = [], False
    for across, up in zip(x.tolist(), y.tolist(), strict=True):
        there = np.isfinite(across) and np.isfinite(up)
        if there:
            parts.append(f"{'L' if drawing else 'M'}{across * SIDE:.1f},{(1.0 - up) * SIDE:.1f}")
        drawing = bool(there)
    return "".join(parts)


def _area(x: Array, low: Array, high: Array) -> str:
    """The outline between two lines, one for each unbroken stretch."""
    known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    outlines = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        part = slice(first, end)
        back = _path(x[part][::-1], low[part][::-1])
        outlines.append(_path(x[part], high[part]) + "L" + back[1:] + "Z")
    return "".join(outlines)


def _clipped(places: Array) -> Array:
    return np.clip(places, -0.02, 1.02)


def drawing(chart: Chart) -> Markup:
    """The drawing alone: spans, grid, bands, lines, points."""
    across, up = chart.x_scale, chart.y_scale
    parts: list[Markup] = [] if chart.tiles is None else [_tiled(chart.tiles, across, up)]
    for span in chart.spans:
        first, last = np.clip(across.at(np.array([span.first, span.last])), 0.0, 1.0) * SIDE
        parts.append(
            Markup('<rect class="span" x="{}" y="0" width="{}" height="{}"/>').format(
                f"{first:.1f}", f"{max(last - first, 2.0):.1f}", SIDE
            )
        )
    if chart.tiles is None:
        grid = "".join(f"M0,{(1.0 - place) * SIDE:.1f}h{SIDE}" for place in up.at(np.array(up.ticks)).tolist())
        parts.append(Markup('<path class="grid" d="{}"/>').format(grid))
    for mark in chart.events:
        place = float(across.at(np.array([mark.at]))[0])
        if 0.0 <= place <= 1.0:
            parts.append(Markup('<path class="event" d="M{},0V{}"/>').format(f"{place * SIDE:.1f}", SIDE))
    for mark in chart.levels:
        place = float(up.at(np.array([mark.at]))[0])
        if np.isfinite(place):
            parts.append(Markup('<path class="level" d="M0,{}H{}"/>').format(f"{(1.0 - place) * SIDE:.1f}", SIDE))
    for line in chart.lines:
        if line.low is not None and line.high is not None:
            low, high = _floored(up, line.low), up.at(line.high)
            area = _area(across.at(line.x), _clipped(low), _clipped(high))
            parts.append(Markup('<path class="band {}" d="{}"/>').format(line.look, area))
    for line in chart.lines:
        path = _path(across.at(line.x), up.at(line.y))
        if chart.tiles is not None:
            parts.append(Markup('<path class="casing" d="{}"/>').format(path))
        parts.append(Markup('<path class="line {}" d="{}"/>').format(line.look, path))
    for dots in chart.dots:
        if dots.low is not None and dots.high is not None:
            bars = "".join(
                f"M{x * SIDE:.1f},{(1.0 - low) * SIDE:.1f}V{(1.0 - high) * SIDE:.1f}"
                for x, low, high in zip(
                    across.at(dots.x).tolist(),
                    _clipped(_floored(up, dots.low)).tolist(),
                    _clipped(up.at(dots.high)).tolist(),
                    strict=True,
                )
                if np.isfinite([x, low, high]).all()
            )
            parts.append(Markup('<path class="bar {}" d="{}"/>').format(dots.look, bars))
        # A stroke of no length with round ends stays round however the drawing is stretched.
        points = "".join(
            f"M{x * SIDE:.1f},{(1.0 - y) * SIDE:.1f}h0"
            for x, y in zip(across.at(dots.x).tolist(), up.at(dots.y).tolist(), strict=True)
            if np.isfinite([x, y]).all()
        )
        parts.append(Markup('<path class="dots {}" d="{}"/>').format(dots.look, points))
    return Markup("").join(parts)


def _floored(scale: Scale, values: Array) -> Array:
    """Places of lower ends: what lies below a logarithmic axis is drawn from its foot."""
    places = scale.at(values)
    return np.where(np.isnan(places) & np.isfinite(values), -0.02, places)


@dataclass(frozen=True)
class Label:
    """A text beside the drawing, at a share of its width or height."""

    at: float
    text: str


def labels(scale: Scale) -> list[Label]:
    """The texts at the ticks."""
    places = scale.at(np.array(scale.ticks)).tolist()
    return [
        Label(place, number(tick)) for place, tick in zip(places, scale.ticks, strict=True) if -0.001 <= place <= 1.001
    ]


def event_labels(chart: Chart) -> list[Label]:
    """The texts above the events: the shortest first, as far as none touches another on a narrow screen."""
    places = chart.x_scale.at(np.array([mark.at for mark in chart.events])).tolist()
    inside = [Label(place, mark.name) for place, mark in zip(places, chart.events, strict=True) if 0.0 <= place <= 1.0]
    found: list[Label] = []
    for label in sorted(inside, key=lambda each: len(each.text)):
        if all(abs(label.at - other.at) > (_width(label) + _width(other)) / 2 for other in found):
            found.append(label)
    return found


def _width(label: Label) -> float:
    """The width of a text, as a share of a narrow drawing's."""
    return LETTER * (len(label.text) + 1)


def readout(chart: Chart) -> str:
    """What the pointer can read off the lines, as JSON: the x of each line, their y's, all rounded to four digits."""
    across = chart.x_scale
    lines = [
        {
            "name": line.name,
            "x": _rounded(line.x),
            "at": [None if not np.isfinite(place) else round(place, 4) for place in across.at(line.x).tolist()],
            "y": _rounded(line.y),
            **({} if line.low is None else {"low": _rounded(line.low)}),
            **({} if line.high is None else {"high": _rounded(line.high)}),
        }
        for line in chart.lines
    ]
    return json.dumps({"x": chart.x_name, "lines": lines}, separators=(",", ":"), allow_nan=False)


def _rounded(values: Array) -> list[Any]:
    return [
        None if not np.isfinite(value) else int(value) if float(value).is_integer() else float(f"{value:.4g}")
        for value in values.tolist()
    ]


def described(chart: Chart) -> str:
    """The chart in words, for those who do not see it."""
    told = []
    for line in chart.lines:
        known = np.flatnonzero(np.isfinite(line.y))
        if len(known):
            first, last = known[0], known[-1]
            told.append(
                f"{line.name}: from {number(float(line.y[first]))} at {number(float(line.x[first]))}"
                f" to {number(float(line.y[last]))} at {number(float(line.x[last]))}"
            )
    if chart.tiles is not None:
        told.append(f"{len(chart.tiles.x)} by {len(chart.tiles.y)} places")
    told += [f"{dots.name}: {int(np.isfinite(dots.y).sum())} points" for dots in chart.dots]
    return f"{chart.title}. {chart.y_name} by {chart.x_name}. " + "; ".join(told)
