"""What the terminal shows of a run on enclosures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from flint import arb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from verify.checking.verdicts import SEVERITY, Evidence, LemmaVerdict, Verdict
from verify.report.text import console_for

if TYPE_CHECKING:
    from verify.certify.run import CertifiedRun


def print_certified(run: CertifiedRun, stream: IO[str], saved: Path | None = None, checked: Path | None = None) -> None:
    """Print how a run on enclosures ended: precision, stages, verdicts."""
    console = console_for(stream)
    for note in run.prepared.notes:
        console.print(f"note: {note}", markup=False)
    console.print(
        f"{run.request.system.name}, seed {run.request.seed}, {run.prepared.engine} engine in ball arithmetic",
        markup=False,
    )
    for bits, step, why in run.tried:
        console.print(f"{bits} bits did not do: {why} (step {step:,})", markup=False)
    console.print(
        f"{run.bits} bits: {run.bits_left:.0f} certain at the end, {run.bits_lost_per_step:.2g} lost a step;"
        f" largest radius 2^{run.radius:.0f}",
        markup=False,
    )
    console.print(f"{run.steps:,} steps. {run.given_up or run.ending.value}", markup=False)
    console.print(f"final loss: {_text(run.loss)}", markup=False)
    for stage, at in sorted(run.stages.items(), key=lambda item: (item[1] is None, item[1])):
        when = "not reached: false at every step" if at is None else f"step {at:,}: false at every step before"
        console.print(f"{stage}: {when}", markup=False)
    _print_verdicts(console, run.judged)
    if checked is not None:
        console.print(f"{checked} holds: verified again at {run.bits} bits", markup=False)
    elif saved is not None:
        console.print(f"results: {saved}", markup=False)


def _print_verdicts(console: Console, judged: Sequence[LemmaVerdict]) -> None:
    table = Table(title="Statements", title_justify="left")
    for column in ("statement", "verdict", "smallest relative margin", "at step", "where", "steps"):
        table.add_column(column, justify="right" if column in ("at step", "steps") else "left")
    tested = [verdict for verdict in judged if verdict.worst is not None]
    for verdict in sorted(tested, key=lambda each: each.verdict is not Verdict.VIOLATED):
        worst = verdict.worst
        assert worst is not None
        evidence = "" if verdict.evidence is Evidence.NONE else f" ({verdict.evidence.value})"
        since = "" if worst.first_violation is None else f" from {worst.first_violation}"
        low, high = worst.enclosures.get("relative_margin", (None, None))
        margin = "" if low is None or high is None else f"[{low:.17g}, {high:.17g}]"
        if worst.decided_by_proof and worst.resolution is not None:
            margin = f"sides equal to {worst.resolution:.1e} of a term"
        elif any(claim.decided_by_proof for claim in verdict.claims):
            ties = sum(claim.decided_by_proof for claim in verdict.claims)
            places = ties + sum(claim.decided_by_balls for claim in verdict.claims)
            margin = f"{ties:,} of {places:,} places are ties"
        place = " ".join(f"{name} {index}" for name, index in worst.where.items())
        table.add_row(
            verdict.statement.name,
            verdict.verdict.value + since + evidence,
            margin,
            str(worst.at_step),
            place,
            f"{worst.checked_steps:,}",
        )
    console.print(table)
    for verdict in judged:
        if verdict.verdict in (Verdict.HYPOTHESIS_NOT_MET, Verdict.INCONCLUSIVE):
            console.print(Text(f"{verdict.verdict.value}: {verdict.statement.name}: {verdict.reason}"), soft_wrap=True)
    counts = [(kind, sum(verdict.verdict is kind for verdict in judged)) for kind in Verdict if kind in SEVERITY]
    certified = sum(each.verdict is Verdict.HOLDS and each.evidence is Evidence.CERTIFIED for each in judged)
    console.print("   ".join(f"{kind.value}: {count}" for kind, count in counts), markup=False)
    console.print(f"{certified} of those that hold are certified, the others rest on their proofs", markup=False)


def _text(ball: arb) -> str:
    return str(ball.str(15)) if ball.is_finite() else "not known"
