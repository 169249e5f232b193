"""`verify study`: what it lists, prints, writes and refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Refusal = Callable[..., str]

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests of what is printed, so that its cells are measured once."""
    return tmp_path_factory.mktemp("store") / "cells.db"


def test_studies_are_listed_with_axes_and_fields(command: Command) -> None:
    status, out, err = command("study", "tiny")
    assert (status, err) == (0, "")
    for words in ("line  a line", "axes: x=1,2,3 seeds=2", "the abscissa [1.0]", "asked about [7]", "third"):
        assert words in out
    assert "samples" not in out  # N is the question's


def test_list_names_studies(command: Command) -> None:
    _, out, _ = command("study", "benign-vit")
    for name in ("phase-diagram", "phase-boundary"):
        assert name in out


def test_a_study_prints_what_it_found(command: Command, store: Path) -> None:
    status, out, _ = command("study", "tiny", "line", "--store", store, "--set", "x=1,2", "seeds=1", "--seed", 3)
    assert status == 0
    text = " ".join(out.split())
    for words in ("tiny, line, seed 3: a line", "2 cells.", "A sheet", "[2]", "Statements", "Controls", "note: a note"):
        assert words in text
    assert text.index("Statements") < text.index("Controls")
    assert "0.5 to 1.5" in text
    assert "supported: 1" in text
    assert "refuted: " not in text  # the control's verdict is not counted
    repeat = out.split("repeat: verify ")[1].split()
    assert repeat == ["study", "tiny", "line", "--seed", "3", "--store", str(store), "--set", "x=1,2", "seeds=1"]
    again = command(*repeat)
    assert (again.status, again.out) == (0, out)


def test_json_stands_alone_on_stdout(command: Command, store: Path) -> None:
    words = ("study", "tiny", "line", "--store", store, "--set", "x=1", "seeds=1", "control=supported", "--json")
    status, out, err = command(*words)
    record = json.loads(out)
    assert (status, record["system"], record["study"], record["cells"], record["failed"]) == (1, "tiny", "line", 1, 0)
    assert [finding["verdict"] for finding in record["verdicts"]] == ["supported"]
    assert [finding["verdict"] for finding in record["controls"]] == ["supported"]
    assert "A sheet" in err


def test_the_table_has_one_row_a_cell(command: Command, store: Path, tmp_path: Path) -> None:
    table = tmp_path / "new" / "table.csv"
    words = ("study", "tiny", "line", "--store", store, "--set", "x=1,2", "seeds=1", "trouble=raise")
    status, out, _ = command(*words, "--export", table)
    assert status == 0
    assert "failed: x=2.0 trouble=raise replicate 0: ValueError: too large" in out
    done, failed = csv.DictReader(table.read_text().splitlines())
    assert (done["x"], done["N"], done["result.N"], done["status"], done["error"]) == ("1.0", "4", "4", "done", "")
    assert float(done["draws.1"]) != float(done["draws.0"])
    assert (failed["x"], failed["status"], failed["y"], failed["error"]) == (
        "2.0",
        "failed",
        "",
        "ValueError: too large",
    )
    assert int(failed["seed"]) > 2**64
    assert [path.name for path in table.parent.iterdir()] == ["table.csv"]


def test_the_default_store_is_told(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, out, err = command("study", "tiny", "line", "--set", "x=1", "seeds=1", "--json")
    assert err.splitlines()[0] == "cells are kept in results/tiny-line.db"
    assert json.loads(out)["store"] == "results/tiny-line.db"


def test_help_names_every_option(command: Command) -> None:
    status, out, _ = command("study", "--help")
    assert status == 0
    for option in ("--set", "--workers", "--scheduler", "--store", "--seed", "--export", "--json"):
        assert option in out


REFUSED = {
    ("study", "nonsense"): "SYSTEM: 'nonsense' is not allowed (",
    ("study", "tiny", "nonsense"): "NAME: 'nonsense' is not allowed (line or other or third)",
    ("study", "tiny", "--set", "x=1"): "NAME: which study of tiny?",
    ("study", "tiny", "line", "--set", "y=1"): "y: no such field of the study line (fields: ",
    ("study", "tiny", "line", "--set", "x=-1"): "x: '-1' is not allowed",
    ("study", "tiny", "line", "--set", "x=1..2"): "x: '1..2' is not allowed",
    ("study", "tiny", "line", "--set", "seeds=0"): "seeds: '0' is not allowed",
    ("study", "tiny", "line", "--workers", "0"): "--workers: 0 is not allowed",
    ("study", "tiny", "line", "--workers", "2", "--scheduler", "tcp://h:1"): "exclude each other",
    ("study", "tiny", "line", "--seed", "-1"): "--seed: -1 is not allowed",
    ("study", "tiny", "line", "--store", "."): "--store: . is not a file",
    ("study", "tiny", "line", "--store", "/dev/null/x.db"): "--store: /dev/null/x.db cannot be used",
    ("study", "tiny", "line", "--export", "."): "--export: '.' is not allowed (a file, not a folder)",
    ("study", "tiny", "line", "--export", "/dev/null/t.csv"): "--export: /dev/null/t.csv cannot be written",
    ("study", "tiny", "line", "--export", "x" * 300): "--export: ",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_wrong_requests_are_refused_in_one_line(words: tuple[str, ...], refusal: Refusal) -> None:
    assert REFUSED[words] in refusal(*words)


def test_a_scheduler_that_is_not_there_leaves_no_store(refusal: Refusal) -> None:
    pytest.importorskip("distributed")
    assert "--scheduler: nonsense cannot be reached" in refusal("study", "tiny", "line", "--scheduler", "nonsense")
