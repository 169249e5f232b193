"""What training did, drawn: losses, loss derivatives, values, scores, and the laws that are lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from proofs.language import Lemma
from proofs.language.statements import Statement
from verify.report.page.charts import Chart, Line, Mark, Span
from verify.report.page.scales import Array

if TYPE_CHECKING:
    import xarray

LOOKS = ("one", "two", "three", "four", "five")
"""Classes of lines, in the order of use."""

MOST_GROUPS = 5
STEP = "step"


def dynamics_charts(trajectory: xarray.Dataset, stages: Mapping[str, int | None]) -> list[Chart]:
    """The charts of a trajectory, whatever system made it: of what it holds, those that are known here."""
    events = event_marks(stages)
    steps = trajectory["step"].values.astype(float)
    charts = [
        _losses(trajectory, steps, events),
        _derivatives(trajectory, steps, events),
        _margins(trajectory, steps, events),
        _values(trajectory, steps, events),
        _scores(trajectory, steps, events),
        _shares(trajectory, steps, events),
    ]
    return [chart for chart in charts if chart is not None and not chart.is_empty]


def event_marks(stages: Mapping[str, int | None]) -> list[Mark]:
    """The events that occurred, where they did."""
    return [Mark(float(step), name) for name, step in stages.items() if step is not None]


def _scalars(trajectory: xarray.Dataset) -> list[str]:
    """Quantities with one value a step, the ends of intervals left out."""
    names = [str(name) for name, array in trajectory.data_vars.items() if array.dims == ("step",)]
    return [name for name in names if not (name.endswith(("_low", "_high")) and name.rpartition("_")[0] in names)]


def _line(trajectory: xarray.Dataset, steps: Array, name: str, look: str) -> Line:
    ends = [trajectory[each].values if (each := name + end) in trajectory else None for end in ("_low", "_high")]
    return Line(name.replace("_", " "), steps, trajectory[name].values, look, *ends)


def _losses(trajectory: xarray.Dataset, steps: Array, events: Sequence[Mark]) -> Chart | None:
    names = [name for name in _scalars(trajectory) if name.endswith("loss")]
    lines = [_line(trajectory, steps, name, look) for name, look in zip(names, LOOKS, strict=False)]
    return Chart("Loss", STEP, "loss", lines, events=events, y_kind="log", note=_intervals(lines)) if lines else None


def _shares(trajectory: xarray.Dataset, steps: Array, events: Sequence[Mark]) -> Chart | None:
    names = [name for name in _scalars(trajectory) if not name.endswith("loss")]
    lines = [_line(trajectory, steps, name, look) for name, look in zip(names, LOOKS, strict=False)]
    title = "Test quantities and attention, as shares"
    return Chart(title, STEP, "share", lines, events=events, y_kind="linear", note=_intervals(lines)) if lines else None


def _intervals(lines: Sequence[Line]) -> str:
    return "Bands are 95 % intervals over test samples." if any(line.low is not None for line in lines) else ""


def _spread(name: str, steps: Array, values: Array, look: str) -> Line:
    """The median over everything but the steps, and the range around it."""
    flat = values.reshape(len(values), -1)
    return Line(name, steps, np.median(flat, axis=1), look, flat.min(axis=1), flat.max(axis=1))


def _derivatives(trajectory: xarray.Dataset, steps: Array, events: Sequence[Mark]) -> Chart | None:
    """The loss derivatives; those of the logistic loss, which begin near 1/2, with that level."""
    if "loss_derivative" not in trajectory:
        return None
    line = _spread("median loss derivative", steps, trajectory["loss_derivative"].values, "one")
    near_half = bool(0.25 < line.y[0] < 0.75)
    title = "Loss derivatives, a band around 1/2" if near_half else "Loss derivatives"
    levels = [Mark(0.5, "1/2")] if near_half else []
    return Chart(
        title, STEP, "loss derivative", [line], events=events, levels=levels, y_kind="linear", note=_over("samples")
    )


def _over(what: str) -> str:
    return f"The band reaches from the smallest to the largest over all {what}."


def _margins(trajectory: xarray.Dataset, steps: Array, events: Sequence[Mark]) -> Chart | None:
    if "output" not in trajectory or "label" not in trajectory:
        return None
    margins = trajectory["output"].values * trajectory["label"].values
    line = _spread("median of y f", steps, margins, "one")
    return Chart("Outputs times labels", STEP, "y f", [line], events=events, y_kind="linear", note=_over("samples"))


def _values(trajectory: xarray.Dataset, steps: Array, events: Sequence[Mark]) -> Chart | None:
    if "value" not in trajectory.data_vars:
        return None
    value = np.abs(trajectory["value"].values)
    groups: dict[str, Array] = {"tokens": np.ones(value.shape[1], dtype=bool)}
    if "token_position" in trajectory:
        position = trajectory["token_position"].values
        names = {place: "signals" if place == 0 else f"noise tokens at place {place}" for place in np.unique(position)}
        if len(names) <= MOST_GROUPS:
            groups = {name: position == place for place, name in names.items()}
    lines = [
        _spread(name, steps, value[:, which], look) for (name, which), look in zip(groups.items(), LOOKS, strict=False)
    ]
    return Chart(
        "Values, by size", STEP, "absolute value", lines, events=events, note=f"Medians. {_over('tokens of a kind')}"
    )


def _scores(trajectory: xarray.Dataset, steps: Array, events: Sequence[Mark]) -> Chart | None:
    if "score" not in trajectory:
        return None
    score = trajectory["score"].values
    with np.errstate(invalid="ignore"):
        gap = np.sort(score, axis=-1)
        largest = gap[..., -1] - gap[..., 0]
    line = _spread("median over queries", steps, largest, "one")
    title = "Score gaps: the largest score of a query less its smallest"
    return Chart(title, STEP, "gap", [line], events=events, y_kind="log", note=_over("queries and samples"))


def law_charts(
    sides: xarray.Dataset | None, statements: Mapping[str, Statement], stages: Mapping[str, int | None]
) -> Iterator[tuple[str, Chart]]:
    """Laws in time, by lemma: the left side against the right one, a line through the origin where the law holds."""
    if sides is None:
        return
    for place in range(sides.sizes.get("law", 0)):
        law = sides.isel(law=place)
        name, number = str(law["law_lemma"].item()), int(law["law_number"].item())
        lemma = statements.get(name)
        if not isinstance(lemma, Lemma) or number >= len(lemma.claims):
            continue
        claim = lemma.claims[number]
        known = np.isfinite(law["law_rhs"].values)
        if known.sum() < 2:
            continue
        rhs, lhs, low, high = (law[f"law_{each}"].values[known] for each in ("rhs", "lhs", "lhs_low", "lhs_high"))
        steps = law["step"].values[known]
        lines = [Line("median left side", rhs, lhs, "one", low, high)]
        if claim.relation == "~":
            lines.append(Line("equality", rhs, rhs, "two dashed"))
        end = _end_of_stage(lemma, stages, steps, rhs)
        spans = [Span(float(rhs[0]), end, lemma.stage.name)] if end is not None else []
        marks = [
            Mark(float(np.interp(step, steps, rhs)), event)
            for event, step in stages.items()
            if step is not None and steps[0] < step <= steps[-1]
        ]
        note = (
            f"{lemma.words} If so, this is a line{' of slope 1' if claim.relation == '~' else ''}."
            f" {_over('elements that the law is about')}"
        )
        yield (
            name,
            Chart(
                name,
                "right side",
                "left side",
                lines,
                spans=spans,
                events=marks,
                x_kind="linear",
                y_kind="linear",
                note=note,
            ),
        )


def _end_of_stage(lemma: Lemma, stages: Mapping[str, int | None], steps: Any, rhs: Array) -> float | None:
    """Where on the axis of the right side the law's stage is over, if it ends."""
    end = None if lemma.stage.end is None else stages.get(lemma.stage.end.name)
    return None if end is None else float(np.interp(end, steps, rhs))
