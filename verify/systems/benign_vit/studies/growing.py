"""Problems of both regimes that grow with the dimension of queries and keys, and how studies train them.

Letters of arXiv:2409.19345: `d_h` the dimension of queries and keys, `eta` the step size, `m` the largest squared norm
of a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from proofs.language import Event, Stage
from verify.studies.study import Row
from verify.systems.base import Prepared
from verify.systems.benign_vit.dynamics import Reduced
from verify.systems.benign_vit.instance import TokenTable
from verify.systems.benign_vit.observed import statement_data
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.studies.training import SYSTEM
from verify.systems.fields import LARGEST_DIMENSION, Count, NonNegative, Positive

Regime = Literal["benign", "harmful"]


@dataclass(frozen=True)
class Sizes:
    """What a regime is made of: `SNR`, and `pace`, the step size in units of `d_h^(-1/4) / m`."""

    SNR: float
    pace: float


REGIMES: Mapping[Regime, Sizes] = {"benign": Sizes(SNR=14.0, pace=1.0), "harmful": Sizes(SNR=0.5, pace=3.0)}
"""At d_h = 1e8 and, benign, 1e12 these are the presets. The step size exceeds the paper's bound."""


class Growing(BaseModel):
    """A problem of a regime by its size; fields left at `None` follow from the others.

    Examples:
        >>> Growing(regime="harmful", d_h=10**8).problem().step_size == Problem(SNR=0.5, r=300.0).step_size
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    regime: Regime = Field("benign", description="benign: SNR 14; harmful: SNR 0.5")
    d_h: Annotated[Count, Field(ge=1, le=LARGEST_DIMENSION)] = Field(10**8, description="query and key dimension")
    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] | None = Field(None, description="token dimension [d_h]")
    N: Count = Field(20, description="training samples")
    M: Count = Field(4, description="tokens a sample")
    SNR: Positive | None = Field(None, description="signal-to-noise ratio [the regime's]")
    pace: Positive | None = Field(
        None, description="step size in units of d_h^(-1/4) / m [benign 1, harmful 3: as the presets]"
    )
    loss_target: NonNegative = Field(0.0125, description="training loss at which a run ends (the paper's eps)")
    max_steps: Count = Field(600_000, description="gradient steps after which a run ends at the latest")

    def problem(self, **further: Any) -> Problem:
        """The problem itself, with further settings of it.

        Raises:
            pydantic.ValidationError: if a setting is not allowed.
        """
        sizes = REGIMES[self.regime]
        settings: dict[str, Any] = {
            "N": self.N,
            "M": self.M,
            "d": self.d_h if self.d is None else self.d,
            "d_h": self.d_h,
            "SNR": sizes.SNR if self.SNR is None else self.SNR,
            "r": (sizes.pace if self.pace is None else self.pace) * self.d_h**0.25,
            "loss_target": self.loss_target,
            "max_steps": self.max_steps,
        }
        return Problem(**{**settings, **further})


def prepare_to_measure(problem: Problem, seed: int) -> Prepared:
    """A problem ready to be measured: with the data of the statements, without recording norms, which takes time."""
    prepared = SYSTEM.prepare(problem, seed, "reduced")
    instance, dynamics = prepared.instance, cast(Reduced, prepared.dynamics)
    data = statement_data(instance, TokenTable.of(instance), problem, dynamics.directions, dynamics.balance_terms)
    return replace(prepared, constants=data)


def families(rows: Sequence[Row], along: str, told: Sequence[str]) -> dict[str, list[Row]]:
    """Rows that differ in one parameter and their seeds alone, ascending in it.

    The name of a family has the parameters in `told`, and whatever else varies.
    """
    varied = sorted(
        {name for row in rows for name, value in row.parameters.items() if value != rows[0].parameters[name]}
    )
    names = [name for name in dict.fromkeys((*told, *varied)) if name != along]
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.parameters[along], row.replicate)):
        name = " ".join(_named(each, row.parameters[each]) for each in names)
        found.setdefault(name, []).append(row)
    return dict(sorted(found.items()))


def _named(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{name}={value:g}" if isinstance(value, int | float) else f"{name}={value}"


def stage_events(stage: Stage) -> list[str]:
    """The events at which a stage begins and ends."""
    return [each.name for each in (stage.start, stage.end) if isinstance(each, Event)]
