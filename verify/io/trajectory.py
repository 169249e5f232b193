"""A run's trajectory as a labelled dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray

TRAJECTORY = "trajectory.nc"
SIDES = "sides.nc"


def trajectory_dataset(
    steps: Sequence[int],
    arrays: Mapping[str, Any],
    dimensions: Mapping[str, tuple[str, ...]],
    coordinates: Mapping[str, tuple[str | tuple[str, ...], Any]],
    attributes: Mapping[str, Any],
) -> xarray.Dataset:
    """Label the collected arrays; pairs `name_low`, `name_high` stay variables of their own."""
    import xarray

    variables = {name: (("step", *dimensions.get(name, ())), array) for name, array in arrays.items()}
    labels: dict[str, Any] = {"step": np.asarray(steps, dtype=np.int64)}
    labels.update({name: (axis, np.asarray(values)) for name, (axis, values) in coordinates.items()})
    return xarray.Dataset(variables, coords=labels, attrs=dict(attributes))


def write_trajectory(dataset: xarray.Dataset, path: Path) -> None:
    """Write a NetCDF file, compressed without loss."""
    encoding = {name: {"zlib": True, "complevel": 4} for name in dataset.data_vars}
    dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)
