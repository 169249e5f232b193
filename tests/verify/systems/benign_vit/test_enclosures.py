"""Enclosures of gradient descent hold a trajectory computed in 60 digits by another program."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import mpmath
import pytest
from flint import arb

from verify.certify.arrays import Balls
from verify.checking.balls import working_precision
from verify.systems.benign_vit import enclosures
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.enclosures import ENCLOSURES, ReducedEnclosure, WeightsEnclosure
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.problem import Problem

PROBLEM = Problem(N=3, M=3, d=12, d_h=5, d_v=2, SNR=2.0, sigma_h=0.3, sigma_V=0.3, step_size=0.05)
STEPS = 8
BITS = 160


@pytest.fixture(scope="module")
def instance() -> Instance:
    return draw(PROBLEM, seed=0, full=True).with_step_size(PROBLEM.step_size)


def trajectory(instance: Instance, steps: int, sixty_digits: SimpleNamespace) -> list[dict[str, Any]]:
    """Scores, values, loss, and squared norms of queries, by the chain rule on the weights, number by number."""
    X, y = instance.X, instance.y
    samples, tokens, _d = X.shape
    rows = TokenTable.of(instance).tokens

    matrix = sixty_digits.matrix
    W_Q, W_K, W_V, w = (matrix(each) for each in (instance.W_Q, instance.W_K, instance.W_V, instance.w_O))
    x = [[matrix(X[n, i]) for i in range(tokens)] for n in range(samples)]
    states = []
    for _ in range(steps + 1):
        state: dict[str, Any] = {"score": {}, "loss": mpmath.mpf(0)}
        moves = [mpmath.zeros(each.rows, each.cols) for each in (W_Q, W_K, W_V)]
        for n in range(samples):
            q, k = [each * W_Q for each in x[n]], [each * W_K for each in x[n]]
            V = [(each * W_V * w.T)[0] for each in x[n]]
            s = [[(q[l] * k[j].T)[0] for j in range(tokens)] for l in range(tokens)]
            powers = [[mpmath.exp(each) for each in row] for row in s]
            phi = [[each / mpmath.fsum(row) for each in row] for row in powers]
            f = mpmath.fsum(phi[l][j] * V[j] for l in range(tokens) for j in range(tokens)) / tokens
            label = mpmath.mpf(float(y[n]))
            state["loss"] += mpmath.log(1 + mpmath.exp(-label * f)) / samples
            by_output = -label / (1 + mpmath.exp(label * f)) / samples
            for l in range(tokens):
                mean = mpmath.fsum(phi[l][j] * V[j] for j in range(tokens))
                for j in range(tokens):
                    state["score"][n, l, j] = s[l][j]
                    by_score = by_output * phi[l][j] * (V[j] - mean) / tokens
                    moves[0] += x[n][l].T * k[j] * by_score
                    moves[1] += x[n][j].T * q[l] * by_score
                    moves[2] += x[n][j].T * w * (by_output * phi[l][j] / tokens)
        state["value"] = {(p,): (matrix(row) * W_V * w.T)[0] for p, row in enumerate(rows)}
        queries = [matrix(row) * W_Q for row in rows]
        state["query_square"] = {(p,): (query * query.T)[0] for p, query in enumerate(queries)}
        states.append(state)
        step = mpmath.mpf(float(instance.step_size or 0.0))
        W_Q, W_K, W_V = (weight - step * move for weight, move in zip((W_Q, W_K, W_V), moves, strict=True))
    return states


@pytest.fixture(scope="module")
def reference(instance: Instance, sixty_digits: SimpleNamespace) -> list[dict[str, Any]]:
    with mpmath.workdps(sixty_digits.digits):
        return trajectory(instance, STEPS, sixty_digits)


def enclosed(kind: Any, instance: Instance, bits: int = BITS) -> Any:
    with working_precision(bits):
        return kind(instance, PROBLEM).advance(STEPS)


@pytest.mark.parametrize("name", list(ENCLOSURES))
def test_enclosures_hold_the_trajectory_at_every_step(
    name: str, instance: Instance, reference: list[dict[str, Any]], sixty_digits: SimpleNamespace
) -> None:
    arrays = enclosed(ENCLOSURES[name], instance)
    assert sixty_digits.missed(arrays, reference) == []
    # An enclosure that is everything would hold it too.
    assert max(float(ball.rad()) for ball in arrays["score"][STEPS].ravel()) < 1e-40


def rounded(honest: Callable[..., Any]) -> Callable[..., Any]:
    """A softmax one entry of which is rounded to float64."""

    def planted(scores: Balls, axis: int) -> Balls:
        attention = honest(scores, axis)
        attention[0, 0, 0] = arb(float(attention[0, 0, 0]))
        return attention

    return planted


def wrong_index(honest: Callable[..., Any]) -> Callable[..., Any]:
    """A step whose queries and keys are exchanged."""

    def planted(self: Any, pull: Any, attended: Any) -> Any:
        return honest(self, pull.transpose(), attended)

    return planted


@pytest.fixture(params=["a product rounded to float64", "a wrong index"])
def planted(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "a wrong index":
        for kind in (ReducedEnclosure, WeightsEnclosure):
            monkeypatch.setattr(kind, "_move", wrong_index(kind._move))
    else:
        monkeypatch.setattr(enclosures, "softmax", rounded(enclosures.softmax))
    return request.param


@pytest.mark.parametrize("name", list(ENCLOSURES))
def test_planted_errors_leave_the_enclosures(
    planted: str, name: str, instance: Instance, reference: list[dict[str, Any]], sixty_digits: SimpleNamespace
) -> None:
    assert sixty_digits.missed(enclosed(ENCLOSURES[name], instance), reference)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_reduction_is_certified(balanced: bool) -> None:
    """Enclosures on the weights and in token space overlap in everything, at every step, and are narrow."""
    problem = PROBLEM.model_copy(update={"balanced": balanced, "d_h": 40})
    instance = draw(problem, seed=1, full=True).with_step_size(0.05)
    weights, reduced = (enclosed(ENCLOSURES[name], instance) for name in ("weights", "reduced"))
    assert set(weights) == set(reduced)
    for name, array in weights.items():
        pairs = list(zip(array.ravel(), reduced[name].ravel(), strict=True))
        assert all(one.overlaps(other) for one, other in pairs), name
        assert max(float(ball.rad()) for pair in pairs for ball in pair) < 1e-17, name


@pytest.mark.parametrize("name", list(ENCLOSURES))
def test_a_state_is_gone_on_from(name: str, instance: Instance) -> None:
    with working_precision(BITS):
        whole, first, second = (ENCLOSURES[name](instance, PROBLEM) for _ in range(3))
        wanted = whole.advance(5)
        first.advance(3)
        second.set_state(3, first.state)
        found = second.advance(2)
    for array, full in ((found[each], wanted[each]) for each in wanted):
        assert all(
            (one.mid(), one.rad()) == (other.mid(), other.rad())
            for one, other in zip(array.ravel(), full[3:].ravel(), strict=True)
        )


def test_more_bits_are_narrower(instance: Instance) -> None:
    few, many = (enclosed(ReducedEnclosure, instance, bits)["loss"][STEPS] for bits in (80, 160))
    assert few.overlaps(many)
    assert many.rad() < few.rad() * arb((1, -60))
