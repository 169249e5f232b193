"""A system of somebody else's package, with one study whose cells take no time and can go wrong in every way."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from verify.checking.verdicts import Verdict
from verify.studies.study import Finding, Judgement, Row, Sheet, Study

TRACE = "TINY_TRACE"
"""Names a folder in which every measuring leaves its process and cell."""


class Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float = Field(1.0, ge=0, description="the abscissa")
    N: int = Field(4, ge=1, description="samples")
    wait: float = Field(0.0, ge=0, description="seconds that a cell takes")
    trouble: str = Field("", description="what goes wrong")


class Question(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    N: int = Field(7, description="asked about")
    verdict: str = Field("supported", description="of the statement")
    control: str = Field("refuted", description="of its control")


def measure(cell: Parameters, seed: int) -> dict[str, Any]:
    if trace := os.environ.get(TRACE):
        with open(Path(trace) / "measured", "a") as stream:
            stream.write(f"{os.getpid()} {cell.x} {seed}\n")
    time.sleep(cell.wait)
    if cell.trouble == "raise" and cell.x >= 2:
        raise ValueError("too\nlarge")
    if cell.trouble == "once" and not _mark(seed):
        raise ValueError("at first")
    if cell.trouble == "nan":
        return {"y": {"deep": [1.0, float("nan")]}}
    if cell.trouble == "type":
        return {"y": np.int64(3)}
    if cell.trouble == "exit" and cell.x >= 2:
        os._exit(3)
    if cell.trouble == "exit-once" and cell.x == 2 and not _mark(seed):
        os._exit(3)
    print("a cell that prints")
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((60, 60))
    return {"y": float(np.linalg.norm(matrix @ matrix) * cell.x), "N": cell.N, "draws": rng.standard_normal(2).tolist()}


def _mark(seed: int) -> bool:
    """Whether this was called before with this seed."""
    mark = Path(os.environ[TRACE]) / hashlib.sha256(str(seed).encode()).hexdigest()
    seen = mark.exists()
    mark.touch()
    return seen


def judge(rows: Sequence[Row], question: Question) -> Judgement:
    def finding(verdict: str, control: bool) -> Finding:
        interval = (0.5, 1.5) if verdict == "supported" else None
        return Finding(
            "law", "order", Verdict(verdict), "exponent", "the rule", "the words", 1.0, interval, control=control
        )

    total = sum(row.result["y"] for row in rows if row.result is not None)
    return Judgement(
        {"total": total, "cells": len(rows), "asked": question.N},
        [finding(question.verdict, control=False), finding(question.control, control=True)],
        [Sheet("A sheet", ("x", "y"), [("1", "[2]")])],
        ["a note"],
    )


class Tiny:
    name = "tiny"

    def __init__(self) -> None:
        axes: Mapping[str, Sequence[Any]] = {"x": (1.0, 2.0, 3.0)}
        line = Study("line", "a line", Parameters, axes, 2, measure, judge, "line", Question)
        other = Study(
            "other", "asks otherwise of the same cells", Parameters, axes, 1, measure, judge, "line", Question
        )
        third = Study("third", "other cells", Parameters, axes, 1, measure, judge, "third", Question)
        self._studies = [line, other, third]

    def studies(self) -> list[Study]:
        return self._studies

    def statements(self) -> dict[str, Any]:
        return {}

    def ledger(self) -> dict[str, Any]:
        return {"law": "a law"}


SYSTEM = Tiny()
