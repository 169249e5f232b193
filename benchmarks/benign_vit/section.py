"""The section on `benign-vit`."""

from collections.abc import Callable, Sequence

from benchmarks import machine, report
from benchmarks.benign_vit import judging, memory, scaling, startup
from benchmarks.benign_vit.meetings import MEETINGS, SAMPLES, TOKENS
from benchmarks.meeting import hold
from benchmarks.tables import spread, spread_of_time, table, time

SECTION = """### The same problem, side by side

Time of one gradient step on the same arrays, N={samples}, M={tokens}. The engines record scores, attention, values,
outputs and the loss of every step and judge nothing; the peers record the loss. *autograd* is the program one would
write: attention batched over samples, weights updated in place. *by hand* is the fastest PyTorch was brought to:
each distinct token multiplied once, gradients by hand, products added straight into the weights.

{times}
### How many times faster the reduced engine is than PyTorch in float32

{targets}
### That they compute the same

Largest relative difference of the losses from the reduced engine's, and what rounding allows.

{agreements}
### Cost of a step against d and d_h

Reduced engine, N={samples}, M={tokens}: P = 62 distinct tokens, so that queries and keys have width min(124, d_h). The
matrix product of a step, alone, at width 124, in NumPy: {product}.

{along_d}
{along_heads}
### All statements checked at every step

Default preset (N=20, M=4, d = d_h = 1e8), {judged_steps:,} steps, start of the judge included. A judged run
checks one stretch of steps while the next is made: wall time is what a user with two free cores waits,
processor time what both threads take. Aimed at: 1.7 times the bare run, 0.05 ms a step more.

{judging}
### Memory against steps

N=4, M=2, d = d_h = 1e8; a process of its own for each line.

{peaks}
### Start-up

Whole processes, after an earlier call has compiled their files.

{startups}"""


def measure(tell: Callable[[str], None]) -> str:
    """Measure everything of the section; `tell` hears what comes next."""
    with machine.one_thread():
        product = machine.matrix_product_seconds(*scaling.PRODUCT)
        outcomes = []
        for meeting in MEETINGS:
            tell(f"side by side at {meeting.size}")
            outcomes.append(hold(meeting))
        tell("cost against d and d_h")
        scales = scaling.measure()
    tell("all statements checked")
    costs = judging.measure()
    tell("memory against steps")
    peaks = memory.measure()
    tell("start-up")
    startups = startup.measure()
    return SECTION.format(
        samples=SAMPLES,
        tokens=TOKENS,
        times=report.times(outcomes),
        targets=report.targets(outcomes),
        agreements=report.agreements(outcomes),
        product=time(product),
        along_d=_along("d", scales.along_d),
        along_heads=_along("d_h", scales.along_heads),
        judged_steps=judging.STEPS,
        judging=_judging(costs),
        peaks=table(("steps", "peak memory"), ((f"{p.steps:,}", f"{p.mebibytes:.1f} MiB") for p in peaks)),
        startups=_startups(startups),
    )


def _along(axis: str, points: Sequence[scaling.Point]) -> str:
    fixed = "d_h" if axis == "d" else "d"
    rows = (
        (f"{point.d if axis == 'd' else point.d_h:.4g}", spread_of_time(point.seconds), spread(point.ratio))
        for point in points
    )
    return table((f"{axis} (at {fixed} = 1e8)", "time per step", "over d = d_h = 1e8"), rows)


def _judging(costs: Sequence[judging.Cost]) -> str:
    return table(
        ("", "bare", "judged", "ratio", "more a step"),
        (
            (
                f"{cost.clock} time",
                spread_of_time(cost.bare),
                spread_of_time(cost.judged),
                spread(cost.ratio),
                spread_of_time(cost.more),
            )
            for cost in costs
        ),
    )


def _startups(startups: Sequence[startup.Startup]) -> str:
    return table(
        ("", "wall time", "processor time", "meant to be under"),
        ((s.process, spread_of_time(s.wall), spread_of_time(s.processor), f"{s.target:g} s") for s in startups),
    )
