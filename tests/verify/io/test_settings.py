"""Words, models and configuration files from users."""

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from verify.errors import RequestError
from verify.io.settings import LARGEST_CONFIG, parse_words, read_config, validated


class Toy(BaseModel):
    size: Annotated[int, Field(ge=1)] = 3
    scale: float = 0.5
    flag: bool = False
    inverse: float = Field(default_factory=lambda given: 1.0 / given["scale"])
    power: float = Field(default_factory=lambda given: 10.0 ** given["size"])


@given(settings=st.dictionaries(st.text("abc", min_size=1), st.text()))
def test_words_are_split_at_the_first_equals_sign(settings: dict[str, str]) -> None:
    assert parse_words([f"{name}={value}" for name, value in settings.items()]) == settings


@pytest.mark.parametrize("word", ["N", "", "=3", "N:3"])
def test_a_word_that_sets_nothing_is_refused(word: str) -> None:
    with pytest.raises(RequestError, match=r"^--set: .* is not allowed \(NAME=VALUE\)$"):
        parse_words([word])


def test_a_field_set_twice_is_refused_with_both_values() -> None:
    with pytest.raises(RequestError, match=r"^N: set twice \(3 and 4\)$"):
        parse_words(["N=3", "M=2", "N=4"])


def test_settings_become_a_model() -> None:
    assert validated(Toy, {"size": "4", "scale": 2, "flag": "true"}).model_dump() == {
        "size": 4,
        "scale": 2.0,
        "flag": True,
        "inverse": 0.5,
        "power": 1e4,
    }


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"size": 0}, "size: 0 is not allowed (should be greater than or equal to 1)"),
        ({"size": "0"}, "size: '0' is not allowed (should be greater than or equal to 1)"),
        ({"size": True}, "size: True is not allowed (this field is not true or false)"),
        ({"width": 1}, "width: no such field (fields: size scale flag inverse power)"),
        ({"scale": 0}, "toy: the derived scales leave the range of float64"),
        ({"size": 400}, "toy: the derived scales leave the range of float64"),
    ],
)
def test_the_first_mistake_is_told_in_one_line(settings: dict[str, object], line: str) -> None:
    with pytest.raises(RequestError) as refused:
        validated(Toy, settings)
    assert str(refused.value) == line


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


@given(settings=st.dictionaries(st.sampled_from(["size", "scale", "flag", "inverse"]), anything))
def test_no_value_does_worse_than_a_refusal(settings: dict[str, object]) -> None:
    try:
        validated(Toy, settings)
    except RequestError as refused:
        named = str(refused).split(":")[0]
        assert named == "toy" or named in settings or named in Toy.model_fields


def config(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_config_is_read(tmp_path: Path) -> None:
    written = config(tmp_path / "c.toml", 'seed = 3\nsystem = "s"\n[problem]\nN = 4\nSNR = 1e-1\n')
    assert read_config(written) == {"seed": 3, "system": "s", "problem": {"N": 4, "SNR": 0.1}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("seed 3", "is not valid TOML"),
        ("seed = ", "is not valid TOML"),
        (b"seed = \xff", "is not valid TOML"),
        ("seed = " + 5000 * "9", "is not valid TOML"),
        ("problem = " + 5000 * "[" + 5000 * "]", "is not valid TOML"),
        ("speed = 3", "has an unknown key 'speed'"),
        ("[problems]\nN = 3", "has an unknown key 'problems'"),
        ("problem = 3", "is not a table of fields"),
        (LARGEST_CONFIG * " " + "\n", "is larger than"),
    ],
)
def test_a_config_that_is_none_is_refused(content: str | bytes, expected: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=expected) as refused:
        read_config(config(tmp_path / "c.toml", content))
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.toml", ".", "x" * 300])
def test_a_config_that_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^--config: "):
        read_config(tmp_path / name)
