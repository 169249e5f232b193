"""From a study and a user's settings to cells, each with a key and a random stream of its own."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from verify.errors import RequestError
from verify.io.settings import validated
from verify.studies.axes import axis_values
from verify.studies.study import Study

SEEDS = "seeds"
MOST_CELLS = 10**6
MOST_SEEDS = 10**5


@dataclass(frozen=True)
class Cell:
    """One cell of a design, ready to be measured: its parameters, the number of its replicate, and its seed.

    `key` is a hash of all that, of what is measured and of the `code` that measures it.
    """

    key: str
    parameters: BaseModel
    replicate: int
    seed: int


@dataclass(frozen=True)
class Design:
    """A study as it was asked for."""

    study: Study
    axes: Mapping[str, Sequence[Any]]
    seeds: int
    seed: int
    question: BaseModel
    cells: Sequence[Cell]


def design(study: Study, settings: Mapping[str, str], seed: int, code: str) -> Design:
    """The cells of a study whose axes, number of seeds and question are set by `--set` words.

    A name that is both of a cell and of the question belongs to the question.

    Raises:
        RequestError: naming the field, its value and what is allowed.
    """
    axes: dict[str, Sequence[Any]] = dict(study.axes)
    asked: dict[str, str] = {}
    seeds = study.seeds
    for name, text in settings.items():
        if name in study.question.model_fields:
            asked[name] = text
        elif name == SEEDS:
            seeds = _count(text)
        elif name in study.cell.model_fields:
            axes[name] = axis_values(name, text)
        else:
            fields = [*study.cell.model_fields, SEEDS, *study.question.model_fields]
            raise RequestError(f"{name}: no such field of the study {study.name} (fields: {' '.join(fields)})")
    total = seeds * int(np.prod([len(values) for values in axes.values()], dtype=float))
    if total > MOST_CELLS:
        raise RequestError.of("cells", f"{total:,}", f"at most {MOST_CELLS:,}")
    question = validated(study.question, asked)
    combinations = itertools.product(*axes.values())
    models = [validated(study.cell, dict(zip(axes, values, strict=True))) for values in combinations]
    distinct = {canonical(model.model_dump(mode="json")): model for model in models}
    cells = [_cell(study, model, replicate, seed, code) for model in distinct.values() for replicate in range(seeds)]
    return Design(study, axes, seeds, seed, question, cells)


def canonical(value: Any) -> str:
    """JSON in one form: equal values, equal text.

    Examples:
        >>> canonical({"b": 1, "a": [0.5, None]})
        '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _cell(study: Study, parameters: BaseModel, replicate: int, seed: int, code: str) -> Cell:
    identity = [study.measured_as, parameters.model_dump(mode="json"), replicate, seed]
    own = cell_seed(seed, canonical(identity))
    key = hashlib.sha256(canonical([*identity, code]).encode()).hexdigest()
    return Cell(key, parameters, replicate, own)


def cell_seed(seed: int, identity: str) -> int:
    """The seed of one cell: a spawned stream of the study's seed, by what the cell is and not by its place.

    So no two cells share a stream, and further cells leave the others as they are.
    """
    words = np.frombuffer(hashlib.sha256(identity.encode()).digest(), dtype=">u4")
    state = np.random.SeedSequence(seed, spawn_key=tuple(int(word) for word in words)).generate_state(4)
    return sum(int(word) << 32 * place for place, word in enumerate(state))


def _count(text: str) -> int:
    try:
        count = int(float(text))
        if count != float(text) or not 1 <= count <= MOST_SEEDS:
            raise ValueError
    except ValueError:
        raise RequestError.of(SEEDS, text, f"a whole number from 1 to {MOST_SEEDS}") from None
    return count
