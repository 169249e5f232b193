"""The measurements as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.judging import STEPS as JUDGED_STEPS
from benchmarks.judging import Cost
from benchmarks.meeting import Result
from benchmarks.memory import Peak
from benchmarks.problems import Meeting
from benchmarks.scaling import Point, Scaling
from benchmarks.startup import Startup
from benchmarks.timing import Spread

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

PAGE = """# Performance

Written by `python -m benchmarks` (`make bench`); do not edit.

{machine}
- threads: one in every library; contestants take turns within each round
- times: processor time, so that waiting for a core that others hold does not count
- numbers: median [lower quartile, upper quartile] over rounds; ratios are formed within rounds

## The same problem, side by side

Time of one gradient step on the same arrays. The engines record scores, attention, values, outputs and the
loss of every step and judge nothing; the peers record the loss. *autograd* is the program one would write:
attention batched over samples, weights updated in place. *by hand* is the fastest PyTorch was brought to:
each distinct token multiplied once, gradients by hand, products added straight into the weights.

{side_by_side}
### How many times faster the reduced engine is than PyTorch in float32

{targets}
### That they compute the same

Largest relative difference of the losses from the reduced engine's, and what rounding allows. A step size 1 %
too large must be told apart at every size, and is.

{agreements}
## Cost of a step against d and d_h

Reduced engine, N=20, M=4: P = 62 distinct tokens, so that queries and keys have width min(124, d_h). The
matrix product of a step, alone, at width 124, in NumPy: {product}.

{along_d}
{along_heads}
## All statements checked at every step

Default preset (N=20, M=4, d = d_h = 1e8), {judged_steps} steps, start of the judge included. A judged run
checks one stretch of steps while the next is made: wall time is what a user with two free cores waits,
processor time what both threads take. Aimed at: 1.7 times the bare run, 0.05 ms a step more.

{judging}
## Memory against steps

N=4, M=2, d = d_h = 1e8; a process of its own for each line.

{peaks}
## Start-up

Whole processes, after an earlier call has compiled their files.

{startups}"""


def page(
    machine: Mapping[str, str],
    product: float,
    meetings: Sequence[tuple[Meeting, Sequence[Result]]],
    scaling: Scaling,
    peaks: Sequence[Peak],
    startups: Sequence[Startup],
    costs: Sequence[Cost],
) -> str:
    """The whole page."""
    return PAGE.format(
        machine="\n".join(f"- {what}: {value}" for what, value in machine.items()),
        side_by_side="\n".join(f"### {meeting}\n\n{_times(results)}" for meeting, results in meetings),
        targets=_targets(meetings),
        agreements=_agreements(meetings),
        product=_time(product),
        along_d=_along("d", scaling.along_d),
        along_heads=_along("d_h", scaling.along_heads),
        judged_steps=f"{JUDGED_STEPS:,}",
        judging=_table(
            ("", "bare", "judged", "ratio", "more a step"),
            (
                (
                    f"{c.clock} time",
                    *map(_spread_of_time, (c.bare, c.judged)),
                    _spread(c.ratio),
                    _spread_of_time(c.more),
                )
                for c in costs
            ),
        ),
        peaks=_table(("steps", "peak memory"), ((f"{p.steps:,}", f"{p.mebibytes:.1f} MiB") for p in peaks)),
        startups=_table(
            ("", "wall time", "processor time", "meant to be under"),
            ((s.process, _spread_of_time(s.wall), _spread_of_time(s.processor), f"{s.target:g} s") for s in startups),
        ),
    )


def _times(results: Sequence[Result]) -> str:
    rows = ((result.name, _spread_of_time(result.seconds), _spread(result.ratio)) for result in results)
    return _table(("", "time per step", "over the reduced engine"), rows)


def _targets(meetings: Sequence[tuple[Meeting, Sequence[Result]]]) -> str:
    rows = []
    for meeting, results in meetings:
        peers = [r for r in results if r.name.startswith("PyTorch") and r.name.endswith("float32")]
        rows.append([str(meeting), f"{meeting.target:,.0f}", *(_against_target(r, meeting) for r in peers)])
    return _table(("", "aimed at", "over autograd", "over by hand"), rows)


def _against_target(result: Result, meeting: Meeting) -> str:
    verdict = "reached" if result.ratio.median >= meeting.target else "missed"
    return f"{_spread(result.ratio)} ({verdict})"


def _agreements(meetings: Sequence[tuple[Meeting, Sequence[Result]]]) -> str:
    by_contestant = zip(*(results for _, results in meetings), strict=True)
    rows = [
        [results[0].name, *(f"{r.agreement.difference:.1e} (≤ {r.agreement.tolerance:.1e})" for r in results)]
        for results in by_contestant
    ]
    moved = ["*the loss moved by*", *(f"{results[0].agreement.moved:.2g}" for _, results in meetings)]
    heads = (f"d={meeting.d}, d_h={meeting.d_h}, {meeting.compared} steps" for meeting, _ in meetings)
    return _table(("", *heads), [*rows[1:], moved])


def _along(axis: str, points: Sequence[Point]) -> str:
    fixed = "d_h" if axis == "d" else "d"
    rows = (
        (f"{point.d if axis == 'd' else point.d_h:.4g}", _spread_of_time(point.seconds), _spread(point.ratio))
        for point in points
    )
    return _table((f"{axis} (at {fixed} = 1e8)", "time per step", "over d = d_h = 1e8"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _spread(spread: Spread, unit: str = "") -> str:
    digits = 2 if spread.median < 10 else 1 if spread.median < 100 else 0
    median, low, high = (f"{number:,.{digits}f}" for number in (spread.median, spread.low, spread.high))
    return f"{median}{unit} [{low}, {high}]"


def _spread_of_time(spread: Spread) -> str:
    size, unit = _unit(spread.median)
    return _spread(Spread(spread.median / size, spread.low / size, spread.high / size), f" {unit}")


def _time(seconds: float) -> str:
    size, unit = _unit(seconds)
    return f"{seconds / size:.3g} {unit}"


def _unit(seconds: float) -> tuple[float, str]:
    return next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
