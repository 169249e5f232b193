"""What notebooks show: well-formed, complete, and with every hostile word as text."""

import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import verify
from proofs.language import Claim, Derived, Lemma, Observable, Paper
from verify.checking.verdicts import Verdict
from verify.studies.run import StudyRun
from verify.studies.study import Finding, Judgement, Sheet
from verify.systems.base import find_system, system_names

HOSTILE = "</td><script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\""

LEMMA = f"""
from proofs.benign_vit.symbols import loss
from proofs.language import Claim, Derived, Lemma, Paper

hostile = Lemma(words={HOSTILE!r}, claim=Claim(loss, "<=", 1), source=Paper({HOSTILE!r}, says={HOSTILE!r}))
false = Lemma(words="false", claim=Claim(loss, ">=", 1), source=Derived({HOSTILE!r}))
"""

NUMBERS = """
paper = "<b>"
[lemmas]
"<i>1</i>" = "hostile"
"""


def parsed(html: str) -> ET.Element:
    """The tree of a piece of HTML; no element in it but those that the printers make."""
    named = re.sub(r"&(?!amp;|lt;|gt;|quot;)\w+;", lambda entity: unescape(entity[0]), html)
    tree = ET.fromstring(f"<body>{named.replace('<br>', '<br/>')}</body>")
    allowed = {"body", "div", "b", "p", "br", "table", "thead", "tbody", "tr", "th", "td", "math"}
    inside = {each for math in tree.iter("math") for each in math.iter()}
    assert {each.tag for each in tree.iter() if each not in inside} <= allowed
    assert all(each.tag.startswith("m") for each in inside)
    assert not any(each.attrib for each in tree.iter() if each not in inside)
    return tree


def text_of(html: str) -> str:
    return "".join(parsed(html).itertext())


@pytest.fixture
def run(unjudged: None, tmp_path: Path) -> Any:
    (tmp_path / "mine.py").write_text(LEMMA)
    (tmp_path / "numbers.toml").write_text(NUMBERS)
    files = {"lemmas": tmp_path / "mine.py", "numbering": tmp_path / "numbers.toml"}
    return verify.run("benign-vit", settings={"N": 4, "M": 3, "d": 1e6, "d_h": 1e6}, steps=5, **files)


def test_a_run_shows_stages_and_verdicts_with_words_as_text(run: Any) -> None:
    text = text_of(run._repr_html_())
    assert HOSTILE in text
    assert "<i>1</i>" in text
    assert repr(run) == (
        "Run(benign-vit, seed 0, 5 steps; violated: 1, inconclusive: 0, hypothesis not met: 0, not judged here: 0,"
        " holds: 1)"
    )
    for part in ("benign-vit, seed 0", "5 steps.", "violated: 1", "holds: 1", "✗ violated from 0", "✓ holds", "start"):
        assert part in text


def test_a_verdict_shows_its_formula_and_where_it_is_tightest(run: Any) -> None:
    good, bad = run.judged
    assert repr(bad) == "LemmaVerdict(benign-vit/false: violated)"
    assert "<math>" in good._repr_html_()
    assert text_of(good._repr_html_()).count(HOSTILE) == 3
    told = text_of(bad._repr_html_())
    assert "tightest at step 5" in told
    assert "first violated at step 0" in told


@pytest.mark.parametrize("name", system_names())
def test_every_statement_can_be_shown(name: str) -> None:
    for statement in find_system(name).statements().values():
        tree = parsed(statement._repr_html_())
        assert tree.find("div/b").text == statement.name
        assert tree.find("div/math") is not None or isinstance(statement, Lemma)


def test_hypotheses_are_shown() -> None:
    size = Observable("size", words="size")
    lemma = Lemma(words="w", claim=Claim(size, "<", 2), given=[Claim(size, ">", 1)], source=Paper("r", says="s"))
    assert len(parsed(lemma._repr_html_()).findall("div/math")) == 2
    assert Derived("x") != lemma.source


def test_a_study_shows_findings_sheets_and_notes() -> None:
    findings = [
        Finding(HOSTILE, "order", Verdict.SUPPORTED, "exponent", "rule", "words", estimate=2.0, interval=(1.9, 2.1)),
        Finding("wrong", "order", Verdict.REFUTED, "exponent", "rule", "words", control=True),
    ]
    judgement = Judgement({}, findings, [Sheet(HOSTILE, ["N", HOSTILE], [["4", HOSTILE]])], [HOSTILE])
    study = SimpleNamespace(name="made-up", words=HOSTILE)
    design: Any = SimpleNamespace(study=study, seed=3, cells=[1, 2])
    system: Any = SimpleNamespace(name="benign-vit")
    shown = StudyRun(system, design, Path("store.db"), [], [], judgement)
    text = text_of(shown._repr_html_())
    assert text.count(HOSTILE) == 6
    assert "2 cells, 0 failed" in repr(shown)
    for part in ("made-up, seed 3", "2 cells", "✓ supported", "1.9 to 2.1", "✗ refuted"):
        assert part in text
