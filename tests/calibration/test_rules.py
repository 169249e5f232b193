"""Every rule is wrong as rarely as it says, where its statement is just true and where it is just false.

Each goes through the code of the study that uses it. Away from the edge, on either side, it is seen to answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from proofs.benign_vit.stage_three import phase_boundary
from proofs.shallow_vit import order as shallow_orders
from proofs.token_selection.order import selection_boundary, signal_grows_like_the_margin
from verify import statistics
from verify.checking.verdicts import Verdict
from verify.studies import fits
from verify.studies.rules import EXPONENT_TOLERANCE, judge_at_most, judge_probability, judge_range
from verify.studies.study import Row
from verify.systems.benign_vit.studies.boundary import CUTOFFS, EVEN_COUNTS, Located, judge_boundary
from verify.systems.benign_vit.studies.family import Training
from verify.systems.benign_vit.studies.scaling import Observed, answer
from verify.systems.shallow_vit.studies import judged, logit
from verify.systems.shallow_vit.studies.drive import AGREES
from verify.systems.shallow_vit.studies.effects import Contrast, judge_contrasts
from verify.systems.shallow_vit.studies.logit import fit_logit
from verify.systems.shallow_vit.studies.sample_complexity import EARLY, LENGTH, pilot
from verify.systems.token_selection.studies.family import mean_in_range, tends_to_one

Rng = np.random.Generator
Judge = Callable[[Rng, float], Verdict]

YES, NO = (Verdict.SUPPORTED, Verdict.CONSISTENT), (Verdict.REFUTED,)
SIZES = np.repeat(np.geomspace(1e4, 1e12, 8), 3)
SCATTER = 0.1
HAIR = 1e-9


def cells(exponent: float, rng: Rng) -> list[Observed]:
    """Ratios of two sides that go like a power of the size."""
    ratios = SIZES**exponent * np.exp(SCATTER * rng.standard_normal(len(SIZES)))
    return [Observed(size, ratio, ratio, size) for size, ratio in zip(SIZES, ratios, strict=True)]


def order(relation: str) -> Judge:
    return lambda rng, exponent: answer(relation, cells(exponent, rng)).verdict


def leading_order(rng: Rng, exponent: float) -> Verdict:
    """Ratios whose distance from 1 goes like a power of the size."""
    away = SIZES**exponent * np.exp(SCATTER * rng.standard_normal(len(SIZES)))
    seen = [Observed(size, 1.0 + gap, 1.0 + gap) for size, gap in zip(SIZES, away, strict=True)]
    return answer("~", seen).verdict


def limit(rng: Rng, exponent: float) -> Verdict:
    away = SIZES**exponent * np.exp(SCATTER * rng.standard_normal(len(SIZES)))
    return tends_to_one(selection_boundary, SIZES, 1.0 + away, "", "d").verdict


def boundary(rng: Rng, exponent: float, constant: float) -> list[Verdict]:
    """What is said of exponent and constant of crossings along `N SNR^exponent`, at the middle of the design."""
    middle = float(np.exp(np.mean(np.log(EVEN_COUNTS))))
    rows: list[Row] = []
    for samples in np.repeat(EVEN_COUNTS, 3).tolist():
        at = 100.0 * constant * (samples / middle) ** (1.0 - 2.0 / exponent) * np.exp(SCATTER * rng.standard_normal())
        # One training is noted; notes on all would take most of the time.
        ends = [] if rows else [{"N_SNR2": at, "loss": 0.01}]
        measured = {"crossing": {f"{cutoff:g}": at for cutoff in CUTOFFS}, "trained": ends}
        rows.append(Row(FAMILY | {"N": samples}, 0, 0, measured))
    return [each.verdict for each in judge_boundary(rows, Located()).findings if not each.control]


FAMILY = Training().model_dump(mode="json")
LOWEST, HIGHEST, LEAST, MOST = (float(claim.rhs) for claim in phase_boundary.claims)


def boundary_exponent(rng: Rng, exponent: float) -> Verdict:
    return boundary(rng, exponent, 2.0)[0]


def boundary_constant(rng: Rng, constant: float) -> Verdict:
    return boundary(rng, 2.0, constant)[1]


def samples_needed(rng: Rng, exponent: float) -> Any:
    """The interval of the exponent from successes at every share and size of the design."""
    trials = [(pilot(EARLY, n, level), n / LENGTH) for n in (2, 3, 4, 6, 8) for level in (-1, 0, 1)]
    sizes, shares = np.repeat(np.array(trials), 40, axis=0).T
    chance = expit(1.5 * np.log(sizes / (64.0 * (shares / 0.1) ** exponent)))
    return fit_logit(sizes.tolist(), shares.tolist(), (rng.random(len(sizes)) < chance).tolist()).interval


def enough_samples(rng: Rng, exponent: float) -> Verdict:
    """Of order `alpha^-2` samples suffice, and fewer do if the exponent is nearer to 0."""
    low, high = samples_needed(rng, exponent)
    return judge_at_most((-high, -low), 2.0)


def contrast(rng: Rng, gap: float) -> Verdict:
    """Test errors of 24 cells against 24, whose means differ so."""
    rows = [
        Row({"case": case}, replicate, 0, {"test_error": mean + 0.05 * rng.standard_normal()})
        for case, mean in (("more", 0.3 + gap), ("less", 0.3))
        for replicate in range(24)
    ]
    contrasts = [Contrast(shallow_orders.directed_error_hurts, {"case": "more"}, {"case": "less"})]
    return judge_contrasts(rows, contrasts)[0].verdict


def mean(rng: Rng, centre: float) -> Verdict:
    values = centre + 0.1 * rng.standard_normal(6)
    return mean_in_range(signal_grows_like_the_margin, values.tolist(), (0.9, 1.1), "").verdict


@dataclass(frozen=True)
class Rule:
    """A rule, the last truth for which its statement is true, and one for which it is clearly true and clearly false.

    Errors are at most `(1 - confidence)/2` on this edge.
    """

    judge: Judge
    edge: float
    clearly_true: float
    clearly_false: float
    confidence: float = statistics.CONFIDENCE

    def just(self, side: str) -> float:
        return self.edge + HAIR * np.sign((self.clearly_true if side == "true" else self.clearly_false) - self.edge)


T = EXPONENT_TOLERANCE
RULES = {
    "order (O)": Rule(order("O"), T, 0.0, 0.2),
    "order (Theta), from above": Rule(order("Theta"), T, 0.0, 0.2),
    "order (Theta), from below": Rule(order("Theta"), -T, 0.0, -0.2),
    "order (o)": Rule(order("o"), 0.0, -0.1, 0.1),
    "order (~), benign-vit": Rule(leading_order, -T, -0.3, 0.1),
    "order (~), token-selection": Rule(limit, -T, -0.3, 0.1),
    "exponent of the boundary, from above": Rule(boundary_exponent, HIGHEST, 2.0, 3.0),
    "exponent of the boundary, from below": Rule(boundary_exponent, LOWEST, 2.0, 1.3),
    "constant of the boundary, from above": Rule(boundary_constant, MOST, 2.0, 4.0),
    "constant of the boundary, from below": Rule(boundary_constant, LEAST, 2.0, 0.8),
    "difference of test errors": Rule(contrast, 0.0, 0.15, -0.15, judged.CONFIDENCE),
    "mean in a range, from above": Rule(mean, 1.1, 1.0, 1.5),
    "mean in a range, from below": Rule(mean, 0.9, 1.0, 0.5),
    "samples that suffice": Rule(enough_samples, -2.0 - T, -1.5, -3.0),
}

FEW, MANY = 1500, 4000
QUICK = (
    "order (Theta), from above",
    "order (~), token-selection",
    "difference of test errors",
    "mean in a range, from above",
)


def rates(rule: Rule, truth: float, number: int) -> Counter[Verdict]:
    rng = np.random.default_rng(0)
    return Counter(rule.judge(rng, truth) for _ in range(number))


@pytest.fixture
def shorter(monkeypatch: pytest.MonkeyPatch, shorten: Any) -> Callable[[], None]:
    """Have every interval a fifth too short: Student's quantile is behind all of them."""

    def shorten_all() -> None:
        for module in (statistics, fits, judged, logit):
            right = module.stdtrit  # type: ignore[attr-defined]
            monkeypatch.setattr(module, "stdtrit", lambda *words, right=right: shorten((-1.0, 1.0))[1] * right(*words))

    return shorten_all


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *(pytest.param(name, FEW, id=f"{name}, quick") for name in QUICK),
        *(
            pytest.param(
                name,
                FEW if "boundary" in name else MANY if "samples" not in name else 4 * MANY,
                id=f"{name}, slow",
                marks=pytest.mark.slow,
            )
            for name in RULES
        ),
    ],
)
def test_errors_are_as_rare_as_stated(
    name: str, number: int, count: Any, table: Any, shorter: Callable[[], None]
) -> None:
    rule = RULES[name]
    rare = (1.0 - rule.confidence) / 2.0

    def share(truth: float, verdicts: tuple[Verdict, ...]) -> Any:
        found = rates(rule, truth, number)
        return count(sum(found[verdict] for verdict in verdicts) / number, number)

    supported_though_false, refuted_though_true = share(rule.just("false"), YES), share(rule.just("true"), NO)
    supported, refuted = share(rule.clearly_true, YES), share(rule.clearly_false, NO)
    shorter()
    controls = share(rule.just("false"), YES), share(rule.just("true"), NO)
    table(f"{name}: supported though false", f"at most {rare:.2%}", supported_though_false, controls[0])
    table(f"{name}: refuted though true", f"at most {rare:.2%}", refuted_though_true, controls[1])
    table(f"{name}: supported at {rule.clearly_true:g}, refuted at {rule.clearly_false:g}", "", supported, refuted)
    assert supported_though_false.can_be_at_most(rare)
    assert refuted_though_true.can_be_at_most(rare)
    assert not supported.can_be_at_most(rare), "it answers"
    assert not refuted.can_be_at_most(rare), "it answers"
    assert not all(each.can_be_at_most(rare) for each in controls)


def worst_errors(trials: int, claimed: float, confidence: float) -> tuple[float, float]:
    """The probabilities of supported though just false, and of refuted though just true, summed up."""
    wrong = {Verdict.CONSISTENT: 0.0, Verdict.REFUTED: 0.0, Verdict.INCONCLUSIVE: 0.0}
    for successes in range(trials + 1):
        verdict, _ = judge_probability(successes, trials, claimed, confidence)
        wrong[verdict] += float(binom.pmf(successes, trials, claimed))
    return wrong[Verdict.CONSISTENT], wrong[Verdict.REFUTED]


@pytest.mark.parametrize("claimed", [0.1, 0.5, 0.9, 0.99])
def test_probabilities_are_misjudged_as_rarely_as_stated(claimed: float, count: Any, table: Any) -> None:
    confidence, trials = 0.99, (20, 100, 500)
    rare = (1.0 - confidence) / 2.0
    worst = [count(max(each), 0) for each in zip(*(worst_errors(n, claimed, confidence) for n in trials), strict=True)]
    too_sure = 1.0 - 2.0 * rare * 2.0
    controls = [count(max(each), 0) for each in zip(*(worst_errors(n, claimed, too_sure) for n in trials), strict=True)]
    table(f"probability {claimed:g}: supported though false", f"at most {rare:.2%}", worst[0], controls[0])
    table(f"probability {claimed:g}: refuted though true", f"at most {rare:.2%}", worst[1], controls[1])
    assert all(each.can_be_at_most(rare) for each in worst)
    assert not all(each.can_be_at_most(rare) for each in controls)


@pytest.mark.parametrize("expected", [0.05, 0.3, 0.9])
def test_a_law_of_failures_is_misjudged_as_rarely_as_stated(expected: float, count: Any, table: Any) -> None:
    """At both ends of the range that counts as equal."""
    trials, confidence = 2500, 0.99
    rare = (1.0 - confidence) / 2.0
    successes = np.arange(trials + 1)
    verdicts = [
        judge_range(statistics.clopper_pearson(each, trials, confidence), expected - AGREES, expected + AGREES)
        for each in successes.tolist()
    ]
    for end in (expected - AGREES, expected + AGREES):
        chances = binom.pmf(successes, trials, end)
        for wrong in (Verdict.SUPPORTED, Verdict.REFUTED):
            seen = count(float(chances[[each is wrong for each in verdicts]].sum()), 0)
            table(f"failures {expected:g}, true {end:.2f}: {wrong.value}", f"at most {rare:.2%}", seen, "")
            assert seen.can_be_at_most(rare)


def test_cells_that_do_not_vary_support_no_difference() -> None:
    """Intervals of no length lie on the bound of a strict claim."""
    rows = [Row({"case": case}, n, 0, {"test_error": 0.0}) for case in ("more", "less") for n in range(24)]
    contrasts = [Contrast(shallow_orders.directed_error_hurts, {"case": "more"}, {"case": "less"})]
    assert judge_contrasts(rows, contrasts)[0].verdict is Verdict.REFUTED
