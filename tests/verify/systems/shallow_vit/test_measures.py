"""What is recorded or measured is what its definition says; every planted error is caught."""

from typing import Any

import numpy as np
import pytest

from proofs.shallow_vit import symbols
from verify.checking.compile import value_of
from verify.controls import Found
from verify.systems.base import find_system
from verify.systems.shallow_vit import controls
from verify.systems.shallow_vit.measures import complete_probes, random_probes

from .conftest import small

SYSTEM = find_system("shallow-vit")

DEFINED = [
    each
    for each in vars(symbols).values()
    if isinstance(each, symbols.Observable) and each.definition is not None and not each.constant
]
SETTINGS = {"patterns": small(), "weights": small(N=3, L=4, n_star=2, n_sharp=0, tau=0.8, d=9, B=2)}


@pytest.mark.parametrize("engine", ["patterns", "weights"])
def test_recorded_values_are_those_of_the_definitions(engine: str) -> None:
    prepared = SYSTEM.prepare(SETTINGS[engine], 0, engine, checked=True)
    arrays = dict(prepared.dynamics.advance(6, -1.0, []).arrays)
    compared = [each for each in DEFINED if each.name in arrays]
    assert len(compared) > 30
    for each in compared:
        wanted = value_of(each, prepared.constants, arrays)
        found = np.array(arrays[each.name])
        np.testing.assert_allclose(found, wanted, atol=1e-12 * max(1.0, np.abs(wanted).max()), err_msg=each.name)


def test_probes_in_full_are_unit_vectors() -> None:
    assert all(np.array_equal(each, np.eye(len(each))) for each in complete_probes(2, 3, 4, 5))
    assert [each.shape for each in random_probes(2, 3, 4, 5)] == [(2, 2), (3, 2), (4, 2), (5, 2)]


CONTROLS = controls.controls(SYSTEM)
FIRST_OF_ITS_CHECK = {control.caught_by: control.name for control in reversed(CONTROLS)}


def quick_if_first(control: controls.Control) -> Any:
    """One error for each check in the quick suite, all of them in the whole one."""
    first = FIRST_OF_ITS_CHECK[control.caught_by] == control.name
    return pytest.param(control, id=control.name, marks=[] if first else pytest.mark.slow)


@pytest.fixture(scope="module")
def clean() -> dict[object, object]:
    return {}


@pytest.mark.parametrize("control", [quick_if_first(control) for control in CONTROLS])
def test_every_error_is_caught(control: controls.Control, clean: dict[object, object]) -> None:
    scene = getattr(control.look, "__self__", control.look)
    with np.errstate(all="ignore"):
        if scene not in clean:
            clean[scene] = control.look()
        with control.plant.planted():
            planted = control.look()
    found = Found(control, clean[scene], planted)  # type: ignore[arg-type]
    assert found.caught, (found.verdict, found.also)
