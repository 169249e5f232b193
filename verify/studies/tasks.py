"""One cell as a worker sees it: what it is told, and what it answers."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verify.errors import RequestError
from verify.studies.design import canonical
from verify.studies.fingerprint import code_fingerprint
from verify.studies.study import Study
from verify.systems.base import System, find_system

ATTEMPTS = 2
LONGEST_ERROR = 500


@dataclass(frozen=True)
class Task:
    """A cell to be measured, as plain data: a worker finds the study by its name, wherever it runs.

    `code` is the fingerprint of the code that is to measure it.
    """

    key: str
    system: str
    study: str
    parameters: Mapping[str, Any]
    seed: int
    code: str


@dataclass(frozen=True)
class Outcome:
    """How the measuring of one cell ended: its result as JSON text, or in one line why it has none."""

    key: str
    result: str | None
    error: str = ""
    attempts: int = 1
    seconds: float = 0.0


def find_study(system: System, name: str) -> Study:
    """The study of that name.

    Raises:
        RequestError: if the system has none.
    """
    studies = {study.name: study for study in system.studies()}
    if name not in studies:
        raise RequestError.of("NAME", name, " or ".join(studies))
    return studies[name]


def measure_cell(task: Task) -> Outcome:
    """Measure one cell; where that fails it is tried once more, then the error is the outcome."""
    error, seconds = "", 0.0
    for attempt in range(1, ATTEMPTS + 1):
        started = time.perf_counter()
        try:
            study = _study_of(task)
            parameters = study.cell.model_validate(task.parameters)
            started = time.perf_counter()
            result = result_text(study.measure(parameters, task.seed))
        except Exception as failure:
            error, seconds = one_line(failure), time.perf_counter() - started
        else:
            return Outcome(task.key, result, "", attempt, time.perf_counter() - started)
    return Outcome(task.key, None, error, ATTEMPTS, seconds)


def _study_of(task: Task) -> Study:
    """The study, in a process that is ready to measure it."""
    code = own_fingerprint(task.system)
    if code != task.code:
        raise RuntimeError(f"the worker would measure with other code ({code}) than was asked for ({task.code})")
    one_thread()
    return find_study(find_system(task.system), task.study)


@functools.cache
def own_fingerprint(system: str) -> str:
    """The fingerprint of a system's code in this process, as it stood when it was first asked for."""
    return code_fingerprint(find_system(system))


@functools.cache
def one_thread() -> None:
    """Let BLAS use one thread from now on: cells run side by side, and bits depend on how sums are split."""
    import scipy.linalg  # noqa: F401  brings the last of the BLAS libraries, which must be loaded to be told
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)


def result_text(result: Mapping[str, Any]) -> str:
    """A result as JSON text that gives the same floats back.

    Raises:
        ValueError: naming what is not finite.
        TypeError: if something is no JSON value.

    Examples:
        >>> result_text({"loss": 0.1, "steps": 4})
        '{"loss":0.1,"steps":4}'
        >>> result_text({"loss": {"test": [1.0, float("nan")]}})
        Traceback (most recent call last):
        ValueError: the result loss.test.1 is nan (finite numbers are allowed)
    """
    if not isinstance(result, Mapping):
        raise TypeError(f"a cell measures a dict of JSON values, not {type(result).__name__}")
    for name, value in flattened(result).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"the result {name} is {value} (finite numbers are allowed)")
    return canonical(result)


def flattened(value: Any, name: str = "") -> dict[str, Any]:
    """The leaves of JSON values by their paths.

    Examples:
        >>> flattened({"test": {"loss": 0.5, "interval": [0.4, 0.6]}, "steps": 7})
        {'test.loss': 0.5, 'test.interval.0': 0.4, 'test.interval.1': 0.6, 'steps': 7}
    """
    if isinstance(value, Mapping):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return {name: value}
    leaves: dict[str, Any] = {}
    for key, item in items:
        leaves.update(flattened(item, f"{name}.{key}" if name else str(key)))
    return leaves


def one_line(error: BaseException) -> str:
    """What an error says, in one line.

    Examples:
        >>> one_line(ValueError("two\\nlines"))
        'ValueError: two lines'
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:LONGEST_ERROR] if text else type(error).__name__
