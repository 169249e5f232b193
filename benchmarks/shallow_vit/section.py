"""The section on `shallow-vit`."""

from collections.abc import Callable

from benchmarks import machine, report
from benchmarks.meeting import hold
from benchmarks.shallow_vit.meetings import MEETINGS, PROBLEM

SECTION = """### The same problem, side by side

Time of one step on the same arrays and the same batches, M={patterns}, m_a={values}, m_b={heads}; with noise (tau > 0)
no two tokens are equal. *batches alone*: the engine records weights, batch loss and batch outputs of every step; *as a
run is*: also loss and outputs of all N samples at every {every}th step. The peers record the batch loss. *autograd*:
attention batched over samples, queries, keys and values by one product, layouts chosen for speed, weights updated in
place. *by hand*: the same without a graph.

{times}
### How many times faster the engines are

Without noise the engines gain most from what the problem is: the patterns engine takes a sample for M numbers, how
often each pattern occurs, and the other engines count equal tokens. With noise they make the same products as PyTorch.

{targets}
### That they compute the same

Largest relative difference of the batch losses from the first engine's, and what rounding allows.

{agreements}"""


def measure(tell: Callable[[str], None]) -> str:
    """Measure everything of the section; `tell` hears what comes next."""
    outcomes = []
    with machine.one_thread():
        for meeting in MEETINGS:
            tell(f"side by side at {meeting.size}")
            outcomes.append(hold(meeting))
    return SECTION.format(
        patterns=PROBLEM.M,
        values=PROBLEM.m_a,
        heads=PROBLEM.m_b,
        every=PROBLEM.loss_every,
        times=report.times(outcomes),
        targets=report.targets(outcomes),
        agreements=report.agreements(outcomes),
    )
