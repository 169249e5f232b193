"""The probability that drives are misaligned: the normal law by independent means, real draws, planted wrong laws."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, NoQuestion, Row
from verify.systems.shallow_vit.studies.drive import DRIVE, Drawn, judge_drive, normal_failure

Findings = Callable[..., list[Finding]]


@pytest.mark.parametrize("c", [0.1, 0.5, 1.0, 4.0])
def test_three_normal_numbers_by_a_single_integral(c: float) -> None:
    """Z_3 = -Z_1 - Z_2, and Z_2 given Z_1 is normal with mean -Z_1/2 and variance 3/4."""
    end = np.sqrt(c)

    def inside(z: float) -> float:
        low, high = max(-end, -end - z), min(end, end - z)
        given = ndtr((high + z / 2) / np.sqrt(0.75)) - ndtr((low + z / 2) / np.sqrt(0.75))
        return float(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * max(given, 0.0))

    assert normal_failure(c, 3) == pytest.approx(1.0 - quad(inside, -end, end)[0], abs=1e-5)


@pytest.mark.parametrize("count", [3, 5])
def test_more_normal_numbers_by_drawing_them(count: int) -> None:
    drawn = np.random.default_rng(0).standard_normal((100_000, count))
    drawn = (drawn - drawn.mean(axis=1, keepdims=True)) * np.sqrt(count / (count - 1))
    assert normal_failure(1.3, count) == pytest.approx(
        float((np.abs(drawn).max(axis=1) >= np.sqrt(1.3)).mean()), abs=6e-3
    )


@pytest.fixture(scope="module")
def rows(measured: Callable[..., Any]) -> list[Row]:
    return list(measured(DRIVE, n_star="2,3,4", c="0,0.25,1,2", trials="2500", seeds="2"))


def test_real_draws_follow_the_normal_law_and_the_bounds(rows: list[Row], findings_of: Findings) -> None:
    judgement = judge_drive(rows, NoQuestion())
    assert {each.verdict for each in findings_of(judgement, "drive-alignment")} == {Verdict.CONSISTENT}
    assert {each.verdict for each in findings_of(judgement, "drive-misaligned")} == {Verdict.CONSISTENT}
    law = [each.verdict for each in findings_of(judgement, "drive-failure-law")]
    assert Verdict.REFUTED not in law
    assert Verdict.SUPPORTED in law
    wrong = findings_of(judgement, "drive-failure-law", control=True)
    assert wrong
    assert Verdict.SUPPORTED not in {each.verdict for each in wrong}
    assert Verdict.REFUTED in {each.verdict for each in wrong}


def test_a_planted_excess_of_failures_is_refuted(rows: list[Row], findings_of: Findings) -> None:
    def planted(row: Row) -> Row:
        trials = row.measured["drive-alignment"]["trials"]
        fails = int(0.7 * trials)
        result = {
            **row.measured,
            "drive-alignment": {**row.measured["drive-alignment"], "successes": trials - fails},
            "drive-misaligned": {**row.measured["drive-misaligned"], "successes": fails},
        }
        return Row(row.parameters, row.replicate, row.seed, result)

    judgement = judge_drive([planted(row) for row in rows], NoQuestion())
    assert {each.verdict for each in findings_of(judgement, "drive-alignment")} == {Verdict.REFUTED}
    assert {each.verdict for each in findings_of(judgement, "drive-failure-law")} == {Verdict.REFUTED}


def test_a_process_that_only_judges_names_the_statements(rows: list[Row]) -> None:
    script = (
        "import json, sys\n"
        "from verify.studies.study import NoQuestion, Row\n"
        "from verify.systems.shallow_vit.studies.drive import judge_drive\n"
        "rows = [Row(**each) for each in json.load(sys.stdin)]\n"
        "print(sorted({each.statement for each in judge_drive(rows, NoQuestion()).findings}))\n"
    )
    given = json.dumps([vars(row) for row in rows])
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['drive-alignment', 'drive-failure-law', 'drive-misaligned']"


def test_the_number_of_samples_is_even_and_in_units_of_the_critical_one() -> None:
    for n_star in (2, 3, 4):
        whole, half = (Drawn(n_star=n_star, c=c).constants() for c in (1.0, 0.5))
        assert whole["samples"] % 2 == half["samples"] % 2 == 0
        assert whole["drive_fraction"] == pytest.approx(1.0, abs=0.03)
        gap = whole["relevant_share"] - whole["confusion_share"]
        assert whole["samples"] == pytest.approx(4 * whole["share_variance"] / gap**2, abs=1)
        assert half["samples"] == pytest.approx(whole["samples"] / 2, abs=2)


def test_the_variance_of_a_share_is_that_of_a_dirichlet_multinomial_law() -> None:
    constants = Drawn(n_star=4).constants()
    others, parts, c = 36, 3, 0.3
    counts = others / parts * (1 - 1 / parts) * (others + parts * c) / (1 + parts * c)
    assert constants["share_variance"] == pytest.approx(counts / 40**2)
