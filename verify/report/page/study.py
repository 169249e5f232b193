"""The page of a study: what was found of which statements, with the fits and maps behind it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from proofs.language.statements import Statement
from verify.checking.verdicts import Evidence, Verdict
from verify.report.page.charts import Chart, Dots, Line, Tiles
from verify.report.page.graph import laid_out
from verify.report.page.lemmas import glossary, panel_of
from verify.report.page.run import headlines
from verify.report.page.scales import number
from verify.report.page.standing import ICONS, LOOKS, STRENGTHS, Standing, rests_on_graph, standings
from verify.report.page.write import edges_json, page_text
from verify.report.study import command_of
from verify.studies.axes import written
from verify.studies.fits import Fit
from verify.studies.run import StudyRun
from verify.studies.stored import StoredStudy
from verify.studies.study import Finding, HeatMap, Judgement, Row, Study
from verify.systems.base import System
from verify.versions import machine, versions

SEVERITY = (
    Verdict.REFUTED,
    Verdict.VIOLATED,
    Verdict.INCONCLUSIVE,
    Verdict.HYPOTHESIS_NOT_MET,
    Verdict.NOT_JUDGED,
    Verdict.SUPPORTED,
    Verdict.CONSISTENT,
)
"""Of several findings on a statement, the first of these that occurs stands for it."""

COUNTED = (
    Verdict.SUPPORTED,
    Verdict.CONSISTENT,
    Verdict.REFUTED,
    Verdict.INCONCLUSIVE,
    Verdict.HYPOTHESIS_NOT_MET,
    Verdict.NOT_JUDGED,
)
"""What a study can say."""

MOST_FAILURES = 20
POINTS = 60


@dataclass(frozen=True)
class JudgedStudy:
    """A study with what came of it; `command` repeats it, `design` says what was varied."""

    system: System
    study: Study
    rows: Sequence[Row]
    failures: Sequence[Row]
    judgement: Judgement
    design: Mapping[str, str]
    command: str
    notes: Sequence[str] = ()

    @property
    def findings(self) -> list[Finding]:
        """What is said of the statements."""
        return [finding for finding in self.judgement.findings if not finding.control]

    @property
    def controls(self) -> list[Finding]:
        """What is said of the wrong variants."""
        return [finding for finding in self.judgement.findings if finding.control]


def of_run(run: StudyRun) -> JudgedStudy:
    """A study that was just carried out."""
    settings = run.settings()
    asked = {name: written([value]) for name, value in settings["question"].items() if value is not None}
    design = {name: written(values) for name, values in settings["axes"].items()}
    design |= {"seeds a cell": str(run.design.seeds), **asked, "seed": str(run.design.seed)}
    return JudgedStudy(
        run.system, run.design.study, run.rows, run.failures, run.judgement, design, command_of(run), run.notes
    )


def of_store(path: Path, stored: StoredStudy) -> JudgedStudy:
    """A study whose store was read."""
    design = {name: written(values) for name, values in stored.axes.items()}
    command = shlex.join(["verify", "report", str(path), stored.study.name])
    return JudgedStudy(
        stored.system, stored.study, stored.rows, stored.failures, stored.judgement, design, command, stored.notes
    )


def study_page(done: JudgedStudy) -> str:
    """The page of a study, as HTML."""
    statements = done.system.statements()
    verdicts = _verdicts(done.findings)
    stand = standings(statements, verdicts)
    asked = [each for each in headlines(done.system, stand) if done.study.name in each["studies"]]
    graph = rests_on_graph(statements)
    wanted = {name for name in verdicts if name in statements}
    wanted |= {name for each in asked for name, _ in each["statements"]}
    shown = [name for name in statements if name in wanted or any(name in nx.ancestors(graph, each) for each in wanted)]
    part = graph.subgraph(shown)
    found = Counter(finding.verdict for finding in done.findings)
    return page_text(
        "study.html.jinja",
        title=f"{done.system.name}: {done.study.name}",
        done=done,
        counts=[(kind.value, found[kind], ICONS[kind.value], LOOKS[kind.value]) for kind in COUNTED],
        control_counts=Counter(each.verdict.value for each in done.controls).most_common(),
        headlines=asked,
        icons=ICONS,
        looks=LOOKS,
        findings=[_finding(each) for each in done.findings],
        controls=[_finding(each) for each in done.controls],
        rules=list(dict.fromkeys(each.rule for each in done.judgement.findings if each.rule)),
        fits=_fit_charts(done.findings),
        maps=[_map_chart(each) for each in done.judgement.maps],
        layout=laid_out(part, stand, {}) if shown else None,
        edges=edges_json(part.edges),
        strengths=STRENGTHS,
        panels=[_panel(name, statements, stand, part) for name in shown],
        failures=done.failures[:MOST_FAILURES],
        glossary=glossary([statements[name] for name in shown]),
        notes=[*done.notes, *done.judgement.notes],
        versions=versions(),
        environment={**versions(), **machine()},
    )


def _verdicts(findings: Sequence[Finding]) -> dict[str, tuple[str, str]]:
    """Statement -> the most severe verdict on it, and its evidence."""
    by_statement: dict[str, list[Verdict]] = {}
    for finding in findings:
        by_statement.setdefault(finding.statement, []).append(finding.verdict)
    verdicts = {}
    for name, found in by_statement.items():
        verdict = min(found, key=SEVERITY.index)
        decided = verdict in (Verdict.SUPPORTED, Verdict.CONSISTENT, Verdict.REFUTED)
        verdicts[name] = verdict.value, (Evidence.SAMPLED if decided else Evidence.NONE).value
    return verdicts


def _panel(name: str, statements: Mapping[str, Statement], stand: Mapping[str, Standing], graph: nx.DiGraph) -> Any:
    return panel_of(name, statements[name], None, stand[name], None, {}, 0, carries=list(graph.successors(name)))


def _finding(finding: Finding) -> dict[str, Any]:
    """A line of the table of findings."""
    interval = finding.interval
    return {
        "statement": finding.statement,
        "verdict": finding.verdict.value,
        "icon": ICONS[finding.verdict.value],
        "look": LOOKS[finding.verdict.value],
        "about": finding.about,
        "estimate": number(finding.estimate, 4),
        "interval": "" if interval is None else f"{number(interval[0], 4)} to {number(interval[1], 4)}",
        "rule": finding.rule,
        "reason": finding.reason,
        "words": finding.words,
    }


def _fit_charts(findings: Sequence[Finding]) -> list[Chart]:
    """One chart a fit: the observations, the fitted power law, and the band in which one more observation lies."""
    charts = []
    for finding in findings:
        if finding.fit is not None and finding.fit.law.x:
            charts.append(fit_chart(f"{finding.statement}: {finding.verdict.value}", finding.fit, finding.about))
    return charts


def fit_chart(title: str, fit: Fit, about: str) -> Chart:
    """A power law with its observations, both axes logarithmic."""
    law = fit.law
    x = np.geomspace(min(law.x), max(law.x), POINTS)
    predicted = [law.predict(float(each)) for each in x]
    line = Line(
        "fit",
        x,
        np.array([value for value, _ in predicted]),
        "one",
        np.array([low for _, (low, _) in predicted]),
        np.array([high for _, (_, high) in predicted]),
    )
    low, high = law.exponent_interval
    note = (
        f"{about}. Exponent {number(law.exponent, 4)}, {law.confidence:.0%} interval {number(low, 4)} to"
        f" {number(high, 4)}. The band is where one more observation would lie."
    )
    dots = Dots("observations", np.array(law.x), np.array(law.y), "two")
    return Chart(title, fit.x_name, fit.y_name, [line], dots=[dots], x_kind="log", y_kind="log", note=note)


def _map_chart(found: HeatMap) -> Chart:
    lines = []
    for name, points, look in (
        ("fitted boundary", found.boundary, "two"),
        ("predicted", found.predicted, "three dashed"),
    ):
        if points:
            lines.append(Line(name, np.array([x for x, _ in points]), np.array([y for _, y in points]), look))
    known = [value for line in found.values for value in line if value is not None]
    note = f"Light to dark: {number(min(known))} to {number(max(known))}. {found.note}" if known else found.note
    return Chart(
        found.title,
        found.x_name,
        found.y_name,
        lines,
        tiles=Tiles(found.x, found.y, found.values),
        x_kind="log",
        y_kind="log",
        note=note,
    )
