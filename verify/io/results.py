"""The files of a run: `problem.toml`, `verdicts.json`, `trajectory.nc`."""

import json
import math
from collections.abc import Mapping
from typing import Any

import tomli_w


def toml_text(config: Mapping[str, Any]) -> str:
    """A configuration as TOML; floats keep their bits."""
    return tomli_w.dumps(dict(config))


def json_text(value: Any) -> str:
    """JSON without NaN or infinity: what is not finite becomes null.

    Examples:
        >>> print(json_text({"a": float("nan"), "b": [1, 2.5]}))
        {
          "a": null,
          "b": [
            1,
            2.5
          ]
        }
    """
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
