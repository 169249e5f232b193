"""All contestants on one problem: first that they agree, then how long they take."""

from dataclasses import dataclass

from benchmarks.agreement import Agreement, compare, require_agreement
from benchmarks.contestants import Contestant, reduced_engine, weights_engine
from benchmarks.numpy_peer import NumpyWeights
from benchmarks.problems import Meeting
from benchmarks.timing import Spread, interleaved, ratios
from benchmarks.torch_peers import torch_peers

WRONG_STEP = 1.01
"""The planted error that the comparison must see: a step size one per cent too large."""


@dataclass(frozen=True)
class Result:
    """One contestant's time per step, that over the reduced engine's, and how far its losses were from it."""

    name: str
    seconds: Spread
    ratio: Spread
    agreement: Agreement


def hold(meeting: Meeting) -> list[Result]:
    """Compare, then time; the reduced engine comes first.

    Raises:
        SystemExit: if contestants disagree.
    """
    instance = meeting.instance()
    reference = reduced_engine(instance).train(meeting.compared)
    control = compare(meeting, reference, NumpyWeights(instance, step_factor=WRONG_STEP))
    contestants: list[Contestant] = [
        reduced_engine(instance),
        weights_engine(instance),
        NumpyWeights(instance),
        *torch_peers(instance),
    ]
    agreements = [compare(meeting, reference, contestant) for contestant in contestants]
    require_agreement(agreements, control)
    times = interleaved(contestants, meeting.rounds)
    return [
        Result(agreement.name, Spread.of(row), ratio, agreement)
        for agreement, row, ratio in zip(agreements, times, ratios(times, to=0), strict=True)
    ]
