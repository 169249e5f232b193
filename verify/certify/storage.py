"""Balls as JSON, to the last bit, and files that are written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb

RADIUS_BITS = 30
"""Bits of a radius; one that is given Arb rounds up, as if it had more of them."""


def exported(value: Any) -> Any:
    """A value made of balls, arrays of balls, numbers, texts and containers of these, as JSON.

    >>> imported(exported({"a": arb(1) / 3}))["a"].overlaps(arb(1) / 3)
    True
    """
    match value:
        case arb():
            return {"ball": _ball_text(value)}
        case np.ndarray():
            return {"balls": [_ball_text(each) for each in value.ravel()], "shape": list(value.shape)}
        case Mapping():
            return {"map": [[exported(key), exported(item)] for key, item in value.items()]}
        case list() | tuple():
            return [exported(item) for item in value]
        case float() if not np.isfinite(value):
            return {"float": repr(value)}
        case _:
            return value


def imported(value: Any) -> Any:
    """What `exported` wrote; tuples come back as lists."""
    match value:
        case {"ball": text}:
            return _ball(text)
        case {"balls": texts, "shape": shape}:
            array = np.empty(len(texts), dtype=object)
            array[:] = [_ball(text) for text in texts]
            return array.reshape(shape)
        case {"map": items}:
            return {imported(key): imported(item) for key, item in items}
        case {"float": text}:
            return float(text)
        case list():
            return [imported(item) for item in value]
        case _:
            return value


def _ball_text(ball: arb) -> str:
    if not ball.is_finite():
        return "nan"
    parts = (*ball.mid().man_exp(), *ball.rad().man_exp())
    return " ".join(format(int(part), "x") for part in parts)


def _ball(text: str) -> arb:
    if text == "nan":
        return arb.nan()
    mantissa, exponent, radius, scale = (int(part, 16) for part in text.split())
    middle = arb((mantissa, exponent))
    if not radius:
        return middle
    shift = 2 * RADIUS_BITS - radius.bit_length()
    wanted, less = arb((radius, scale)), arb(((radius << shift) - 1, scale - shift))
    exact = arb(middle, less)
    return exact if exact.rad() == wanted else arb(middle, wanted)


def write_whole(path: Path, value: Any) -> None:
    """Write JSON into a file, whole or not at all.

    Raises:
        OSError: if the disk refuses; the file is then what it was.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("w", encoding="utf-8") as stream:
            json.dump(value, stream, allow_nan=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
