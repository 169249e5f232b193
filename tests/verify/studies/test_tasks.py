"""One cell as a worker measures it."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.errors import RequestError
from verify.studies.fingerprint import code_fingerprint
from verify.studies.tasks import ATTEMPTS, Task, find_study, flattened, measure_cell, result_text
from verify.systems.base import find_system


def task(seed: int = 1, code: str = "", **parameters: Any) -> Task:
    return Task("key", "tiny", "line", parameters, seed, code or code_fingerprint(find_system("tiny")))


@pytest.mark.usefixtures("tiny")
def test_a_cell_repeats_its_bits() -> None:
    first, again, other = (measure_cell(task(seed)) for seed in (1, 1, 2))
    assert first.result == again.result != other.result
    assert (first.key, first.error, first.attempts) == ("key", "", 1)
    assert first.seconds > 0.0


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("raise", "ValueError: too large"),
        ("nan", "ValueError: the result y.deep.1 is nan (finite numbers are allowed)"),
        ("type", "TypeError: Object of type int64 is not JSON serializable"),
    ],
)
def test_a_cell_that_fails_is_tried_again_and_then_told(
    trouble: str, error: str, measured: Callable[[], Sequence[str]]
) -> None:
    outcome = measure_cell(task(x=2.0, trouble=trouble))
    assert (outcome.result, outcome.error, outcome.attempts) == (None, error, ATTEMPTS)
    assert len(measured()) == ATTEMPTS


@pytest.mark.usefixtures("tiny")
def test_a_cell_that_fails_once_is_measured() -> None:
    outcome = measure_cell(task(trouble="once"))
    assert outcome.attempts == 2
    assert outcome.error == ""
    assert outcome.result == measure_cell(task()).result


def test_other_code_does_not_measure(measured: Callable[[], Sequence[str]]) -> None:
    assert "the worker would measure with other code" in measure_cell(task(code="0ther")).error
    assert not measured()


@pytest.mark.usefixtures("tiny")
def test_studies_are_found_by_name() -> None:
    assert find_study(find_system("tiny"), "other").name == "other"
    with pytest.raises(RequestError, match=r"NAME: 'x' is not allowed \(line or other or third\)"):
        find_study(find_system("tiny"), "x")


few = settings(max_examples=40)
names = st.text(max_size=3)
leaves = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    leaves | names, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner), max_leaves=6
)


@few
@given(st.dictionaries(names, trees, max_size=3))
def test_results_keep_their_bits(result: dict[str, Any]) -> None:
    assert json.loads(result_text(result)) == result


@few
@given(st.dictionaries(names, trees, max_size=3), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_is_refused_however_deep(result: dict[str, Any], value: float) -> None:
    with pytest.raises(ValueError, match=r"the result .* is (nan|inf|-inf)"):
        result_text({**result, "deep": [{"at": [result, value]}]})


def test_a_result_must_have_names() -> None:
    with pytest.raises(TypeError, match="a dict of JSON values, not float"):
        result_text(0.5)  # type: ignore[arg-type]


@few
@given(st.dictionaries(st.text(alphabet="abc", min_size=1), st.dictionaries(st.text("xyz", min_size=1), leaves)))
def test_leaves_are_found_by_their_paths(value: dict[str, dict[str, Any]]) -> None:
    expected = {f"{outer}.{inner}": leaf for outer, items in value.items() for inner, leaf in items.items()}
    assert flattened(value) == expected
