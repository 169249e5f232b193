"""Whether what is claimed of the start holds as often as claimed, sampled from the law itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sympy import Rational, log

from proofs.benign_vit import start
from proofs.benign_vit.statements import statements
from proofs.language import Claim, Lemma
from verify.checking.trials import Counted, Trials, together
from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.studies.rules import PROBABILITY_RULE, judge_probability, shared_out
from verify.studies.study import Finding, Judgement, Row, Sheet, Study
from verify.systems.benign_vit.draw import draw, labels
from verify.systems.benign_vit.instance import TokenTable
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.observed import statement_data
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.starts import (
    LABELS,
    TOKENS,
    WEIGHTS,
    draw_extreme_tokens,
    draw_tokens,
    seen_in_tokens,
    seen_in_weights,
)
from verify.systems.draws import Stream, stream
from verify.systems.fields import LARGEST_DIMENSION, Count

USUAL = {"N": 10, "M": 4, "d": 10**8, "d_h": 10**8, "delta": 0.05}
CASES: Mapping[str, Mapping[str, float]] = {
    "usual": USUAL,
    "two-tokens": USUAL | {"N": 4, "M": 2, "d": 1000, "d_h": 1000},
    "least-dimension": USUAL | {"d": 11, "d_h": 10},
    "least-heads": USUAL | {"d": 25, "d_h": 167},
    "least-samples": USUAL | {"N": 30, "M": 2, "d": 100, "d_h": 200},
    "every-other-start": USUAL | {"N": 12, "M": 2, "d": 9, "d_h": 120, "delta": 0.5},
    "one-head-dimension": USUAL | {"d_h": 1},
    "noise-on-a-line": USUAL | {"d": 3, "d_h": 100},
    "many-on-a-line": USUAL | {"N": 10**5, "d": 3},
}
"""Large, at the smallest sizes that the hypotheses allow, and below them."""

CONFIDENCE = 0.99
"""Of all verdicts of one study together."""

MOST_TOKENS = 128
"""Starts with more distinct tokens are not drawn in full."""

CHUNK = 2**18
"""Numbers in the largest array of one chunk of starts."""


class Start(BaseModel):
    """The sizes of a problem, by the name of a case or one by one, and how many starts of it are drawn.

    Scales are those of `Problem`: every statement of the start is free of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str = Field("usual", description=f"sizes by name: {', '.join(CASES)}")
    N: Annotated[Count, Field(ge=2, le=10**6, description="training samples [the case's]")]
    M: Annotated[Count, Field(ge=2, le=10**4, description="tokens a sample [the case's]")]
    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION, description="token dimension [the case's]")]
    d_h: Annotated[Count, Field(ge=1, le=LARGEST_DIMENSION, description="head dimension [the case's]")]
    delta: Annotated[float, Field(gt=0, lt=1, description="failure probability of the theory [the case's]")]
    trials: Annotated[Count, Field(ge=1, le=10**7)] = Field(30_000, description="independent starts in a cell")

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_case(cls, given: Any) -> Any:
        case = given.get("case", "usual")
        if case not in CASES:
            raise RequestError.of("case", case, " or ".join(CASES))
        return {**CASES[case], **given}

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Start:
        tokens = self.problem.distinct_tokens
        if tokens > MOST_TOKENS and self.d > 3:
            raise RequestError.of("N", self.N, f"at most {MOST_TOKENS} distinct tokens (here {tokens}), or d = 3")
        return self

    @property
    def sizes(self) -> dict[str, float]:
        """What the statements name."""
        return {name: getattr(self, name) for name in USUAL}

    @property
    def problem(self) -> Problem:
        """The problem whose starts these are; labels balanced, so that both signals occur."""
        return Problem.model_validate({**self.sizes, "test_samples": 0})


# What is counted: the statements, and a wrong variant of each.


def _times(factor: Any) -> Callable[[Any], Any]:
    return lambda side: side * factor


def _with_half_the_logarithm(side: Any) -> Any:
    return side.xreplace({each: each / 2 for each in side.atoms(log)})


@dataclass(frozen=True)
class Variant:
    """A wrong variant of a statement: the right sides of its claims of one relation changed.

    `case` has the sizes at which it fails more often than delta.
    """

    of: Lemma
    words: str
    relation: str
    change: Callable[[Any], Any]
    case: str

    @cached_property
    def lemma(self) -> Lemma:
        """The variant, named after what is changed."""
        wrong = replace(self.of, claim=None, claims=[self._changed(each) for each in self.of.claims], proof=None)
        wrong.name = f"{self.of.name}, {self.words}"
        return wrong

    def _changed(self, claim: Claim) -> Claim:
        if claim.relation != self.relation:
            return claim
        return Claim(claim.lhs, claim.relation, self.change(claim.rhs), where=claim.where)


TOO_STRONG = (
    Variant(start.noise_norms, "half the logarithm", "<=", _with_half_the_logarithm, "usual"),
    Variant(start.noise_nearly_orthogonal, "1 in place of 2", "<=", _times(Rational(1, 2)), "usual"),
    Variant(start.initial_values_small, "half the logarithm", "<=", _with_half_the_logarithm, "usual"),
    Variant(start.initial_scores_small, "1 in place of 2", "<=", _times(Rational(1, 2)), "usual"),
    Variant(start.initial_norms, "1.1 in place of 3/2", "<=", _times(Rational(11, 15)), "least-heads"),
    Variant(start.classes_balanced, "2/5 in place of 1/4", ">=", _times(Rational(8, 5)), "least-samples"),
)

OF_TOKENS = (start.noise_norms, start.noise_nearly_orthogonal)
OF_WEIGHTS = (start.initial_values_small, start.initial_scores_small, start.initial_norms)
OF_LABELS = (start.classes_balanced,)


@cache
def variants() -> dict[str, Variant]:
    """The wrong variants by name."""
    statements()  # gives statements their names
    return {each.lemma.name: each for each in TOO_STRONG}


@cache
def _trials(lemmas: tuple[Lemma, ...], wrong: tuple[Variant, ...], drawn: tuple[str, ...]) -> Trials:
    """Statements, and those of the wrong variants that are variants of them, compiled."""
    return Trials([*lemmas, *(each.lemma for each in wrong if each.of in lemmas)], drawn)


# The draws.


def measure(cell: Start, seed: int) -> dict[str, Any]:
    """Count every statement on starts drawn in full, or on those few tokens that decide; a wrong variant at its case.

    Beyond `MOST_TOKENS` only noise on a line (d = 3) is drawn, by its longest and shortest tokens.
    """
    problem = cell.problem
    wrong = tuple(each for each in variants().values() if CASES[each.case] == cell.sizes)
    in_full = problem.distinct_tokens <= MOST_TOKENS
    counted = (_count_in_full if in_full else _count_on_a_line)(problem, wrong, cell.trials, seed)
    return {name: asdict(each) for name, each in counted.items()}


def _count_in_full(problem: Problem, wrong: tuple[Variant, ...], trials: int, seed: int) -> dict[str, Counted]:
    constants, table = _constants(problem, problem)
    of_tokens, of_weights, of_labels = (stream(seed, each) for each in (Stream.TOKENS, Stream.WEIGHTS, Stream.LABELS))
    entries = max(table.token_at.size * len(table.tokens), 4 * len(table.tokens) ** 2, problem.N**2)

    def starts() -> Iterator[Mapping[str, Array]]:
        for count in _chunks(trials, entries):
            tokens = draw_tokens(problem, count, of_tokens)
            yield seen_in_tokens(tokens, table.token_at) | seen_in_weights(problem, tokens, of_weights)

    def classes() -> Iterator[Mapping[str, Array]]:
        for count in _chunks(trials, entries):
            many = problem.model_copy(update={"N": count * problem.N, "balanced": False})
            yield {"label": labels(many, of_labels).reshape(count, problem.N)}

    about_starts = _trials(OF_TOKENS + OF_WEIGHTS, wrong, TOKENS + WEIGHTS)
    return about_starts.count(constants, starts()) | _trials(OF_LABELS, wrong, LABELS).count(constants, classes())


def _count_on_a_line(problem: Problem, wrong: tuple[Variant, ...], trials: int, seed: int) -> dict[str, Counted]:
    """Two longest and a shortest noise token decide: all pairs are parallel, and only lengths differ."""
    few = problem.model_copy(update={"N": math.ceil(3 / (problem.M - 1))})
    constants, table = _constants(problem, few)
    rng = stream(seed, Stream.TOKENS)

    def starts() -> Iterator[Mapping[str, Array]]:
        for count in _chunks(trials, table.token_at.size * len(table.tokens)):
            yield seen_in_tokens(draw_extreme_tokens(problem, table, count, rng), table.token_at)

    return _trials(OF_TOKENS, wrong, TOKENS).count(constants, starts())


def _constants(problem: Problem, held: Problem) -> tuple[dict[str, Any], TokenTable]:
    """What statements name and no draw changes: of a problem, for the elements that the problem `held` has."""
    instance = draw(held, seed=0, full=False)
    table = TokenTable.of(instance)
    data = statement_data(instance, table, problem, np.zeros((1, 1)), balance_terms=0)
    return data | {"N": problem.N, "M": problem.M, "P": problem.distinct_tokens}, table


def _chunks(trials: int, entries: int) -> Iterator[int]:
    size = max(1, CHUNK // entries)
    while trials:
        yield min(size, trials)
        trials -= min(size, trials)


# The verdicts.

Configuration = tuple[tuple[str, Any], ...]


def judge(rows: Sequence[Row], question: Any) -> Judgement:
    """Each statement in each configuration against 1 - delta."""
    counts = _gathered(rows)
    confidence = shared_out(CONFIDENCE, max(1, len(counts)))
    rule = f"{PROBABILITY_RULE}; {CONFIDENCE:.0%} confidence for all {len(counts)} together (Bonferroni)"
    judged = {where: _finding(*where, each, confidence, rule) for where, each in counts.items()}
    return Judgement(
        results={
            "confidence": CONFIDENCE,
            "shared_out": confidence,
            "counts": [
                {"statement": name, **dict(where), **asdict(each), "verdict": judged[name, where].verdict.value}
                for (name, where), each in counts.items()
            ],
        },
        findings=list(judged.values()),
        sheets=[_sheet(counts, judged)],
        notes=_notes(counts),
    )


def _gathered(rows: Sequence[Row]) -> dict[tuple[str, Configuration], Counted]:
    """Statement and configuration -> counts of all its cells together."""
    found: dict[tuple[str, Configuration], list[Counted]] = {}
    for row in rows:
        where = tuple((name, row.parameters[name]) for name in USUAL)
        for name, counted in (row.result or {}).items():
            found.setdefault((name, where), []).append(Counted(**counted))
    return {place: together(each) for place, each in found.items()}


def _finding(name: str, where: Configuration, counted: Counted, confidence: float, rule: str) -> Finding:
    delta = dict(where)["delta"]
    wrong = variants().get(name)
    verdict, interval = judge_probability(counted.successes, counted.trials, 1.0 - delta, confidence)
    reason = ""
    if counted.given is not None and counted.given < 0:
        failures = 1.0 - counted.successes / counted.trials
        reason = f"it failed at {failures:.3g} of the starts, delta = {delta:g}, where nothing is claimed"
        verdict = Verdict.HYPOTHESIS_NOT_MET
    return Finding(
        statement=name if wrong is None else wrong.of.name,
        kind="probability",
        verdict=verdict,
        about=f"probability that it holds at {_shown(where)}, claimed: {1.0 - delta:g}",
        rule=rule,
        words=f"{'' if wrong is None else f'{wrong.words}: '}{counted.successes:,} of {counted.trials:,} starts",
        estimate=counted.successes / counted.trials,
        interval=interval,
        reason=reason,
        control=wrong is not None,
    )


def _sheet(counts: Mapping[tuple[str, Configuration], Counted], judged: Mapping[Any, Finding]) -> Sheet:
    rows = [
        (
            name,
            _shown(where),
            f"{1.0 - each.successes / each.trials:.3g}",
            f"{dict(where)['delta']:g}",
            f"{each.smallest:+.2g}",
            "none" if each.given is None else f"{each.given:+.2g}",
            judged[name, where].verdict.value,
        )
        for (name, where), each in counts.items()
    ]
    columns = ("statement", "at", "failures", "delta", "smallest margin", "hypothesis margin", "verdict")
    return Sheet("How often it fails (margins are relative to both sides)", columns, rows)


def _notes(counts: Mapping[tuple[str, Configuration], Counted]) -> list[str]:
    full = {where for name, where in counts if name == start.initial_norms.name}
    partly = dict.fromkeys(where for _, where in counts if where not in full)
    return [f"{_shown(where)}: only statements about noise tokens are counted" for where in partly]


def _shown(where: Configuration) -> str:
    return " ".join(f"{name}={each:g}" for name, each in where if name != "delta")


CONCENTRATION = Study(
    name="concentration",
    words="how often the statements about the start hold, sampled from the law, against the probability claimed",
    cell=Start,
    axes={"case": list(CASES)},
    seeds=4,
    measure=measure,
    judge=judge,
    measured_as="start",
)
