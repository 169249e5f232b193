"""Two runs side by side: what changed, and when that is a failure."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from verify.compare import changes

from .report.conftest import Saved, saved

__all__ = ["saved"]

FALSE_NAME = "attention-by-scores-too-sharp"


def test_a_run_compared_with_itself_has_not_changed(command: Any, saved: Saved) -> None:
    status, out, _ = command("compare", saved.violating, saved.violating)
    assert status == 0
    assert out.count(": the same") == 6
    assert "nothing is newly violated" in out


def test_what_the_second_run_violates_and_the_first_did_not_is_a_failure(command: Any, saved: Saved) -> None:
    status, out, err = command("compare", saved.holding, saved.violating, "--json")
    assert status == 1
    record = json.loads(out)
    assert record["newly_violated"] == [FALSE_NAME]
    assert record["verdicts"] == {FALSE_NAME: [None, "violated"]}
    assert set(record["margins"]) == {FALSE_NAME}
    assert not any(record[key] for key in ("problem", "made", "versions", "stages"))
    assert f"newly violated: {FALSE_NAME} (Lemma <1> & 2)" in err


def test_a_violation_that_goes_away_or_stays_is_none(command: Any, saved: Saved) -> None:
    assert command("compare", saved.violating, saved.holding).status == 0
    status, out, _ = command("compare", saved.violating, saved.longer, "--json")
    record = json.loads(out)
    assert (status, record["verdicts"]) == (0, {})
    assert record["made"] == {"seed": [3, 4], "steps": [60, 200]}
    assert record["stages"]["attention_saturated"][0] is None
    for first, second in record["margins"].values():
        assert first != second


@given(st.dictionaries(st.text(), st.integers()), st.dictionaries(st.text(), st.integers()))
def test_changes_lead_from_one_to_the_other(before: dict[str, int], after: dict[str, int]) -> None:
    found = changes(before, after)
    there = {**before, **{name: new for name, (_, new) in found.items()}}
    assert {name: value for name, value in there.items() if value is not None} == after
    assert {name: (new, old) for name, (old, new) in found.items()} == changes(after, before)
