"""Figures draw what the run or the store holds, in forms that journals take."""

import sqlite3
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from verify.errors import RequestError
from verify.io.saved import load_run
from verify.report.cells import read_cells
from verify.report.figure import draw_figure, sketches, write_figure
from verify.studies.design import Cell, canonical
from verify.studies.store import Store
from verify.studies.tasks import Outcome

NAMES = ["loss", "loss-derivatives", "scores", "attention", "values", "margins"]


class Place(BaseModel):
    """A cell of a made-up study: its test loss is 3 N^2 / SNR."""

    N: int
    SNR: float
    law: str = "fresh"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "cells.db"
    with Store(path, "made-up", "places", code="c0de") as cells:
        for number, (N, ratio) in enumerate((N, ratio) for N in (1, 2, 4) for ratio in (1.0, 2.0)):
            result = canonical({"test_loss": 3.0 * N**2 / ratio, "steps": 7, "zero": 0.0, "words": "no number"})
            cells.put(Cell(f"k{number}", Place(N=N, SNR=ratio), 0, number), Outcome(f"k{number}", result, "", 1, 0.1))
        cells.put(Cell("failed", Place(N=8, SNR=1.0), 0, 9), Outcome("failed", None, "ValueError: no", 2, 0.1))
    return path


def test_the_figures_of_a_run_are_listed(command: Any, saved: Any) -> None:
    status, out, _ = command("figure", saved.violating)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_can_be_drawn(name: str, saved: Any) -> None:
    figure = draw_figure(load_run(saved.longer), name)
    assert figure.axes[0].get_xlabel()


@pytest.mark.parametrize("style", ["pdf", "svg", "png"])
def test_files_are_vectors_with_letters_and_repeat(style: str, command: Any, saved: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.{style}" for number in (1, 2)]
    for path in paths:
        found = command("figure", saved.longer, "values", "--format", style, "--out", path)
        assert (found.status, found.out) == (0, f"{path}\n")
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert sorted(tmp_path.iterdir()) == paths
    if style == "pdf":
        assert first.startswith(b"%PDF")
        assert b"/TrueType" in first or b"/Type42" in first or b"/CIDFontType2" in first
        assert b"/Type3" not in first
        assert b"/Subtype /Image" not in first
    elif style == "svg":
        assert ET.fromstring(first).get("width") == "237.6pt"
        assert b"<image" not in first
    else:
        assert first.startswith(b"\x89PNG")


def test_lines_are_the_recorded_numbers(saved: Any) -> None:
    run = load_run(saved.longer)
    lines = {line.get_label(): line for line in draw_figure(run, "loss").axes[0].lines}
    np.testing.assert_array_equal(lines["training loss"].get_ydata(), run.trajectory["loss"])
    np.testing.assert_array_equal(lines["test loss"].get_xdata()[1:], run.trajectory["step"][1:])
    attention = run.trajectory["attention"].values
    lines = {line.get_label(): line for line in draw_figure(run, "attention").axes[0].lines}
    np.testing.assert_array_equal(lines["token 1"].get_ydata(), np.median(attention[:, :, 1, 1], axis=1))
    assert {"token 0", "token 2"} < set(lines)


def test_margins_tell_verdicts_apart_by_marker_and_show_numbers(saved: Any) -> None:
    axes = draw_figure(load_run(saved.violating), "margins").axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["holds: 1", "violated: 1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "attention-by-scores",
        "attention-by-scores-too-sharp (Lemma <1> & 2)",
    ]
    good, bad = axes.collections
    assert good.get_offsets()[0, 0] > 0 > bad.get_offsets()[0, 0]
    assert len(good.get_paths()[0].vertices) != len(bad.get_paths()[0].vertices)


def test_a_heat_map_has_the_mean_of_each_place(store: Path) -> None:
    axes = draw_figure(read_cells(store), "heat-map").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("N", "SNR")
    np.testing.assert_array_equal(axes.collections[0].get_array(), [[3.0, 12.0, 48.0], [1.5, 6.0, 24.0]])


def test_a_fit_is_that_of_the_cells(store: Path) -> None:
    axes = draw_figure(read_cells(store), "fit").axes[0]
    assert axes.get_legend().get_texts()[0].get_text().startswith("exponent 2 [")
    axes = draw_figure(read_cells(store, x="SNR"), "fit").axes[0]
    assert axes.get_legend().get_texts()[0].get_text().startswith("exponent -1 [")


def test_the_figures_of_a_store_are_written_beside_it(command: Any, store: Path) -> None:
    assert [line.split()[0] for line in command("figure", store).out.splitlines()] == ["heat-map", "fit"]
    assert command("figure", store, "heat-map", "--z", "steps", "--format", "svg").status == 0
    assert (store.parent / "heat-map.svg").exists()


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "name": (("{run}", "attentoin"), "has no 'attentoin' (did you mean attention?) (figures: loss loss-derivatives"),
    "format": (("{run}", "loss", "--format", "gif"), "--format: 'gif' is not allowed (pdf or svg or png)"),
    "width": (("{run}", "loss", "--width", "huge"), "--width: 'huge' is not allowed (column or page)"),
    "axis of a run": (("{run}", "loss", "--x", "N"), "--x, --y, --z: they are for the store of a study"),
    "no store": (("file",), "file is no folder of a run and no store of a study"),
    "axis": (("{store}", "fit", "--z", "test_los"), "has no 'test_los' (did you mean test_loss?) (there are N SNR"),
    "text": (("{store}", "fit", "--z", "words"), "has no 'words'"),
    "no logarithm": (("{store}", "fit", "--z", "zero"), "0 cells with positive N and zero (a power law needs 3"),
    "no folder": (("{run}", "loss", "--out", "/dev/null/x.pdf"), "cannot be written"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_a_line(
    case: str, refusal: Callable[..., str], saved: Any, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("nothing of the kind")
    words, line = WRONG[case]
    assert line in refusal("figure", *(word.format(run=saved.holding, store=store) for word in words))


def test_a_store_without_results_is_told(tmp_path: Path) -> None:
    with Store(tmp_path / "empty.db", "made-up", "places", code="c0de"):
        pass
    with pytest.raises(RequestError, match="has no finished cell"):
        read_cells(tmp_path / "empty.db")


def test_a_store_that_is_being_written_can_be_read(store: Path) -> None:
    with Store(store, "made-up", "places", code="c0de"):
        assert len(read_cells(store).results) == 6
        with pytest.raises(sqlite3.OperationalError):
            sqlite3.connect(f"file:{store}?mode=ro", uri=True).execute("DELETE FROM cells")


def test_matplotlib_is_asked_for_where_it_is_missing(
    saved: Any, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert list(sketches(load_run(saved.holding))) == NAMES
    for source, name in ((load_run(saved.holding), "loss"), (read_cells(store), "fit")):
        with pytest.raises(RequestError, match=r"pip install 'verify\[figures\]'"):
            write_figure(source, name, tmp_path / "x.pdf", "pdf")
