"""The phase diagram's grid, its map and what it is compared with."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from verify.studies.design import design
from verify.studies.study import Row
from verify.systems.benign_vit.studies.diagram import PHASE_DIAGRAM, Place, judge_diagram, measure_place
from verify.systems.benign_vit.studies.family import Cutoff


def place(samples: int, ratio: float, test_loss: float, replicate: int = 0) -> Row:
    end = {"steps": 10, "loss": 0.005, "test_loss": test_loss, "test_error": 0.0}
    return Row(Place(N=samples, SNR=ratio).model_dump(mode="json"), replicate, 0, end)


def test_places_are_averaged_over_seeds_and_mapped() -> None:
    rows = [place(8, 2.0, 0.5), place(8, 2.0, 0.7, 1), place(8, 9.0, 0.1), place(16, 9.0, 0.2)]
    results = judge_diagram(rows, Cutoff(cutoff=0.4)).results
    assert results["N"] == [8, 16]
    assert results["SNR"] == [2.0, 9.0]
    assert results["test_loss"] == [[0.6, None], [0.1, 0.2]]
    assert results["below_cutoff"] == [[False, None], [True, True]]
    # 8 * 4 < 200 < 8 * 81 < 16 * 81
    assert results["agreement_with_prediction"] == 1.0


def test_a_map_on_the_wrong_side_disagrees_with_the_prediction() -> None:
    results = judge_diagram([place(8, 2.0, 0.1), place(8, 9.0, 0.1)], Cutoff()).results
    assert results["agreement_with_prediction"] == 0.5


@given(st.floats(-0.8, -0.2), st.floats(5.0, 12.0))
def test_a_boundary_that_is_a_power_law_is_found_on_the_map(exponent: float, constant: float) -> None:
    """Losses that fall like a power through the cut-off: the crossing is exact between neighbours."""

    def row(samples: int, ratio: float) -> Row:
        above = np.log(ratio / (constant * samples**exponent))
        measured = {"test_loss": 0.4 - 0.1 * float(above), "test_error": 0.0, "loss": 0.01}
        return Row(Place(N=samples, SNR=ratio).model_dump(mode="json"), 0, 1, measured)

    rows = [row(samples, float(ratio)) for samples in (4, 8, 16, 32) for ratio in np.geomspace(0.1, 40.0, 14)]
    found = judge_diagram(rows, Cutoff(cutoff=0.4)).maps[0]
    wanted = [(samples, constant * samples**exponent) for samples in (4, 8, 16, 32)]
    np.testing.assert_allclose(found.boundary, wanted, rtol=1e-9)
    np.testing.assert_allclose([n * ratio**2 for n, ratio in found.predicted], 200.0)


def test_a_map_without_a_crossing_has_no_boundary() -> None:
    rows = [
        Row(Place(N=samples, SNR=2.0).model_dump(mode="json"), 0, 1, {"test_loss": 0.7, "test_error": 0.5, "loss": 0.1})
        for samples in (4, 8, 16)
    ]
    found = judge_diagram(rows, Cutoff(cutoff=0.4)).maps[0]
    assert list(found.boundary) == []
    assert "No boundary was fitted" in found.note


def test_trainings_that_end_early_are_told() -> None:
    row = place(8, 2.0, 0.5)
    late = Row(row.parameters, 1, 0, {**row.measured, "loss": 0.02})
    notes = judge_diagram([row, late], Cutoff()).notes
    assert any("1 of 2 trainings ended before" in note for note in notes)


def test_cells_repeat_bit_for_bit_and_differ_between_seeds() -> None:
    cell = Place(N=4, SNR=9.0, max_steps=200)
    assert measure_place(cell, seed=3) == measure_place(cell, seed=3)
    assert measure_place(cell, seed=3)["test_loss"] != measure_place(cell, seed=4)["test_loss"]


def test_the_default_design_is_twelve_by_twenty_by_three() -> None:
    assert len(design(PHASE_DIAGRAM, {}, 0, "").cells) == 12 * 20 * 3
