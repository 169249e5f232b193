"""Problem parameters from users: `--set` words, configuration files, and errors that name the field."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from verify.errors import RequestError
from verify.io.files import bounded_text

Model = TypeVar("Model", bound=BaseModel)

RUN_KEYS = ("system", "preset", "seed", "engine", "steps", "record_every", "instance", "instance_sha256", "problem")
LARGEST_CONFIG = 2**14
DEEPEST_CONFIG = 8


def parse_words(words: Iterable[str]) -> dict[str, str]:
    """Split `NAME=VALUE` words.

    Raises:
        RequestError: if a word has no `=` or a name stands twice.

    Examples:
        >>> parse_words(["N=40", "SNR=2.5"])
        {'N': '40', 'SNR': '2.5'}
    """
    settings: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise RequestError.of("--set", word, "NAME=VALUE")
        if name in settings:
            raise RequestError(f"{name}: set twice ({settings[name]} and {value})")
        settings[name] = value
    return settings


def validated(model: type[Model], settings: Mapping[str, Any]) -> Model:
    """Build `model` from settings; the first mistake is told in one line.

    Raises:
        RequestError: naming the field, its value and what is allowed.
    """
    unknown = [name for name in settings if name not in model.model_fields]
    if unknown:
        raise RequestError(f"{unknown[0]}: no such field (fields: {' '.join(model.model_fields)})")
    for name, value in settings.items():
        if isinstance(value, bool) and model.model_fields[name].annotation is not bool:
            raise RequestError.of(name, value, "this field is not true or false")
    try:
        return model(**settings)
    except ValidationError as error:
        first = next(e for e in error.errors() if e["type"] != "default_factory_not_called")
        field = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"])
        allowed = message.removeprefix("Input ").removeprefix("Value error, ")
        raise RequestError.of(field, first["input"], allowed) from None
    except (OverflowError, ZeroDivisionError):
        raise RequestError(f"{model.__name__.lower()}: the derived scales leave the range of float64") from None


def read_config(path: Path) -> dict[str, Any]:
    """The contents of a configuration file.

    Raises:
        RequestError: if it cannot be read, is not TOML, or has an unknown key.
    """
    try:
        config = tomllib.loads(bounded_text("--config", path, LARGEST_CONFIG))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--config: {path} is not valid TOML ({error})") from None
    if _depth(config) > DEEPEST_CONFIG:
        raise RequestError(f"--config: {path} is nested deeper than {DEEPEST_CONFIG} levels")
    unknown = [key for key in config if key not in RUN_KEYS]
    if unknown:
        raise RequestError(f"--config: {path} has an unknown key {unknown[0]!r} (keys: {' '.join(RUN_KEYS)})")
    if not isinstance(config.get("problem", {}), dict):
        raise RequestError(f"--config: problem in {path} is not a table of fields")
    return config


def _depth(config: dict[str, Any]) -> int:
    """How deep tables and arrays are nested: without recursion, which dotted keys of any length would exhaust."""
    level: list[Any] = [config]
    depth = 0
    while level:
        depth += 1
        inside = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
        level = [each for each in inside if isinstance(each, dict | list)]
    return depth
