"""The section on `shallow-vit`."""

from collections.abc import Callable

from benchmarks import machine, report, tables
from benchmarks.meeting import Outcome, hold
from benchmarks.shallow_vit import floor
from benchmarks.shallow_vit.meetings import (
    AUTOGRAD,
    MEETINGS,
    NOISY,
    PROBLEM,
    ROUNDS,
    SEED,
    WEIGHTS,
    title,
)
from benchmarks.timing import Spread
from verify.systems.shallow_vit import SYSTEM

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
### What a step with noise costs at the least

No two tokens are equal, so nothing can be counted once for many. These products are left. Not among them are products
with P = W_K^T W_Q or R = W_O W_V, as all gradients go through the rows of the weights, and effects of tokens in the
forward pass, as outputs are read off hidden units. Inner products X^T X of tokens save none: weights written through
them are combinations of all N L = {tokens:,} tokens, far more than the d = {dimension} columns that they replace.

{count}
Times {batch} samples, at this processor's float64 peak ({peak:.1f} billion multiplications with additions a second in
large square products): {floor} a step while all samples are active, without one exponential of the softmax. PyTorch's
autograd in float32 takes {floor_times:.1f} times that, and no program that makes these products in float64 can be more
times faster. `verify` takes the {engine} engine here by itself:
{reason}.

Contestants go on training from round to round. A sample whose margin is met needs the forward pass alone (the first
four products), and the engine leaves out the rest, as the peers might too.

|  | weights engine | PyTorch, autograd, float32 | times faster |
| --- | --- | --- | --- |
| first third of the rounds, most samples active | {early} |
| last third, most margins met | {late} |

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
        tell("the float64 peak")
        rate = floor.peak()
    least = floor.floor(NOISY, rate)
    noisy = outcomes[-1]
    chosen = SYSTEM.prepare(NOISY, SEED, "auto")
    return SECTION.format(
        patterns=PROBLEM.M,
        values=PROBLEM.m_a,
        heads=PROBLEM.m_b,
        every=PROBLEM.loss_every,
        times=report.times(outcomes),
        targets=report.targets(outcomes),
        count=floor.count(NOISY),
        batch=NOISY.B,
        tokens=NOISY.N * NOISY.L,
        dimension=NOISY.d,
        peak=rate / 1e9,
        floor=tables.time(least),
        floor_times=Spread.of(noisy.seconds_of(AUTOGRAD)).median / least,
        early=_part(noisy, slice(None, ROUNDS // 3)),
        late=_part(noisy, slice(-(ROUNDS // 3), None)),
        engine=chosen.engine,
        reason=chosen.reason,
        agreements=report.agreements(outcomes),
    )


def _part(outcome: Outcome, rounds: slice) -> str:
    """Cells of the table about some of the rounds."""
    engine, peer = (outcome.seconds_of(name)[rounds] for name in (title(WEIGHTS), AUTOGRAD))
    times = (tables.spread_of_time(Spread.of(each)) for each in (engine, peer))
    return " | ".join((*times, tables.spread(Spread.of(peer / engine))))
