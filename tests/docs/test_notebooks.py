"""The example notebooks are executed, say what they said when they are executed again, and stay small."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"), key=lambda path: path.name)

LARGEST_OUTPUT = 50_000
LARGEST_NOTEBOOK = 250_000
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def outputs_of(notebook: Any) -> list[Any]:
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def shown(output: Any) -> dict[str, str]:
    """The texts of an output by their kind."""
    return {"text": output.text} if output.output_type == "stream" else dict(output.data)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_was_executed_and_its_output_is_small(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < LARGEST_NOTEBOOK
    outputs = outputs_of(notebook)
    assert all(outputs)
    for output in (each for cell in outputs for each in cell):
        assert output.output_type != "error"
        for text in shown(output).values():
            assert len(text) < LARGEST_OUTPUT
            assert str(FOLDER.parents[1]) not in text


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_again_what_it_said(path: Path) -> None:
    """Numbers to three digits: processors differ in the last ones."""
    spec = spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    execute = module_from_spec(spec)
    spec.loader.exec_module(execute)
    again = outputs_of(execute.executed(path))
    before = outputs_of(nbformat.read(path, as_version=4))
    assert [len(cell) for cell in again] == [len(cell) for cell in before]
    for new, old in (
        (a, b) for left, right in zip(again, before, strict=True) for a, b in zip(left, right, strict=True)
    ):
        assert set(shown(new)) == set(shown(old))
        for kind in set(shown(old)) - {"image/png"}:
            found, wanted = shown(new)[kind], shown(old)[kind]
            assert NUMBER.sub("#", found) == NUMBER.sub("#", wanted)
            numbers = [[float(number) for number in NUMBER.findall(text)] for text in (found, wanted)]
            np.testing.assert_allclose(*numbers, rtol=1e-3)
