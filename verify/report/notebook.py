"""Runs, verdicts and studies as HTML for notebooks; every text in it is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from proofs.language.html import statement_html
from verify.checking.verdicts import SEVERITY, LemmaVerdict, Verdict
from verify.report.text import stage_rows

if TYPE_CHECKING:
    from verify.runs import Run
    from verify.studies.run import StudyRun

MARKS = {
    Verdict.HOLDS: "✓",
    Verdict.SUPPORTED: "✓",
    Verdict.CONSISTENT: "✓",
    Verdict.VIOLATED: "✗",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.HYPOTHESIS_NOT_MET: "–",
    Verdict.NOT_JUDGED: "·",
}
"""A mark beside the word of a verdict."""


def run_html(run: Run) -> str:
    """How a run ended, its stages, and what it says of every statement that it put to the test."""
    system = run.request.system
    title = f"{system.name}, seed {run.request.seed}, {run.prepared.engine} engine"
    summaries = [(stage, step, system.summary(run.states[step])) for stage, step in stage_rows(run)]
    stages = table_html(
        ["stage", "step", *summaries[0][2]],
        [[stage, f"{step:,}", *summary.values()] for stage, step, summary in summaries],
    )
    tested = [verdict for verdict in run.judged if verdict.verdict is not Verdict.NOT_JUDGED]
    tested.sort(key=lambda each: SEVERITY.index(each.verdict))
    yours = ["in your paper"] if run.numbering else []
    verdicts = table_html(
        ["statement", *yours, "verdict", "relative margin", "at step", "steps", "in words"],
        [
            [
                each.statement.name,
                *([run.numbering.number(each.statement.name)] if run.numbering else []),
                *_found(each),
                each.statement.words,
            ]
            for each in tested
        ],
    )
    return (
        f"<div><b>{escape(title)}</b><p>{run.steps:,} steps. {escape(run.ending.value)}</p>{stages}"
        f"<p>{escape(counts(each.verdict for each in run.judged))}</p>{verdicts}</div>"
    )


def verdict_html(verdict: LemmaVerdict) -> str:
    """A statement, and what was found of it where it is tightest."""
    worst = verdict.worst
    lines = [f"{MARKS[verdict.verdict]} {verdict.verdict.value} ({verdict.evidence.value})", verdict.reason]
    if worst is not None:
        where = ", ".join(f"{name} {index}" for name, index in worst.where.items())
        lines.append(f"tightest at step {worst.at_step}{f' ({where})' if where else ''}: {worst.lhs!r}, {worst.rhs!r}")
        if worst.first_violation is not None:
            lines.append(f"first violated at step {worst.first_violation}")
    told = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return f"<div>{statement_html(verdict.statement)}{told}</div>"


def study_html(run: StudyRun) -> str:
    """What a study found, its sheets, and what went wrong."""
    study = run.design.study
    parts = [f"<b>{escape(f'{run.system.name}, {study.name}, seed {run.design.seed}')}</b><p>{escape(study.words)}</p>"]
    parts.append(f"<p>{len(run.design.cells):,} cells, {len(run.failures):,} failed</p>")
    parts += [f"<p>{escape(sheet.title)}</p>{table_html(sheet.columns, sheet.rows)}" for sheet in run.judgement.sheets]
    for title, findings in (("statements", run.findings), ("controls: each must be refuted", run.controls)):
        if findings:
            rows = [
                [
                    finding.statement,
                    f"{MARKS[finding.verdict]} {finding.verdict.value}",
                    finding.about,
                    "" if finding.estimate is None else f"{finding.estimate:.4g}",
                    "" if finding.interval is None else f"{finding.interval[0]:.4g} to {finding.interval[1]:.4g}",
                ]
                for finding in findings
            ]
            columns = ["statement", "verdict", "about", "estimate", "interval"]
            parts.append(f"<p>{title}</p>{table_html(columns, rows)}")
    parts += [f"<p>{escape(note)}</p>" for note in [*run.notes, *run.judgement.notes]]
    return f"<div>{''.join(parts)}</div>"


def counts(verdicts: Iterable[Verdict]) -> str:
    """How often each verdict occurs that one run can give.

    Examples:
        >>> counts([Verdict.HOLDS, Verdict.VIOLATED, Verdict.HOLDS])
        'violated: 1, inconclusive: 0, hypothesis not met: 0, not judged here: 0, holds: 2'
    """
    found = list(verdicts)
    return ", ".join(f"{verdict.value}: {found.count(verdict)}" for verdict in SEVERITY)


def table_html(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts.

    Examples:
        >>> table_html(["a"], [["<b>"]])
        '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _found(verdict: LemmaVerdict) -> list[str]:
    worst = verdict.worst
    shown = f"{MARKS[verdict.verdict]} {verdict.verdict.value}"
    if worst is None:
        return [shown, "", "", ""]
    if worst.first_violation is not None:
        shown += f" from {worst.first_violation}"
    return [shown, f"{worst.relative_margin:.3g}", f"{worst.at_step:,}", f"{worst.checked_steps:,}"]
