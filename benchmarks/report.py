"""What contestants did, as Markdown."""

from collections.abc import Mapping, Sequence

from benchmarks.agreement import Agreement
from benchmarks.meeting import Outcome
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
    rows = []
    for outcome in outcomes:
        for target in outcome.meeting.targets:
            found = outcome.reached(target)
            verdict = "reached" if found.median >= target.aimed else "missed"
            aimed = f"{target.aimed:,.0f}"
            rows.append((outcome.meeting.size, target.engine, target.peer, aimed, f"{spread(found)} ({verdict})"))
    return table(("", "engine", "peer", "aimed at", "times faster"), rows)


def agreements(outcomes: Sequence[Outcome]) -> str:
    """How far losses are from those of the first contestant, and what rounding allows."""
    found = [{agreement.name: agreement for agreement in outcome.agreements[1:]} for outcome in outcomes]
    names = list(dict.fromkeys(name for of_size in found for name in of_size))
    rows = [[name, *(_difference(of_size.get(name)) for of_size in found)] for name in names]
    moved = ["*the loss moved by*", *(f"{outcome.agreements[0].moved:.2g}" for outcome in outcomes)]
    heads = (f"{outcome.meeting.size}, {outcome.meeting.compared} steps" for outcome in outcomes)
    return table(("", *heads), [*rows, moved])


def _difference(agreement: Agreement | None) -> str:
    return "" if agreement is None else f"{agreement.difference:.1e} (≤ {agreement.tolerance:.1e})"


def _times(outcome: Outcome) -> str:
    return table(
        ("", "time per step", "over the first"),
        (
            (agreement.name, spread_of_time(Spread.of(seconds)), spread(Spread.of(seconds / outcome.seconds[0])))
            for agreement, seconds in zip(outcome.agreements, outcome.seconds, strict=True)
        ),
    )
