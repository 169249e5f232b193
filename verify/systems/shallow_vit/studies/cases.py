"""Problems by name: cells of studies that set some problems against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from verify.errors import RequestError
from verify.systems.fields import Count
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.training import train

Settings = Mapping[str, Any]


class Case(BaseModel):
    """One problem of a study by its name, and how many training samples it has.

    A study gives `base`, the settings that its cases share, and `cases`, what each sets in their place; a case may be
    `shuffled`: its labels are permuted before training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    base: ClassVar[Settings]
    cases: ClassVar[Mapping[str, Settings]]
    shuffled: ClassVar[frozenset[str]] = frozenset()

    case: str = Field(description="problem by name")
    N: Annotated[Count, Field(ge=2, le=10**5)] = Field(24, description="training samples")

    @field_validator("case")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in cls.cases:
            raise RequestError.of("case", value, " or ".join(cls.cases))
        return value

    def problem(self) -> Problem:
        """The problem itself."""
        return Problem.model_validate({**self.base, **self.cases[self.case], "N": self.N})


def measure_case(cell: Case, seed: int) -> dict[str, Any]:
    """Train one problem: steps, loss and test quantities at its end."""
    return train(cell.problem(), seed, shuffled=cell.case in cell.shuffled).record()
