"""The Python interface: instances, gradients, training without judging."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verify
from verify.errors import RequestError
from verify.systems.benign_vit.instance import Instance


@pytest.fixture
def instance(reference_file: Path) -> Instance:
    loaded: Instance = verify.load_instance("benign-vit", reference_file)
    return loaded


def test_every_public_name_can_be_imported() -> None:
    for name in verify.__all__:
        assert getattr(verify, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = verify.nonsense


def test_a_file_may_be_named_by_text(reference_file: Path) -> None:
    assert verify.load_instance("benign-vit", str(reference_file)).shape == (8, 4, 40, 6)


def test_simulate_makes_exactly_the_steps_asked_for(instance: Instance) -> None:
    for steps in (0, 1, 300):
        assert int(verify.simulate(instance, steps=steps)["step"][-1]) == steps


def test_simulate_takes_a_step_size_before_the_instances_own(instance: Instance) -> None:
    own, halved = (verify.simulate(instance, steps=1, step_size=size) for size in (None, 0.025))
    moved = [run["value"].values[1] - run["value"].values[0] for run in (own, halved)]
    np.testing.assert_allclose(moved[0], 2.0 * moved[1], rtol=1e-12)


def test_an_instance_is_left_as_it_was(instance: Instance) -> None:
    before = {name: getattr(instance, name).copy() for name in ("X", "W_Q", "W_K", "W_V")}
    for engine in ("reduced", "weights"):
        verify.simulate(instance, steps=3, engine=engine)
    verify.loss_and_gradients(instance)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(instance, name), array)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"record_every": 0}, "record_every"),
        ({"engine": "fast"}, "--engine"),
        ({"step_size": 0.0}, "step_size"),
        ({"step_size": float("nan")}, "step_size"),
        ({"N": 4}, "N"),
        ({"sigma_p": -1.0, "C_p": 1.0}, "sigma_p"),
        ({"steps": 10**12, "record_every": 1}, "--record-every"),
    ],
)
def test_wrong_words_are_refused(words: dict[str, Any], named: str, instance: Instance) -> None:
    with pytest.raises(RequestError, match=rf"^{named}\b"):
        verify.simulate(instance, **words)


def test_gradients_are_shaped_like_their_weights(instance: Instance) -> None:
    loss, gradients = verify.loss_and_gradients(instance)
    assert isinstance(loss, float)
    assert {name: gradient.shape for name, gradient in gradients.items()} == {
        "W_Q": (40, 6),
        "W_K": (40, 6),
        "W_V": (40, 3),
    }
