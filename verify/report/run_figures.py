"""The figures of a run: loss, loss derivatives, scores, attention, values, margins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.io.saved import SavedRun, relative_margin
from verify.report.colours import BLUE, GREEN, GREY, SERIES, VERDICTS, VERMILION
from verify.report.figure import WIDTHS, Sketch

Array = NDArray[np.float64]

MOST_LINES = len(SERIES)
"""Places of tokens that get a line of their own; the last line takes the rest."""

SMALLEST_MARGIN = 1e-16
"""Relative margins below that are drawn on a line: floats do not resolve them."""


def _loss(axes: Any, run: SavedRun) -> None:
    dataset = run.trajectory
    lines = (
        ("loss", "training loss", BLUE, "-"),
        ("batch_loss", "batch loss", GREY, ":"),
        ("test_loss", "test loss", VERMILION, "--"),
    )
    for name, label, colour, dashes in lines:
        if name in dataset:
            axes.plot(_time(run), dataset[name], color=colour, linestyle=dashes, label=label)
        if f"{name}_low" in dataset:
            axes.fill_between(
                _time(run), dataset[f"{name}_low"], dataset[f"{name}_high"], color=colour, alpha=0.2, linewidth=0.0
            )
    _logarithmic(axes, dataset["loss"].values)
    _finish(axes, run, "loss")


def _loss_derivatives(axes: Any, run: SavedRun) -> None:
    derivative = _flat(run, "loss_derivative")
    axes.fill_between(
        _time(run), derivative.min(axis=1), derivative.max(axis=1), color=BLUE, alpha=0.3, linewidth=0.0, label="all"
    )
    axes.plot(_time(run), np.median(derivative, axis=1), color=BLUE, label="median")
    axes.axhline(0.5, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_ylim(bottom=0.0)
    _finish(axes, run, "loss derivative of a sample")


def _to_itself(name: str, label: str) -> Any:
    """Draw what is recorded of a token as its own key; where there is one query alone, of a token as a key."""

    def draw(axes: Any, run: SavedRun) -> None:
        array, own = run.trajectory[name].values, "query" in run.trajectory[name].dims
        if own:
            array = np.diagonal(array, axis1=-2, axis2=-1)
        for (place, places), (colour, dashes) in zip(_groups(array.shape[-1]), SERIES, strict=False):
            here = array[..., places].reshape(len(array), -1)
            axes.fill_between(_time(run), here.min(axis=1), here.max(axis=1), color=colour, alpha=0.15, linewidth=0.0)
            axes.plot(_time(run), np.median(here, axis=1), color=colour, linestyle=dashes, label=place)
        _finish(axes, run, f"{label} of a token {'to itself' if own else 'as a key'}")

    return draw


def _values(axes: Any, run: SavedRun) -> None:
    dataset = run.trajectory
    size, position = np.abs(dataset["value"].values), dataset["token_position"].values
    for (place, places), (colour, dashes) in zip(_groups(int(position.max()) + 1), SERIES, strict=False):
        here = size[:, np.isin(position, np.arange(position.max() + 1)[places])]
        axes.fill_between(_time(run), here.min(axis=1), here.max(axis=1), color=colour, alpha=0.15, linewidth=0.0)
        axes.plot(_time(run), np.median(here, axis=1), color=colour, linestyle=dashes, label=place)
    _logarithmic(axes, size)
    _finish(axes, run, "absolute value of a token")


def _margins(axes: Any, run: SavedRun) -> None:
    rows = [(name, row, relative_margin(row)) for name, row in run.judged.items()]
    shown = sorted(((name, row, margin) for name, row, margin in rows if margin is not None), key=lambda row: -row[2])
    axes.figure.set_size_inches(WIDTHS["page"], 0.9 + 0.14 * len(shown))
    numbering = run.numbering(None)
    for kind, (colour, marker) in VERDICTS.items():
        places = [place for place, (_, row, _) in enumerate(shown) if row["verdict"] == kind]
        margins = [shown[place][2] for place in places]
        if places:
            axes.scatter(margins, places, color=colour, marker=marker, s=14, label=f"{kind}: {len(places)}", zorder=3)
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    axes.set_xscale("symlog", linthresh=SMALLEST_MARGIN, linscale=0.5)
    least = min(row[2] for row in shown)
    powers = {f"10^{{{power}}}": 10.0**power for power in (-12, -8, -4, 0)}
    ticks = {"0": 0.0, **powers, **{f"-{text}": -value for text, value in powers.items()}}
    axes.set_xticks(list(ticks.values()), labels=[f"${text}$" for text in ticks])
    axes.set_xlim(min(10.0 * least, -SMALLEST_MARGIN), 5.0)
    axes.minorticks_off()
    axes.set_yticks(range(len(shown)), labels=[numbering.both(name).replace("$", r"\$") for name, _, _ in shown])
    axes.tick_params(axis="y", labelsize=6.0, length=0.0)
    axes.grid(axis="y", linewidth=0.3, color="0.85")
    axes.set_xlabel("smallest relative margin over all steps")
    _legend(axes)


def _groups(width: int) -> Iterator[tuple[str, slice]]:
    """Places of tokens, each with its label; those beyond the first few together."""
    for place in range(min(width, MOST_LINES - 1)):
        yield f"token {place}", slice(place, place + 1)
    if width == MOST_LINES:
        yield f"token {width - 1}", slice(width - 1, width)
    elif width > MOST_LINES:
        yield f"tokens {MOST_LINES - 1} to {width - 1}", slice(MOST_LINES - 1, width)


def _time(run: SavedRun) -> Array:
    """Steps, those of a logarithmic axis: step 0 stands at 1/2."""
    steps = np.asarray(run.trajectory["step"].values, dtype=np.float64)
    return np.maximum(steps, 0.5)


def _flat(run: SavedRun, name: str) -> Array:
    array = np.asarray(run.trajectory[name].values, dtype=np.float64)
    return array.reshape(len(array), -1)


def _finish(axes: Any, run: SavedRun, label: str) -> None:
    """Logarithmic steps, the events of the run above the axes, and a legend."""
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(float(_time(run)[-1]), 1.0))
    axes.set_xlabel("gradient step")
    axes.set_ylabel(label)
    reached = sorted((step, name) for name, step in run.record["stages"].items() if step is not None)
    for step, name in reached:
        axes.axvline(max(step, 0.5), color=GREEN, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
        axes.annotate(
            name.replace("_", " "),
            (max(step, 0.5), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-1, -2),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            fontsize=6,
            color=GREEN,
        )
    _legend(axes)


def _legend(axes: Any) -> None:
    """Above the axes, where no line runs."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, columnspacing=1.0, handlelength=1.8, borderaxespad=0.2
    )


def _logarithmic(axes: Any, array: Array) -> None:
    """Let the axis be logarithmic where all is positive and spans a decade."""
    if array.min() > 0.0 and array.max() > 10.0 * array.min():
        axes.set_yscale("log")


def _records(*names: str) -> Any:
    """Whether each of these is recorded step by step."""
    return lambda run: all(name in run.trajectory and "step" in run.trajectory[name].dims for name in names)


FIGURES = {
    "loss": Sketch("training and test loss, with their intervals", _records("loss"), _loss),
    "loss-derivatives": Sketch(
        "loss derivatives: all samples and their median, against 1/2", _records("loss_derivative"), _loss_derivatives
    ),
    "scores": Sketch(
        "scores of tokens as their own keys, by place: smallest, median, largest",
        _records("score"),
        _to_itself("score", "score"),
    ),
    "attention": Sketch(
        "attention of tokens to themselves, by place: smallest, median, largest",
        _records("attention"),
        _to_itself("attention", "attention"),
    ),
    "values": Sketch("absolute values of tokens, by place: smallest, median, largest", _records("value"), _values),
    "margins": Sketch(
        "the smallest relative margin of every statement, by verdict",
        lambda run: any(relative_margin(row) is not None for row in run.judged.values()),
        _margins,
    ),
}
