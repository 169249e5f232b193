"""One panel a statement: what it says, where it comes from, on what it rests, and what the run saw of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from proofs.language import Claim, Lemma, Observable, ScalarInequality, formula
from proofs.language.statements import ByHand, ByScalar, BySymbols, Paper, Statement
from verify.report.page.charts import Chart, Dots, Line, Span
from verify.report.page.dynamics import event_marks
from verify.report.page.formulas import formula_markup, named_observables, text_markup
from verify.report.page.scales import number
from verify.report.page.standing import ICONS, LOOKS, Standing

if TYPE_CHECKING:
    import xarray

NOT_RECORDED = "Both sides were not recorded."


@dataclass(frozen=True)
class ClaimView:
    """One claim: formula, verdict, worst place, and both sides over the steps."""

    formula: Markup
    verdict: str
    facts: Sequence[tuple[str, str]]
    chart: Chart | None
    missing: str

    @property
    def icon(self) -> str:
        """The sign of the verdict."""
        return ICONS.get(self.verdict, "–")

    @property
    def look(self) -> str:
        """The class of the verdict."""
        return LOOKS.get(self.verdict, "away")


@dataclass(frozen=True)
class Panel:
    """A statement as the page shows it. `number` is the reader's own, where there is one."""

    name: str
    number: str
    words: str
    kind: str
    stage: str
    standing: Standing
    claims: Sequence[ClaimView]
    given: Sequence[tuple[Markup, str]]
    letters: Sequence[tuple[Markup, str]]
    source: str
    proof: str
    rests_on: Sequence[str]
    carries: Sequence[str]
    reason: str
    laws: Sequence[Chart]


def panel_of(
    name: str,
    statement: Statement | None,
    row: Mapping[str, Any] | None,
    standing: Standing,
    sides: xarray.Dataset | None,
    stages: Mapping[str, int | None],
    steps: int,
    carries: Sequence[str] = (),
    laws: Sequence[Chart] = (),
    number: str = "",
) -> Panel:
    """The panel of a statement; `row` is its record of `verdicts.json`, if it was judged.

    Of a statement that is known by its record alone, because it stood in a file of the user's, the text of the record
    is shown.
    """
    row = row or {}
    claims = list(statement.claims) if isinstance(statement, Lemma) else []
    if isinstance(statement, ScalarInequality):
        claims = [statement.claim]
    given = list(statement.given) if isinstance(statement, Lemma) else []
    return Panel(
        name=name,
        number=number,
        words=statement.words if statement is not None else str(row.get("words", "")),
        kind=_kind(statement, row),
        stage=_stage(statement, row),
        standing=standing,
        claims=_claim_views(name, claims, statement, row, sides, stages, steps),
        given=_given(given, row),
        letters=_letters([*claims, *given]),
        source=_source(statement, row),
        proof=_proof(statement),
        rests_on=[each if isinstance(each, str) else each.name for each in (statement.rests_on if statement else ())],
        carries=carries,
        reason=str(row.get("reason", "")),
        laws=laws,
    )


def _kind(statement: Statement | None, row: Mapping[str, Any]) -> str:
    if isinstance(statement, ScalarInequality):
        return "scalar inequality"
    return str(statement.kind) if isinstance(statement, Lemma) else str(row.get("kind", ""))


def _stage(statement: Statement | None, row: Mapping[str, Any]) -> str:
    if isinstance(statement, Lemma):
        stage = statement.stage
        return stage.words if stage.name == "always" else f"{stage.name}: {stage.words}"
    return str(row.get("stage", ""))


def _claim_views(
    name: str,
    claims: Sequence[Claim],
    statement: Statement | None,
    row: Mapping[str, Any],
    sides: xarray.Dataset | None,
    stages: Mapping[str, int | None],
    steps: int,
) -> list[ClaimView]:
    """The claims in their order; those judged in full at snapshots besides come after them in the record."""
    records = list(row.get("claims", ()))
    views = []
    for place in range(max(len(claims), len(records))):
        record = records[place] if place < len(records) else {}
        claim = claims[place] if place < len(claims) else None
        shown = formula_markup(claim) if claim is not None else text_markup(str(record.get("claim", "")))
        in_full = bool(record.get("snapshots"))
        judged = record.get("at_step") is not None
        chart = None
        if judged and not in_full:
            stage = statement.stage if isinstance(statement, Lemma) else None
            chart = _sides_chart(name, place, record, sides, stages, steps, stage)
        missing = NOT_RECORDED if judged and not in_full and chart is None else ""
        views.append(ClaimView(shown, str(record.get("verdict", "")), _facts(record), chart, missing))
    return views


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the record says of a claim, where it says anything."""
    if not record or record.get("at_step") is None:
        return []
    where = " ".join(f"{name} {index}" for name, index in record.get("where", {}).items())
    facts = [
        ("worst at", f"step {number(record['at_step'])}" + (f", {where}" if where else "")),
        ("left side there", number(record.get("lhs"), 6)),
        ("right side there", number(record.get("rhs"), 6)),
        ("margin", number(record.get("worst_margin"))),
        ("relative", number(record.get("relative_margin"))),
        ("checked at", f"{number(record.get('checked_steps'))} steps"),
    ]
    if record.get("first_violation") is not None:
        facts.insert(0, ("first violated at", f"step {number(record['first_violation'])}"))
    if record.get("decided_by_balls"):
        facts.append(("near ties decided by balls", number(record["decided_by_balls"])))
    if record.get("decided_by_proof"):
        facts.append(("near ties that rest on the proof", number(record["decided_by_proof"])))
    if record.get("undecided"):
        facts.append(("near ties undecided", number(record["undecided"])))
    if record.get("resolution") is not None:
        facts.append(("resolution", number(record["resolution"])))
    if record.get("snapshots"):
        facts.append(("judged in full at", "steps " + ", ".join(map(number, record["snapshots"]))))
    return [(name, value) for name, value in facts if value]


def _sides_chart(
    name: str,
    place: int,
    record: Mapping[str, Any],
    sides: xarray.Dataset | None,
    stages: Mapping[str, int | None],
    steps: int,
    stage: Any,
) -> Chart | None:
    if sides is None:
        return None
    found = np.flatnonzero((sides["lemma"].values == name) & (sides["number"].values == place))
    if not len(found):
        return None
    claim = sides.isel(claim=int(found[0]))
    at = claim["step"].values.astype(float)
    lines = [
        Line("left side", at, claim["lhs"].values, "one"),
        Line("right side", at, claim["rhs"].values, "two dashed"),
    ]
    if record.get("lhs") is not None and record.get("rhs") is not None:
        worst = np.array([float(record["at_step"])] * 2)
        dots = [Dots("worst place", worst, np.array([record["lhs"], record["rhs"]], dtype=float), "worst")]
    else:
        dots = []
    spans = []
    if stage is not None and stage.name != "always":
        first = 0 if stage.start == 0 else stages.get(stage.start.name)
        last = steps if stage.end is None else stages.get(stage.end.name)
        if first is not None:
            spans = [Span(float(first), float(steps if last is None else last), stage.name)]
    chart = Chart(
        "Both sides over the steps", "step", "value", lines, dots=dots, spans=spans, events=event_marks(stages)
    )
    return None if chart.is_empty else chart


def _given(given: Sequence[Claim], row: Mapping[str, Any]) -> list[tuple[Markup, str]]:
    """Hypotheses with how often each held."""
    records = list(row.get("hypotheses", ()))
    shown = []
    for place in range(max(len(given), len(records))):
        record = records[place] if place < len(records) else {}
        text = formula_markup(given[place]) if place < len(given) else text_markup(str(record.get("claim", "")))
        held = ""
        if record:
            margin = record.get("smallest_margin")
            held = f"held at {100 * record['share']:.4g} % of the places where it was asked for"
            held += f", smallest margin {number(margin)}" if margin is not None else ""
        shown.append((text, held))
    return shown


def _letters(claims: Sequence[Claim]) -> list[tuple[Markup, str]]:
    named = named_observables(side for claim in claims for side in (claim.lhs, claim.rhs))
    return [(formula_markup(each), each.words) for each in named]


def _source(statement: Statement | None, row: Mapping[str, Any]) -> str:
    if statement is None:
        return "from the paper" if row.get("provenance") == "paper" else "a statement of the user's"
    source = statement.source
    if isinstance(source, Paper):
        derived = f"; derived here: {source.derived}" if source.derived else ""
        return f"{source.reference}: {source.says}{derived}"
    return f"derived here ({source.where})"


def _proof(statement: Statement | None) -> str:
    match statement.proof if statement is not None else None:
        case BySymbols():
            return "by sympy, for generic symbols"
        case ByScalar(inequality):
            return f"an instance of {inequality.name}"
        case ByHand(anchor):
            return f"by hand, {anchor}" + (
                "; by ball arithmetic as well" if isinstance(statement, ScalarInequality) else ""
            )
        case _:
            return "none: judged by what runs and studies show"


def glossary(statements: Sequence[Statement]) -> list[tuple[Markup, str, str, str]]:
    """Every observable that the lemmas name, and those behind them: letter, name, words, definition as text."""
    lemmas = [each for each in statements if isinstance(each, Lemma)]
    waiting = named_observables(
        side for lemma in lemmas for claim in (*lemma.claims, *lemma.given) for side in (claim.lhs, claim.rhs)
    )
    found: dict[str, Observable] = {}
    while waiting:
        each = waiting.pop()
        if each.name not in found:
            found[each.name] = each
            waiting += named_observables(each.made_of)
    return [
        (formula_markup(each), each.name, each.words, _definition(each))
        for each in sorted(found.values(), key=lambda each: each.name)
    ]


def _definition(observable: Observable) -> str:
    if observable.definition is None:
        return "given" if observable.constant else "state, or recorded" if observable.state else ""
    indices = observable.definition.indices
    left = observable[indices] if indices else observable
    return f"{formula(left)} = {formula(observable.definition.expression)}"
