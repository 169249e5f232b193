"""A run as it was asked for: command line, configuration file and defaults brought together and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from verify.errors import RequestError
from verify.io.settings import read_config, validated
from verify.numbering import UNNUMBERED, Numbering, read_numbering
from verify.systems.base import System, find_system

if TYPE_CHECKING:
    from proofs.language import Lemma

AUTO = "auto"
LARGEST_SEED = 2**128 - 1
MOST_STEPS = 10**12


@dataclass(frozen=True)
class Request:
    """One run, fully described: the same request repeats the same bits on one machine.

    `problem` is the system's problem, or what can be given beside arrays where `instance` names a file.
    """

    system: System
    problem: BaseModel
    instance: Path | None
    engine: str
    steps: int | None
    seed: int
    record_every: int | None
    lemmas: Path | None = None
    numbering: Path | None = None

    def own_lemmas(self) -> list[Lemma]:
        """The user's lemmas; their file runs with the user's rights.

        Raises:
            RequestError: if it is refused.
        """
        if self.lemmas is None:
            return []
        from verify.io.lemmas import load_lemmas

        return load_lemmas(self.lemmas, self.system)

    def read_numbering(self, own: Sequence[Lemma]) -> Numbering:
        """The reader's numbers of the system's statements and of the `own` lemmas.

        Raises:
            RequestError: if their file cannot be read, or names what there is not.
        """
        if self.numbering is None:
            return UNNUMBERED
        known = [*self.system.statements(), *(lemma.name for lemma in own)]
        return read_numbering(self.numbering, known, self.system.name)

    def config(self, engine: str) -> dict[str, Any]:
        """The contents of a configuration file that repeats this run with the engine that was taken."""
        config: dict[str, Any] = {"system": self.system.name, "seed": self.seed, "engine": engine}
        if self.steps is not None:
            config["steps"] = self.steps
        if self.record_every is not None:
            config["record_every"] = self.record_every
        if self.instance is not None:
            config["instance"] = str(self.instance.resolve())
            config["instance_sha256"] = file_hash(self.instance)
        config["problem"] = self.settings()
        return config

    def settings(self) -> dict[str, Any]:
        """The problem's fields; of two fields that exclude each other the one that was given."""
        settings = self.problem.model_dump(exclude_none=True)
        for given, *derived in self.system.exclusive:
            if given in settings:
                settings = {name: value for name, value in settings.items() if name not in derived}
        return settings


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def make_request(
    system: str,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    config: Path | str | None = None,
    instance: Path | str | None = None,
    engine: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    record_every: int | None = None,
    lemmas: Path | str | None = None,
    numbering: Path | str | None = None,
) -> Request:
    """Bring together what was given; what stands on the command line overrides the file.

    Raises:
        RequestError: naming the field, its value and what is allowed.
    """
    found = find_system(system)
    config = None if config is None else Path(config)
    written = {} if config is None else read_config(config)
    if written.get("system", found.name) != found.name:
        raise RequestError(f"--config: {config} is for the system {written['system']}, not {found.name}")
    path = Path(instance) if instance is not None else _instance_of(config, written)
    preset = _first(preset, written.get("preset"))
    steps = _first(steps, written.get("steps"))
    record_every = _first(record_every, written.get("record_every"))
    layers = [written.get("problem", {}), dict(settings or {})]
    if path is None:
        problem = validated(found.problem, _layered(found, [_preset(found, preset), *layers]))
    elif preset is not None:
        raise RequestError.of("--preset", preset, "none beside an instance: its arrays are the problem")
    else:
        problem = validated(found.arrays_given, _beside_arrays(found, path, _layered(found, layers)))
    return Request(
        system=found,
        problem=problem,
        instance=path,
        engine=known_engine(found, _first(engine, written.get("engine"), AUTO)),
        steps=None if steps is None else whole_number("--steps", steps, 0, MOST_STEPS),
        seed=whole_number("--seed", _first(seed, written.get("seed"), 0), 0, LARGEST_SEED),
        record_every=None if record_every is None else whole_number("--record-every", record_every, 1, MOST_STEPS),
        lemmas=None if lemmas is None else Path(lemmas),
        numbering=None if numbering is None else Path(numbering),
    )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _preset(system: System, name: str | None) -> Mapping[str, Any]:
    name = system.default_preset if name is None else name
    if name not in list(system.presets):
        raise RequestError.of("--preset", name, " or ".join(system.presets))
    return system.presets[name].settings


def _layered(system: System, layers: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Later layers override earlier ones, also where they give the other field of an exclusive pair."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for pair in system.exclusive:
            if any(name in layer for name in pair):
                for name in pair:
                    merged.pop(name, None)
        merged.update(layer)
    return merged


def _beside_arrays(system: System, path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    fixed = [
        name
        for name in settings
        if name in system.problem.model_fields and name not in system.arrays_given.model_fields
    ]
    if fixed:
        allowed = " ".join(system.arrays_given.model_fields)
        raise RequestError(f"{fixed[0]}: the arrays of {path} fix it (beside an instance: {allowed})")
    return settings


def _instance_of(config: Path | None, written: Mapping[str, Any]) -> Path | None:
    if config is None or "instance" not in written:
        return None
    if not isinstance(written["instance"], str):
        raise RequestError.of("--config: instance", written["instance"], "a file name")
    path = config.parent / written["instance"]
    if not path.is_file():
        raise RequestError(f"--config: instance {path} cannot be read (it is no file)")
    wanted = written.get("instance_sha256")
    try:
        if wanted is not None and file_hash(path) != wanted:
            raise RequestError(f"--config: {path} is not the instance of {config} (its SHA-256 differs)")
    except OSError as error:
        raise RequestError(f"--config: instance {path} cannot be read ({error.strerror})") from None
    return path


def known_engine(system: System, name: Any) -> str:
    """The name of one of the system's engines, or `auto`.

    Raises:
        RequestError: if it is neither.
    """
    allowed = (AUTO, *system.engines)
    if name not in allowed:
        raise RequestError.of("--engine", name, " or ".join(allowed))
    return str(name)


def whole_number(field: str, value: Any, low: int, high: int) -> int:
    """An integer from `low` to `high`.

    Raises:
        RequestError: if it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise RequestError.of(field, value, f"an integer from {low} to {high}")
    return int(value)
