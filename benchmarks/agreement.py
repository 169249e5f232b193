"""Whether all contestants compute the same thing: their losses, step by step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.contestants import Array, Contestant

VISIBLE = 100.0
"""How many times more than the tolerance the loss must move, for an agreement to mean anything."""


@dataclass(frozen=True)
class Agreement:
    """How far a contestant's losses are from the reference's, relative to them."""

    name: str
    difference: float
    tolerance: float
    moved: float

    @property
    def holds(self) -> bool:
        """Whether the difference is rounding, and the losses moved far more than that."""
        return self.difference <= self.tolerance and self.moved >= VISIBLE * self.tolerance


def compare(reference: Array, contestant: Contestant, terms: int) -> Agreement:
    """Train for as many steps as the reference has losses, and compare with them.

    The tolerance is epsilon times the square root of the steps times `terms`, the terms of the longest sum behind an
    output: roundings of random sign.
    """
    steps = len(reference)
    losses = contestant.train(steps)
    return Agreement(
        contestant.name,
        difference=float(np.max(np.abs(losses / reference - 1.0))),
        tolerance=math.sqrt(steps * terms) * contestant.precision,
        moved=float(np.max(np.abs(reference / reference[0] - 1.0))),
    )


def require_agreement(agreements: Sequence[Agreement], control: Agreement) -> None:
    """Refuse to time programs that do different things, or a comparison that cannot tell.

    Raises:
        SystemExit: naming the contestant.
    """
    for agreement in agreements:
        if not agreement.holds:
            raise SystemExit(
                f"benchmarks: {agreement.name} disagrees with the reference:"
                f" relative difference {agreement.difference:.1e}, tolerance {agreement.tolerance:.1e},"
                f" while the loss moved by {agreement.moved:.1e}"
            )
    if control.holds:
        raise SystemExit(f"benchmarks: a wrong step size goes unseen (difference {control.difference:.1e})")
