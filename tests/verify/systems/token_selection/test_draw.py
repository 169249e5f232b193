"""Draws: labels, signals, sizes, and rotations that leave the trajectory as it is."""

import numpy as np
import pytest

from verify.systems.token_selection import draw
from verify.systems.token_selection.dynamics import Geometry, Reduced
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.laws import look_at_laws
from verify.systems.token_selection.problem import Problem


@pytest.mark.parametrize(
    ("n", "eta_f", "flips"),
    [(20, 0.2, 2), (20, 0.25, 2), (20, 0.15, 1), (30, 0.1, 1), (70, 0.1, 3), (4, 1.0, 2), (4, 0.0, 0)],
)
def test_flips_are_half_of_the_ceiling_in_each_class(n: int, eta_f: float, flips: int) -> None:
    y, y_clean = draw.labels(Problem(n=n, eta_f=eta_f))
    for label in (1.0, -1.0):
        assert np.count_nonzero(y[y_clean == label] != label) == flips
        assert np.count_nonzero(y_clean == label) == n // 2


def test_signals_lie_where_the_law_puts_them() -> None:
    parts = draw.signal_parts(Problem(n=2, T=6, m=2.0, rho=0.25, k_w=2, k_c=1))
    np.testing.assert_array_equal(parts[0], [[2, 0], [0.5, 0], [0.5, 0], [0, 0.5], [0, 0], [0, 0]])
    np.testing.assert_array_equal(parts[1], parts[0][:, ::-1])


@pytest.mark.parametrize("start", ["gaussian", "uniform", "orthogonal"])
@pytest.mark.parametrize("d", [40, 150])
def test_full_arrays_have_the_moments_of_their_law(start: str, d: int) -> None:
    problem = Problem.model_validate({"n": 2, "T": 3, "d": d, "start": start, "s_0": 0.5, "drawn": "full"})
    instance = draw.draw(problem, 3)
    assert instance.shape == (2, 3, d, d)
    assert np.sum(instance.W**2) / d == pytest.approx(0.5, rel=6.0 / d)
    if start == "uniform":
        assert np.abs(instance.W).max() <= np.sqrt(1.5 / d)
    if start == "orthogonal":
        np.testing.assert_allclose(instance.W.T @ instance.W, 0.5 * np.eye(d), atol=1e-14)


def square_moment(start: str, d: int, draws: int) -> float:
    """The mean diagonal entry of `(W^T W)^2`."""
    problem = Problem.model_validate({"n": 2, "T": 3, "d": d, "start": start, "s_0": 1.0, "drawn": "full"})
    found = []
    for seed in range(draws):
        W = np.concatenate(list(draw.weight_rows(problem, seed)))
        found.append(np.sum((W.T @ W) ** 2) / d)
    return float(np.mean(found))


@pytest.mark.parametrize(("start", "expected"), [("gaussian", 2 + 1 / 8), ("uniform", 2 - 1 / 40), ("orthogonal", 1)])
def test_second_moment_of_the_start(start: str, expected: float) -> None:
    """`E S_0^2 = s_0^2 (2 + (k_4 - 2)/d)`: at d = 8 the kurtosis shows."""
    found = square_moment(start, 8, 3000)
    assert found == pytest.approx(expected, abs=0.04)


def test_rotated_arrays_train_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block by block, and in few coordinates: scores, W^T p on signals, and its norm are those of the full W."""
    problem = Problem.model_validate(
        {"n": 4, "T": 3, "d": 60, "start": "uniform", "m": 3.0, "step_size": 0.3, "test_samples": 0}
    )
    full = draw.draw(problem, 1)
    monkeypatch.setattr(draw, "LARGEST_FULL_DRAW", 0)
    monkeypatch.setattr(draw, "BLOCK_ENTRIES", 7 * 60)
    rotated = draw.draw(problem, 1)
    assert rotated.shape == (4, 3, 28, 14)
    runs = [Reduced(each, None) for each in (full, rotated)]
    wanted, found = (run.advance(20, -1.0, []).arrays["score"] for run in runs)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    u_full, u_rotated = (run.instance().p @ run.instance().W for run in runs)
    np.testing.assert_allclose(u_rotated[:2], u_full[:2], rtol=1e-9)
    assert u_rotated @ u_rotated == pytest.approx(u_full @ u_full, rel=1e-10)


def test_an_orthogonal_start_may_be_turned_to_the_identity() -> None:
    """Full arrays with any orthogonal W give the scores of those with the identity, token by token."""
    problem = Problem.model_validate({"n": 2, "T": 3, "d": 12, "start": "orthogonal", "drawn": "full"})
    drawn = draw.draw(problem, 0)
    O = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0]
    turned = Instance(drawn.X, drawn.y, drawn.y_clean, O @ drawn.W, drawn.p, drawn.nu, drawn.step_size)
    wanted, found = (Reduced(each, None).advance(9, -1.0, []).arrays["score"] for each in (drawn, turned))
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("start", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("d", [5, 9, 200, 10**12])
def test_reduced_arrays_are_small_at_any_dimension(start: str, d: int) -> None:
    problem = Problem.model_validate({"n": 2, "T": 4, "d": d, "start": start, "drawn": "reduced"})
    instance = draw.draw(problem, 0)
    span = min(10, d)
    outside = min(span, d - span) if start == "gaussian" else 0
    assert instance.shape == (2, 4, span + outside, span)
    assert not np.any(instance.X[..., span:])
    assert np.all(np.isfinite(Geometry(instance).mapped))


def test_draws_repeat_and_differ_by_seed() -> None:
    problem = Problem(n=2, T=3, d=10**6)
    first, again, other = draw.draw(problem, 1), draw.draw(problem, 1), draw.draw(problem, 2)
    np.testing.assert_array_equal(first.W, again.W)
    assert not np.array_equal(first.W, other.W)
    assert not np.array_equal(first.X, other.X)


def test_reduced_draws_have_the_law_of_full_ones() -> None:
    assert {name: finding.verdict for name, finding in look_at_laws().items() if not finding.passed} == {}
