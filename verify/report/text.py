"""What the terminal shows: systems, and the tables of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from proofs.language import Lemma
from verify.checking.verdicts import SEVERITY, Evidence, LemmaVerdict, Verdict
from verify.io.commands import replay_command
from verify.io.folder import REPLAY
from verify.systems.base import find_system, system_names

if TYPE_CHECKING:
    from verify.gradients import GradientTable
    from verify.runs import Run

PIPE_WIDTH = 160
"""Width of tables where no terminal tells its own."""


def console_for(stream: IO[str]) -> Console:
    """A console that keeps whole tables when its output is piped."""
    console = Console(file=stream, highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(file=stream, highlight=False, width=PIPE_WIDTH)


def print_systems() -> None:
    """Print every system with its presets, fields, statements and studies."""
    console = console_for(sys.stdout)
    for name in system_names():
        system = find_system(name)
        console.print(f"[bold]{name}[/bold]  {system.title} ({system.source})")
        presets = Table(box=None, padding=(0, 2), show_header=False)
        for preset, what in system.presets.items():
            default = " (default)" if preset == system.default_preset else ""
            presets.add_row(f"  {preset}", what.shows + default)
        console.print("  presets")
        console.print(presets)
        fields = Table(box=None, padding=(0, 2), show_header=False)
        for field, info in system.problem.model_fields.items():
            default = "" if info.default is None or info.is_required() or info.default_factory else f" [{info.default}]"
            fields.add_row(f"  {field}", Text((info.description or "") + default))
        console.print("  fields of --set [defaults]", markup=False)
        console.print(fields)
        lemmas = Table(box=None, padding=(0, 2), show_header=False)
        for lemma in system.lemmas():
            lemmas.add_row(f"  {lemma.name}", str(lemma.kind), Text(lemma.words))
        console.print("  statements")
        console.print(lemmas)
        studies = Table(box=None, padding=(0, 2), show_header=False)
        for study in system.studies():
            studies.add_row(f"  {study.name}", Text(study.words))
        console.print("  studies")
        console.print(studies)


def print_gradients(table: GradientTable) -> None:
    """Print the worst relative error of each weight's gradient by each method."""
    console = console_for(sys.stdout)
    for note in table.notes:
        console.print(f"note: {note}", markup=False)
    console.print(f"training loss {table.loss:.12g}", markup=False)
    shown = Table(title="Kernel gradients: worst error relative to the largest entry", title_justify="left")
    for column in ("weight", "entries", *table.rows[0].errors, "rounding allows", ""):
        shown.add_column(column, justify="left" if column in ("weight", "") else "right")
    for row in table.rows:
        entries = f"{row.compared:,} of {row.entries:,}"
        errors = [f"{error:.1e}" for error in row.errors.values()]
        shown.add_row(row.weight, entries, *errors, f"{row.rounding:.1e}", "agrees" if row.agrees else "DIFFERS")
    console.print(shown)


def print_run(run: Run, stream: IO[str], saved: Path | None) -> None:
    """Print how a run ended, and its stages."""
    console = console_for(stream)
    prepared = run.prepared
    for note in prepared.notes:
        console.print(f"note: {note}", markup=False)
    console.print(
        f"{run.request.system.name}, seed {run.request.seed}, {prepared.engine} engine ({prepared.reason})",
        markup=False,
    )
    console.print(f"{run.steps:,} steps. {run.ending.value}", markup=False)
    table = Table(title="Stages", title_justify="left")
    rows = []
    for stage, step in stage_rows(run):
        rows.append((stage, f"{step:,}", run.request.system.summary(run.states[step])))
    for column in ("stage", "step", *rows[0][2]):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, step_text, columns in rows:
        table.add_row(stage, step_text, *columns.values())
    console.print(table)
    never = [stage for stage, step in run.stages.items() if step is None]
    if never:
        console.print(f"never reached: {', '.join(never)}", markup=False)
    if prepared.test_samples:
        console.print(f"test loss and error: {prepared.test_samples} fresh samples, 95 % intervals", markup=False)
    _print_condition(console, run)
    _print_verdicts(console, run)
    if run.violation is not None:
        _print_violation(console, run, saved)
    if saved is not None:
        console.print(f"results: {saved}", markup=False)
    else:
        console.print("nothing was written; --out DIR keeps the trajectory and the verdicts", markup=False)


def _print_condition(console: Console, run: Run) -> None:
    table = Table(title="Condition of the paper, hidden constants set to 1", title_justify="left")
    table.add_column("requirement")
    for column in ("left side", "right side", "met by a factor"):
        table.add_column(column, justify="right")
    for requirement in run.requirements:
        ratio = requirement.ratio
        met = "not determined" if ratio is None else f"{ratio:.3g}" + ("" if ratio >= 1.0 else "  (not met)")
        table.add_row(Text(requirement.says), _number(requirement.lhs), _number(requirement.rhs), met)
    console.print(table)


def _print_verdicts(console: Console, run: Run) -> None:
    """One table a stage, worst margins first; statements that were not put to the test below, with the reason."""
    tested = [verdict for verdict in run.judged if verdict.worst is not None]
    for stage in dict.fromkeys(verdict.stage for verdict in tested):
        table = Table(title=f"Statements: {stage}", title_justify="left")
        yours = ["in your paper"] if run.numbering else []
        for column in ("statement", *yours, "verdict", "margin", "relative", "at step", "where", "steps", "in words"):
            table.add_column(
                column, justify="right" if column in ("margin", "relative", "at step", "steps") else "left"
            )
        here = [verdict for verdict in tested if verdict.stage == stage]
        for verdict in sorted(here, key=lambda each: (each.verdict is not Verdict.VIOLATED, _tightness(each))):
            worst = verdict.worst
            assert worst is not None
            shown = verdict.verdict.value + (
                f" from {worst.first_violation}" if worst.first_violation is not None else ""
            )
            ties = sum(claim.decided_by_balls for claim in verdict.claims)
            notes = ["proved"] if verdict.evidence is Evidence.PROVED else []
            notes += [f"{ties} ties by balls"] if ties else []
            shown += f" ({', '.join(notes)})" if notes else ""
            table.add_row(
                verdict.statement.name,
                *([Text(run.numbering.number(verdict.statement.name))] if run.numbering else []),
                shown,
                _number(worst.worst_margin),
                _number(worst.relative_margin),
                str(worst.at_step),
                " ".join(f"{name} {index}" for name, index in worst.where.items()),
                f"{worst.checked_steps:,}",
                Text(verdict.statement.words),
            )
        console.print(table)
    untested = [verdict for verdict in run.judged if verdict.verdict is Verdict.HYPOTHESIS_NOT_MET]
    for verdict in untested:
        console.print(
            f"hypothesis not met: {run.numbering.both(verdict.statement.name)}: {verdict.reason}", markup=False
        )
    for verdict in run.judged:
        judgeable = isinstance(verdict.statement, Lemma) and verdict.statement.judged_in_a_run
        if judgeable and verdict.verdict is Verdict.NOT_JUDGED:
            console.print(
                f"not judged here: {run.numbering.both(verdict.statement.name)}: {verdict.reason}", markup=False
            )
    for verdict in tested:
        if verdict.in_full is not None:
            console.print(_in_full(verdict.statement.name, verdict.in_full), markup=False)
    counts = [(kind, sum(verdict.verdict is kind for verdict in run.judged)) for kind in Verdict if kind in SEVERITY]
    console.print("   ".join(f"{kind.value}: {count}" for kind, count in counts), markup=False)


def _in_full(name: str, found: Mapping[str, Any]) -> str:
    """One line on a statement that the run follows by a sample."""
    if not found["snapshots"]:
        return f"by a sample alone: {name}: {found['reason']}"
    margin, resolution = _number(found["relative_margin"]), _number(found["resolution"])
    return f"in full at {found['snapshots']} snapshots: {name}: relative margin {margin}, resolution {resolution}"


def _tightness(verdict: LemmaVerdict) -> float:
    worst = verdict.worst
    return 0.0 if worst is None or worst.relative_margin is None else worst.relative_margin


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _print_violation(console: Console, run: Run, saved: Path | None) -> None:
    violation = run.violation
    assert violation is not None
    number = run.numbering.number(violation.lemma.name)
    console.print(f"{number}: {violation}" if number else str(violation), markup=False, style="bold")
    if saved is not None:
        command = replay_command(run.request.system.name, saved / REPLAY, violation.replay_step, run.request.lemmas)
        console.print(f"replay: {command}", markup=False, soft_wrap=True)
    else:
        console.print("with --out DIR a replay file is kept", markup=False)


def stage_rows(run: Run) -> list[tuple[str, int]]:
    """The start of a run, the stages that it reached in their order, and its end."""
    reached = [(stage, step) for stage, step in run.stages.items() if step is not None]
    rows = [("start", 0), *sorted(reached, key=lambda row: row[1])]
    return rows if run.steps == rows[-1][1] else [*rows, ("end", run.steps)]
