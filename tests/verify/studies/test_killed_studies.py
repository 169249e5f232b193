"""Studies that are killed again and again go on, and end with the cells that they would have had."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUICK, MANY = 5, 200
FINISH_EVERY = 10
"""After so many kills the command is left alone, and what its store holds is compared."""

STUDY = ["study", "tiny", "line", "--set", "x=1..9:6", "seeds=2", "wait=0.02", "--workers", "2", "--store"]


def killed_studies(serving: Callable[..., Any], store: Path, read: Callable[[Path], Any], kills: int) -> None:
    with serving("import verify.studies.run, scipy.special\n") as ask:
        right = store.with_name("right.db")
        began = time.monotonic()
        status, _ = ask([*STUDY, str(right)], store) or (9, 0)
        takes = time.monotonic() - began
        assert status == 0
        chance, finished = random.Random(1), 0
        for number in range(kills):
            finished += ask([*STUDY, str(store)], store, die_after=takes * chance.random()) is not None
            if store.exists() and store.stat().st_size:
                kept = read(store)
                assert set(kept) <= set(read(right))
            if number % FINISH_EVERY == FINISH_EVERY - 1 or number == kills - 1:
                assert ask([*STUDY, str(store)], store) is not None
                assert read(store) == read(right)
                assert sorted(each.name for each in store.parent.iterdir()) == [store.name, right.name]
                store.unlink()
        assert finished < kills


@pytest.mark.usefixtures("tiny")
def test_killed_studies_go_on(serving: Any, tmp_path: Path, contents: Callable[[Path], Any]) -> None:
    killed_studies(serving, tmp_path / "cells.db", contents, QUICK)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_many_killed_studies_go_on(serving: Any, tmp_path: Path, contents: Callable[[Path], Any]) -> None:
    killed_studies(serving, tmp_path / "cells.db", contents, MANY)
