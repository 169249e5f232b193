"""Problems that grow are the presets where presets exist, and families come apart."""

import pytest

from verify.studies.study import Row
from verify.systems.benign_vit.problem import PRESETS, Problem
from verify.systems.benign_vit.studies.growing import Growing, families


@pytest.mark.parametrize(
    ("preset", "cell"),
    [
        ("benign", Growing(regime="benign", d_h=10**8)),
        ("harmful", Growing(regime="harmful", d_h=10**8)),
        ("benign-asymptotic", Growing(regime="benign", d_h=10**12)),
    ],
)
def test_at_the_presets_sizes_they_are_the_presets(preset: str, cell: Growing) -> None:
    expected = Problem(**PRESETS[preset].settings).model_dump()
    found = cell.problem(max_steps=expected["max_steps"]).model_dump()
    assert found == pytest.approx(expected)


def row(replicate: int = 0, **parameters: object) -> Row:
    return Row({"regime": "benign", "d_h": 100, "N": 20, **parameters}, replicate, 0, {})


def test_families_ascend_and_are_told_apart_by_what_varies() -> None:
    rows = [row(d_h=300), row(1), row(0), row(N=30), row(regime="harmful")]
    found = families(rows, "d_h", ("regime",))
    assert list(found) == ["benign N=20", "benign N=30", "harmful N=20"]
    assert [(each.parameters["d_h"], each.replicate) for each in found["benign N=20"]] == [(100, 0), (100, 1), (300, 0)]
    assert list(families(rows[:3], "d_h", ("regime",))) == ["benign"]
