"""All contestants on one problem: first that they agree, then how long they take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.agreement import Agreement, compare, require_agreement
from benchmarks.contestants import Array, Contestant
from benchmarks.timing import Spread, interleaved

WRONG_STEP = 1.01
"""The planted error that the comparison must see: a step size one per cent too large."""


@dataclass(frozen=True)
class Entrants:
    """Contestants on the same arrays, the reference first.

    `wrong` makes one whose step size is this many times too large.
    """

    contestants: Sequence[Contestant]
    wrong: Callable[[float], Contestant]


@dataclass(frozen=True)
class Target:
    """How many times faster an engine is meant to be than a peer; both by name."""

    engine: str
    peer: str
    aimed: float


@dataclass(frozen=True)
class Meeting:
    """A size at which all contestants run.

    Losses are compared over `compared` steps, times taken in `rounds` rounds; `terms` is the length of the longest sum
    behind an output.
    """

    size: str
    enter: Callable[[], Entrants]
    terms: int
    compared: int
    rounds: int
    targets: Sequence[Target]


@dataclass(frozen=True)
class Outcome:
    """Seconds per step, (contestants, rounds), and how far losses were from the reference's, contestant by contestant.

    The reference comes first.
    """

    meeting: Meeting
    seconds: Array
    agreements: Sequence[Agreement]

    def seconds_of(self, name: str) -> Array:
        """The times of the contestant of this name."""
        seconds: Array = self.seconds[[agreement.name for agreement in self.agreements].index(name)]
        return seconds

    def reached(self, target: Target) -> Spread:
        """How many times longer the peer takes than the engine, paired within rounds."""
        return Spread.of(self.seconds_of(target.peer) / self.seconds_of(target.engine))


def hold(meeting: Meeting) -> Outcome:
    """Compare, then time.

    Raises:
        SystemExit: if contestants disagree.
    """
    entrants = meeting.enter()
    reference = entrants.contestants[0].train(meeting.compared)
    control = compare(reference, entrants.wrong(WRONG_STEP), meeting.terms)
    others = [compare(reference, contestant, meeting.terms) for contestant in entrants.contestants[1:]]
    require_agreement(others, control)
    itself = Agreement(entrants.contestants[0].name, 0.0, 0.0, control.moved)
    return Outcome(meeting, interleaved(entrants.contestants, meeting.rounds), [itself, *others])
