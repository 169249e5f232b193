"""Bounds on operator norms against singular values in 40 digits."""

import mpmath
import numpy as np
import pytest

from verify.systems.token_selection import norms

SEEDS = range(12)


def exact_norm(matrix: np.ndarray) -> mpmath.mpf:
    with mpmath.workdps(40):
        values: mpmath.mpf = mpmath.svd_r(mpmath.matrix(matrix.tolist()), compute_uv=False)[0]
        return values


def sharp(bound: float, exact: mpmath.mpf, slack: float = 1e-11) -> None:
    assert exact <= bound <= exact * (1 + slack) + mpmath.mpf(10) ** -290


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (6, 4)])
def test_operator_norms(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    for scale in (1.0, 1e-9, 1e9):
        matrix = scale * rng.standard_normal(shape)
        sharp(norms.operator_norm(matrix), exact_norm(matrix))


def test_of_nothing_and_of_large_matrices() -> None:
    assert norms.operator_norm(np.zeros((3, 4))) == 0.0
    large = np.random.default_rng(0).standard_normal((norms.SMALL + 1, norms.SMALL + 1))
    assert np.linalg.norm(large, 2) <= norms.operator_norm(large) <= 20.0 * np.linalg.norm(large, 2)


def test_tokens_that_are_all_zero_leave_the_whole_space() -> None:
    assert norms.norm_on_span(np.array([[3.0, 4.0]]), np.zeros((2, 2))) == norms.operator_norm(np.array([[3.0, 4.0]]))


@pytest.mark.parametrize("seed", SEEDS)
def test_block_norms(seed: int) -> None:
    rng, samples, tokens = np.random.default_rng(seed), 3, 2 + seed % 3
    half = rng.standard_normal((samples * tokens, 4)) + 100.0 * (seed % 2)
    matrix = half @ half.T
    block, rest = norms.block_norms(matrix, samples)
    with mpmath.workdps(40):
        centre = mpmath.eye(tokens) - mpmath.ones(tokens) / tokens
        parts = [
            [
                centre
                * mpmath.matrix(matrix[i * tokens : (i + 1) * tokens, j * tokens : (j + 1) * tokens].tolist())
                * centre
                for j in range(samples)
            ]
            for i in range(samples)
        ]
        for i in range(samples):
            for j in range(samples):
                exact = mpmath.svd_r(parts[i][j], compute_uv=False)[0]
                sharp(block[i, j], exact, 1e-6)
            others = sum((parts[i][j] * parts[i][j].T for j in range(samples) if j != i), mpmath.zeros(tokens))
            sharp(rest[i], mpmath.sqrt(mpmath.eigsy(others, eigvals_only=True)[tokens - 1]), 1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["few tokens", "repeated", "nearly repeated", "more than dimensions"])
def test_the_norm_on_the_span_of_tokens(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    tokens, W = rng.standard_normal((4, 9)), rng.standard_normal((7, 9))
    if kind == "repeated":
        tokens[1] = tokens[0]
    if kind == "nearly repeated":
        tokens[1] = tokens[0] * (1 + 1e-15)
    if kind == "more than dimensions":
        tokens = rng.standard_normal((12, 9))
    bound = norms.norm_on_span(W, tokens)
    with mpmath.workdps(40):
        columns = mpmath.matrix(tokens.T.tolist())
        left, values, _ = mpmath.svd_r(columns)
        kept = [i for i in range(len(values)) if values[i] > mpmath.mpf(10) ** -30]
        basis = mpmath.matrix(9, len(kept))
        for place, i in enumerate(kept):
            basis[:, place] = left[:, i]
        exact = mpmath.svd_r(mpmath.matrix(W.tolist()) * basis, compute_uv=False)[0]
    assert exact <= bound
    if kind == "few tokens":
        assert bound <= exact * (1 + 1e-11)
    else:
        assert bound <= norms.operator_norm(W)


def test_without_their_roundings_they_bound_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: bounds that count no rounding fall short of some exact norm."""
    monkeypatch.setattr(norms, "EPSILON", 0.0)
    monkeypatch.setattr(norms, "_frobenius", lambda matrices: 0.0)
    short = 0
    for seed in range(40):
        matrix = np.random.default_rng(seed).standard_normal((5, 5))
        short += norms.operator_norm(matrix) < exact_norm(matrix)
    assert short > 0
