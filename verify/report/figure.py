"""Figures of a saved run or of a study's store, in the size and form that journals print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.errors import RequestError
from verify.io.nearest import unknown_name
from verify.io.saved import SavedRun
from verify.report.cells import Cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")

WIDTHS = {"column": 3.3, "page": 6.8}
"""Inches: one column of a journal of two, and its whole width."""

ASPECT = 0.68
DOTS_PER_INCH = 300

STYLE: Mapping[str, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # letters stay letters: many journals refuse Type 3
    "svg.hashsalt": "verify",
    "savefig.dpi": DOTS_PER_INCH,
    "image.cmap": "cividis",
}

Draw = Callable[[Any, Any], None]
"""Draws what a run or a store holds on axes."""


@dataclass(frozen=True)
class Sketch:
    """A figure that can be made: what it shows, what the source must have for it, how it is drawn."""

    shows: str
    possible: Callable[[Any], bool]
    draw: Draw


def sketches(source: SavedRun | Cells) -> dict[str, Sketch]:
    """The figures that a source has what it takes for, by name."""
    if isinstance(source, SavedRun):
        from verify.report.run_figures import FIGURES
    else:
        from verify.report.study_figures import FIGURES
    return {name: sketch for name, sketch in FIGURES.items() if sketch.possible(source)}


def draw_figure(source: SavedRun | Cells, name: str, width: str = "column") -> Figure:
    """Draw one figure.

    Raises:
        RequestError: if the source has no such figure, or matplotlib is not installed.
    """
    known = sketches(source)
    if name not in known:
        raise RequestError(f"NAME: {unknown_name(name, known, str(source))} (figures: {' '.join(known)})")
    if width not in WIDTHS:
        raise RequestError.of("--width", width, " or ".join(WIDTHS))
    with _matplotlib() as figure_class:
        figure = figure_class(figsize=(WIDTHS[width], ASPECT * WIDTHS[width]))
        known[name].draw(figure.subplots(), source)
    return figure


def write_figure(source: SavedRun | Cells, name: str, path: Path, style: str, width: str = "column") -> None:
    """Draw one figure and write it whole or not at all; the same source gives the same bytes.

    Raises:
        RequestError: if it cannot be drawn or written.
    """
    if style not in FORMATS:
        raise RequestError.of("--format", style, " or ".join(FORMATS))
    figure = draw_figure(source, name, width)
    dates: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _matplotlib():
                figure.savefig(scratch, format=style, metadata=dates[style])
            os.replace(scratch, path)
        finally:
            with suppress(OSError):
                scratch.unlink()
    except OSError as error:
        raise RequestError(f"--out: {path} cannot be written ({error.strerror})") from None


@contextmanager
def _matplotlib() -> Iterator[type[Figure]]:
    """Matplotlib without a display and with the style of the figures, for as long as one is drawn or written."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise RequestError("figures need matplotlib: pip install 'verify[figures]'") from None
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        yield Figure
