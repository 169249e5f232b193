"""A trajectory is labelled, and a file keeps its bits."""

from pathlib import Path

import numpy as np
import xarray

from verify.io.trajectory import trajectory_dataset, write_trajectory


def test_a_written_dataset_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dataset = trajectory_dataset(
        steps=[0, 1, 5],
        arrays={
            "loss": rng.standard_normal(3),
            "output": rng.standard_normal((3, 2)),
            "test_loss": np.array([1.0, np.inf, np.nan]),
        },
        dimensions={"loss": (), "output": ("sample",)},
        coordinates={
            "label": ("sample", np.array([1.0, -1.0])),
            "token_sample": ("token", np.array([-1, 0, 1])),
        },
        attributes={"system": "s", "test_samples": 3},
    )
    assert dataset["output"].dims == ("step", "sample")
    assert dataset["test_loss"].dims == ("step",)
    write_trajectory(dataset, tmp_path / "t.nc")
    with xarray.open_dataset(tmp_path / "t.nc") as found:
        assert found.identical(dataset)
        for name in dataset:
            np.testing.assert_array_equal(found[name].values, dataset[name].values)
