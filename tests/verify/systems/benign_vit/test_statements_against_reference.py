"""Every statement's sides on random small instances, against a slow evaluator in 50 digits that knows only
the definitions.
"""

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from proofs.benign_vit.statements import lemmas
from verify.checking.compile import Checker, compile_lemmas
from verify.engines.stretch import Stretch
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.system import BenignVit

STEPS = 3
CLAIMS_EACH = 3


def small_problem(rng: np.random.Generator) -> Problem:
    return Problem(
        N=int(rng.integers(1, 4)),
        M=int(rng.integers(2, 4)),
        d=int(rng.integers(5, 30)),
        d_h=int(rng.integers(1, 20)),
        SNR=float(np.exp(rng.uniform(-1, 2))),
        C_p=float(np.exp(rng.uniform(0, 2))),
        r=float(np.exp(rng.uniform(-2, 4))),
        balanced=bool(rng.integers(2)),
        test_samples=0,
    )


def train(problem: Problem, seed: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Constants and the arrays of a few steps, with queries and keys."""
    prepared = BenignVit().prepare(problem, seed, "reduced", checked=True)
    dynamics = prepared.dynamics
    start = dynamics.save()
    vectors = []
    for step in range(STEPS + 1):
        dynamics.restore(start)
        dynamics.advance(step, -1.0, [])
        vectors.append(dynamics.vectors())
    dynamics.restore(start)
    stretch: Stretch = dynamics.advance(STEPS, -1.0, [])
    states = {name: np.array(array) for name, array in stretch.arrays.items()}
    states |= {name: np.array([each[name] for each in vectors]) for name in ("query", "key")}
    return dict(prepared.constants), states


@cache
def checker(recorded: frozenset[str]) -> Checker:
    return compile_lemmas([lemma for lemma in lemmas() if lemma.judged_in_a_run], recorded)


def compare(mock: SimpleNamespace, seed: int) -> int:
    """Compare some elements of some claims on one instance; returns how many."""
    rng = np.random.default_rng(seed)
    constants, states = train(small_problem(rng), seed)
    recorded = frozenset(states) - {"query", "key"}
    session = checker(recorded).start(constants)
    result = session.evaluate({name: states[name] for name in recorded}, 0)
    reference = mock.reference(constants, states, exact_next=False)
    reference.sizes = {**session.sizes, "r": states["query"].shape[2]}
    outcomes = [outcome for outcome in result.outcomes if outcome.margin.size]
    compared = 0
    for number in rng.choice(len(outcomes), size=min(CLAIMS_EACH, len(outcomes)), replace=False):
        outcome = outcomes[number]
        place = tuple(int(rng.integers(size)) for size in outcome.margin.shape)
        step = int(outcome.steps[place[0]])
        indices = dict(zip(outcome.indices, place[1:], strict=True))
        sides = [reference.value(side, step, indices) for side in (outcome.claim.lhs, outcome.claim.rhs)]
        exact = float(sides[1] - sides[0])
        ours = float(outcome.rhs[place]) - float(outcome.lhs[place])
        allowed = float(np.broadcast_to(outcome.rounding, outcome.margin.shape)[place])
        if np.isnan(allowed):  # a bound beyond float64 bounds nothing: the statement must not be asked for there
            assert not np.broadcast_to(outcome.applies, outcome.margin.shape)[place]
            continue
        assert abs(ours - exact) <= allowed, (
            outcome.lemma.name,
            outcome.claim,
            step,
            indices,
            ours,
            exact,
            allowed,
        )
        compared += 1
    return compared


def test_sides_equal_the_reference(mock: SimpleNamespace) -> None:
    assert sum(compare(mock, seed) for seed in range(25)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_sides_equal_the_reference_on_a_thousand_instances(mock: SimpleNamespace, block: int) -> None:
    assert sum(compare(mock, seed) for seed in range(1000 + 100 * block, 1100 + 100 * block)) > 200


def test_the_reference_catches_a_wrong_side(mock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    import verify.checking.arrays as arrays

    honest = arrays.SumOfProducts.__call__
    monkeypatch.setattr(arrays.SumOfProducts, "__call__", lambda self, *factors: honest(self, *factors) * (1 + 1e-9))
    with pytest.raises(AssertionError):
        sum(compare(mock, seed) for seed in range(20))
