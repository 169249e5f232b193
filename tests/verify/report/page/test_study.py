"""The page of a study: its fits, maps and findings, and the same from its store."""

from pathlib import Path
from typing import Any

import numpy as np

from verify.checking.verdicts import Verdict
from verify.report.page.charts import readout
from verify.report.page.study import JudgedStudy, fit_chart, study_page
from verify.studies.fits import Fit, power_law
from verify.studies.study import Finding, HeatMap, Judgement, Row, Sheet
from verify.systems.base import find_system

BAD = "<script>hurt()</script>"


def judged(findings: list[Finding], **parts: Any) -> JudgedStudy:
    system = find_system("benign-vit")
    study = next(each for each in system.studies() if each.name == "scaling")
    failed = Row({"N": 4}, 0, 7, error=BAD)
    return JudgedStudy(system, study, [], [failed], Judgement({}, findings, **parts), {BAD: BAD}, BAD, [BAD])


def finding(statement: str, verdict: Verdict, **parts: Any) -> Finding:
    return Finding(statement, "order", verdict, BAD, BAD, BAD, reason=BAD, **parts)


def test_a_fit_shows_its_observations_and_its_law() -> None:
    law = power_law([1.0, 10.0, 100.0], [2.0, 21.0, 190.0])
    assert law.x == (1.0, 10.0, 100.0)
    chart = fit_chart("t", Fit(law, "x", "y"), "exponent of y")
    assert list(chart.dots[0].y) == [2.0, 21.0, 190.0]
    np.testing.assert_allclose(chart.lines[0].y, law.constant * chart.lines[0].x ** law.exponent, rtol=1e-12)
    assert chart.lines[0].low is not None
    assert (chart.lines[0].low < chart.lines[0].y).all()
    assert "Exponent 0.98" in chart.note
    assert "NaN" not in readout(chart)


def test_the_gravest_finding_stands_for_a_statement(parsed: Any) -> None:
    found = [
        finding("stage-one-duration", Verdict.SUPPORTED),
        finding("stage-one-duration", Verdict.REFUTED),
        finding("stage-one-attention", Verdict.SUPPORTED),
        finding("stage-two-log-growth", Verdict.REFUTED, control=True),
    ]
    text = study_page(judged(found))
    boxes = {
        each.attrib["data-name"]: each.attrib
        for each in parsed(text).iter()
        if isinstance(each.tag, str) and "data-name" in each.attrib
    }
    assert boxes["stage-one-duration"]["class"].startswith("bad sampled")
    assert boxes["stage-one-attention"]["class"].startswith("good sampled")
    assert boxes["stage-two-log-growth"]["class"].startswith("away none")


def test_nobodys_words_are_markup(parsed: Any) -> None:
    law = power_law([1.0, 10.0, 100.0], [2.0, 21.0, 190.0])
    parts = {
        "sheets": [Sheet(BAD, (BAD,), [(BAD,)])],
        "notes": [BAD],
        "maps": [HeatMap(BAD, BAD, [1.0, 2.0], BAD, [1.0, 2.0], [[1.0, None], [2.0, 3.0]], [(1.0, 1.0), (2.0, 2.0)])],
    }
    text = study_page(judged([finding("stage-one-duration", Verdict.SUPPORTED, fit=Fit(law, BAD, BAD))], **parts))
    assert BAD not in text
    parsed(text)


def test_the_map_has_its_fitted_and_its_predicted_boundary(study_page: str) -> None:
    assert "fitted boundary" in study_page
    assert "predicted" in study_page


def test_a_store_gives_the_page_of_its_study(command: Any, tmp_path: Path) -> None:
    store, page, again = tmp_path / "cells.db", tmp_path / "page.html", tmp_path / "again.html"
    words = ["N=4", "SNR=2,8", "d=1e6", "d_h=1e6", "seeds=1", "max_steps=20"]
    first = command(
        "study", "benign-vit", "phase-diagram", "--set", *words, "--workers", 1, "--store", store, "--report", page
    )
    assert first.status == 0
    assert command("report", store, "--out", again).status == 0
    one, other = (each.read_text(encoding="utf-8") for each in (page, again))
    assert one.count('class="tile"') == other.count('class="tile"') == 2


def test_what_is_no_store_is_refused_in_a_line(command: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no store")
    refused = command("report", tmp_path / "notes.db")
    assert refused.status == 2
    assert "not a store" in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_page_without_a_place_is_refused_before_the_study(command: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused = command("study", "benign-vit", "scaling", "--report", tmp_path / "folder")
    assert refused.status == 2
    assert "--report" in refused.err
