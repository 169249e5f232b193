"""What every system promises of its studies."""

import pytest

from verify.studies.axes import written
from verify.studies.design import SEEDS, design
from verify.systems.base import find_system, system_names


@pytest.mark.parametrize("name", system_names())
def test_the_ledger_names_studies_that_there_are(name: str) -> None:
    system = find_system(name)
    known = {study.name for study in system.studies()}
    named = {study for headline in system.ledger().values() for study in headline.studies}
    assert named <= known


@pytest.mark.parametrize("name", system_names())
def test_every_default_design_is_one_and_says_what_it_answers(name: str) -> None:
    studies = find_system(name).studies()
    assert len({study.name for study in studies}) == len(studies)
    for study in studies:
        assert study.words
        designed = design(study, {}, 0, "")
        assert len({cell.seed for cell in designed.cells}) == len(designed.cells)


@pytest.mark.parametrize("name", system_names())
def test_axes_can_be_given_as_they_are_listed(name: str) -> None:
    for study in find_system(name).studies():
        asked = study.question.model_fields
        words = {field: written(values) for field, values in study.axes.items() if field not in asked}
        given = design(study, {**words, SEEDS: str(study.seeds)}, 0, "")
        assert {cell.key for cell in given.cells} == {cell.key for cell in design(study, {}, 0, "").cells}


@pytest.mark.parametrize("name", system_names())
def test_every_field_of_a_cell_is_described(name: str) -> None:
    for study in find_system(name).studies():
        for model in (study.cell, study.question):
            assert [field for field, info in model.model_fields.items() if not info.description] == []
