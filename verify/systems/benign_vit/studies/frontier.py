"""From which `d_h` on each statement of stages one and two is in force, and what fails first below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from proofs.benign_vit import stage_one, stage_two
from proofs.benign_vit.stages import T2, attention_saturated
from proofs.language import Lemma
from verify.checking.verdicts import Verdict
from verify.studies.axes import spaced_counts
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.benign_vit.studies.growing import Growing, families
from verify.systems.benign_vit.studies.judged import CONTROLS, judge_run, replay, shortfall, statements_of, verdict_of
from verify.systems.fields import Count

STATEMENTS = statements_of(stage_one, stage_two)

ROUNDING = 1e-14

FRONTIER_RULE = (
    "holds from the size from which on it is in force on every seed: its stage gone through from end to end,"
    " its hypotheses met throughout, nothing violated; refuted if it is violated anywhere"
)


class Followed(Growing):
    """One size of one regime, judged to the end of stage two and until attention has turned."""

    max_steps: Count = Field(20_000, description="gradient steps after which a run ends at the latest")


def measure_followed(cell: Followed, seed: int) -> dict[str, Any]:
    """Judge one run: verdict, margin and hypotheses of every statement."""
    problem = cell.problem(test_samples=0)
    return judge_run(problem, seed, (*STATEMENTS, *CONTROLS), (T2.name, attention_saturated.name), cell.max_steps)


@dataclass(frozen=True)
class Bracket:
    """Where a statement comes into force: `below` is the largest size at which it is not on some seed, `above` the
    smallest from which on it is on all; `None` where the design has no such size. `why` tells what fails at `below`.
    """

    below: int | None
    above: int | None
    why: str = ""
    violated: Row | None = None


def bracket(lemma: Lemma, members: Sequence[Row]) -> Bracket:
    """The frontier of one statement in cells of ascending size."""
    failing: dict[int, list[str]] = {}
    for row in members:
        failing.setdefault(row.parameters["d_h"], [])
        if reason := shortfall(row, lemma):
            failing[row.parameters["d_h"]].append(reason)
    below = max((size for size, reasons in failing.items() if reasons), default=None)
    above = min((size for size in failing if below is None or size > below), default=None)
    why = Counter(failing[below]).most_common(1)[0][0] if below is not None else ""
    broken = (row for row in members if verdict_of(row, lemma) == Verdict.VIOLATED.value)
    return Bracket(below, above, why, next(broken, None))


def judge_frontier(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """The frontier of every statement in every family of problems that grows with `d_h`."""
    findings: list[Finding] = []
    sheets: list[Sheet] = []
    results: dict[str, Any] = {}
    for name, members in families(rows, "d_h", ("regime",)).items():
        found = {lemma.name: bracket(lemma, members) for lemma in (*STATEMENTS, *CONTROLS)}
        for lemma in (*STATEMENTS, *CONTROLS):
            findings.append(_finding(lemma, found[lemma.name], members, name))
        results[name] = {
            statement: {"below": each.below, "above": each.above, "fails_first": each.why}
            for statement, each in found.items()
        }
        sheets.append(_frontier_sheet(found, name))
        sheets.append(_margins_sheet(members, name))
    return Judgement({"frontiers": results}, findings, sheets)


def _finding(lemma: Lemma, found: Bracket, members: Sequence[Row], name: str) -> Finding:
    sizes = [row.parameters["d_h"] for row in members]
    if found.violated is not None:
        cell = Followed.model_validate(found.violated.parameters)
        verdict = Verdict.REFUTED
        step = found.violated.measured["statements"][lemma.name]["first_violation"]
        reason = f"violated at step {step}"
        if lemma not in CONTROLS:
            reason += f": {replay(cell.problem(test_samples=0), found.violated.seed)}"
    elif found.above is None:
        verdict, reason = Verdict.HYPOTHESIS_NOT_MET, f"up to d_h = {max(sizes):g}: {found.why}"
    else:
        verdict, reason = Verdict.HOLDS, f"below: {found.why}" if found.why else "at every size of the design"
    bracketed = found.above is not None and found.below is not None and found.violated is None
    return Finding(
        statement=lemma.name,
        kind=str(lemma.kind),
        verdict=verdict,
        about=f"{name}, smallest d_h from which on it is in force",
        rule=FRONTIER_RULE,
        words=lemma.words,
        estimate=None if found.violated is not None or found.above is None else float(found.above),
        interval=(float(found.below or 0), float(found.above or 0)) if bracketed else None,
        reason=reason,
        control=lemma in CONTROLS,
    )


def _frontier_sheet(found: dict[str, Bracket], name: str) -> Sheet:
    lines = []
    for lemma in STATEMENTS:
        each = found[lemma.name]
        on = "nowhere" if each.above is None else f"{each.above:g}"
        lines.append((lemma.name, on, "-" if each.below is None else f"{each.below:g}", each.why or "-"))
    columns = ("statement", "in force from d_h", "not in force at d_h", "what fails there first")
    return Sheet(f"Frontier, {name}", columns, lines)


def _margins_sheet(members: Sequence[Row], name: str) -> Sheet:
    """The smallest margin of each statement relative to its sides, over seeds, or why it has none."""
    by_size: dict[int, list[Row]] = {}
    for row in members:
        by_size.setdefault(row.parameters["d_h"], []).append(row)
    lines = []
    for size, rows in by_size.items():
        line = [f"{size:g}"]
        for lemma in STATEMENTS:
            verdicts = {verdict_of(row, lemma) for row in rows}
            margins = [row.measured["statements"][lemma.name]["relative_margin"] for row in rows]
            there = [margin for margin in margins if margin is not None]
            line.append(_margin(min(there)) if verdicts == {Verdict.HOLDS.value} else ", ".join(sorted(verdicts)))
        lines.append(line)
    return Sheet(f"Smallest relative margins, {name}", ("d_h", *(lemma.name for lemma in STATEMENTS)), lines)


def _margin(margin: float) -> str:
    """Bounds that begin as equalities have margins of rounding, of either sign; exact arithmetic decided them."""
    return "0" if abs(margin) < ROUNDING else f"{margin:.2g}"


FRONTIER = Study(
    name="frontier",
    words="from which d_h on each statement of stages one and two is in force, and which hypothesis fails first below",
    cell=Followed,
    axes={"regime": ("benign", "harmful"), "d_h": spaced_counts(100, 10**12, 21)[::-1]},
    seeds=3,
    measure=measure_followed,
    judge=judge_frontier,
    measured_as="frontier",
)
