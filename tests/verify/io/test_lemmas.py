"""Lemmas of users: the examples of the documentation, and every mistake told with its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import verify
from verify.runs import Run

DOCS = Path(__file__).parents[3] / "docs"
TRUE, FALSE = (DOCS / "examples" / f"attention_by_scores{end}.py" for end in ("", "_too_sharp"))

HEAD = "from proofs.benign_vit.symbols import loss\nfrom proofs.language import *\n"

WRONG = {
    "a mistake of Python": ("x = (\n", 1, "SyntaxError: "),
    "a name that nobody defined": ("\n\nmine = lemma\n", 3, "NameError: name 'lemma' is not defined"),
    "a symbol that there is not": (
        "from proofs.language import *\nfrom proofs.benign_vit.symbols import weight\n",
        2,
        "ImportError: cannot import name 'weight'",
    ),
    "an exit": ("import sys\nsys.exit()\n", 2, "SystemExit"),
    "an error in a function of its own": (
        "def half(x):\n    return x / 0\n\nmine = half(1)\n",
        2,
        "ZeroDivisionError: division by zero",
    ),
    "a float": (
        HEAD + 'mine = Lemma(words="w", claim=Claim(loss, "<=", 0.25), source=Derived("d"))\n',
        3,
        "float 0.25",
    ),
    "no lemma": (HEAD, None, "defines no lemma"),
    "a claim about itself": (
        HEAD + '\nmine = Lemma(words="w", claim=Claim(loss, "<=", loss), source=Derived("d"))\n',
        4,
        "true by assumption alone",
    ),
    "a name that is taken": (
        HEAD + 'loss_decreases = Lemma(words="w", claim=Claim(loss, "<=", 1), source=Derived("d"))\n',
        3,
        "loss-decreases: benign-vit has a statement of that name",
    ),
    "a symbol of another system": (
        "from proofs.language import *\nfrom proofs.token_selection.symbols import loss\n"
        'mine = Lemma(words="w",\n    claim=Claim(loss, "<=", 1), source=Derived("d"))\n',
        3,
        "mine: its loss is not that of benign-vit",
    ),
}


def run_with(lemmas: Path, steps: int | None) -> Run:
    finished: Run = verify.run(
        "benign-vit", settings={"N": 4, "M": 3, "d": 1e6, "d_h": 1e6}, seed=3, steps=steps, lemmas=lemmas
    )
    return finished


def test_the_true_example_holds(unjudged: None) -> None:
    finished = run_with(TRUE, None)
    assert finished.steps == 2687
    assert [(row["lemma"], row["verdict"]) for row in finished.verdicts] == [
        ("benign-vit/attention-by-scores", "holds")
    ]
    assert finished.verdicts[0]["checked_steps"] == 2688


def test_the_false_example_is_violated_and_not_from_the_start(unjudged: None) -> None:
    verdict = run_with(FALSE, None).verdicts[0]
    assert (verdict["verdict"], verdict["first_violation"]) == ("violated", 5)
    assert verdict["lhs"] > verdict["rhs"]
    assert run_with(FALSE, 4).exit_status == 0


def test_the_documentation_shows_the_examples_as_they_are() -> None:
    page = (DOCS / "own-lemmas.md").read_text()
    _, code = TRUE.read_text().split('"""\n\n', 1)
    assert f"```python\n{code}```" in page
    assert next(line for line in FALSE.read_text().splitlines() if "claim=" in line) in page
    changed = set(FALSE.read_text().splitlines()) - set(TRUE.read_text().splitlines())
    assert [line for line in changed if "claim=" in line] == [
        '    claim=Claim(attention[n, l, j], "<=", 1 / (1 + (M - 1) * exp(-largest_score))),'
    ]


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_told_with_its_line(mistake: str, refusal: Callable[..., str], tmp_path: Path) -> None:
    text, line, why = WRONG[mistake]
    (tmp_path / "mine.py").write_text(text)
    told = refusal("run", "benign-vit", "--preset", "small", "--steps", 1, "--lemmas", "mine.py")
    assert why in told
    assert line is None or f"mine.py:{line}: " in told


def test_what_a_run_cannot_judge_is_told_with_its_reason(command: Any, tmp_path: Path, unjudged: None) -> None:
    lines = (
        "from proofs.benign_vit.symbols import head_scale",
        "from proofs.language import *",
        'mine = Lemma(words="<b>w</b>", claim=Claim(head_scale, "<=", 1), source=Derived("d"))',
        "",
    )
    (tmp_path / "mine.py").write_text("\n".join(lines))
    instance = Path(__file__).parents[2] / "data" / "benign_vit_autograd.npz"
    found = command("run", "benign-vit", "--instance", instance, "--steps", 1, "--lemmas", tmp_path / "mine.py")
    assert found.status == 0
    assert "not judged here: mine: the instance does not determine head_scale" in found.out
