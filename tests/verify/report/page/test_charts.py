"""Charts: drawings that are well-formed, words that are escaped, readings that are the numbers."""

import json
from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verify.report.page.charts import (
    SIDE,
    Chart,
    Dots,
    Line,
    Mark,
    Span,
    Tiles,
    described,
    drawing,
    event_labels,
    readout,
)

STEPS = np.array([0.0, 1.0, 10.0, 100.0, 1000.0])
curves = arrays(np.float64, 5, elements=st.floats(allow_subnormal=False, width=64))


def coordinates(element: ElementTree.Element) -> list[tuple[float, float]]:
    parts = element.attrib["d"].replace("L", "M").rstrip("Z").split("M")
    return [tuple(map(float, part.split(","))) for part in parts if part]  # type: ignore[misc]


@settings(max_examples=50)
@given(curves, curves)
def test_any_numbers_make_a_well_formed_drawing_inside_its_frame(one: np.ndarray, other: np.ndarray) -> None:
    low, high = np.minimum(one, other), np.maximum(one, other)
    chart = Chart("t", "step", "y", [Line("a", STEPS, one, "one", low, high)], dots=[Dots("b", STEPS, other, "two")])
    root = ElementTree.fromstring(f"<svg>{drawing(chart)}</svg>")
    for path in root.iter("path"):
        if path.attrib["class"].startswith("line"):
            assert all(-1 <= x <= SIDE + 1 and -1 <= y <= SIDE + 1 for x, y in coordinates(path))
    json.loads(readout(chart))


def test_a_line_stands_where_its_scale_puts_it() -> None:
    chart = Chart("t", "step", "y", [Line("a", STEPS, STEPS, "one")], x_kind="linear", y_kind="linear")
    line = next(
        path
        for path in ElementTree.fromstring(f"<svg>{drawing(chart)}</svg>").iter("path")
        if path.attrib["class"] == "line one"
    )
    for (x, y), value in zip(coordinates(line), STEPS, strict=True):
        share = (value + 40.0) / 1080.0  # 4 % of room at both ends of 0 to 1000
        np.testing.assert_allclose((x, y), (SIDE * share, SIDE * (1 - share)), atol=0.06)


def test_a_gap_in_the_numbers_is_a_gap_in_the_line() -> None:
    broken = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    found = str(drawing(Chart("t", "step", "y", [Line("a", STEPS, broken, "one")])))
    line = found[found.index('class="line one"') :]
    assert line[: line.index("/>")].count("M") == 2


def test_names_are_escaped() -> None:
    bad = "<script>&'\""
    chart = Chart(bad, bad, bad, [Line(bad, STEPS, STEPS, bad)], spans=[Span(0, 1, bad)], events=[Mark(1, bad)])
    assert "<script>" not in drawing(chart)
    assert bad in described(chart)
    assert json.loads(readout(chart))["lines"][0]["name"] == bad


def test_labels_of_events_do_not_touch() -> None:
    marks = [Mark(100.0, "T1"), Mark(101.0, "T2"), Mark(120.0, "a_very_long_name"), Mark(1.0, "T0")]
    found = event_labels(Chart("t", "step", "y", [Line("a", STEPS, STEPS, "one")], events=marks))
    assert {label.text for label in found} == {"T1", "T0"}


def test_tiles_are_darker_where_values_are_larger() -> None:
    tiles = Tiles([1.0, 2.0], [1.0, 10.0], [[0.0, 1.0], [None, 0.5]])
    root = ElementTree.fromstring(f"<svg>{drawing(Chart('t', 'N', 'SNR', tiles=tiles))}</svg>")
    shades = [sum(map(int, each.attrib["fill"][4:-1].split(","))) for each in root.iter("rect")]
    assert len(shades) == 3
    assert shades[0] > shades[2] > shades[1]
