"""The page of measurements: what is measured replaces its own section alone."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.page import HEAD, with_sections

SYSTEMS = ["first", "second", "third"]
TEXTS = st.text(alphabet="ab |-\n#é", max_size=30).map(lambda text: text.replace("#", "###").strip())
MEASURED = st.dictionaries(st.sampled_from(SYSTEMS), TEXTS)


@given(MEASURED, MEASURED)
def test_measured_in_two_goes_as_in_one(earlier: dict[str, str], later: dict[str, str]) -> None:
    in_two = with_sections(with_sections("", earlier, SYSTEMS), later, SYSTEMS)
    assert in_two == with_sections("", earlier | later, SYSTEMS)


def test_sections_keep_the_order_of_the_systems() -> None:
    page = with_sections("", {"third": "3", "first": "1"}, SYSTEMS)
    assert page == f"{HEAD}\n## first\n\n1\n\n## third\n\n3\n"


def test_sections_on_no_system_are_dropped() -> None:
    assert with_sections("# Old\n\n## The same problem\n\ntext\n", {}, SYSTEMS) == HEAD
