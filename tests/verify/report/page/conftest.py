"""A run and a study to make pages of, with words that would be markup if they were not escaped."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import html5lib
import pytest

import verify
from verify.io.saved import load_run
from verify.report.page.run import run_page, shown
from verify.runs import Run

HOSTILE = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'> & \"quotes\" </script><!--"

LEMMAS = f"""
from proofs.benign_vit.symbols import n, output
from proofs.language import Claim, Derived, Lemma, ScalarInequality, real_variable
from sympy import Abs

x = real_variable("<b>x</b>")
odd_letter = ScalarInequality(
    words={HOSTILE!r}, variables=(x,), claim=Claim(x**2, ">=", 2 * x - 1, variables=(x,)), source=Derived({HOSTILE!r})
)
never_so_large = Lemma(
    words={HOSTILE!r}, claim=Claim(Abs(output[n]), "<=", 10**6), source=Derived({HOSTILE!r}), rests_on=[odd_letter]
)
far_too_small = Lemma(words="A claim that fails.", claim=Claim(Abs(output[n]), ">=", 3), source=Derived("tests"))
"""

Parsed = Callable[[str], object]


@pytest.fixture(scope="session")
def hostile() -> str:
    """The words."""
    return HOSTILE


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    lemmas = tmp_path_factory.mktemp("lemmas") / "mine.py"
    lemmas.write_text(LEMMAS)
    settings = {"N": 4, "M": 3, "d": 1e8, "d_h": 1e8, "SNR": 14, "test_samples": 50}
    run: Run = verify.run("benign-vit", settings=settings, steps=300, seed=1, lemmas=lemmas)
    return run


@pytest.fixture(scope="session")
def folder(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished.save(tmp_path_factory.mktemp("saved") / "run")


@pytest.fixture(scope="session")
def page(folder: Path) -> str:
    """The page as the run wrote it."""
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def again(folder: Path) -> str:
    """The page made from the folder alone."""
    return run_page(shown(load_run(folder)))


@pytest.fixture(scope="session")
def study_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    from verify.report.page import study
    from verify.studies.run import study as carry_out

    axes = {"N": [4, 8, 16], "SNR": "2..16:6", "d": 1e6, "d_h": 1e6, "seeds": 1, "max_steps": 300}
    store = tmp_path_factory.mktemp("study") / "cells.db"
    return study.study_page(study.of_run(carry_out("benign-vit", "phase-diagram", axes, workers=1, store=store)))


@pytest.fixture(scope="session")
def parsed() -> Parsed:
    """A page as a tree, to look at; what is not well-formed is refused."""
    builder = html5lib.getTreeBuilder("etree")
    return cache(html5lib.HTMLParser(strict=True, tree=builder, namespaceHTMLElements=False).parse)
