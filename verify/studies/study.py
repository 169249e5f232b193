"""What a study is: a design of cells, what each measures, and how the whole is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from verify.checking.verdicts import Verdict
from verify.studies.fits import Fit


class NoQuestion(BaseModel):
    """Nothing about the judging can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Row:
    """A finished cell: its parameters (as its model dumps them), the number of its replicate, its seed, its result.

    `result` is what the cell measured, made of JSON values; `error` says in a line why it failed, in place of one.
    """

    parameters: Mapping[str, Any]
    replicate: int
    seed: int
    result: Mapping[str, Any] | None = None
    error: str = ""
    attempts: int = 1
    seconds: float = 0.0

    @property
    def measured(self) -> Mapping[str, Any]:
        """The result of a cell that did not fail.

        Raises:
            ValueError: if it failed.
        """
        if self.result is None:
            raise ValueError(f"this cell failed: {self.error}")
        return self.result


@dataclass(frozen=True)
class Finding:
    """What a study says of one statement, or of a wrong variant of it that it must refute (`control`).

    `estimate` and `interval` are of the quantity that `about` names; `rule` is what was decided by, in a line; `fit` is
    the power law behind them, if there is one.
    """

    statement: str
    kind: str
    verdict: Verdict
    about: str
    rule: str
    words: str
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    reason: str = ""
    control: bool = False
    fit: Fit | None = None


@dataclass(frozen=True)
class HeatMap:
    """A quantity over two parameters, for readers: `values` has a row for each y, `None` where no cell finished.

    `boundary` is a line fitted through it, `predicted` the one that is claimed: pairs (x, y).
    """

    title: str
    x_name: str
    x: Sequence[float]
    y_name: str
    y: Sequence[float]
    values: Sequence[Sequence[float | None]]
    boundary: Sequence[tuple[float, float]] = ()
    predicted: Sequence[tuple[float, float]] = ()
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table for readers: cells are text already."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Judgement:
    """What came out: `results` for programs (JSON values), `findings`, and sheets, notes and maps for readers."""

    results: Mapping[str, Any]
    findings: Sequence[Finding] = ()
    sheets: Sequence[Sheet] = ()
    notes: Sequence[str] = ()
    maps: Sequence[HeatMap] = ()


@dataclass(frozen=True)
class Study:
    """A family of problems and the question asked of it.

    `cell` models the parameters of one cell, with their defaults; `axes` are the values that the design takes
    in place of a default, all combinations of them; each is repeated on `seeds` independent seeds. `measure`
    takes a cell's parameters and its seed and returns JSON values. `judge` takes the finished cells that did
    not fail and a `question`, what can be set about the judging. Studies with one `measured_as` ask different
    questions of the same cells, and share stores.
    """

    name: str
    words: str
    cell: type[BaseModel]
    axes: Mapping[str, Sequence[Any]]
    seeds: int
    measure: Callable[[Any, int], Mapping[str, Any]]
    judge: Callable[[Sequence[Row], Any], Judgement]
    measured_as: str
    question: type[BaseModel] = field(default=NoQuestion)
