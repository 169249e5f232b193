"""Many starts at once have the law of `draw`, in full and reduced; the longest of many tokens, that of all of them."""

from collections.abc import Callable

import numpy as np
import pytest

from verify.statistics import kolmogorov_smirnov
from verify.systems.benign_vit import starts
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.starts import (
    draw_extreme_tokens,
    draw_tokens,
    seen_in_tokens,
    seen_in_weights,
)
from verify.systems.draws import gaussian_factor

Statistics = dict[str, np.ndarray]

LEVEL = 1e-3
"""Probability that a right sampler is rejected anywhere in this module; shared out evenly (Bonferroni)."""
DRAWS = 600
MANY = 4000

CASES = {
    "many dimensions": Problem(N=2, M=3, d=30, d_h=30, SNR=2.0, C_p=2.0, w_O_norm=2.0),
    "fewer dimensions than tokens": Problem(N=2, M=3, d=4, d_h=3, SNR=2.0, C_p=2.0, w_O_norm=2.0),
}


def statistics(gram: np.ndarray, queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> Statistics:
    """Numbers per start (leading axis) of tokens 0, 1 (signals), 2, 3 (sample 0) and 4, 5 (sample 1)."""
    score = queries @ keys.transpose(0, 2, 1)
    return {
        "large noise norm": gram[:, 2, 2],
        "noise norms": gram[:, 2, 2] / 4.0 + gram[:, 3, 3] + gram[:, 4, 4] / 4.0 + gram[:, 5, 5],
        "noise overlap": gram[:, 2, 4],
        "small noise overlap": gram[:, 3, 5],
        "overlap with a signal": gram[:, 0, 2],
        "signal score": score[:, 0, 0],
        "score within a sample": score[:, 2, 3],
        "score between samples": score[:, 3, 4],
        "largest score": np.abs(score).max(axis=(1, 2)),
        "signal query": np.sum(queries[:, 0] ** 2, axis=-1),
        "noise key": np.sum(keys[:, 5] ** 2, axis=-1),
        "squared norms": np.sum(queries**2 + keys**2, axis=(1, 2)),
        "signal value": values[:, 1],
        "largest value": np.abs(values).max(axis=1),
    }


def by_draw(problem: Problem, full: bool) -> Statistics:
    rows = [of_instance(draw(problem, seed, full=full)) for seed in range(DRAWS)]
    return statistics(*(np.stack(column) for column in zip(*rows, strict=True)))


def of_instance(instance: Instance) -> tuple[np.ndarray, ...]:
    tokens = TokenTable.of(instance).tokens
    images = (tokens @ weights for weights in (instance.W_Q, instance.W_K))
    return tokens @ tokens.T, *images, tokens @ instance.W_V @ instance.w_O


def by_starts(problem: Problem, seed: int = 0) -> Statistics:
    rng = np.random.default_rng(seed)
    tokens = starts.draw_tokens(problem, MANY, rng)
    seen = seen_in_weights(problem, tokens, rng)
    return statistics(tokens @ tokens.transpose(0, 2, 1), seen["query"], seen["key"], seen["value"])


def rejected(left: Statistics, right: Statistics) -> list[str]:
    share = LEVEL / (2 * len(CASES) * len(left) + 4)
    return [name for name in left if kolmogorov_smirnov(left[name], right[name]) < share]


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_many_starts_have_the_law_of_draw(case: str, full: bool) -> None:
    assert not rejected(by_starts(CASES[case]), by_draw(CASES[case], full))


def fewer_degrees_of_freedom(rng: np.random.Generator, rows: int, width: int, stack: tuple[int, ...]) -> np.ndarray:
    return gaussian_factor(rng, rows, max(rows, int(0.8 * width)), stack)


def without_the_triangle(rng: np.random.Generator, rows: int, width: int, stack: tuple[int, ...]) -> np.ndarray:
    return gaussian_factor(rng, rows, width, stack) * np.eye(rows)


def one_for_all(rng: np.random.Generator, rows: int, width: int, stack: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(gaussian_factor(rng, rows, width), (*stack, rows, rows))


@pytest.mark.parametrize("broken", [fewer_degrees_of_freedom, without_the_triangle, one_for_all])
def test_a_broken_sampler_is_rejected(broken: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    problem = CASES["many dimensions"]
    right = by_draw(problem, full=True)
    monkeypatch.setattr(starts, "gaussian_factor", broken)
    assert rejected(by_starts(problem), right)


def test_inner_products_stand_where_tokens_do() -> None:
    problem = CASES["many dimensions"]
    table = TokenTable.of(draw(problem, 0, full=False))
    tokens = draw_tokens(problem, 3, np.random.default_rng(0))
    seen = seen_in_tokens(tokens, table.token_at)
    assert tokens.shape[1:] == table.tokens.shape
    assert (tokens[:, table.signals :] != 0.0).any(axis=2).all()
    assert np.allclose(seen["overlap"][1, 2, 1, 2], tokens[1, 2] @ tokens[1, table.token_at[1, 2]])
    assert np.allclose(seen["token_square"], np.sum(tokens**2, axis=2))


@pytest.mark.parametrize("M", [2, 4])
def test_longest_and_shortest_of_many_have_the_law_of_extremes(M: int) -> None:
    problem = Problem(N=12, M=M, d=3, C_p=2.0, SNR=2.0)
    few = problem.model_copy(update={"N": 3 if M == 2 else 1})
    table = TokenTable.of(draw(few, 0, full=False))
    rng = np.random.default_rng(0)
    scales = 1.0 / problem.sigma_p / np.where(table.position == 1, problem.C_p, 1.0)[table.signals :]
    extreme = np.abs(draw_extreme_tokens(problem, table, MANY, rng)[:, table.signals :, 2]) * scales
    everything = -np.sort(-np.abs(rng.standard_normal((MANY, problem.N * (M - 1)))), axis=1)
    assert (np.diff(extreme, axis=1) <= 0.0).all()
    found = {"longest": extreme[:, 0], "product": extreme[:, 0] * extreme[:, 1], "shortest": extreme[:, -1]}
    wanted = {
        "longest": everything[:, 0],
        "product": everything[:, 0] * everything[:, 1],
        "shortest": everything[:, -1],
    }
    assert not rejected(found, wanted)
    assert rejected(found, {**wanted, "product": everything[:, 0] ** 2})
