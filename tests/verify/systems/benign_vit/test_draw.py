"""Drawn problems: seeds, streams, shapes and the geometry that the data law promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.testing import draw_test_samples
from verify.systems.draws import Stream, gaussian_factor, stream

WEIGHTS = ("W_Q", "W_K", "W_V")

problems = st.builds(
    Problem,
    N=st.integers(1, 4),
    M=st.integers(2, 4),
    d=st.integers(3, 40),
    d_h=st.integers(1, 40),
    SNR=st.floats(0.1, 10.0),
    balanced=st.booleans(),
    test_samples=st.integers(1, 5),
    test_law=st.sampled_from(["fresh", "joint"]),
)


@given(
    rows=st.integers(1, 8),
    width=st.one_of(st.integers(0, 20), st.integers(10**9, 10**15)),
    seed=st.integers(0, 99),
)
def test_the_factor_has_the_rank_of_what_it_stands_for(rows: int, width: int, seed: int) -> None:
    factor = gaussian_factor(np.random.default_rng(seed), rows, width)
    assert factor.shape == (rows, min(rows, width))
    if width >= rows:
        np.testing.assert_array_equal(factor, np.tril(factor))
        assert np.all(np.diag(factor) > 0.0)
    if width > 10**9:
        # chi^2 of so many degrees of freedom hardly varies.
        np.testing.assert_allclose(np.diag(factor) ** 2, width, rtol=1e-3)


@given(problem=problems, seed=st.integers(0, 9), full=st.booleans())
def test_signals_and_noise_are_where_the_data_law_puts_them(problem: Problem, seed: int, full: bool) -> None:
    instance = draw(problem, seed, full=full)
    X, y = instance.X, instance.y
    noise = min(problem.N * (problem.M - 1), problem.d - 2)
    assert X.shape == (problem.N, problem.M, problem.d if full else 2 + noise)
    assert instance.W_Q.shape[1] == (problem.d_h if full else min(2 * X.shape[2], problem.d_h))
    assert set(y) <= {-1.0, 1.0}
    if problem.balanced:
        assert abs(y.sum()) <= 1
    assert np.linalg.norm(X[:, 0], axis=1) == pytest.approx(problem.signal_norm)
    np.testing.assert_array_equal(X[:, 0] @ X[:, 1:].reshape(-1, X.shape[2]).T, 0.0)
    same_class = np.equal.outer(y, y)
    np.testing.assert_allclose(X[:, 0] @ X[:, 0].T, problem.signal_norm**2 * same_class, rtol=1e-12)
    assert instance.readout == pytest.approx(problem.w_O_norm**2)
    assert instance.step_size == problem.step_size


@given(problem=problems, seed=st.integers(0, 9), full=st.booleans())
def test_test_samples_follow_the_data_law_too(problem: Problem, seed: int, full: bool) -> None:
    instance = draw(problem, seed, full=full)
    test = draw_test_samples(problem, instance, stream(seed, Stream.TEST))
    assert len(test) == problem.test_samples
    np.testing.assert_array_equal(test.tokens[:, 0, :2], problem.signal_norm * np.eye(2)[np.where(test.y > 0, 0, 1)])
    # Nothing of the noise lies along the signals, nothing of the signals lies beyond the training tokens.
    np.testing.assert_allclose(test.tokens[:, 1:, :2], 0.0, atol=1e-12 * problem.C_p)
    for beyond in (
        test.queries_beyond[:, 0],
        test.keys_beyond[:, 0],
        test.score_beyond[:, 0],
        test.value_beyond[:, 0],
    ):
        np.testing.assert_array_equal(beyond, 0.0)
    if instance.shape[2] == problem.d:
        assert not np.any(test.value_beyond)


@pytest.mark.parametrize("full", [True, False])
def test_seeds_repeat_and_differ(full: bool) -> None:
    problem = Problem(N=3, M=3, d=30, d_h=30)
    once, again, other = (draw(problem, seed, full=full) for seed in (7, 7, 8))
    for name in ("X", *WEIGHTS):
        np.testing.assert_array_equal(getattr(once, name), getattr(again, name))
        assert np.any(getattr(once, name) != getattr(other, name))


def test_purposes_have_streams_of_their_own() -> None:
    numbers = {purpose: stream(5, purpose).standard_normal(4).tobytes() for purpose in Stream}
    assert len(set(numbers.values())) == len(Stream)
    more_labels = Problem(N=3, M=3, d=30, d_h=30, balanced=False)
    fewer = more_labels.model_copy(update={"balanced": True})
    for name in WEIGHTS:
        np.testing.assert_array_equal(getattr(draw(more_labels, 1), name), getattr(draw(fewer, 1), name))


def test_unbalanced_labels_are_random() -> None:
    problem = Problem(N=400, M=2, d=1e9, d_h=1e9, balanced=False)
    y = draw(problem, seed=0).y
    assert abs(y.sum()) < 80, "four standard deviations of 400 fair labels"
    assert np.any(y != np.where(np.arange(400) % 2 == 0, 1.0, -1.0))
