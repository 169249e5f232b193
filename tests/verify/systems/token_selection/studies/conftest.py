"""Cells of a study with known results in place of measured ones."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from verify.studies.design import Cell, design
from verify.studies.study import Row, Study

Rows = Callable[..., list[Row]]


@pytest.fixture
def rows() -> Rows:
    """Builds the rows of a design: `rows(study, settings, result)`, where `result` sees parameters and replicate."""

    def built(study: Study, settings: Mapping[str, str], result: Callable[[Any, int], Mapping[str, Any]]) -> list[Row]:
        return [
            Row(_dumped(cell), cell.replicate, cell.seed, result(cell.parameters, cell.replicate))
            for cell in design(study, settings, 0, "").cells
        ]

    return built


def _dumped(cell: Cell) -> dict[str, Any]:
    return cell.parameters.model_dump(mode="json")
