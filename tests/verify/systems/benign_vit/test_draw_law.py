"""The reduced draw has the law of the full one: held against a direct simulation that shares no code with it.

The direct side draws every weight and every token at full size and trains by matrix formulas; the reduced
side is the project's own. Many seeds of each are compared by Kolmogorov-Smirnov and by the means of each
statistic and of its square.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from verify.systems.benign_vit import draw as drawing
from verify.systems.benign_vit import testing
from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.dynamics import Reduced
from verify.systems.benign_vit.instance import TokenTable
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.testing import draw_test_samples
from verify.systems.draws import Stream, gaussian_factor, stream

Samples = Mapping[str, np.ndarray]

LEVEL = 1e-3
"""Probability that a right draw is rejected anywhere in this module; shared out evenly (Bonferroni)."""
SEEDS = 2000
STEPS = 3

MEAN_ONLY = {"fresh": ("test_loss_start", "test_loss_end"), "joint": ()}
"""The fresh law promises no more of the test loss than its mean (unbiased)."""


def problem(law: str, test_samples: int = 3, **sizes: int) -> Problem:
    """Scales at which scores, values and a few steps are all of order one."""
    return Problem(
        **sizes,
        SNR=2.0,
        C_p=2.0,
        sigma_h=float(0.5**0.5 * sizes["d_h"] ** -0.25),
        sigma_V=0.5,
        step_size=0.5,
        test_samples=test_samples,
        test_law=law,
    )


# P = 6 distinct tokens with N=2, M=3; 5 with N=3, M=2; 4 with N=2, M=2.
CASES = {
    "d_h above 2P": problem("fresh", N=2, M=3, d=30, d_h=40),
    "d_h above 2P, joint": problem("joint", N=3, M=2, d=25, d_h=25),
    "d_h below 2P": problem("joint", N=2, M=3, d=30, d_h=5),
    "d below P": problem("fresh", N=2, M=3, d=5, d_h=20),
    "d - P below M - 1": problem("joint", N=2, M=3, d=7, d_h=20),
    "d - P below M - 1, fresh": problem("fresh", N=2, M=3, d=7, d_h=4),
    "one unseen dimension": problem("joint", test_samples=30, N=2, M=2, d=5, d_h=6),
}


def statistics_of(
    tokens: np.ndarray,
    score: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    query_square: np.ndarray,
    output: Mapping[str, np.ndarray],
    test_score: np.ndarray,
    test_value: np.ndarray,
    test_margin: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Numbers per seed (leading axis): sample 0 has label +1, token 1 of a sample is its large noise."""
    labels = np.where(np.arange(tokens.shape[1]) % 2 == 0, 1.0, -1.0)
    found = {
        "token_square": np.sum(tokens[:, 0, 1] ** 2, axis=-1),
        "token_overlap": np.sum(tokens[:, 0, 1] * tokens[:, 1, 1], axis=-1),
        "query_square": query_square[:, 0, 1],
        "test_noise_value_square": np.mean(test_value[:, :, 1:] ** 2, axis=(1, 2)),
        "test_noise_score_square": np.mean(test_score[:, :, 1:, 1:] ** 2, axis=(1, 2, 3)),
    }
    for when in ("start", "end"):
        found[f"loss_{when}"] = np.logaddexp(0.0, -labels * output[when]).mean(axis=1)
        found[f"signal_value_{when}"] = values[when][:, 0, 0]
        found[f"noise_value_{when}"] = values[when][:, 0, 1]
        found[f"signal_score_{when}"] = score[when][:, 0, 0, 0]
        found[f"noise_score_{when}"] = score[when][:, 0, 1, 1]
        found[f"mixed_score_{when}"] = score[when][:, 1, 0, 1]
        losses = np.logaddexp(0.0, -test_margin[when])
        found[f"one_test_loss_{when}"] = losses[:, 0]
        found[f"test_loss_{when}"] = losses.mean(axis=1)
    return found


def direct(problem: Problem, seeds: int, seed: int) -> Samples:
    """`seeds` full draws, all trained at once."""
    rng = np.random.default_rng(seed)
    N, M, d, T = problem.N, problem.M, problem.d, problem.test_samples
    scales = np.array([0.0, problem.C_p, *[1.0] * (M - 2)])[:, None] * problem.sigma_p

    def samples(labels: np.ndarray) -> np.ndarray:
        X = scales * rng.standard_normal((*labels.shape, M, d))
        X[..., :2] = 0.0
        X[..., 0, 0] = problem.signal_norm * (labels > 0)
        X[..., 0, 1] = problem.signal_norm * (labels < 0)
        return X

    y = np.broadcast_to(np.where(np.arange(N) % 2 == 0, 1.0, -1.0), (seeds, N))
    test_y = rng.choice([-1.0, 1.0], size=(seeds, T))
    X, test_X = samples(y), samples(test_y)
    W_Q = problem.sigma_h * rng.standard_normal((seeds, d, problem.d_h))
    W_K = problem.sigma_h * rng.standard_normal((seeds, d, problem.d_h))
    W_V = problem.sigma_V * rng.standard_normal((seeds, d, problem.d_v))
    w_O = rng.standard_normal(problem.d_v)
    w_O *= problem.w_O_norm / np.linalg.norm(w_O)

    def forward(X: np.ndarray) -> tuple[np.ndarray, ...]:
        queries = np.einsum("snid,sdr->snir", X, W_Q, optimize=True)
        keys = np.einsum("snid,sdr->snir", X, W_K, optimize=True)
        value = np.einsum("snid,sdc,c->sni", X, W_V, w_O, optimize=True)
        score = np.einsum("snir,snjr->snij", queries, keys, optimize=True)
        attention = softmax(score, axis=-1)
        return queries, keys, value, score, attention, np.einsum("snij,snj->sn", attention, value) / M

    score, values, output, margin = {}, {}, {}, {}
    for t in range(STEPS + 1):
        queries, keys, value, found, attention, f = forward(X)
        if t == 0:
            query_square = np.sum(queries**2, axis=-1)
        if t in (0, STEPS):
            when = "start" if t == 0 else "end"
            score[when], values[when], output[when] = found, value, f
            _, _, test_value, test_score, _, test_output = forward(test_X)
            margin[when] = test_y * test_output
            if t == 0:
                first_value, first_score = test_value, test_score
        weight = y * expit(-y * f) / N
        by_attention = weight[:, :, None, None] * value[:, :, None, :] / M
        mean = np.sum(by_attention * attention, axis=-1, keepdims=True)
        by_score = attention * (by_attention - mean)
        by_value = weight[:, :, None] * attention.sum(axis=2) / M
        W_Q = W_Q + problem.step_size * np.einsum("snid,snij,snjr->sdr", X, by_score, keys, optimize=True)
        W_K = W_K + problem.step_size * np.einsum("snjd,snij,snir->sdr", X, by_score, queries, optimize=True)
        W_V = W_V + problem.step_size * np.einsum("snjd,snj,c->sdc", X, by_value, w_O, optimize=True)
    return statistics_of(X, score, values, query_square, output, first_score, first_value, margin)


def reduced(problem: Problem, seeds: int) -> Samples:
    """As many reduced draws, trained one by one by the project."""
    rows: list[tuple[Any, ...]] = []
    for seed in range(seeds):
        instance = draw(problem, seed, full=False)
        table = TokenTable.of(instance)
        test = draw_test_samples(problem, instance, stream(seed, Stream.TEST))
        dynamics = Reduced(instance, table, test)
        stretch = dynamics.advance(STEPS, -1.0, [0, STEPS])
        at = {"start": 0, "end": STEPS}
        arrays = stretch.arrays
        margin = {}
        for when, step in at.items():
            labels, outputs = dynamics.test_outputs(stretch.kept[step]) or ()
            margin[when] = labels * outputs
        queries = test.tokens @ instance.W_Q + test.queries_beyond
        keys = test.tokens @ instance.W_K + test.keys_beyond
        rows.append(
            (
                instance.X,
                {when: arrays["score"][step].copy() for when, step in at.items()},
                {when: arrays["value"][step, table.token_at] for when, step in at.items()},
                np.sum((instance.X @ instance.W_Q) ** 2, axis=-1),
                {when: arrays["output"][step].copy() for when, step in at.items()},
                queries @ keys.transpose(0, 2, 1) + test.score_beyond,
                test.tokens @ instance.W_V @ instance.w_O + test.value_beyond,
                margin,
            )
        )
    columns = zip(*rows, strict=True)
    return statistics_of(*(_stacked(column) for column in columns))


def _stacked(column: tuple[Any, ...]) -> Any:
    if isinstance(column[0], dict):
        return {when: np.stack([row[when] for row in column]) for when in column[0]}
    return np.stack(column)


def p_values(left: Samples, right: Samples, law: str) -> dict[str, float]:
    """Kolmogorov-Smirnov, and Welch's test of the means of each statistic and of its square."""
    from scipy import stats

    found = {}
    for name, a in left.items():
        b = right[name]
        found[f"{name}: mean"] = float(stats.ttest_ind(a, b, equal_var=False).pvalue)
        if name in MEAN_ONLY[law]:
            continue
        found[f"{name}: mean square"] = float(stats.ttest_ind(a**2, b**2, equal_var=False).pvalue)
        found[f"{name}: Kolmogorov-Smirnov"] = float(stats.ks_2samp(a, b, method="asymp").pvalue)
    return found


COMPARISONS = len(CASES) * 3 * 21


def rejected(found: Mapping[str, float]) -> dict[str, float]:
    return {name: p for name, p in found.items() if p < LEVEL / COMPARISONS}


@pytest.fixture(scope="module")
def direct_side() -> Callable[[str], Samples]:
    made: dict[str, Samples] = {}

    def of(case: str) -> Samples:
        if case not in made:
            made[case] = direct(CASES[case], SEEDS, seed=list(CASES).index(case))
        return made[case]

    return of


@pytest.mark.parametrize("case", CASES)
def test_reduced_draw_has_the_law_of_the_direct_one(case: str, direct_side: Callable[[str], Samples]) -> None:
    found = p_values(direct_side(case), reduced(CASES[case], SEEDS), CASES[case].test_law)
    assert len(found) <= COMPARISONS / len(CASES)
    assert not rejected(found)


CONTROL = "d_h above 2P, joint"
"""Of rank 5: 3 test noise tokens have 20 of 25 dimensions to themselves, their images 15 of 25 heads."""


Stack = tuple[int, ...]


def fewer_degrees_of_freedom(rng: np.random.Generator, rows: int, width: int, stack: Stack = ()) -> np.ndarray:
    return gaussian_factor(rng, rows, int(0.8 * width), stack)


def without_the_root(rng: np.random.Generator, rows: int, width: int, stack: Stack = ()) -> np.ndarray:
    factor = gaussian_factor(rng, rows, width, stack)
    if width >= rows:
        diagonal = np.arange(rows)
        factor[..., diagonal, diagonal] **= 2
    return factor


def without_the_triangle(rng: np.random.Generator, rows: int, width: int, stack: Stack = ()) -> np.ndarray:
    """Rows of the right mean size that meet as if space had as many dimensions as there are rows."""
    kept = min(rows, width)
    return np.sqrt(width / kept) * rng.standard_normal((*stack, rows, kept))


def not_orthogonal_to_training(rng: np.random.Generator, rows: int, width: int, stack: Stack = ()) -> np.ndarray:
    return gaussian_factor(rng, rows, 25 if width == 20 else width, stack)


def seen_heads_counted_twice(rng: np.random.Generator, rows: int, width: int, stack: Stack = ()) -> np.ndarray:
    return gaussian_factor(rng, rows, 25 if width == 15 else width, stack)


BROKEN = {
    "tokens and weights with 20 % fewer degrees of freedom": (drawing, fewer_degrees_of_freedom),
    "tokens and weights without the square root": (drawing, without_the_root),
    "tokens and weights without Bartlett's triangle": (drawing, without_the_triangle),
    "test samples with 20 % fewer degrees of freedom": (testing, fewer_degrees_of_freedom),
    "test samples without the square root": (testing, without_the_root),
    "test samples not orthogonal to training": (testing, not_orthogonal_to_training),
    "test samples with the seen heads counted twice": (testing, seen_heads_counted_twice),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_draw_is_rejected(
    fault: str, direct_side: Callable[[str], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, broken = BROKEN[fault]
    monkeypatch.setattr(module, "gaussian_factor", broken)
    assert rejected(p_values(direct_side(CONTROL), reduced(CASES[CONTROL], SEEDS), "joint"))


def test_fresh_weights_for_every_test_sample_are_not_the_joint_law(
    direct_side: Callable[[str], Samples],
) -> None:
    case = "one unseen dimension"
    fresh = CASES[case].model_copy(update={"test_law": "fresh"})
    found = rejected(p_values(direct_side(case), reduced(fresh, SEEDS), "joint"))
    assert "test_noise_value_square: Kolmogorov-Smirnov" in found
    assert not any(name.endswith(": mean") for name in found), "yet every mean is unbiased"
