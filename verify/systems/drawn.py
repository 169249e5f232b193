"""What a system tells of its small problems, so that property-based tests can draw them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Lever:
    """A field by which requirements of the paper's condition can be met.

    The requirement's side with the field grows like its `power`; `at_least` and `at_most` name the requirements that
    bound the field from below and from above.
    """

    field: str
    power: float
    at_least: str | None = None
    at_most: str | None = None


@dataclass(frozen=True)
class Drawn:
    """Small problems of a system, for Hypothesis; everything shrinks towards small sizes and round numbers.

    `settings` draws fields of a problem that are allowed together, `arrays` an instance of any small arrays at all;
    `levers` are set one after the other to meet the paper's condition, whose data and sizes a problem gives by
    `scales` and `sizes`, under the names of its statements.
    """

    settings: Callable[[], SearchStrategy[dict[str, Any]]]
    arrays: Callable[[], SearchStrategy[Any]]
    levers: Sequence[Lever]
    scales: Callable[[Any], Mapping[str, float]]
    sizes: Callable[[Any], Mapping[str, int]]
