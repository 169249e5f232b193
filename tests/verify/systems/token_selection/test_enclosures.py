"""Enclosures of gradient descent hold a trajectory computed in 60 digits by another program."""

from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb

from verify.checking.balls import working_precision
from verify.systems.token_selection import enclosures
from verify.systems.token_selection.enclosures import ENCLOSURES
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.problem import ArraysGiven

STEPS = 8
BITS = 160
GIVEN = ArraysGiven(test_samples=0)


@pytest.fixture(scope="module")
def instance() -> Instance:
    rng = np.random.default_rng(3)
    return Instance(
        X=rng.standard_normal((3, 4, 6)),
        y=np.array([1.0, -1.0, 1.0]),
        y_clean=np.array([1.0, -1.0, -1.0]),
        W=rng.standard_normal((5, 6)) / 3,
        p=rng.standard_normal(5) / 3,
        nu=rng.standard_normal(6),
        step_size=0.1,
    )


@pytest.fixture(scope="module")
def reference(instance: Instance, sixty_digits: SimpleNamespace) -> list[dict[str, Any]]:
    """Scores, loss, squared norm of p and inner products of tokens seen through W, by the chain rule on the weights."""
    with mpmath.workdps(sixty_digits.digits):
        W, p, nu = (sixty_digits.matrix(each) for each in (instance.W, instance.p, instance.nu))
        samples, tokens, _, _ = instance.shape
        x = [[sixty_digits.matrix(instance.X[n, t]) for t in range(tokens)] for n in range(samples)]
        step = sixty_digits.exact(instance.step_size)
        states = []
        for _ in range(STEPS + 1):
            state: dict[str, Any] = {"score": {}, "map_drive": {}, "loss": mpmath.mpf(0)}
            by_W, by_p = mpmath.zeros(W.rows, W.cols), mpmath.zeros(1, p.cols)
            for n in range(samples):
                a = [(p * W * each.T)[0] for each in x[n]]
                powers = [mpmath.exp(each) for each in a]
                phi = [each / mpmath.fsum(powers) for each in powers]
                values = [(nu * each.T)[0] for each in x[n]]
                f = mpmath.fdot(phi, values)
                y = sixty_digits.exact(instance.y[n])
                state["loss"] += mpmath.log(1 + mpmath.exp(-y * f)) / samples
                by_output = -y / (1 + mpmath.exp(y * f)) / samples
                for t in range(tokens):
                    state["score"][n, t] = a[t]
                    by_score = by_output * phi[t] * (values[t] - f)
                    by_W += by_score * p.T * x[n][t]
                    by_p += by_score * (x[n][t] * W.T)
            state["query_square"] = (p * p.T)[0]
            # p moves by minus its derivative, which is W v: what a token sees of it is its map drive.
            state["map_drive"] = {(n, t): -(x[n][t] * W.T * by_p.T)[0] for n in range(samples) for t in range(tokens)}
            states.append(state)
            W, p = W - step * by_W, p - step * by_p
        return states


def enclosed(name: str, instance: Instance) -> Any:
    with working_precision(BITS):
        return ENCLOSURES[name](instance, GIVEN).advance(STEPS)


@pytest.mark.parametrize("name", list(ENCLOSURES))
def test_enclosures_hold_the_trajectory_at_every_step(
    name: str, instance: Instance, reference: list[dict[str, Any]], sixty_digits: SimpleNamespace
) -> None:
    arrays = enclosed(name, instance)
    assert sixty_digits.missed(arrays, reference) == []
    assert max(float(ball.rad()) for ball in arrays["score"][STEPS].ravel()) < 1e-40


@pytest.mark.parametrize("name", list(ENCLOSURES))
def test_a_rounded_product_leaves_the_enclosures(
    name: str,
    instance: Instance,
    reference: list[dict[str, Any]],
    sixty_digits: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = enclosures.softmax

    def planted(scores: Any, axis: int) -> Any:
        attention = honest(scores, axis)
        attention[0, 0] = arb(float(attention[0, 0]))
        return attention

    monkeypatch.setattr(enclosures, "softmax", planted)
    assert sixty_digits.missed(enclosed(name, instance), reference)


def test_the_reduction_is_certified(instance: Instance) -> None:
    """Enclosures on the weights and on inner products overlap in everything, at every step, and are narrow."""
    weights, reduced = (enclosed(name, instance) for name in ("weights", "reduced"))
    assert set(weights) == set(reduced)
    for name, array in weights.items():
        pairs = list(zip(array.ravel(), reduced[name].ravel(), strict=True))
        assert all(one.overlaps(other) for one, other in pairs), name
        assert max(float(ball.rad()) for pair in pairs for ball in pair) < 1e-35, name


@pytest.mark.parametrize("name", list(ENCLOSURES))
def test_a_state_is_gone_on_from(name: str, instance: Instance) -> None:
    with working_precision(BITS):
        whole, first, second = (ENCLOSURES[name](instance, GIVEN) for _ in range(3))
        wanted = whole.advance(5)
        first.advance(3)
        second.set_state(3, first.state)
        found = second.advance(2)
    for array, full in ((found[each], wanted[each]) for each in wanted):
        assert all(
            (one.mid(), one.rad()) == (other.mid(), other.rad())
            for one, other in zip(array.ravel(), full[3:].ravel(), strict=True)
        )
