"""How far a problem is inside the condition of its paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from proofs.language import Claim, Observable, Size


@dataclass(frozen=True)
class Requirement:
    """One requirement: as the paper says it, both sides with hidden constants set to one, and their ratio.

    `ratio` above 1 means that the requirement is met with its constant at 1. Sides are `None` where the
    instance does not determine a symbol.
    """

    name: str
    says: str
    relation: str
    lhs: float | None
    rhs: float | None

    @property
    def ratio(self) -> float | None:
        """By what factor the requirement is met; below 1 it is not."""
        if self.lhs is None or self.rhs is None or self.lhs == 0.0 or self.rhs == 0.0:
            return None
        return self.lhs / self.rhs if self.relation in (">=", ">") else self.rhs / self.lhs

    def record(self) -> dict[str, Any]:
        """The requirement as `verdicts.json` holds it."""
        return {
            "requirement": self.name,
            "says": self.says,
            "lhs": self.lhs,
            "relation": self.relation,
            "rhs": self.rhs,
            "ratio": self.ratio,
        }


def condition_meter(
    condition: Mapping[str, tuple[str, Claim]], constants: Mapping[str, Any], sizes: Mapping[str, int]
) -> list[Requirement]:
    """Evaluate each requirement on the data of an instance."""
    return [
        Requirement(name, says, claim.relation, _side(claim.lhs, constants, sizes), _side(claim.rhs, constants, sizes))
        for name, (says, claim) in condition.items()
    ]


def _side(expression: Any, constants: Mapping[str, Any], sizes: Mapping[str, int]) -> float | None:
    values: dict[Any, Any] = {size: sympy.Integer(sizes[size.name]) for size in expression.atoms(Size)}
    for observable in expression.atoms(Observable):
        if observable.name not in constants:
            return None
        values[observable] = sympy.Float(float(constants[observable.name]), 30)
    return float(expression.xreplace(values))
