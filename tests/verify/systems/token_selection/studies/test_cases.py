"""The table of presets in the docs: what it expects comes out on further seeds, in kind and within a factor of two.

T_fit is the time of the last sample and scatters over seeds by more than that: what is expected is one draw, and is
held against the range of the seeds; other times against their median.
"""

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from verify.systems.token_selection import SYSTEM
from verify.systems.token_selection.studies.seeds import Seeded, delayed, measure_seed

PAGE = Path(__file__).parents[5] / "docs" / "token-selection.md"

SEEDS = range(1, 6)

MIDDLES = {"attention_step": "T_gen", "accuracy_step": "accuracy 0.95"}


def expected() -> dict[str, dict[str, str]]:
    """The rows of the page that say what is expected, by preset and column."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    (columns,) = [line for line in lines if "T_gen" in line]
    rows = [line for line in lines if line[1:2] == ["expected"]]
    return {row[0].strip("`"): dict(zip(columns[2:], row[2:], strict=True)) for row in rows}


def step(words: str) -> float:
    return np.inf if words == "never" else float(words.replace(",", ""))


def times(measured: list[dict[str, Any]], name: str) -> list[float]:
    return [np.inf if each[name] is None else float(each[name]) for each in measured]


def is_like(time: float, smallest: float, largest: float) -> bool:
    """Whether a time is within a factor of two of a range; never is like never alone, and 0 like 0."""
    if time in (0.0, np.inf):
        return smallest == largest == time
    return smallest / 2.0 <= time <= 2.0 * largest


def test_every_preset_has_its_row() -> None:
    assert set(expected()) == set(SYSTEM.presets)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["not-overfitting", "overfitting-later", "benign", "harmful"])
def test_cheap_presets_are_as_expected(case: str) -> None:
    row = expected()[case]
    measured = [measure_seed(Seeded(case=case), seed) for seed in SEEDS]
    for name, column in MIDDLES.items():
        assert is_like(step(row[column]), *[median(times(measured, name))] * 2), name
    fitted = times(measured, "fit_step")
    assert is_like(step(row["T_fit"]), min(fitted), max(fitted))
    before, after = (float(words) for words in row["test accuracy"].split(" to "))
    for each in measured:
        assert each["clean_fitted"] == 1.0
        assert (each["noisy_fitted"] >= 0.75) is (row["noisy fitted"] == "1")
        assert 1.0 - each["start_error"] == pytest.approx(before, abs=0.01)
        assert 1.0 - each["test_error"] == pytest.approx(after, abs=0.02)
        assert each["test_selection"] == pytest.approx(float(row["P_select"]), abs=0.05)
        if case == "harmful":
            assert each["test_error"] > each["start_error"] + 0.03
            assert each["test_selection"] < 0.5


@pytest.mark.slow
def test_test_accuracy_is_delayed_by_thousands_of_steps() -> None:
    row = expected()["delayed-accuracy"]
    measured = [measure_seed(Seeded(case="delayed-accuracy"), seed) for seed in (1, 2, 3)]
    assert all(each["fit_step"] <= 50 and delayed(each, "accuracy_step") for each in measured)
    assert all(each["start_error"] > 0.99 and each["test_error"] < 0.05 for each in measured)
    for name, column in (("fit_step", "T_fit"), ("accuracy_step", "accuracy 0.95")):
        assert is_like(step(row[column]), *[median(times(measured, name))] * 2), name


@pytest.mark.slow
def test_training_labels_are_fitted_soon_where_generalisation_is_delayed() -> None:
    problem = Seeded(case="benign-delayed", test_samples=2).problem()
    found = []
    for seed in range(40):
        prepared = SYSTEM.prepare(problem, seed, "reduced")
        outputs = prepared.dynamics.advance(100, -1.0, []).arrays["output"][:101]
        fitted = (prepared.instance.y * outputs > 0.0).all(axis=1)
        found.append(float(np.argmax(fitted)) if fitted.any() else np.inf)
    assert is_like(step(expected()["benign-delayed"]["T_fit"]), min(found), max(found))
    assert sum(each <= 50 for each in found) >= 32
