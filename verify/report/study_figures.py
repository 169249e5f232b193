"""The figures of a study's store: a result over two parameters, and a power law fitted to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.errors import RequestError
from verify.report.cells import Cells
from verify.report.colours import BLUE, VERMILION
from verify.report.figure import Sketch
from verify.studies.fits import power_law

FEWEST_OBSERVATIONS = 3
"""Of which a power law needs at least so many, at two places."""

MOST_TICKS = 8
"""So many different places are labelled one by one."""

DECADE = 30.0
"""A result whose largest value is so many times its smallest is coloured by its logarithm."""


def _heat_map(axes: Any, cells: Cells) -> None:
    """The mean over all cells at a place of two parameters; empty where none has finished."""
    x, y = cells.x or cells.axes[0], cells.y or next(name for name in cells.axes if name != (cells.x or cells.axes[0]))
    z = cells.z or cells.measured[0]
    across, up, found = (np.array(cells.numbers(name)) for name in (x, y, z))
    columns, rows = np.unique(across), np.unique(up)
    means = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            here = found[(up == row) & (across == column)]
            if np.isfinite(here).any():
                means[i, j] = np.nanmean(here)
    known = means[np.isfinite(means)]
    if not known.size:
        raise RequestError(f"--z: no cell has a value of {z}")
    by_logarithm = known.min() > 0.0 and known.max() > DECADE * known.min()
    image = axes.pcolormesh(means, norm="log" if by_logarithm else None, rasterized=False)
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels=[f"{value:.3g}" for value in columns], rotation=45)
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=[f"{value:.3g}" for value in rows])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_tick_params(length=0.0)
    axes.set_xlabel(_plain(x))
    axes.set_ylabel(_plain(y))
    axes.figure.colorbar(image, label=_plain(z))


def _fit(axes: Any, cells: Cells) -> None:
    """Every cell, the fitted power law, and the interval in which one further cell lies."""
    x, z = cells.x or cells.axes[0], cells.z or cells.measured[0]
    pairs = [(a, b) for a, b in zip(cells.numbers(x), cells.numbers(z), strict=True) if a > 0.0 and b > 0.0]
    if len(pairs) < FEWEST_OBSERVATIONS or len({a for a, _ in pairs}) < 2:
        raise RequestError(
            f"--x, --z: {len(pairs)} cells with positive {x} and {z} (a power law needs {FEWEST_OBSERVATIONS},"
            " at two places)"
        )
    across, up = map(list, zip(*pairs, strict=True))
    law = power_law(across, up)
    places = np.geomspace(min(across), max(across), 60)
    line = [law.predict(float(place)) for place in places]
    low, high = law.exponent_interval
    axes.fill_between(
        places, [each[1][0] for each in line], [each[1][1] for each in line], color=BLUE, alpha=0.15, linewidth=0.0
    )
    axes.plot(
        places, [each[0] for each in line], color=BLUE, label=f"exponent {law.exponent:.3g} [{low:.3g}, {high:.3g}]"
    )
    axes.scatter(across, up, color=VERMILION, marker="o", s=9, zorder=3, label=f"{len(pairs)} cells")
    axes.set_xscale("log")
    axes.set_yscale("log")
    if len(set(across)) <= MOST_TICKS:
        axes.set_xticks(sorted(set(across)), labels=[f"{place:.3g}" for place in sorted(set(across))])
        axes.xaxis.minorticks_off()
    axes.set_xlabel(_plain(x))
    axes.set_ylabel(_plain(z))
    axes.legend()


def _plain(name: str) -> str:
    """A name in which matplotlib sees no mathematics."""
    return name.replace("$", r"\$")


FIGURES = {
    "heat-map": Sketch(
        "the mean of a result (--z) over two parameters (--x, --y)",
        lambda cells: len(cells.axes) >= 2 and bool(cells.measured),
        _heat_map,
    ),
    "fit": Sketch(
        "a result (--z) against a parameter (--x), with a power law and its interval",
        lambda cells: bool(cells.axes) and bool(cells.measured),
        _fit,
    ),
}
