"""JSON without NaN, TOML that keeps every bit."""

import json
import math
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from verify.io.results import json_text, toml_text

keys = st.text("abcdefgh_", min_size=1)
values = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)),
    max_leaves=20,
)


def without_what_is_not_finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_what_is_not_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: without_what_is_not_finite(item) for key, item in value.items()}
    return value


@given(value=values)
def test_json_is_valid_and_keeps_all_that_is_finite(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(json_text(value), parse_constant=refuse)
    assert found == without_what_is_not_finite(value)


@given(config=st.dictionaries(keys, st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())))
def test_toml_keeps_every_bit(config: dict[str, object]) -> None:
    found = tomllib.loads(toml_text(config))
    assert found == config
    for name, value in config.items():
        if isinstance(value, float):
            assert math.copysign(1.0, found[name]) == math.copysign(1.0, value)
