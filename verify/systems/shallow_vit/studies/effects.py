"""What token noise, the initial model and the choice of tokens do to the test error: differences of means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from proofs.language import Lemma
from proofs.shallow_vit import exact, order
from verify.checking.verdicts import Verdict
from verify.studies.rules import RANGE_RULE, shared_out
from verify.studies.study import Finding, Judgement, NoQuestion, Row, Sheet, Study
from verify.systems.fields import Count, NonNegative
from verify.systems.shallow_vit.problem import Problem
from verify.systems.shallow_vit.studies.cases import Case, Settings, measure_case
from verify.systems.shallow_vit.studies.judged import (
    CONFIDENCE,
    difference,
    finding,
    grouped,
    in_range,
    measured,
    spread,
)
from verify.systems.shallow_vit.studies.sample_complexity import BASE
from verify.systems.shallow_vit.studies.training import train


@dataclass(frozen=True)
class Contrast:
    """A statement about the mean test error of some cells less that of others, each given by their parameters.

    `wrong` says in words what is wrong where it is a variant that the cells must refute.
    """

    statement: Lemma
    cells: Mapping[str, Any]
    less: Mapping[str, Any]
    wrong: str = ""


def _with(rows: Sequence[Row], parameters: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows if all(row.parameters[name] == value for name, value in parameters.items())]


def _shown(parameters: Mapping[str, Any]) -> str:
    return " ".join(value if isinstance(value, str) else f"{name}={value:g}" for name, value in parameters.items())


def judge_contrasts(rows: Sequence[Row], contrasts: Sequence[Contrast]) -> list[Finding]:
    """Every contrast whose cells are there, all right at the confidence of a study."""
    confidence = shared_out(CONFIDENCE, len(contrasts))
    findings = []
    for each in contrasts:
        first, second = (measured(_with(rows, some), "test_error") for some in (each.cells, each.less))
        if not first or not second:
            continue
        about = f"test error, {_shown(each.cells)} less {_shown(each.less)}"
        control = bool(each.wrong)
        try:
            estimate, interval = difference(first, second, confidence)
        except ValueError as error:
            findings.append(
                finding(each.statement, Verdict.INCONCLUSIVE, about, RANGE_RULE, reason=str(error), control=control)
            )
            continue
        claims = each.statement.claims
        findings.append(in_range(each.statement, claims, about, estimate, interval, words=each.wrong, control=control))
    return findings


def _table(title: str, rows: Sequence[Row], names: Sequence[str]) -> Sheet:
    lines = [
        (*(str(value) for value in place), spread(measured(some, "test_error")), spread(measured(some, "steps")))
        for place, some in grouped(rows, *names).items()
    ]
    return Sheet(title, (*names, "test error, mean and range", "steps"), lines)


# Token noise.


class Noisy(BaseModel):
    """One problem with token noise, trained for a fixed number of steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    tau: NonNegative = Field(0.0, description="norm of the noise of a token")
    N: Annotated[Count, Field(ge=2, le=10**4)] = Field(16, description="training samples")
    d: Annotated[Count, Field(ge=4, le=10**9)] = Field(40, description="token dimension")

    def problem(self) -> Problem:
        """The problem itself."""
        sizes = {"L": 30, "M": 4, "m": 32, "n_star": 3, "xi": 0.01, "step_size": 0.5, "B": 16}
        ending = {"loss_target": 0.0, "loss_every": 150, "max_steps": 150, "test_samples": 200}
        return Problem.model_validate({**sizes, **ending, "N": self.N, "d": self.d, "tau": self.tau})


def measure_noisy(cell: Noisy, seed: int) -> dict[str, Any]:
    """Train one problem: test quantities on fresh samples (exact without noise)."""
    return train(cell.problem(), seed).record()


FEW, MANY, STRONG = 8, 64, 2.5


def judge_token_noise(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Strong noise against none, and few samples against many."""
    contrasts = [
        *(Contrast(order.token_noise_hurts, {"N": N, "tau": STRONG}, {"N": N, "tau": 0.0}) for N in (FEW, 16)),
        Contrast(order.noise_needs_samples, {"N": FEW, "tau": STRONG}, {"N": MANY, "tau": STRONG}),
        Contrast(
            order.token_noise_hurts,
            {"N": FEW, "tau": 0.0},
            {"N": FEW, "tau": STRONG},
            "token noise lowers the test error",
        ),
    ]
    notes = ["norms of 1 and more are beyond the small noise that the theory assumes"]
    sheet = _table("Test error by token noise", rows, ("N", "tau"))
    return Judgement({}, judge_contrasts(rows, contrasts), [sheet], notes)


TOKEN_NOISE = Study(
    name="token-noise",
    words="how the test error grows with token noise, and falls with samples",
    cell=Noisy,
    axes={"N": (FEW, 16, MANY), "tau": (0.0, 1.0, 1.5, 2.0, STRONG)},
    seeds=12,
    measure=measure_noisy,
    judge=judge_token_noise,
    measured_as="token-noise",
)

# The initial model.

EXACT, PUSHED = "no-error", "directed-0.9"
RANDOM_VALUES, RANDOM_HEADS = "random-values-1.5", "random-heads-1.5"


class Started(Case):
    """One kind and size of error of the initial model."""

    base: ClassVar[Settings] = {**BASE, "n_star": 6, "sigma": 0.0, "delta": 0.0}
    cases: ClassVar[Mapping[str, Settings]] = {
        EXACT: {},
        "directed-0.3": {"error": "directed", "sigma": 0.3},
        "directed-0.6": {"error": "directed", "sigma": 0.6},
        PUSHED: {"error": "directed", "sigma": 0.9},
        RANDOM_VALUES: {"error": "matched", "sigma": 1.5},
        RANDOM_HEADS: {"error": "matched", "delta": 1.5},
    }

    case: str = Field(EXACT, description=f"error of the initial model: {', '.join(cases)}")


def judge_initial_error(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Errors that push the relevant values together hurt; random ones of the same norms hardly do."""
    none = {"case": EXACT}
    contrasts = [
        Contrast(order.directed_error_hurts, {"case": PUSHED}, none),
        Contrast(order.random_value_error_is_harmless, {"case": RANDOM_VALUES}, none),
        Contrast(order.random_head_error_is_harmless, {"case": RANDOM_HEADS}, none),
        Contrast(order.random_value_error_is_harmless, {"case": PUSHED}, none, "a directed error is as harmless"),
    ]
    notes = ["random errors keep all norms: longer values, queries and keys are another change"]
    sheet = _table("Test error by the error of the initial model", rows, ("N", "case"))
    return Judgement({}, judge_contrasts(rows, contrasts), [sheet], notes)


INITIAL_ERROR = Study(
    name="initial-error",
    words="which errors of the initial model raise the test error: directed ones, not random ones",
    cell=Started,
    axes={"case": list(Started.cases)},
    seeds=250,
    measure=measure_case,
    judge=judge_initial_error,
    measured_as="initial-error",
)

# Which tokens there are.

ALL_TOKENS, TEN_TOKENS = "3-of-40", "3-of-10"
SIX, TWO = "6-of-40", "2-of-36"
BY_CHANCE, SPURIOUS, REPAIRED = "spurious-0.5", "spurious-1", "spurious-1-less-9"
EQUAL, SHUFFLED = "equal-counts", "shuffled-labels"
_SPURIOUS = {"n_star": 3, "n_spurious": 10, "loss_target": 0.0, "loss_every": 50, "max_steps": 400}


class Tokens(Case):
    """Which tokens samples have: so many relevant ones of all; spurious ones by rho, and how many of 10 are dropped."""

    base: ClassVar[Settings] = BASE
    cases: ClassVar[Mapping[str, Settings]] = {
        ALL_TOKENS: {"n_star": 3, "L": 40},
        "3-of-30": {"n_star": 3, "L": 30},
        "3-of-20": {"n_star": 3, "L": 20},
        TEN_TOKENS: {"n_star": 3, "L": 10},
        SIX: {"n_star": 6, "L": 40},
        "3-of-37": {"n_star": 3, "L": 37},
        TWO: {"n_star": 2, "L": 36},
        BY_CHANCE: {**_SPURIOUS, "rho": 0.5},
        "spurious-0.9": {**_SPURIOUS, "rho": 0.9},
        SPURIOUS: {**_SPURIOUS, "rho": 1.0},
        "spurious-0.9-less-7": {**_SPURIOUS, "rho": 0.9, "n_spurious": 3, "L": 33},
        "spurious-1-less-7": {**_SPURIOUS, "rho": 1.0, "n_spurious": 3, "L": 33},
        REPAIRED: {**_SPURIOUS, "rho": 1.0, "n_spurious": 1, "L": 31},
        EQUAL: {"n_star": 6, "n_sharp": 6},
        SHUFFLED: {"n_star": 6, "n_sharp": 2},
    }
    shuffled: ClassVar[frozenset[str]] = frozenset({SHUFFLED})

    case: str = Field(ALL_TOKENS, description=f"which tokens: {', '.join(cases)}")
    N: Annotated[Count, Field(ge=2, le=10**5)] = Field(
        default_factory=lambda given: 100 if "n_spurious" in Tokens.cases[given["case"]] else 24,
        description="training samples [24; 100 with spurious tokens]",
    )


def judge_sparsification(rows: Sequence[Row], question: NoQuestion) -> Judgement:
    """Dropping irrelevant tokens helps, dropping relevant ones hurts, spurious ones hurt until they are dropped."""
    contrasts = [
        Contrast(order.irrelevant_tokens_hurt, {"case": TEN_TOKENS}, {"case": ALL_TOKENS}),
        Contrast(order.relevant_tokens_help, {"case": TWO}, {"case": SIX}),
        Contrast(order.spurious_tokens_hurt, {"case": SPURIOUS}, {"case": BY_CHANCE}),
        Contrast(order.removal_repairs, {"case": REPAIRED}, {"case": BY_CHANCE}),
        Contrast(order.labels_matter, {"case": SHUFFLED}, {"case": SIX}),
        Contrast(
            order.irrelevant_tokens_hurt, {"case": TWO}, {"case": SIX}, "dropping any tokens lowers the test error"
        ),
        Contrast(order.removal_repairs, {"case": SPURIOUS}, {"case": BY_CHANCE}, "spurious tokens need no repair"),
    ]
    findings = judge_contrasts(rows, contrasts)
    equal = _with(rows, {"case": EQUAL})
    if equal:
        rule = "supported if the exact error is at least 1/2 in every cell, else refuted: it is proved"
        errors = measured(equal, "test_error_high")
        verdict = Verdict.SUPPORTED if min(errors) >= HALF else Verdict.REFUTED
        about = "smallest test error, as many tokens of either label"
        findings.append(finding(exact.error_of_equal_counts, verdict, about, rule, "", min(errors)))
    notes = ["3 spurious tokens with rho = 1 tell in training as much as the 3 relevant ones"]
    return Judgement({}, findings, [_table("Test error by tokens", rows, ("N", "case"))], notes)


HALF = 0.5 - 1e-12

SPARSIFICATION = Study(
    name="sparsification",
    words="what dropping irrelevant, relevant and spurious tokens does to the test error",
    cell=Tokens,
    axes={"case": list(Tokens.cases)},
    seeds=24,
    measure=measure_case,
    judge=judge_sparsification,
    measured_as="sparsification",
)
