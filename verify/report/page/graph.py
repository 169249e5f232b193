"""What rests on what, laid out in columns: a statement stands to the right of all that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from textwrap import wrap
from typing import Any

import networkx as nx

from verify.report.page.standing import Standing

BOX_WIDTH, BOX_HEIGHT = 158, 62
ACROSS, DOWN = 204, 76
"""Distances of neighbouring boxes."""

EDGE_SPACE = 3
MOST_COLUMNS = 7
MOST_ROWS = 12
LETTERS = 19
"""Letters of a name in one line of a box; it has two."""

SWEEPS = 8


@dataclass(frozen=True)
class Box:
    """A statement in the graph; `x`, `y` are its upper left corner, `lines` its name."""

    name: str
    lines: Sequence[str]
    x: float
    y: float
    standing: Standing
    number: str


@dataclass(frozen=True)
class Layout:
    """The graph with all places; `edges` are paths from what is rested on to what rests on it."""

    width: float
    height: float
    boxes: Sequence[Box]
    edges: Sequence[tuple[str, str, str]]
    alone_from: float | None


def laid_out(graph: nx.DiGraph, standings: Mapping[str, Standing], numbers: Mapping[str, str]) -> Layout:
    """Columns by the longest path; what rests on nothing and carries nothing stands in rows below."""
    alone = [name for name in graph if not graph.degree(name)]
    columns = _columns(graph, set(alone))
    tallest = max((len(column) for column in columns), default=0)
    places: dict[str, tuple[float, float]] = {}
    for place, column in enumerate(columns):
        above = (tallest - len(column)) * DOWN / 2
        places |= {
            name: (EDGE_SPACE + place * ACROSS, EDGE_SPACE + above + row * DOWN) for row, name in enumerate(column)
        }
    wide = max(len(columns), min(MOST_COLUMNS, len(alone)))
    first_row = EDGE_SPACE + tallest * DOWN + (36 if tallest and alone else 0)
    for number, name in enumerate(alone):
        row, column_number = divmod(number, wide)
        places[name] = EDGE_SPACE + column_number * ACROSS, first_row + row * DOWN
    boxes = [
        Box(name, _lines(name), *places[name], standings[name], numbers.get(name, ""))
        for name in (*_flat(columns), *alone)
    ]
    edges = [(before, after, _edge(places[before], places[after])) for before, after in graph.edges]
    rows_alone = -(-len(alone) // wide) if alone else 0
    return Layout(
        width=2 * EDGE_SPACE + (wide - 1) * ACROSS + BOX_WIDTH if wide else 0,
        height=first_row + rows_alone * DOWN + EDGE_SPACE,
        boxes=boxes,
        edges=edges,
        alone_from=first_row if alone and tallest else None,
    )


def _flat(columns: Sequence[Sequence[str]]) -> list[str]:
    return [name for column in columns for name in column]


def _columns(graph: nx.DiGraph, alone: set[str]) -> list[list[str]]:
    """The columns, each ordered so that edges cross little: by the mean place of the neighbours, back and forth."""
    connected = graph.subgraph([name for name in graph if name not in alone])
    depth = {name: level for level, names in enumerate(nx.topological_generations(connected)) for name in names}
    for name in reversed(list(nx.topological_sort(connected))):
        # What rests on nothing stands just before the first that rests on it.
        if not connected.in_degree(name):
            depth[name] = min(depth[after] for after in connected.successors(name)) - 1
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in connected:
        columns[depth[name]].append(name)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        neighbours: Any = connected.predecessors if forwards else connected.successors
        for column in columns if forwards else reversed(columns):
            rows = {name: _height(columns, depth, name) for name in connected}
            middle = {name: fmean([rows[each] for each in neighbours(name)] or [rows[name]]) for name in column}
            column.sort(key=lambda name: middle[name])
    return [part for column in columns for part in _parted(column)]


def _parted(column: Sequence[str]) -> list[list[str]]:
    """A column as several of at most `MOST_ROWS`, about equal.

    Examples:
        >>> [len(part) for part in _parted([str(place) for place in range(25)])]
        [9, 8, 8]
    """
    parts = -(-len(column) // MOST_ROWS)
    return [list(column[place::parts]) for place in range(parts)]


def _height(columns: Sequence[Sequence[str]], depth: Mapping[str, int], name: str) -> float:
    """The row of a statement, counted from the middle of its column."""
    column = columns[depth[name]]
    return column.index(name) - (len(column) - 1) / 2


def _lines(name: str) -> list[str]:
    """A name in at most two lines, broken at its hyphens.

    Examples:
        >>> _lines("stage-one-loss-derivative-bound")
        ['stage-one-loss-', 'derivative-bound']
    """
    lines = [line.replace(" ", "") for line in wrap(name.replace("-", "- "), LETTERS, break_long_words=True)]
    return lines if len(lines) <= 2 else [lines[0], lines[1][: LETTERS - 1] + "…"]


def _edge(before: tuple[float, float], after: tuple[float, float]) -> str:
    first, height = before[0] + BOX_WIDTH, before[1] + BOX_HEIGHT / 2
    last, other = after[0], after[1] + BOX_HEIGHT / 2
    bend = (last - first) / 2 if last - first < ACROSS else ACROSS / 2
    bent = f"C{first + bend:.0f},{height:.0f} {last - bend:.0f},{other:.0f} {last:.0f},{other:.0f}"
    return f"M{first:.0f},{height:.0f}{bent}"
