"""Cells of studies, measured or made up."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from verify.studies.design import design
from verify.studies.study import Finding, Judgement, Row, Study

Rows = Callable[..., list[Row]]


def _measured(study: Study, **settings: str) -> list[Row]:
    cells = design(study, settings, seed=0, code="tests").cells
    return [
        Row(
            each.parameters.model_dump(mode="json"),
            each.replicate,
            each.seed,
            study.measure(each.parameters, each.seed),
        )
        for each in cells
    ]


def _made_up(study: Study, result: Callable[[Mapping[str, Any], int], Mapping[str, Any]], **settings: str) -> list[Row]:
    cells = design(study, settings, seed=0, code="tests").cells
    found = []
    for each in cells:
        parameters = each.parameters.model_dump(mode="json")
        found.append(Row(parameters, each.replicate, each.seed, result(parameters, each.seed)))
    return found


@pytest.fixture(scope="session")
def measured() -> Rows:
    """The cells of a study's design, measured."""
    return _measured


@pytest.fixture(scope="session")
def made_up() -> Rows:
    """The cells of a study's design with results from a function of parameters and seed."""
    return _made_up


@pytest.fixture(scope="session")
def findings_of() -> Callable[..., list[Finding]]:
    """The findings about a statement: about itself, or about wrong variants of it."""

    def found(judgement: Judgement, statement: str, control: bool = False) -> list[Finding]:
        return [each for each in judgement.findings if each.statement == statement and each.control is control]

    return found
