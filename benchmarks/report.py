"""What contestants did, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.meeting import Meeting, Outcome
from benchmarks.tables import spread, spread_of_time, table
from benchmarks.timing import Spread


def machine_lines(machine: Mapping[str, str]) -> str:
    """The machine, one line for each of its traits."""
    return "".join(f"- {what}: {value}\n" for what, value in machine.items())


def times(outcomes: Sequence[Outcome]) -> str:
    """A table of times for each size."""
    return "\n".join(f"#### {outcome.meeting.size}\n\n{_times(outcome)}" for outcome in outcomes)


def targets(outcomes: Sequence[Outcome]) -> str:
    """How many times faster than the peers the engines are, beside what was aimed at."""
    return against_targets(
        (outcome.meeting, target.engine, target.peer, target.aimed, outcome.reached(target))
        for outcome in outcomes
        for target in outcome.meeting.targets
    )


def against_targets(rows: Iterable[tuple[Meeting, str, str, float, Spread]]) -> str:
    """Size, engine, peer, the ratio aimed at, and the one found."""
    return table(
        ("", "engine", "peer", "aimed at", "times faster"),
        (
            (meeting.size, engine, peer, f"{aimed:,.0f}", f"{spread(found)} ({_verdict(found, aimed)})")
            for meeting, engine, peer, aimed, found in rows
        ),
    )


def agreements(outcomes: Sequence[Outcome]) -> str:
    """How far losses are from the reference's, and what rounding allows; all sizes have the same contestants."""
    by_contestant = list(zip(*(outcome.agreements for outcome in outcomes), strict=True))
    rows = [
        [each[0].name, *(f"{a.difference:.1e} (≤ {a.tolerance:.1e})" for a in each)] for each in by_contestant[1:]
    ]
    moved = ["*the loss moved by*", *(f"{reference.moved:.2g}" for reference in by_contestant[0])]
    heads = (f"{outcome.meeting.size}, {outcome.meeting.compared} steps" for outcome in outcomes)
    return table(("", *heads), [*rows, moved])


def _times(outcome: Outcome) -> str:
    return table(
        ("", "time per step", "over the first"),
        (
            (agreement.name, spread_of_time(Spread.of(seconds)), spread(Spread.of(seconds / outcome.seconds[0])))
            for agreement, seconds in zip(outcome.agreements, outcome.seconds, strict=True)
        ),
    )


def _verdict(found: Spread, aimed: float) -> str:
    return "reached" if found.median >= aimed else "missed"
