"""Controls: errors planted on purpose, one at a time, each of which a named check must catch."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from verify.systems.base import System


@dataclass(frozen=True)
class Finding:
    """What one check says: whether it is content, and its verdict as the user reads it."""

    passed: bool
    verdict: str


Look = Callable[[], Mapping[str, Finding]]
"""Makes several checks on one small problem: the name of each check, and what it finds."""


@dataclass(frozen=True)
class Plant:
    """An error: for its duration `owner.name` is what `make` makes of it.

    `owner` is a module, a class or anything with a name: a statement, a member of a recurrence.

    Examples:
        >>> import math
        >>> with Plant(math, "tau", lambda tau: tau / 2).planted():
        ...     print(math.tau == math.pi)
        True
        >>> math.tau == math.pi
        False
    """

    owner: Any
    name: str
    make: Callable[[Any], Any]

    @property
    def place(self) -> str:
        """Where it is planted, as the user reads it."""
        if isinstance(self.owner, ModuleType):
            return f"{self.owner.__name__.rpartition('.')[2]}.{self.name}"
        if isinstance(self.owner, type):
            return f"{self.owner.__module__.rpartition('.')[2]}.{self.owner.__qualname__}.{self.name}"
        return f"{self.owner.name}.{self.name}"

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Plant it; what was there comes back whatever happens."""
        from verify.checking.compile import compiled_once

        original = inspect.getattr_static(self.owner, self.name)
        setattr(self.owner, self.name, self.make(getattr(self.owner, self.name)))
        compiled_once.cache_clear()  # statements compiled without the error must not hide it, nor outlive it with it
        try:
            yield
        finally:
            setattr(self.owner, self.name, original)
            compiled_once.cache_clear()


@contextmanager
def made_plain(compiled: ModuleType, kernels: ModuleType) -> Iterator[None]:
    """What `compiled` took from `kernels`, as it is there now and without compilation."""
    with ExitStack() as stack:
        for name in [name for name in vars(compiled) if hasattr(kernels, name)]:
            stack.enter_context(Plant(compiled, name, partial(_plain, kernels, name)).planted())
        yield


def _plain(kernels: ModuleType, name: str, _: Any) -> Any:
    return getattr(kernels, name)


def edit(owner: Any, name: str, old: str, new: str) -> Plant:
    """An error in the source of a function or method: `old`, which occurs exactly once, becomes `new`."""
    return Plant(owner, name, lambda function: edited(function, old, new))


def edited(function: Callable[..., Any], old: str, new: str) -> Callable[..., Any]:
    """A function made of another one's source, one text in place of another; it lives in the same module.

    Raises:
        ValueError: if the old text does not occur exactly once.
    """
    source = textwrap.dedent(inspect.getsource(function))
    if (found := source.count(old)) != 1:
        raise ValueError(f"{function.__qualname__}: {old!r} occurs {found} times in its source, not once")
    namespace: dict[str, Any] = {}
    name = f"<{function.__qualname__}, edited>"
    code = compile(source.replace(old, new), name, "exec", annotations.compiler_flag, dont_inherit=True)
    exec(code, vars(sys.modules[function.__module__]), namespace)
    changed: Callable[..., Any] = namespace[function.__name__]
    return changed


@dataclass(frozen=True)
class Control:
    """One error, and the check that must catch it.

    `caught_by` is one of the checks that `look` makes; it must pass without the error and fail with it.
    """

    name: str
    words: str
    plant: Plant
    caught_by: str
    look: Look


@dataclass(frozen=True)
class Found:
    """What a control came to: the findings of its checks without the error, and with it."""

    control: Control
    clean: Mapping[str, Finding]
    planted: Mapping[str, Finding]

    @property
    def caught(self) -> bool:
        """Whether the named check passes without the error and fails with it."""
        return self._noticed(self.control.caught_by)

    @property
    def verdict(self) -> str:
        """What the named check says with the error in place."""
        clean, planted = (findings[self.control.caught_by] for findings in (self.clean, self.planted))
        return planted.verdict if clean.passed else f"{clean.verdict} without the error too"

    @property
    def also(self) -> list[str]:
        """The other checks that noticed."""
        return [name for name in self.clean if name != self.control.caught_by and self._noticed(name)]

    def _noticed(self, check: str) -> bool:
        return self.clean[check].passed and not self.planted[check].passed

    def record(self) -> dict[str, Any]:
        """The control as `verify controls --json` prints it."""
        control = self.control
        return {
            "name": control.name,
            "words": control.words,
            "place": control.plant.place,
            "expected": control.caught_by,
            "caught": self.caught,
            "by": control.caught_by if self.caught else None,
            "verdict": self.verdict,
            "also": self.also,
        }


def run_controls(system: System) -> list[Found]:
    """Plant the errors of a system one by one, and look at each; every check looks without an error first."""
    clean: dict[Look, Mapping[str, Finding]] = {}
    found = []
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        for control in system.controls():
            if control.look not in clean:
                clean[control.look] = control.look()
            with control.plant.planted():
                planted = control.look()
            found.append(Found(control, clean[control.look], planted))
    return found
