"""Small sets, indices and observables, and modules of statements written for a test."""

import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from proofs.language import Index, IndexSet, Observable, Size

_counter = itertools.count()

HEADER = """\
from sympy import *
from proofs.language import *
from proofs.language import mathml, plain, formula
SAMPLE = IndexSet("sample", size="N")
KEY = IndexSet("key", size="M")
n, j = Index("n", SAMPLE), Index("j", KEY)
output = Observable("output", SAMPLE, words="output", symbol="f")
loss = Observable("loss", words="loss")
label = Observable("label", SAMPLE, constant=True, words="label")
value = Observable("value", SAMPLE, state=True, words="value")
"""


@pytest.fixture
def names() -> SimpleNamespace:
    sample, key = IndexSet("sample", size="N"), IndexSet("key", size="M")
    return SimpleNamespace(
        n=Index("n", sample),
        m=Index("m", sample),
        j=Index("j", key),
        N=Size(sample),
        output=Observable("output", sample, words="output", symbol="f"),
        derivative=Observable("loss_derivative", sample, words="derivative", symbol="lambda", nonnegative=True),
        attention=Observable("attention", sample, key, words="attention", symbol="phi", nonnegative=True),
        loss=Observable("loss", words="loss", symbol="L"),
        mask=Observable("is_noise", key, constant=True, words="mask"),
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], ModuleType]:
    """Import a module of statements whose own text begins at line 11."""

    def imported(text: str) -> ModuleType:
        path = tmp_path / f"statements_{next(_counter)}.py"
        path.write_text(HEADER + text)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported
