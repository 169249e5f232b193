"""Attention at recorded steps, small enough to be carried by the page."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from verify.report.page.charts import DARK, LIGHT

if TYPE_CHECKING:
    import xarray

MOST_STEPS = 120
MOST_MAPS = 12
LARGEST_MAP = 4096
"""Entries of one map; larger ones are not shown."""

LEVELS = 255
"""Attention is carried to within half of one of so many parts of 1."""


@dataclass(frozen=True)
class AttentionMaps:
    """What the page's slider shows: `names` of the maps, their `shape`, the `steps`, and all as JSON in `data`."""

    names: Sequence[str]
    shape: tuple[int, int]
    steps: Sequence[int]
    data: str
    row_name: str
    column_name: str
    note: str


def attention_maps(trajectory: xarray.Dataset) -> AttentionMaps | None:
    """The maps of a trajectory: one a sample, or one of all samples where there is a single query."""
    if "attention" not in trajectory:
        return None
    attention = trajectory["attention"]
    taken = np.unique(np.linspace(0, attention.sizes["step"] - 1, MOST_STEPS).round().astype(int))
    values = attention.values[taken]
    row_name, column_name = (str(each) for each in attention.dims[-2:])
    if values.ndim == 3:
        values = values[:, None]
        names = [""]
    else:
        names = _names(trajectory, str(attention.dims[1]), values.shape[1])
    rows, columns = values.shape[2:]
    if rows * columns > LARGEST_MAP or not values.size:
        return None
    shown = values[:, :MOST_MAPS]
    note = ""
    if values.shape[1] > MOST_MAPS:
        note = f"The first {MOST_MAPS} of {values.shape[1]:,}; trajectory.nc has them all."
    levels = np.rint(np.nan_to_num(np.clip(shown, 0.0, 1.0)) * LEVELS).astype(np.uint8)
    steps = [int(step) for step in trajectory["step"].values[taken]]
    data = {
        "steps": steps,
        "maps": shown.shape[1],
        "rows": rows,
        "columns": columns,
        "levels": LEVELS,
        "light": LIGHT,
        "dark": DARK,
    }
    packed = base64.b64encode(levels.tobytes()).decode("ascii")
    return AttentionMaps(
        names=names[:MOST_MAPS],
        shape=(rows, columns),
        steps=steps,
        data=json.dumps({**data, "values": packed}),
        row_name=row_name,
        column_name=column_name,
        note=note,
    )


def _names(trajectory: xarray.Dataset, axis: str, count: int) -> list[str]:
    """The maps by their samples, with the label where the trajectory knows it."""
    samples = trajectory[f"{axis}_sample"].values if f"{axis}_sample" in trajectory else np.arange(count)
    labels = trajectory["label"].values if "label" in trajectory else None
    names = [f"{int(sample)}" for sample in samples]
    if labels is None or max(map(int, samples), default=0) >= len(labels):
        return [f"sample {name}" for name in names]
    return [
        f"sample {name}, y = {'+' if labels[int(sample)] > 0 else '−'}1"
        for name, sample in zip(names, samples, strict=True)
    ]
