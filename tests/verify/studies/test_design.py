"""From a study to its cells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from verify.errors import RequestError
from verify.studies.design import Cell, design
from verify.studies.study import Judgement, Study


class Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    N: int = Field(4, ge=1)
    SNR: float = Field(1.0, gt=0)


class Question(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    N: int = 100


def of(measured_as: str = "cells", question: type[BaseModel] | None = None) -> Study:
    more: dict[str, Any] = {} if question is None else {"question": question}
    return Study(
        "name", "words", Parameters, {"N": (4, 8)}, 2, lambda *_: {}, lambda *_: Judgement({}), measured_as, **more
    )


def cells(seed: int = 0, code: str = "c0de", study: Study | None = None, **settings: str) -> list[Cell]:
    return list(design(study or of(), settings, seed, code).cells)


def identities(found: list[Cell]) -> set[tuple[str, int]]:
    return {(cell.key, cell.seed) for cell in found}


values = st.lists(st.integers(1, 50), min_size=1, max_size=8, unique=True)
ratios = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5, unique=True)


def words(numbers: list[Any]) -> str:
    return ",".join(map(repr, numbers))


@given(values, ratios, st.integers(1, 4), st.integers(0, 2**128 - 1))
def test_no_two_cells_share_a_seed_or_a_key(N: list[int], SNR: list[float], seeds: int, seed: int) -> None:
    found = cells(seed, N=words(N), SNR=words(SNR), seeds=str(seeds))
    assert len(found) == len(N) * len(SNR) * seeds
    assert len({cell.seed for cell in found}) == len({cell.key for cell in found}) == len(found)
    assert all(0 <= cell.seed < 2**128 for cell in found)


@given(st.data(), ratios, st.integers(1, 3))
def test_further_values_and_seeds_leave_the_other_cells_as_they_are(
    data: st.DataObject, SNR: list[float], seeds: int
) -> None:
    N = data.draw(st.lists(st.integers(1, 50), min_size=2, max_size=8, unique=True))
    fewer = data.draw(st.permutations(N))[: data.draw(st.integers(1, len(N)))]
    small = cells(N=words(fewer), SNR=words(SNR), seeds=str(seeds))
    large = cells(N=words(N), SNR=words(SNR[::-1]), seeds=str(seeds + 1))
    assert identities(small) < identities(large)


@given(values)
def test_a_default_is_the_same_cell_whether_it_is_named_or_not(N: list[int]) -> None:
    assert identities(cells(N=words(N))) == identities(cells(N=words(N), SNR="1.0"))


def test_each_of_what_determines_a_cell_changes_it() -> None:
    base = cells()
    for other in (cells(seed=1), cells(study=of("others")), cells(SNR="2")):
        assert {cell.seed for cell in base}.isdisjoint(cell.seed for cell in other)
        assert {cell.key for cell in base}.isdisjoint(cell.key for cell in other)


def test_other_code_measures_the_same_draws_anew() -> None:
    base, other = cells(), cells(code="0ther")
    assert [cell.seed for cell in base] == [cell.seed for cell in other]
    assert {cell.key for cell in base}.isdisjoint(cell.key for cell in other)


def test_studies_that_measure_alike_share_cells_whatever_they_ask() -> None:
    assert identities(cells(study=of(question=Question))) == identities(cells())


def test_a_field_of_both_cell_and_question_belongs_to_the_question() -> None:
    asked = design(of(question=Question), {"N": "1000"}, 0, "c0de")
    assert asked.question == Question(N=1000)
    assert asked.axes == {"N": (4, 8)}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": "1"}, "width: no such field of the study name (fields: N SNR seeds"),
        ({"N": "0"}, "N: '0' is not allowed"),
        ({"N": "4,x"}, "N: 'x' is not allowed"),
        ({"SNR": "1..0:3"}, "SNR: '1..0:3' is not allowed"),
        ({"seeds": "0"}, "seeds: '0' is not allowed"),
        ({"seeds": "1.5"}, "seeds: '1.5' is not allowed"),
        ({"seeds": "1e5", "N": "1..1e6:100"}, "cells: '10,000,000' is not allowed"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(RequestError) as refused:
        design(of(), settings, 0, "c0de")
    assert says in str(refused.value)
