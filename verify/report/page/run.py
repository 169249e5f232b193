"""The page of a run: gathered from what its folder holds, and written."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proofs.language import Lemma
from proofs.language.statements import Statement
from verify.checking.verdicts import SEVERITY, Verdict
from verify.io.results import toml_text
from verify.io.saved import SavedRun
from verify.numbering import UNNUMBERED, Numbering
from verify.report.page.attention import attention_maps
from verify.report.page.charts import Chart
from verify.report.page.dynamics import dynamics_charts, law_charts
from verify.report.page.graph import laid_out
from verify.report.page.lemmas import Panel, glossary, panel_of
from verify.report.page.scales import number
from verify.report.page.standing import ICONS, LOOKS, STRENGTHS, Standing, rests_on_graph, standings, strength_of
from verify.report.page.write import edges_json, page_text
from verify.systems.base import System, find_system

if TYPE_CHECKING:
    from pathlib import Path

    import xarray

DECADES = 8
"""Powers of ten that half of a requirement's bar stands for."""


@dataclass(frozen=True)
class Shown:
    """What a page shows of a run; `own` are lemmas of the user's, where their file is at hand, and `numbering` has
    the reader's own numbers.
    """

    system: System
    config: Mapping[str, Any]
    record: Mapping[str, Any]
    trajectory: xarray.Dataset
    sides: xarray.Dataset | None
    own: Sequence[Lemma] = ()
    numbering: Numbering = UNNUMBERED


def shown(saved: SavedRun, own: Sequence[Lemma] = (), numbering: Path | None = None) -> Shown:
    """What the folder of a run holds for its page; `numbering` is a file in place of the folder's own.

    Raises:
        RequestError: if one of its files cannot be read.
    """
    numbers = saved.numbering(numbering)
    return Shown(find_system(saved.system), saved.config, saved.record, saved.trajectory, saved.sides, own, numbers)


def run_page(run: Shown) -> str:
    """The page of a run, as HTML."""
    record = run.record
    statements = {**run.system.statements(), **_with_what_they_rest_on(run.own)}
    rows = {row["lemma"].partition("/")[2]: row for row in record["verdicts"]}
    judged = {name: (row["verdict"], row["evidence"]) for name, row in rows.items()}
    stand = standings(statements, judged)
    stand |= {
        name: Standing(verdict, strength_of(evidence, by_machine=False))
        for name, (verdict, evidence) in judged.items()
        if name not in statements
    }
    stages = record["stages"]
    laws: dict[str, list[Chart]] = {}
    for name, chart in law_charts(run.sides, statements, stages):
        laws.setdefault(name, []).append(chart)
    graph = rests_on_graph(statements)
    graph.add_nodes_from(rows)
    order = [*rows, *(name for name in statements if name not in rows)]
    panels = [
        panel_of(
            name,
            statements.get(name),
            rows.get(name),
            stand[name],
            run.sides,
            stages,
            record["steps"],
            carries=list(graph.successors(name)),
            laws=laws.get(name, ()),
            number=run.numbering.number(name),
        )
        for name in order
    ]
    layout = laid_out(graph, stand, {panel.name: panel.number for panel in panels if panel.number})
    found = Counter(row["verdict"] for row in rows.values())
    return page_text(
        "run.html.jinja",
        title=f"{record['system']}: verified",
        system=run.system,
        record=record,
        size=_size(record["problem"]),
        counts=[
            (kind.value, found[kind.value], ICONS[kind.value], LOOKS[kind.value])
            for kind in Verdict
            if kind in SEVERITY
        ],
        headlines=headlines(run.system, stand),
        icons=ICONS,
        looks=LOOKS,
        rows=[_row(name, row, stand[name], run.numbering.number(name)) for name, row in rows.items()],
        requirements=[_requirement(each) for each in record["condition"]],
        stages=_stages(stages, record["steps"]),
        layout=layout,
        edges=edges_json(graph.edges),
        panels=panels,
        groups=_grouped(panels),
        charts=dynamics_charts(run.trajectory, stages),
        laws=[chart for found_charts in laws.values() for chart in found_charts],
        maps=attention_maps(run.trajectory),
        glossary=glossary(list(statements.values())),
        strengths=STRENGTHS,
        config=toml_text(run.config),
        command=_command(run),
        own=bool(set(rows) - set(run.system.statements())),
    )


def _with_what_they_rest_on(lemmas: Sequence[Statement]) -> dict[str, Statement]:
    """Statements by name, with all that they rest on."""
    found: dict[str, Statement] = {}
    waiting = list(lemmas)
    while waiting:
        each = waiting.pop(0)
        if each.name not in found:
            found[each.name] = each
            waiting += [other for other in each.rests_on if isinstance(other, Statement)]
    return found


def _row(name: str, row: Mapping[str, Any], standing: Standing, number: str) -> dict[str, Any]:
    """A line of the table of verdicts."""
    deciding = [claim for claim in row["claims"] if (claim["lhs"], claim["rhs"]) == (row["lhs"], row["rhs"])]
    return {
        "name": name,
        "number": number,
        "standing": standing,
        "first_violation": row["first_violation"],
        "margin": row["worst_margin"],
        "relative": deciding[0]["relative_margin"] if deciding else None,
        "at_step": row["at_step"],
        "where": ", ".join(f"{each} {index}" for each, index in row["where"].items()),
        "steps": row["checked_steps"],
    }


def _requirement(record: Mapping[str, Any]) -> dict[str, Any]:
    """A requirement with its bar, which begins in the middle and ends where the ratio lies on a logarithmic scale."""
    ratio = record["ratio"]
    if ratio is None:
        return {**record, "look": "away", "icon": "–", "word": "not determined"}
    share = max(-1.0, min(1.0, math.log10(ratio) / DECADES)) if ratio > 0 else -1.0
    met = ratio >= 1.0
    return {
        **record,
        "look": "good" if met else "bad",
        "icon": "✓" if met else "✗",
        "word": "met" if met else "not met",
        "left": round(50.0 + min(50.0 * share, 0.0), 2),
        "width": round(abs(50.0 * share), 2),
    }


def _size(problem: Mapping[str, Any]) -> str:
    """The fields of the problem in a line; those that are not set left out."""
    return ", ".join(
        f"{name} = {number(value, 6) if isinstance(value, int | float) and not isinstance(value, bool) else value}"
        for name, value in problem.items()
        if value is not None
    )


def headlines(system: System, stand: Mapping[str, Standing]) -> list[dict[str, Any]]:
    """The ledger: each headline claim with how the statements that bear on it stand, and the studies that judge it."""
    found = []
    for name, headline in system.ledger().items():
        bearing = [(each.name, stand[each.name]) for each in headline.statements]
        counts = Counter(each.verdict for _, each in bearing)
        found.append(
            {
                "name": name,
                "says": headline.says,
                "statements": bearing,
                "counts": [(verdict, counts[verdict]) for verdict in ICONS if counts[verdict]],
                "studies": headline.studies,
            }
        )
    return found


def _stages(stages: Mapping[str, int | None], steps: int) -> list[tuple[str, str]]:
    reached = sorted((step, name) for name, step in stages.items() if step is not None)
    never = [(name, "never reached") for name, step in stages.items() if step is None]
    return [
        ("start", "step 0"),
        *((name, f"step {number(step)}") for step, name in reached),
        ("end", f"step {number(steps)}"),
        *never,
    ]


def _grouped(panels: Sequence[Panel]) -> list[tuple[str, list[Panel]]]:
    """Panels by what was found of them; what needs a reader first."""
    order = ["bad", "open", "unmet", "good", "away"]
    titles = {
        "bad": "Violated",
        "open": "Inconclusive",
        "unmet": "Hypothesis not met",
        "good": "Holds in this run",
        "away": "Not judged by a single run",
    }
    judged = [panel for panel in panels if panel.kind != "scalar inequality"]
    groups = [(titles[look], [panel for panel in judged if panel.standing.look == look]) for look in order]
    scalar = [panel for panel in panels if panel.kind == "scalar inequality"]
    return [(title, those) for title, those in [*groups, ("Scalar inequalities that they rest on", scalar)] if those]


def _command(run: Shown) -> str:
    return shlex.join(["verify", "run", str(run.record["system"]), "--config", "problem.toml"])
