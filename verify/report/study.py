"""What the terminal shows of studies: which there are, and what one of them found."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from verify.checking.verdicts import Verdict
from verify.report.text import console_for
from verify.studies.axes import written
from verify.studies.design import SEEDS
from verify.studies.run import StudyRun
from verify.studies.study import Finding, Sheet
from verify.systems.base import find_system

MOST_FAILURES = 5


def print_studies(system: str) -> None:
    """Print a system's studies: what they are about, their axes, and the fields of their cells and questions."""
    console = console_for(sys.stdout)
    for study in find_system(system).studies():
        console.print(Text.assemble((study.name, "bold"), f"  {study.words}"), soft_wrap=True)
        axes = [f"{name}={written(values)}" for name, values in study.axes.items()]
        console.print(f"  axes: {' '.join([*axes, f'seeds={study.seeds}'])}", markup=False, soft_wrap=True)
        own = [name for name in study.cell.model_fields if name not in study.question.model_fields]
        _print_fields(console, "fields of a cell [defaults]", study.cell, own)
        _print_fields(console, "fields of the question [defaults]", study.question, list(study.question.model_fields))


def _print_fields(console: Console, title: str, model: type[BaseModel], names: Sequence[str]) -> None:
    if not names:
        return
    console.print(f"  {title}", markup=False)
    table = Table(box=None, padding=(0, 2), show_header=False)
    for name in names:
        info = model.model_fields[name]
        default = "" if info.default is None or info.is_required() or info.default_factory else f" [{info.default}]"
        table.add_row(f"  {name}", Text((info.description or "") + default))
    console.print(table)


def print_study(run: StudyRun, stream: IO[str], exported: Path | None) -> None:
    """Print what a study found: statements, controls apart, sheets, notes, failures, and how to repeat it."""
    console = console_for(stream)
    study, design = run.design.study, run.design
    console.print(f"{run.system.name}, {study.name}, seed {design.seed}: {study.words}", markup=False)
    failed = f", {len(run.failures):,} failed" if run.failures else ""
    console.print(f"{len(design.cells):,} cells{failed}.", markup=False)
    for sheet in run.judgement.sheets:
        console.print(sheet.title, markup=False)
        console.print(_sheet_table(sheet))
    _print_findings(console, "Statements", run.findings)
    _print_findings(console, "Controls: wrong variants, each of which must be refuted", run.controls)
    for note in [*run.notes, *run.judgement.notes]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    for row in run.failures[:MOST_FAILURES]:
        console.print(f"failed: {_place(run, row.parameters)} replicate {row.replicate}: {row.error}", markup=False)
    if len(run.failures) > MOST_FAILURES:
        console.print(f"failed: {len(run.failures) - MOST_FAILURES:,} more; --export lists them all", markup=False)
    if run.failures:
        console.print("the same command tries the failed cells again", markup=False)
    counts = [(kind, sum(finding.verdict is kind for finding in run.findings)) for kind in Verdict]
    if run.findings:
        console.print("   ".join(f"{kind.value}: {count}" for kind, count in counts if count), markup=False)
    if exported is not None:
        console.print(f"table: {exported}", markup=False, soft_wrap=True)
    console.print(f"cells: {run.store}", markup=False, soft_wrap=True)
    console.print(f"repeat: {command_of(run)}", markup=False, soft_wrap=True)


def command_of(run: StudyRun) -> str:
    """The command that carries out the same study again: what differs from the study's own design."""
    design, study = run.design, run.design.study
    settings = {
        name: ",".join(map(str, values))
        for name, values in design.axes.items()
        if list(values) != list(study.axes.get(name, ()))
    }
    if design.seeds != study.seeds:
        settings[SEEDS] = str(design.seeds)
    asked = design.question.model_dump(mode="json", exclude_defaults=True)
    settings.update({name: str(value) for name, value in asked.items()})
    parts = ["verify", "study", run.system.name, study.name, "--seed", str(design.seed), "--store", str(run.store)]
    words = [f"{name}={value}" for name, value in settings.items()]
    return shlex.join([*parts, *(["--set", *words] if words else [])])


def _print_findings(console: Console, title: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    table = Table(title=title, title_justify="left")
    for column in ("statement", "verdict", "about", "estimate", "interval", "rule", "remark"):
        table.add_column(column, justify="right" if column in ("estimate", "interval") else "left", overflow="fold")
    rules = list(dict.fromkeys(finding.rule for finding in findings if finding.rule))
    for finding in findings:
        table.add_row(
            Text(finding.statement),
            finding.verdict.value,
            Text(finding.about),
            "" if finding.estimate is None else f"{finding.estimate:.4g}",
            "" if finding.interval is None else f"{finding.interval[0]:.4g} to {finding.interval[1]:.4g}",
            f"({rules.index(finding.rule) + 1})" if finding.rule else "",
            Text(finding.reason),
        )
    console.print(table)
    for number, rule in enumerate(rules, start=1):
        console.print(f"rule ({number}): {rule}", markup=False, soft_wrap=True)
    for statement, words in dict.fromkeys((finding.statement, finding.words) for finding in findings):
        console.print(f"{statement}: {words}", markup=False, soft_wrap=True)


def _sheet_table(sheet: Sheet) -> Table:
    table = Table()
    for place, column in enumerate(sheet.columns):
        table.add_column(Text(column), justify="left" if place == 0 else "right")
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table


def _place(run: StudyRun, parameters: Mapping[str, Any]) -> str:
    """A cell by its place on the axes."""
    return " ".join(f"{name}={parameters[name]}" for name in run.design.axes if name in parameters)
