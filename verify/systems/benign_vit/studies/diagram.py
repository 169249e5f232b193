"""The phase diagram: test loss and test error over samples and signal-to-noise ratio."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field

from verify.studies.axes import spaced, spaced_counts
from verify.studies.fits import power_law
from verify.studies.study import HeatMap, Judgement, Row, Sheet, Study
from verify.systems.benign_vit.studies.family import (
    Cutoff,
    Training,
    families_of,
    named,
    predicted_crossing,
    training_notes,
)
from verify.systems.benign_vit.studies.training import train
from verify.systems.fields import Positive


class Place(Training):
    """One cell of the diagram."""

    SNR: Positive = Field(4.0, description="signal-to-noise ratio |mu| / (sigma_p sqrt(d))")


def measure_place(place: Place, seed: int) -> dict[str, Any]:
    """Train one cell: test loss, test error, training loss and steps at its end."""
    return train(place.problem(place.SNR), seed).record()


def judge_diagram(rows: Sequence[Row], question: Cutoff) -> Judgement:
    """The mean test loss and test error of every place, and on which side of the cut-off it lies."""
    families = [family for family, _ in families_of(rows)]
    diagrams, sheets, maps = [], [], []
    for family, members in families_of(rows):
        diagram = _diagram(members, question.cutoff)
        right = _agreement(diagram, family["C_p"])
        diagrams.append({"family": family, **diagram, "agreement_with_prediction": right})
        name = named(families, family)
        sheets.append(_heat_map(f"Test loss, {name} (rows SNR, columns N)", diagram, "test_loss"))
        sheets.append(_heat_map(f"Test error, {name} (rows SNR, columns N)", diagram, "test_error"))
        sheets.append(_cutoff_map(f"Test loss below {question.cutoff:g}, {name}: {right:.0%} as predicted", diagram))
        maps.append(_drawn(f"Test loss, {name}", diagram, question.cutoff, family["C_p"]))
    results = {"cutoff": question.cutoff, **(diagrams[0] if diagrams else {}), "diagrams": diagrams}
    return Judgement(results, [], sheets, training_notes(rows) if rows else [], maps)


def _drawn(title: str, diagram: Mapping[str, Any], cutoff: float, C_p: float) -> HeatMap:
    """The map of test losses, with the boundary fitted to the places at which it crosses the cut-off."""
    samples, ratios = diagram["N"], diagram["SNR"]
    crossings = [
        (each, _crossing(ratios, line, cutoff))
        for each, line in zip(samples, zip(*diagram["test_loss"], strict=True), strict=True)
    ]
    there = [(each, at) for each, at in crossings if at is not None]
    try:
        law = power_law([each for each, _ in there], [at for _, at in there])
    except ValueError as error:
        boundary, note = [], f"No boundary was fitted: {error}."
    else:
        boundary = [(float(each), law.predict(each)[0]) for each in samples]
        low, high = law.exponent_interval
        note = f"Fitted boundary: SNR like N^{law.exponent:.3f} [{low:.3f}, {high:.3f}]; predicted: N^-0.5."
    return HeatMap(
        title=title,
        x_name="N",
        x=samples,
        y_name="SNR",
        y=ratios,
        values=diagram["test_loss"],
        boundary=boundary,
        predicted=[(float(each), math.sqrt(predicted_crossing(C_p) / each)) for each in samples],
        note=f"Cut-off {cutoff:g}. {note}",
    )


def _crossing(ratios: Sequence[float], losses: Sequence[float | None], cutoff: float) -> float | None:
    """The first ratio, between neighbours in the logarithm, at which the loss falls below the cut-off; if it does."""
    for (before, loss), (after, next_loss) in pairwise(zip(ratios, losses, strict=True)):
        if loss is not None and next_loss is not None and loss > cutoff >= next_loss:
            share = (loss - cutoff) / (loss - next_loss)
            return math.exp(math.log(before) + share * math.log(after / before))
    return None


def _diagram(rows: Sequence[Row], cutoff: float) -> dict[str, Any]:
    """Means over seeds on the grid, `None` where no cell finished; rows are signal-to-noise ratios."""
    samples = sorted({row.parameters["N"] for row in rows})
    ratios = sorted({row.parameters["SNR"] for row in rows})
    places: dict[tuple[float, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        places.setdefault((row.parameters["SNR"], row.parameters["N"]), []).append(row.measured)

    def grid(name: str) -> list[list[float | None]]:
        return [
            [
                float(np.mean([end[name] for end in ends])) if (ends := places.get((ratio, each))) else None
                for each in samples
            ]
            for ratio in ratios
        ]

    losses = grid("test_loss")
    return {
        "N": samples,
        "SNR": ratios,
        "test_loss": losses,
        "test_error": grid("test_error"),
        "training_loss": grid("loss"),
        "below_cutoff": [[None if loss is None else loss < cutoff for loss in line] for line in losses],
    }


def _agreement(diagram: Mapping[str, Any], C_p: float) -> float:
    """The share of places on the side of the cut-off that `N SNR^2 = 2 C_p^2` predicts."""
    agree = [
        below == (samples * ratio**2 > predicted_crossing(C_p))
        for ratio, line in zip(diagram["SNR"], diagram["below_cutoff"], strict=True)
        for samples, below in zip(diagram["N"], line, strict=True)
        if below is not None
    ]
    return float(np.mean(agree))


def _heat_map(title: str, diagram: Mapping[str, Any], name: str) -> Sheet:
    return _grid_sheet(title, diagram, name, lambda value: f"{value:.2f}")


def _cutoff_map(title: str, diagram: Mapping[str, Any]) -> Sheet:
    return _grid_sheet(title, diagram, "below_cutoff", lambda below: "#" if below else ".")


def _grid_sheet(title: str, diagram: Mapping[str, Any], name: str, shown: Callable[[Any], str]) -> Sheet:
    lines = [
        [f"{ratio:.3g}", *("" if value is None else shown(value) for value in line)]
        for ratio, line in zip(diagram["SNR"], diagram[name], strict=True)
    ]
    return Sheet(title, ("SNR", *(str(samples) for samples in diagram["N"])), lines[::-1])


PHASE_DIAGRAM = Study(
    name="phase-diagram",
    words="test loss and test error over samples and signal-to-noise ratio, and the map of a cut-off",
    cell=Place,
    axes={"N": spaced_counts(4, 32, 12), "SNR": spaced(1.0, 16.0, 20)},
    seeds=3,
    measure=measure_place,
    judge=judge_diagram,
    measured_as="phase-diagram",
    question=Cutoff,
)
