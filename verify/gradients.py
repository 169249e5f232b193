"""Hand-derived gradients held against independent ones."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verify.errors import RequestError
from verify.io.request import Request
from verify.systems.base import Array

ENTRIES = 400
"""Entries of each weight that are compared where it has more."""

JUDGED = ("sympy", "complex step")
"""Methods without truncation error: a difference beyond rounding is a mistake."""


@dataclass(frozen=True)
class GradientRow:
    """One weight: how many of its entries were compared, and the worst error by each method, relative to the
    largest entry.

    `rounding` is the relative difference that rounding alone can make.
    """

    weight: str
    compared: int
    entries: int
    errors: dict[str, float]
    rounding: float

    @property
    def agrees(self) -> bool:
        """Whether the kernel agrees with every method that has no truncation error."""
        return all(self.errors[method] <= self.rounding for method in JUDGED)


@dataclass(frozen=True)
class GradientTable:
    """The comparison of one instance's gradients."""

    loss: float
    gradients: dict[str, Array]
    rows: list[GradientRow]
    notes: list[str]

    @property
    def agrees(self) -> bool:
        """Whether every weight's gradient agrees."""
        return all(row.agrees for row in self.rows)


def compare_gradients(request: Request) -> GradientTable:
    """Compare the kernel's gradients of the request's instance with sympy, the complex step and central differences.

    Where a weight has more than `ENTRIES` entries, as many are drawn by the request's seed, the largest
    gradient among them.

    Raises:
        RequestError: if the instance cannot be read, or its loss is not finite.
    """
    system = request.system
    if request.instance is not None:
        instance, notes = system.load_instance(request.instance)
    else:
        instance, notes = system.instance_of(request.problem, request.seed), []
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradients = system.loss_and_gradients(instance)
    if not np.isfinite(loss):
        raise RequestError("the loss is not finite: the arrays leave the range of float64")
    rng = np.random.Generator(np.random.PCG64(request.seed))
    entries = {name: _some_entries(gradient, rng) for name, gradient in gradients.items()}
    references = system.gradient_references(instance, entries)
    rounding = system.gradient_rounding(instance)
    rows = []
    for name, gradient in gradients.items():
        some = tuple(entries[name].T)
        size = float(np.abs(gradient).max()) or 1.0
        errors = {
            method: float(np.abs(gradient[some] - found[name]).max()) / size for method, found in references.items()
        }
        rows.append(GradientRow(name, len(entries[name]), gradient.size, errors, rounding[name] / size))
    return GradientTable(loss, gradients, rows, notes)


def _some_entries(gradient: Array, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    flat = np.arange(gradient.size)
    if gradient.size > ENTRIES:
        flat = np.union1d(rng.choice(gradient.size, ENTRIES - 1, replace=False), np.argmax(np.abs(gradient)))
    return np.stack(np.unravel_index(flat, gradient.shape), axis=1)


def write_gradients(table: GradientTable, path: Path) -> None:
    """Write `loss` and `gradient_<weight>` arrays, whole or not at all.

    Raises:
        RequestError: if the file cannot be written.
    """
    arrays = {f"gradient_{name}": gradient for name, gradient in table.gradients.items()}
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            whole = Path(scratch) / "gradients.npz"
            np.savez(whole, loss=table.loss, **arrays)  # type: ignore[arg-type]
            os.replace(whole, path)
    except OSError as error:
        raise RequestError(f"--out: {path} cannot be written ({error.strerror})") from None
