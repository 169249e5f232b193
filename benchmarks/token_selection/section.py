"""The section on `token-selection`."""

from collections.abc import Callable, Sequence

from benchmarks import machine, report
from benchmarks.meeting import Outcome, hold
from benchmarks.tables import spread, spread_of_time, table
from benchmarks.token_selection import whole_run
from benchmarks.token_selection.meetings import MEETINGS, SAMPLES, TOKENS, arrays
from benchmarks.token_selection.whole_run import WholeRun

SECTION = """### The same problem, side by side

Time of one gradient step on the same arrays, n={samples}, T={tokens}, full W (d, d) from a uniform start. The engines
record scores, attention, outputs and the loss of every step and judge nothing; the peers record the loss. *as
published* is the published program's training loop, written afresh: a module, SGD and a data loader, scores as
(X W) p, so that W meets every token. *X (W p)* is the same loop with W meeting vectors alone. *by hand* is the fastest
NumPy and PyTorch were brought to on full weights: no graph, no gradient of the size of W, W updated in place.

{times}
### How many times faster the reduced engine is

Much of the ratio is arithmetic that the published order of products and full weights ask for, and inner products of
tokens do not: what remains beside the best program on full weights stands in the tables above.

{targets}
### Whole runs

{steps:,} steps from the same arrays in memory, inner products of tokens included. Beginnings are measured; steps are
counted at the time of one, as above. Aimed at: {aimed:g} times.

{wholes}
### That they compute the same

Largest relative difference of the losses from the reduced engine's, and what rounding allows.

{agreements}"""


def measure(tell: Callable[[str], None]) -> str:
    """Measure everything of the section; `tell` hears what comes next."""
    outcomes, wholes = [], []
    with machine.one_thread():
        for d, meeting in MEETINGS.items():
            tell(f"side by side at {meeting.size}")
            outcomes.append(hold(meeting))
            tell(f"whole runs at {meeting.size}")
            wholes.append(whole_run.measure(arrays(d), outcomes[-1]))
    return SECTION.format(
        samples=SAMPLES,
        tokens=TOKENS,
        times=report.times(outcomes),
        targets=report.targets(outcomes),
        steps=whole_run.STEPS,
        aimed=whole_run.AIMED,
        wholes=_wholes(outcomes, wholes),
        agreements=report.agreements(outcomes),
    )


def _wholes(outcomes: Sequence[Outcome], wholes: Sequence[Sequence[WholeRun]]) -> str:
    rows = [
        (outcome.meeting.size, run.name, spread_of_time(run.beginning), spread_of_time(run.whole), spread(run.ratio))
        for outcome, runs in zip(outcomes, wholes, strict=True)
        for run in runs
    ]
    return table(("", "", "beginning", "whole run", "over the reduced engine"), rows)
