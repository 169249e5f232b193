"""Every law with a hidden constant or a limit, on problems that grow over eight decades of `d_h`.

What is fitted against `d_h` is the ratio of a claim's two sides, at its largest (or smallest) over all steps of the
claim's stage and all elements; for `~` the ratio's distance from 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from proofs.benign_vit import stage_one, stage_three, stage_two
from proofs.benign_vit.condition import CONDITION
from proofs.benign_vit.stages import EVENTS
from proofs.benign_vit.statements import lemmas
from proofs.language import Lemma
from verify.checking.measure import Measure
from verify.checking.meter import condition_meter
from verify.checking.verdicts import Verdict
from verify.statistics import CONFIDENCE, mean_interval
from verify.studies.axes import spaced_counts
from verify.studies.fits import Fit, PowerLaw, power_law
from verify.studies.rules import (
    AT_MOST_RULE,
    DECAY_RULE,
    EXPONENT_RULE,
    LIMIT_RULE,
    RANGE_RULE,
    judge_at_most,
    judge_decay,
    judge_exponent,
    judge_limit,
    judge_range,
    shared_out,
)
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.studies.words import between, with_interval
from verify.systems.benign_vit.studies.growing import Growing, families, prepare_to_measure, stage_events
from verify.systems.benign_vit.studies.training import SYSTEM
from verify.systems.fields import Count

Interval = tuple[float, float]

ORDERS: tuple[Lemma, ...] = tuple(
    lemma for lemma in lemmas() if lemma.kind == "order" and lemma.claims and stage_events(lemma.stage)
)
"""The statements of order about a stage of training, with both sides in formulas."""

LEVELS = (8.0, 4.0, 2.0, 1.0)
"""Training losses at which the test loss is taken, in units of the target."""

LARGEST_SIZES = 2

EXPLICIT_RULE = (
    f"supported if it holds in every cell of the {LARGEST_SIZES} largest sizes,"
    " refuted if it fails in every cell of the largest, else inconclusive"
)

HARMFUL_TEST_LOSS = float(stage_three.harmful_test_loss.claims[0].rhs)


class Scaled(Growing):
    """One size of one regime, trained until the loss is at its target."""

    test_samples: Annotated[Count, Field(ge=2, le=10**6)] = Field(
        1000, description="fresh samples behind the test loss"
    )


def measure_scaled(cell: Scaled, seed: int) -> dict[str, Any]:
    """Train one problem and measure both sides of every order on the way, and the test loss as the loss falls."""
    problem = cell.problem(test_samples=cell.test_samples)
    prepared = prepare_to_measure(problem, seed)
    dynamics = prepared.dynamics
    measure = Measure(ORDERS, EVENTS, prepared, watch=("loss_derivative", "attention"))
    levels: list[dict[str, Any]] = []
    for level in LEVELS:
        target = level * problem.loss_target
        if not measure.train(dynamics, problem.max_steps, loss_target=target):
            break
        outputs = dynamics.test_outputs(dynamics.advance(0, -1.0, [dynamics.step]).kept[dynamics.step])
        test = {} if outputs is None else SYSTEM.test_quantities(*outputs)
        levels.append({"loss_target": target, "step": dynamics.step, **test})
    selected = prepared.constants["selected"]
    return {
        "events": measure.events,
        "steps": dynamics.step,
        "loss_derivative_from_half": {
            event: float(np.abs(seen["loss_derivative"] - 0.5).max()) for event, seen in measure.seen.items()
        },
        "mean_attention_to_selected": {
            event: float(seen["attention"].mean(axis=1)[np.arange(len(selected)), selected].mean())
            for event, seen in measure.seen.items()
        },
        "orders": {
            f"{lemma} {number}": {
                "smallest": side.smallest.ratio,
                "smallest_at": side.smallest.step,
                "largest": side.largest.ratio,
                "largest_at": side.largest.step,
                "right": float(np.max(side.rhs)),
            }
            for (lemma, number), side in measure.sides.items()
        },
        "levels": levels,
        "condition": {each.name: each.ratio for each in condition_meter(CONDITION, prepared.constants, measure.sizes)},
    }


@dataclass(frozen=True)
class Observed:
    """One claim in one cell: the extremes of its ratio over its stage, which was gone through from end to end.

    `right` is its right side at the end of the stage.
    """

    size: float
    smallest: float
    largest: float
    right: float = 1.0

    def with_right_times(self, factor: float) -> Observed:
        """The same of a claim whose right side is larger by the factor."""
        return Observed(self.size, self.smallest / factor, self.largest / factor, self.right * factor)

    @property
    def from_one(self) -> float:
        """How far the ratio gets from 1."""
        return max(abs(self.largest - 1.0), abs(self.smallest - 1.0))


@dataclass(frozen=True)
class Answer:
    """What the rule of a relation says."""

    verdict: Verdict
    about: str
    rule: str
    estimate: float | None = None
    interval: Interval | None = None
    reason: str = ""
    fit: Fit | None = None


def answer(relation: str, seen: Sequence[Observed]) -> Answer:
    """Judge one claim by its relation over cells of growing size.

    Examples:
        >>> cells = [Observed(10.0**k, 10.0**-k, (1 + 0.01 * i) * 10.0**-k) for k in (4, 6, 8) for i in (0, 1)]
        >>> [answer(relation, cells).verdict.value for relation in ("O", "Theta", "o", "<=")]
        ['supported', 'refuted', 'supported', 'supported']
    """
    try:
        match relation:
            case "O":
                law = _law(seen, lambda each: each.largest)
                return _fitted(judge_at_most(law.exponent_interval, 0.0), "exponent of lhs/rhs", AT_MOST_RULE, law)
            case "Theta":
                return _two_sided(seen)
            case "o":
                law = _law(seen, lambda each: each.largest)
                return _fitted(judge_decay(law.exponent_interval), "exponent of lhs/rhs", DECAY_RULE, law)
            case "~":
                law = _law(seen, lambda each: each.from_one)
                return _fitted(judge_limit(law.exponent_interval), "exponent of |lhs/rhs - 1|", LIMIT_RULE, law)
            case _:
                return _explicit(relation, seen)
    except ValueError as error:
        verdict = Verdict.INCONCLUSIVE if seen else Verdict.HYPOTHESIS_NOT_MET
        return Answer(verdict, "", "", reason=str(error) if seen else "its stage was gone through in no cell")


def _law(seen: Sequence[Observed], quantity: Callable[[Observed], float]) -> PowerLaw:
    return power_law([each.size for each in seen], [quantity(each) for each in seen])


def _fitted(verdict: Verdict, about: str, rule: str, law: PowerLaw) -> Answer:
    quantity = about.removeprefix("exponent of ")
    return Answer(verdict, about, rule, law.exponent, law.exponent_interval, fit=Fit(law, "d_h", quantity))


def _two_sided(seen: Sequence[Observed]) -> Answer:
    """The exponent of the left side against that of the right one."""
    stated = _law(seen, lambda each: each.right).exponent
    above, below = _law(seen, lambda each: each.largest), _law(seen, lambda each: each.smallest)
    ends = [stated + end for law in (above, below) for end in law.exponent_interval]
    interval = min(ends), max(ends)
    about = f"exponent of lhs, stated {stated:.3g}"
    fit = Fit(above, "d_h", "lhs/rhs")
    return Answer(judge_exponent(interval, stated), about, EXPONENT_RULE, stated + above.exponent, interval, fit=fit)


def _explicit(relation: str, seen: Sequence[Observed]) -> Answer:
    """A claim whose constant is stated, to leading order: whether it holds at the largest sizes."""
    if not seen:
        raise ValueError("no cell")
    about = f"lhs/rhs at the largest sizes, {relation} 1"
    largest = sorted({each.size for each in seen})[-LARGEST_SIZES:]
    holds = [(each.size, each.largest <= 1.0 if relation == "<=" else each.smallest >= 1.0) for each in seen]
    ratios = [each.largest if relation == "<=" else each.smallest for each in seen if each.size in largest]
    worst = max(ratios) if relation == "<=" else min(ratios)
    if all(held for size, held in holds if size in largest):
        verdict = Verdict.SUPPORTED
    else:
        fails = not any(held for size, held in holds if size == largest[-1])
        verdict = Verdict.REFUTED if fails else Verdict.INCONCLUSIVE
    return Answer(verdict, about, EXPLICIT_RULE, worst)


@dataclass(frozen=True)
class Wrong:
    """A wrong variant of a law: in a cell, its right side is that of the law times `factor`.

    In `regimes` it is wrong by more than the rule lets pass.
    """

    lemma: Lemma
    words: str
    factor: Callable[[Row], float]
    regimes: tuple[str, ...] = ("benign", "harmful")


def _quarter(row: Row) -> float:
    return math.pow(row.parameters["d_h"], -0.25)


def _cubic(row: Row) -> float:
    """`(t - T1)^3` over `t^2 - T1^2` when attention has turned."""
    events = row.measured["events"]
    begun, turned = float(events["T1"]), float(events["attention_saturated"])
    return float((turned - begun) ** 3 / (turned**2 - begun**2))


def _without_attention(row: Row) -> float:
    """The law of stage three has the inverse square of the attention to the selected tokens on its right, alone."""
    return 1.0 / float(row.measured["orders"][f"{stage_three.stage_three_convergence.name} 0"]["right"])


CONTROLS = (
    Wrong(stage_one.stage_one_duration, "exponent -1/2 in place of -1/4", _quarter),
    Wrong(stage_one.stage_one_loss_derivative, "exponent -1/2 in place of -1/4", _quarter),
    Wrong(stage_two.stage_two_log_growth, "d_h^(3/4) in place of d_h in the drive", _quarter),
    Wrong(stage_two.stage_two_quadratic_growth, "(t - T1)^3 in place of t^2 - T1^2", _cubic),
    Wrong(stage_three.stage_three_convergence, "d_h^(-1/4) steps fewer", _quarter),
    Wrong(stage_three.stage_three_convergence, "without psi^2", _without_attention, ("harmful",)),
)


def observed(row: Row, lemma: Lemma, number: int) -> Observed | None:
    """A claim in a cell, if the events of its stage occurred and it was about something."""
    result = row.measured
    found = result["orders"].get(f"{lemma.name} {number}")
    if found is None or any(result["events"][event] is None for event in stage_events(lemma.stage)):
        return None
    return Observed(float(row.parameters["d_h"]), found["smallest"], found["largest"], found["right"])


def judge_scaling(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Judge every order in every family of problems that grows with `d_h`."""
    findings: list[Finding] = []
    sheets: list[Sheet] = []
    notes: list[str] = []
    for name, members in families(rows, "d_h", ("regime",)).items():
        findings.extend(finding for lemma in ORDERS for finding in _findings(lemma, members, name))
        findings.extend(_test_findings(members, name))
        findings.extend(_controls(members, name))
        sheets.extend((_events_sheet(members, name), _constants_sheet(members, name), _levels_sheet(members, name)))
        notes.extend(_notes(members, name))
    return Judgement({"findings": [_record(finding) for finding in findings]}, findings, sheets, notes)


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "statement": finding.statement,
        "about": finding.about,
        "verdict": finding.verdict.value,
        "estimate": finding.estimate,
        "interval": None if finding.interval is None else list(finding.interval),
        "control": finding.control,
    }


def _finding(lemma: Lemma, found: Answer, name: str, cells: str, control: str = "") -> Finding:
    return Finding(
        statement=lemma.name,
        kind="order",
        verdict=found.verdict,
        about=", ".join(part for part in (name, control, found.about) if part),
        rule=found.rule,
        words=lemma.words,
        estimate=found.estimate,
        interval=found.interval,
        reason=found.reason or cells,
        control=bool(control),
        fit=found.fit,
    )


def _findings(lemma: Lemma, members: Sequence[Row], name: str) -> list[Finding]:
    """One finding a claim."""
    findings = []
    for number, claim in enumerate(lemma.claims):
        seen = [each for row in members if (each := observed(row, lemma, number)) is not None]
        cells = (
            "" if len(seen) == len(members) else f"its stage was gone through in {len(seen)} of {len(members)} cells"
        )
        findings.append(_finding(lemma, answer(claim.relation, seen), name, cells))
    return findings


def _controls(members: Sequence[Row], name: str) -> list[Finding]:
    """Wrong variants, judged by the same code; one is refuted where one of its claims is.

    There is none of a law that says nothing of these problems.
    """
    findings: list[Finding] = []
    regime = members[0].parameters["regime"]
    for wrong in (each for each in CONTROLS if regime in each.regimes):
        answers = []
        for number, claim in enumerate(wrong.lemma.claims):
            pairs = [(row, observed(row, wrong.lemma, number)) for row in members]
            seen = [each.with_right_times(wrong.factor(row)) for row, each in pairs if each is not None]
            if seen:
                answers.append(answer(claim.relation, seen))
        refuted = [each for each in answers if each.verdict is Verdict.REFUTED]
        findings.extend(_finding(wrong.lemma, each, name, "", wrong.words) for each in (refuted or answers)[:1])
    return findings


def _converged(members: Sequence[Row]) -> list[tuple[Row, Mapping[str, Any]]]:
    """The cells whose loss reached its target, each with its test quantities there."""
    return [(row, row.measured["levels"][-1]) for row in members if row.measured["events"]["T3"] is not None]


def _test_findings(members: Sequence[Row], name: str) -> list[Finding]:
    ends = _converged(members)
    cells = f"the loss reached its target in {len(ends)} of {len(members)} cells"
    if members[0].parameters["regime"] == "harmful":
        return [_finding(stage_three.harmful_test_loss, _stays_large(ends), name, cells)]
    along_sizes = _decays(
        [float(row.parameters["d_h"]) for row, _ in ends],
        [end["test_loss"] for _, end in ends],
        "exponent of the test loss in d_h, training loss fixed",
    )
    return [
        _finding(stage_three.benign_test_loss, _falls_with_training_loss(members), name, cells),
        _finding(stage_three.benign_test_loss, along_sizes, name, cells, "with d_h in place of the training loss"),
    ]


def _decays(x: Sequence[float], y: Sequence[float], about: str) -> Answer:
    try:
        law = power_law(x, y)
    except ValueError as error:
        return Answer(Verdict.INCONCLUSIVE, about, DECAY_RULE, reason=str(error))
    return _fitted(judge_decay(law.exponent_interval), about, DECAY_RULE, law)


def _falls_with_training_loss(members: Sequence[Row]) -> Answer:
    """The exponent of the test loss in the inverse training loss at the largest size; the interval is over seeds."""
    size = members[-1].parameters["d_h"]
    about = f"exponent of the test loss in 1/(training loss) at d_h = {size:g}"
    exponents = []
    for row in members:
        levels = row.measured["levels"]
        if row.parameters["d_h"] == size and len(levels) == len(LEVELS):
            law = power_law([1.0 / each["loss_target"] for each in levels], [each["test_loss"] for each in levels])
            exponents.append(law.exponent)
    if len(exponents) < 2:
        return Answer(Verdict.INCONCLUSIVE, about, DECAY_RULE, reason=f"{len(exponents)} cells, an interval needs 2")
    interval = mean_interval(np.array(exponents))
    return Answer(judge_decay(interval), about, DECAY_RULE, float(np.mean(exponents)), interval)


def _stays_large(ends: Sequence[tuple[Row, Mapping[str, Any]]]) -> Answer:
    """Whether the mean test loss over seeds is surely large at every size."""
    about = f"smallest mean test loss of a size, at least {HARMFUL_TEST_LOSS:g}"
    rule = f"for the interval of every size: {RANGE_RULE}"
    by_size: dict[int, list[float]] = {}
    for row, end in ends:
        by_size.setdefault(row.parameters["d_h"], []).append(end["test_loss"])
    if not by_size:
        return Answer(Verdict.HYPOTHESIS_NOT_MET, about, rule, reason="the loss reached its target in no cell")
    confidence = shared_out(CONFIDENCE, len(by_size))
    judged = [(float(np.mean(losses)), mean_interval(np.array(losses), confidence)) for losses in by_size.values()]
    verdicts = {judge_range(interval, HARMFUL_TEST_LOSS, math.inf) for _, interval in judged}
    verdict = next(each for each in (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED) if each in verdicts)
    mean, interval = min(judged)
    return Answer(verdict, about, rule, mean, interval if math.isfinite(interval[0]) else None)


def _by_size(members: Sequence[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in members:
        found.setdefault(row.parameters["d_h"], []).append(row)
    return found


def _events_sheet(members: Sequence[Row], name: str) -> Sheet:
    """Steps of the events and distances of the loss derivatives from 1/2 there, smallest to largest over seeds."""
    lines = []
    for size, rows in _by_size(members).items():
        line = [f"{size:g}"]
        for event in EVENTS:
            line.append(between([row.measured["events"][event.name] for row in rows], 6))
            line.append(between([row.measured["loss_derivative_from_half"].get(event.name) for row in rows], 3))
        lines.append(line)
    columns = ["d_h", *(column for event in EVENTS for column in (event.name, "|lambda - 1/2|"))]
    return Sheet(f"Events, {name}", columns, lines)


def _constants_sheet(members: Sequence[Row], name: str) -> Sheet:
    """What stands in for the hidden constants: lhs/rhs at its largest, mean over seeds with its interval."""
    lines = []
    for lemma in ORDERS:
        for number, claim in enumerate(lemma.claims):
            line = [lemma.name, claim.relation]
            for rows in _by_size(members).values():
                found = [each for row in rows if (each := observed(row, lemma, number)) is not None]
                extremes = [each.smallest if claim.relation == ">=" else each.largest for each in found]
                line.append(_mean(extremes))
            lines.append(line)
    columns = ("statement", "relation", *(f"d_h = {size:g}" for size in _by_size(members)))
    return Sheet(f"lhs/rhs, {name}", columns, lines)


def _mean(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3g}" if values else "not met"
    return with_interval(float(np.mean(values)), mean_interval(np.array(values)))


def _levels_sheet(members: Sequence[Row], name: str) -> Sheet:
    """Test loss as the training loss falls, mean over seeds with its interval; test error at the end."""
    lines = []
    for size, rows in _by_size(members).items():
        line = [f"{size:g}"]
        for place in range(len(LEVELS)):
            reached = [row.measured["levels"][place] for row in rows if len(row.measured["levels"]) > place]
            line.append(_mean([each["test_loss"] for each in reached]))
        line.append(between([end["test_error"] for _, end in _converged(rows)], 3))
        line.append(between([row.measured["mean_attention_to_selected"].get("T3") for row in rows], 3))
        lines.append(line)
    target = members[0].parameters["loss_target"]
    columns = (
        "d_h",
        *(f"test loss at L = {level * target:g}" for level in LEVELS),
        "test error",
        "attention to the selected token",
    )
    return Sheet(f"Test loss, {name}", columns, lines)


def _notes(members: Sequence[Row], name: str) -> list[str]:
    """What of the training departs from the theory, and what the tables show beyond the verdicts."""
    notes = []
    excess = [1.0 / row.measured["condition"]["step-size"] for row in members]
    notes.append(
        f"{name}: the step size is {min(excess):.3g} to {max(excess):.3g} times the paper's bound on it"
        " (its constant set to 1)"
    )
    early = [size for size, rows in _by_size(members).items() if any(_is_early(row.measured["events"]) for row in rows)]
    if early:
        notes.append(f"{name}: T2 comes before T1, stage two is empty, at d_h = {', '.join(f'{s:g}' for s in early)}")
    ends = [(row, end) for row, end in _converged(members) if row.parameters["regime"] == "benign"]
    if ends and ends[-1][1]["test_loss"] > ends[0][1]["test_loss"]:
        tokens, target = ends[-1][0].parameters["M"], ends[-1][0].parameters["loss_target"]
        # Where all training queries have turned, a training output is a value, log(1/eps). A fresh noise token has not
        # learnt to turn, it attends uniformly: a test output is the value times the mean attention (1 + (M-1)/M) / M.
        share = (2 * tokens - 1) / tokens**2
        notes.append(
            f"{name}: at a fixed training loss the test loss grows with d_h, to {ends[-1][1]['test_loss']:.3g}:"
            f" fresh noise tokens have learnt no query and attend uniformly, so that test outputs tend to {share:.4g}"
            f" of training outputs and the test loss to {math.log1p(target**share):.3g};"
            f" it vanishes with the training loss, like its power {share:.4g}"
        )
    return notes


def _is_early(events: Mapping[str, int | None]) -> bool:
    first, second = events["T1"], events["T2"]
    return first is not None and second is not None and second < first


SCALING = Study(
    name="scaling",
    words="every law with a hidden constant or a limit, on problems that grow with the dimension of queries and keys",
    cell=Scaled,
    axes={"regime": ("benign", "harmful"), "d_h": spaced_counts(10**4, 10**12, 5)},
    seeds=3,
    measure=measure_scaled,
    judge=judge_scaling,
    measured_as="scaling",
)
