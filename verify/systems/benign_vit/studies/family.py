"""Families of trained problems: one diagram of samples and signal-to-noise ratio for each setting of all else.

Cells are trained as a phase diagram needs it: step size 0.5/m with m the largest squared token norm, which exceeds the
bound that arXiv:2409.19345 puts on it, to a training loss of 0.01 or for 6000 steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from proofs.benign_vit.condition import CONDITION
from verify.checking.meter import condition_meter
from verify.studies.study import Row
from verify.systems.benign_vit.observed import scales
from verify.systems.benign_vit.problem import Problem
from verify.systems.fields import LARGEST_DIMENSION, Count, Positive


class Training(BaseModel):
    """How the cells of the diagram are drawn and trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    N: Annotated[Count, Field(ge=2, le=4096)] = Field(16, description="training samples")
    M: Annotated[Count, Field(ge=2, le=256)] = Field(4, description="tokens a sample")
    C_p: Positive = Field(10.0, description="noise multiplier of the second token")
    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] = Field(10**6, description="token dimension")
    d_h: Annotated[Count, Field(ge=1, le=LARGEST_DIMENSION)] = Field(
        default_factory=lambda given: given["d"], description="query and key dimension [d]"
    )
    step: Positive = Field(0.5, description="step size in units of 1/m, m the largest squared token norm")
    loss_target: Positive = Field(0.01, description="training loss at which a cell ends")
    max_steps: Annotated[Count, Field(ge=1, le=10**9)] = Field(
        6000, description="steps after which it ends at the latest"
    )
    test_samples: Annotated[Count, Field(ge=2, le=10**6)] = Field(
        1000, description="fresh samples behind the test loss"
    )

    def problem(self, SNR: float) -> Problem:
        """The problem at a signal-to-noise ratio."""
        settings = self.model_dump(exclude={"step", "SNR"}) | {"SNR": SNR}
        scale = Problem.model_validate(settings).token_scale
        return Problem.model_validate(settings | {"step_size": self.step / scale})

    @property
    def family(self) -> dict[str, Any]:
        """Everything but the coordinates of the diagram."""
        return self.model_dump(mode="json", exclude={"N", "SNR"})


class Cutoff(BaseModel):
    """The cut-off that the verdict is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoff: Annotated[float, Field(gt=0, lt=0.69)] = Field(0.4, description="test loss at which the regimes part")


def predicted_crossing(C_p: float) -> float:
    """`N SNR^2 = 2 C_p^2`, where values of signals and of large noise tokens grow equally fast.

    Source: derived, `docs/statements.md#phase-boundary`.
    """
    return 2.0 * C_p**2


def families_of(rows: Sequence[Row]) -> list[tuple[dict[str, Any], list[Row]]]:
    """Rows that differ in nothing but the coordinates of the diagram, in the order of the design."""
    found: dict[str, tuple[dict[str, Any], list[Row]]] = {}
    for row in rows:
        family = {name: value for name, value in row.parameters.items() if name not in ("N", "SNR")}
        found.setdefault(str(family), (family, []))[1].append(row)
    return list(found.values())


def named(families: Sequence[Mapping[str, Any]], family: Mapping[str, Any]) -> str:
    """A family by what sets it apart from the others, and by its size."""
    differs = [name for name in family if len({each[name] for each in families}) > 1]
    shown = list(dict.fromkeys(["M", "C_p", "d", *(name for name in differs if name != "d_h" or not _tied(families))]))
    return " ".join(f"{name}={family[name]:g}" for name in shown)


def _tied(families: Sequence[Mapping[str, Any]]) -> bool:
    return all(each["d"] == each["d_h"] for each in families)


def training_notes(rows: Sequence[Row]) -> list[str]:
    """What of the training departs from the theory, with numbers."""
    ends = [(end, row) for row in rows for end in row.measured.get("trained", [row.measured])]
    late = sum(end["loss"] > row.parameters["loss_target"] for end, row in ends)
    notes = [f"{late} of {len(ends)} trainings ended before their loss reached its target"]
    says, _ = CONDITION["step-size"]
    met = [_met(row, end) for end, row in ends]
    if min(met) < 1.0:
        notes.append(f"the step size exceeds the paper's condition ({says}) by a factor of up to {1 / min(met):.3g}")
    return notes


def _met(row: Row, end: Mapping[str, Any]) -> float:
    """By what factor the step size met the condition on it where a cell was trained; below 1 it did not."""
    samples = row.parameters["N"]
    ratio = row.parameters["SNR"] if "SNR" in row.parameters else math.sqrt(end["N_SNR2"] / samples)
    training = Training.model_validate({name: row.parameters[name] for name in Training.model_fields})
    (requirement,) = condition_meter({"step-size": CONDITION["step-size"]}, scales(training.problem(ratio)), {})
    assert requirement.ratio is not None
    return requirement.ratio
