"""The study of the start: what it counts, what it refutes, and what it makes of hypotheses that fail."""

import json
import math
from collections.abc import Mapping

import numpy as np
import pytest
from pydantic import BaseModel
from scipy import stats

from proofs.benign_vit import start
from proofs.benign_vit.statements import lemmas
from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.statistics import clopper_pearson
from verify.studies.study import Finding, Judgement, NoQuestion, Row
from verify.systems.benign_vit.studies import concentration
from verify.systems.benign_vit.studies.concentration import CASES, CONCENTRATION, TOO_STRONG, Start, judge, measure

SURE = 1.0 - 1e-6
"""Of an interval that should hold an exactly known probability."""


def rows(*cells: Start, seeds: int = 1) -> list[Row]:
    return [
        Row(cell.model_dump(mode="json"), seed, seed, json.loads(json.dumps(measure(cell, seed), allow_nan=False)))
        for cell in cells
        for seed in range(seeds)
    ]


def judged(judgement: Judgement) -> dict[str, Finding]:
    return {finding.statement: finding for finding in judgement.findings if not finding.control}


@pytest.fixture(scope="module")
def of_cases() -> Judgement:
    """The three cases at which wrong variants are judged."""
    cells = [Start(case=case, trials=trials) for case, trials in (("usual", 1500), ("least-heads", 500))]
    return judge(rows(*cells, Start(case="least-samples", trials=1000)), NoQuestion())


def test_every_statement_of_probability_is_counted() -> None:
    wanted = {lemma.name for lemma in lemmas() if lemma.kind == "probability"}
    assert wanted == {variant.of.name for variant in TOO_STRONG}
    assert wanted == set(measure(Start(case="two-tokens", trials=10), 0))


def test_no_statement_is_refuted_and_every_wrong_variant_is(of_cases: Judgement) -> None:
    verdicts = {finding.verdict for finding in of_cases.findings if not finding.control}
    assert verdicts <= {Verdict.CONSISTENT, Verdict.INCONCLUSIVE, Verdict.HYPOTHESIS_NOT_MET}
    assert {each.statement: each.verdict for each in of_cases.findings if each.control} == {
        each.of.name: Verdict.REFUTED for each in TOO_STRONG
    }


def test_wrong_variants_differ_from_statements_only_in_what_is_changed() -> None:
    for variant in TOO_STRONG:
        pairs = list(zip(variant.lemma.claims, variant.of.claims, strict=True))
        assert any(wrong.rhs != right.rhs for wrong, right in pairs)
        assert all(wrong.lhs == right.lhs and wrong.where == right.where for wrong, right in pairs)
        assert variant.lemma.given == variant.of.given


def test_confidence_is_shared_out_over_all_that_is_judged(of_cases: Judgement) -> None:
    pairs = len(of_cases.findings)
    assert pairs == 3 * len(TOO_STRONG) + len(TOO_STRONG)
    assert 1.0 - of_cases.results["shared_out"] == pytest.approx(0.01 / pairs)
    for finding, counted in zip(of_cases.findings, of_cases.results["counts"], strict=True):
        wanted = clopper_pearson(counted["successes"], counted["trials"], of_cases.results["shared_out"])
        assert finding.interval == wanted


def test_what_is_known_exactly_is_met() -> None:
    """Values and squared norms of many dimensions' tokens are independent; labels are binomial."""
    cell = Start(N=4, M=2, d=10**12, d_h=20, delta=0.05, trials=20_000)
    found = measure(cell, 0)
    tokens = 2 + cell.N * (cell.M - 1)
    labels = stats.binom(cell.N, 0.5)
    known = {
        "initial-values-small": stats.chi2.cdf(2 * math.log(tokens / cell.delta), 1) ** tokens,
        "initial-norms": np.diff(stats.chi2.cdf([0.5 * cell.d_h, 1.5 * cell.d_h], cell.d_h))[0] ** (2 * tokens),
        "classes-balanced": labels.cdf(cell.N - cell.N / 4) - labels.cdf(cell.N / 4 - 1),
    }
    for name, truth in known.items():
        low, high = clopper_pearson(found[name]["successes"], found[name]["trials"], SURE)
        assert low <= truth <= high, name


def test_scores_on_one_head_are_products_of_independent_numbers() -> None:
    cell = Start(N=4, M=2, d=10**12, d_h=1, delta=0.05, trials=20_000)
    found = measure(cell, 0)["initial-scores-small"]
    rng = np.random.default_rng(0)
    queries, keys = np.abs(rng.standard_normal((2, 200_000, 2 + cell.N * (cell.M - 1)))).max(axis=2)
    small = queries * keys <= 2.0 * math.sqrt(math.log(6 * cell.N**2 * cell.M**2 / cell.delta))
    assert alike(found, {"successes": int(small.sum()), "trials": small.size})


def alike(left: Mapping[str, int], right: Mapping[str, int]) -> bool:
    """Whether two counts can come from one probability (Fisher's exact test)."""
    table = [[each["successes"], each["trials"] - each["successes"]] for each in (left, right)]
    return bool(stats.fisher_exact(table).pvalue >= 1.0 - SURE)


def test_noise_on_a_line_is_counted_alike_in_full_and_by_its_extremes(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Start(N=60, M=2, d=3, d_h=1, delta=0.9, trials=4000)
    in_full = measure(cell, 1)
    monkeypatch.setattr(concentration, "MOST_TOKENS", 0)
    by_extremes = measure(cell, 2)
    assert set(by_extremes) == {"noise-norms", "noise-nearly-orthogonal"}
    for name, counted in by_extremes.items():
        assert counted["given"] == in_full[name]["given"]
        assert 0 < counted["successes"] < counted["trials"]
        assert alike(counted, in_full[name])


def test_below_its_hypothesis_nothing_is_claimed_and_the_failures_are_shown() -> None:
    cells = [Start(case="one-head-dimension", trials=2000), Start(case="many-on-a-line", trials=2000)]
    judgement = judge(rows(*cells), NoQuestion())
    found = {
        (counted["statement"], counted["d"]): (finding, 1.0 - counted["successes"] / counted["trials"])
        for finding, counted in zip(judgement.findings, judgement.results["counts"], strict=True)
    }
    for place, failures in ((("initial-scores-small", 10**8), 0.155), (("noise-nearly-orthogonal", 3), 0.963)):
        finding, share = found[place]
        assert share == pytest.approx(failures, abs=0.04)
        assert finding.verdict is Verdict.HYPOTHESIS_NOT_MET
        assert f"failed at {share:.3g}" in finding.reason
    assert judgement.notes == ["N=100000 M=4 d=3 d_h=1e+08: only statements about noise tokens are counted"]


def test_cells_of_one_configuration_are_counted_together() -> None:
    cells = rows(Start(case="two-tokens", trials=100), seeds=3)
    findings = judged(judge(cells, NoQuestion()))
    assert "300 starts" in findings["noise-norms"].words
    successes = sum((row.result or {})["noise-norms"]["successes"] for row in cells)
    assert findings["noise-norms"].estimate == successes / 300


def test_few_starts_are_inconclusive() -> None:
    findings = judged(judge(rows(Start(case="two-tokens", trials=20)), NoQuestion()))
    assert findings["initial-norms"].verdict is Verdict.INCONCLUSIVE


def test_a_claimed_probability_that_is_too_high_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same counts judged as if delta were a hundredth of what they were drawn for."""
    cells = rows(Start(case="two-tokens", trials=4000))
    strict = [Row({**row.parameters, "delta": 5e-4}, row.replicate, row.seed, row.result) for row in cells]
    assert judged(judge(strict, NoQuestion()))["noise-norms"].verdict is Verdict.REFUTED


def test_a_cell_is_the_same_each_time_and_seeds_differ() -> None:
    cell = Start(case="two-tokens", trials=500)
    assert measure(cell, 2**100) == measure(cell, 2**100)
    assert measure(cell, 2**100) != measure(cell, 2**100 + 1)


@pytest.mark.parametrize("case", CASES)
def test_a_cell_comes_back_from_what_is_stored(case: str) -> None:
    cell: BaseModel = CONCENTRATION.cell.model_validate({"case": case})
    assert Start.model_validate(cell.model_dump(mode="json")) == cell


def test_hypotheses_just_hold_at_the_least_sizes() -> None:
    """A size of one less breaks each."""
    least = {
        start.noise_nearly_orthogonal: ("least-dimension", "d"),
        start.initial_scores_small: ("least-dimension", "d_h"),
        start.initial_norms: ("least-heads", "d_h"),
        start.classes_balanced: ("least-samples", "N"),
    }
    for lemma, (case, size) in least.items():
        for less, holds in ((0, True), (1, False)):
            cell = Start.model_validate({"case": case, "trials": 1, size: CASES[case][size] - less})
            assert (measure(cell, 0)[lemma.name]["given"] >= 0) is holds, (lemma.name, less)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(RequestError, match="at most 128 distinct tokens"):
        Start(case="usual", N=1000)
    with pytest.raises(RequestError, match="case"):
        Start(case="unusual")
