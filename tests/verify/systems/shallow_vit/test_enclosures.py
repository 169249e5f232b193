"""Enclosures of gradient descent hold a trajectory computed in 60 digits by another program."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb

from verify.certify.memory import Undecided
from verify.checking.balls import working_precision
from verify.errors import RequestError
from verify.systems.shallow_vit import SYSTEM, enclosures

from .conftest import small

STEPS = 3
BITS = 160
PROBLEMS = {"patterns": small(), "weights": small(tau=0.7, d=9)}


@pytest.fixture(scope="module", params=list(PROBLEMS))
def prepared(request: pytest.FixtureRequest) -> Any:
    return SYSTEM.prepare(PROBLEMS[request.param], 3, request.param, checked=True)


def trajectory(prepared: Any, mp: SimpleNamespace) -> list[dict[str, Any]]:
    """Weights, batch outputs and loss, by the chain rule on the weights, number by number."""
    course = prepared.dynamics.course
    samples = course.samples
    W_O, W_V, W_K, W_Q = map(mp.matrix, prepared.dynamics.start)
    a = [mp.exact(each) for each in course.readout]
    slots = samples.key_count.shape[1]
    unit = np.eye(slots)
    states = []

    def looked(n: int, R: Any) -> tuple[Any, list[tuple[Any, Any]]]:
        """The output of a sample, and of each query its derivatives by R and by P."""
        x = [mp.matrix(samples.tokens[n, j] if samples.tokens.size else unit[j]) for j in range(slots)]
        count = [int(each) for each in samples.key_count[n]]
        keys, queries, seen = [each * W_K.T for each in x], [each * W_Q.T for each in x], [R * each.T for each in x]
        output, parts = mpmath.mpf(0), []
        for i in range(slots):
            share = mpmath.mpf(count[i]) / sum(count)
            s = [(key * query.T)[0] for key, query in ((keys[j], queries[i]) for j in range(slots))]
            powers = [count[j] * mpmath.exp(s[j]) for j in range(slots)]
            A = [each / mpmath.fsum(powers) for each in powers]
            hidden = [mpmath.fsum(A[j] * seen[j][r] for j in range(slots)) for r in range(len(a))]
            gate = [a[r] if hidden[r] > 0 else mpmath.mpf(0) for r in range(len(a))]
            effect = [mpmath.fdot(gate, list(each)) for each in seen]
            mean = mpmath.fdot(A, effect)
            output += share * mean
            mixed = sum((A[j] * x[j] for j in range(slots)), mpmath.zeros(1, W_V.cols))
            pulled = sum((A[j] * (effect[j] - mean) * x[j] for j in range(slots)), mpmath.zeros(1, W_V.cols))
            parts.append((share * mp.row(gate).T * mixed, share * pulled.T * x[i]))
        return output, parts

    for step in range(STEPS + 1):
        rows = course.rows(step, 1)[0]
        R = W_O * W_V
        looks = {n: looked(n, R) for n in range(len(samples.label))}
        label = {n: mp.exact(samples.label[n]) for n in looks}
        K, H = mpmath.zeros(len(a), W_V.cols), mpmath.zeros(W_V.cols, W_V.cols)
        for k, n in enumerate(rows):
            output, parts = looks[int(n)]
            if 1 - label[int(n)] * output > 0:
                weight = mpmath.mpf(1) / len(rows) if course.batches else mp.exact(course.batch_weight[k])
                for by_hidden, by_score in parts:
                    K += weight * label[int(n)] * by_hidden
                    H += weight * label[int(n)] * by_score
        weights = {"W_O": W_O, "W_V": W_V, "W_K": W_K, "W_Q": W_Q}
        states.append(
            {
                **{name: mp.numbers_of(each) for name, each in weights.items()},
                "batch_output": {(k,): looks[int(n)][0] for k, n in enumerate(rows)},
                "loss": mpmath.fsum(
                    mp.exact(samples.weight[n]) * max(1 - label[n] * output, mpmath.mpf(0))
                    for n, (output, _) in looks.items()
                ),
            }
        )
        eta, eta_a = mp.exact(course.step_size), mp.exact(course.attention_step)
        W_O, W_V, W_K, W_Q = (
            W_O + eta * K * W_V.T,
            W_V + eta * W_O.T * K,
            W_K + eta_a * W_Q * H.T,
            W_Q + eta_a * W_K * H,
        )
    return states


@pytest.fixture(scope="module")
def reference(prepared: Any, sixty_digits: SimpleNamespace) -> list[dict[str, Any]]:
    with mpmath.workdps(sixty_digits.digits):
        return trajectory(prepared, sixty_digits)


def test_enclosures_hold_the_trajectory_at_every_step(
    prepared: Any, reference: list[dict[str, Any]], sixty_digits: SimpleNamespace
) -> None:
    with working_precision(BITS):
        arrays = SYSTEM.enclosing(prepared).advance(STEPS)
    assert sixty_digits.missed(arrays, reference) == []
    assert max(float(ball.rad()) for ball in arrays["W_V"][STEPS].ravel()) < 1e-35


def test_a_rounded_product_leaves_the_enclosures(
    prepared: Any, reference: list[dict[str, Any]], sixty_digits: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = enclosures.softmax

    def planted(scores: Any, axis: int) -> Any:
        attention = honest(scores, axis)
        attention[0, 0] = arb(float(attention[0, 0]))
        return attention

    monkeypatch.setattr(enclosures, "softmax", planted)
    with working_precision(BITS):
        arrays = SYSTEM.enclosing(prepared).advance(STEPS)
    assert sixty_digits.missed(arrays, reference)


def test_a_step_that_may_lie_on_either_side_of_a_kink_is_not_made(prepared: Any) -> None:
    with working_precision(BITS):
        dynamics = SYSTEM.enclosing(prepared)
        state = dynamics.state
        state["W_O"][0, 0] = state["W_O"][0, 0] + arb(0, 10)
        dynamics.set_state(0, state)
        with pytest.raises(Undecided, match="on which side of its kink"):
            dynamics.advance(1)


def test_a_state_is_gone_on_from(prepared: Any) -> None:
    with working_precision(BITS):
        whole, first, second = (SYSTEM.enclosing(prepared) for _ in range(3))
        wanted = whole.advance(3)
        first.advance(1)
        second.set_state(1, first.state)
        found = second.advance(2)
    for array, full in ((found[each], wanted[each]) for each in wanted):
        assert all(
            (one.mid(), one.rad()) == (other.mid(), other.rad())
            for one, other in zip(array.ravel(), full[1:].ravel(), strict=True)
        )


def test_products_of_weights_are_not_certified(prepared: Any) -> None:
    with pytest.raises(RequestError, match="certified are patterns and weights"):
        SYSTEM.enclosing(replace(prepared, dynamics=object(), engine="gram"))
