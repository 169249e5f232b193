"""Verdict tables: everything is there, nothing is taken for markup, numbers are the run's own."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.errors import RequestError
from verify.io.saved import load_run

FALSE_NAME = "attention-by-scores-too-sharp"


def rows_of(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "verdicts.json").read_text())
    return {row["lemma"].partition("/")[2]: row for row in record["verdicts"]}


def test_csv_has_every_number_in_full_precision(command: Any, saved: Any) -> None:
    status, out, err = command("table", saved.violating, "--format", "csv")
    assert (status, err) == (0, "")
    lines = {line["statement"]: line for line in csv.DictReader(io.StringIO(out))}
    wanted = rows_of(saved.violating)
    assert list(lines) == list(wanted)
    for name, row in wanted.items():
        for key in ("worst_margin", "lhs", "rhs"):
            assert float(lines[name][key]) == row[key]
        assert int(lines[name]["checked_steps"]) == row["checked_steps"] == 61
    assert lines[FALSE_NAME]["in_your_paper"] == "Lemma <1> & 2"
    assert int(lines[FALSE_NAME]["first_violation"]) == 5


def test_markdown_is_a_table_and_shows_markup_as_text(command: Any, saved: Any) -> None:
    head, rule, *lines = command("table", saved.violating).out.splitlines()
    assert {line.count(" | ") for line in (head, rule, *lines[:2])} == {7}
    assert lines[0].startswith(f"| {FALSE_NAME} | Lemma &lt;1&gt; &amp; 2 | violated | float | -")
    assert lines[1].startswith("| attention-by-scores |  | holds |")
    assert lines[3] == (
        "benign-vit, seed 3, 60 steps; violated: 1, inconclusive: 0, hypothesis not met: 0, not judged here: 0, "
        "holds: 1; numbers of a paper, v2"
    )


def test_latex_has_as_many_cells_in_every_row_and_escapes_letters(command: Any, saved: Any) -> None:
    lines = command("table", saved.violating, "--format", "latex").out.splitlines()
    columns = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[1])
    assert columns is not None
    rows = [line for line in lines if line.endswith(r" \\") and "multicolumn" not in line]
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(columns[1])}
    assert r"Lemma \textless{}1\textgreater{} \& 2" in lines[5]
    assert re.search(r"\$-0\.\d+\$", lines[5])
    assert lines[-1] == r"\end{tabular}"


def test_another_numbering_can_be_given(command: Any, saved: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[lemmas]\n"P 9" = "benign-vit/attention-by-scores"\n')
    out = command("table", saved.violating, "--numbering", tmp_path / "mine.toml").out
    assert "| attention-by-scores | P 9 | holds |" in out
    assert "Lemma" not in out


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no folder": (("table", "nowhere"), "DIR: nowhere holds no run: there is no verdicts.json"),
    "no JSON": (("table", "broken"), "broken/verdicts.json is damaged"),
    "no record": (("table", "empty"), "empty/verdicts.json is not the record of a run: it has no 'system'"),
    "no style": (
        ("table", "{violating}", "--format", "html"),
        "--format: 'html' is not allowed (markdown or latex or csv)",
    ),
    "compare": (("compare", "{violating}", "nowhere"), "nowhere holds no run"),
    "numbering": (("table", "{violating}", "--numbering", "none.toml"), "--numbering: none.toml cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_a_line(case: str, refusal: Callable[..., str], saved: Any, tmp_path: Path) -> None:
    for name, text in (("broken", '{"system": '), ("empty", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdicts.json").write_text(text)
    words, line = WRONG[case]
    assert line in refusal(*(word.format(**saved._asdict()) for word in words))


def test_a_trajectory_that_cannot_be_read_is_told(saved: Any, tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_bytes((saved.holding / "verdicts.json").read_bytes())
    (tmp_path / "trajectory.nc").write_text("nothing")
    with pytest.raises(RequestError, match=r"trajectory\.nc cannot be read"):
        _ = load_run(tmp_path).trajectory
