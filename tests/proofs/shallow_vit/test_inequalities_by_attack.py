"""Attacks on the bounds of `shallow-vit`: plain NumPy, not the statements, on instances made to break them.

Each bound is searched by thousands of random instances, binary and extreme ones among them; a bound that is slightly
too good has to be found violated by the same search.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

Array = np.ndarray[Any, np.dtype[np.float64]]
Margin = Callable[[Any], float]

ROUNDING = 1e-11


def smallest(margin: Margin, instances: Iterator[Any]) -> float:
    """The smallest margin, relative to the size of what is compared."""
    return min(margin(each) for each in instances)


def relative(left: float, right: float) -> float:
    return (right - left) / max(abs(left) + abs(right), 1e-300)


# Without token noise: a sample and its twin.


@dataclass(frozen=True)
class Counted:
    """Counts n (M,) of patterns, scores P (M, M) (key, query), R (m, M), readout a (m,)."""

    n: Array
    P: Array
    R: Array
    a: Array

    def attention(self, n: Array) -> Array:
        weight = n * np.exp(self.P.T - self.P.max(axis=0)[:, None])
        return weight / weight.sum(axis=1, keepdims=True)

    def output(self, n: Array) -> float:
        hidden = np.maximum(self.attention(n) @ self.R.T, 0.0)
        return float(n @ hidden @ self.a / n.sum())

    @property
    def twin(self) -> Array:
        return self.n[[1, 0, *range(2, len(self.n))]]

    @property
    def difference(self) -> float:
        return abs(self.output(self.n) - self.output(self.twin))

    @property
    def D(self) -> float:
        return float(abs(self.n[0] - self.n[1]) / self.n.sum())

    @property
    def spread(self) -> float:
        """Delta."""
        return float(np.ptp(self.P, axis=0).max())

    @property
    def rho(self) -> float:
        """And what rounding makes of outputs."""
        apart = self.R[:, :, None] - self.R[:, None, :]
        return float(np.linalg.norm(self.a) * np.sqrt((apart**2).sum(axis=0).max()) + 1e-12 * np.abs(self.R).max())


def counted(seed: int, trials: int) -> Iterator[Counted]:
    rng = np.random.default_rng(seed)
    for trial in range(trials):
        M, m = int(rng.integers(2, 6)), int(rng.integers(1, 5))
        n = rng.integers(0, 3, M) if trial % 2 else np.floor(10.0 ** rng.uniform(0, 2, M))
        n = n.astype(float)
        n[rng.integers(2)] += 1.0
        if n[0] == n[1]:
            n[0] += 1.0
        size = 10.0 ** rng.uniform(-2, 1.5)
        P = size * (rng.integers(0, 2, (M, M)) if trial % 3 else rng.standard_normal((M, M)))
        R = rng.integers(0, 2, (m, M)).astype(float) if trial % 5 else rng.standard_normal((m, M))
        signs = rng.choice([-1.0, 1.0], m) if trial % 4 else np.ones(m)
        if trial % 10 == 0:
            # One token is exchanged; the first two queries prefer different irrelevant patterns as well.
            k = float(rng.integers(1, 100))
            n, R, signs, m = np.array([1.0, 0.0, k, k]), np.array([[1.0, 0.0, 1.0, 0.0]]), np.ones(1), 1
            P = size * np.array([[1, 0, 1, 1], [0, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]])
        yield Counted(n, P, R, signs / np.sqrt(m))


def exchanged(each: Counted) -> float:
    return each.D / (each.D + (1.0 - each.D) * np.exp(-each.spread))


def twin_budget(each: Counted) -> float:
    return relative(each.difference, each.rho * (exchanged(each) + each.D * np.tanh(each.spread / 2.0)))


def without_other_queries(each: Counted) -> float:
    return relative(each.difference, each.rho * exchanged(each))


def without_attention(each: Counted) -> float:
    return relative(each.difference, each.rho * each.D * (1.0 + np.tanh(each.spread / 2.0)))


def test_twins_differ_by_no_more_than_their_budget() -> None:
    assert smallest(twin_budget, counted(1, 3000)) >= -ROUNDING


@pytest.mark.parametrize("wrong", [without_other_queries, without_attention])
def test_budgets_that_are_too_small_are_found_out(wrong: Margin) -> None:
    assert smallest(wrong, counted(1, 3000)) < -1e-3


def test_the_budget_is_attained_at_uniform_attention() -> None:
    each = Counted(np.array([3.0, 0.0, 5.0]), np.zeros((3, 3)), np.array([[1.0, 0.0, 0.0]]), np.ones(1))
    assert each.difference == pytest.approx(each.rho * each.D)
    assert abs(twin_budget(each)) < ROUNDING


# What irrelevant queries can attend to.


def twins_attention(each: Counted, queries: slice) -> float:
    """The largest average over a sample and its twin of attention to own tokens, over the given queries."""
    own, other = (0, 1) if each.n[0] > each.n[1] else (1, 0)
    both = each.attention(each.n)[queries, own] + each.attention(each.twin)[queries, other]
    return float(both.max(initial=0.0) / 2.0)


def cap(each: Counted) -> float:
    return relative(twins_attention(each, slice(2, None)), each.n[:2].max() / each.n[:2].sum())


def cap_on_all_queries(each: Counted) -> float:
    return relative(twins_attention(each, slice(None)), each.n[:2].max() / each.n[:2].sum())


def majority_for_cap(each: Counted) -> float:
    share = each.n[:2].max() / each.n[:2].sum()
    return relative(twins_attention(each, slice(2, None)), 2.0 * share - 1.0)


def by_query(each: Counted) -> Counted:
    """The same where a query gives both relevant patterns one score, or very different ones."""
    P = each.P.copy()
    P[1, ::2] = P[0, ::2]
    return Counted(each.n, P, each.R, each.a)


def test_irrelevant_queries_attend_by_the_share_at_most() -> None:
    assert smallest(cap, counted(2, 3000)) >= -ROUNDING
    assert smallest(cap, map(by_query, counted(3, 3000))) >= -ROUNDING


def all_queries(each: Counted) -> float:
    """The average over all queries, each sample with its own numbers of them."""
    own, other = (0, 1) if each.n[0] > each.n[1] else (1, 0)
    mine = each.n @ each.attention(each.n)[:, own] + each.twin @ each.attention(each.twin)[:, other]
    return relative(float(mine / (2.0 * each.n.sum())), each.n[:2].max() / each.n[:2].sum())


@pytest.mark.parametrize("wrong", [all_queries, majority_for_cap])
def test_caps_that_are_too_low_are_found_out(wrong: Margin) -> None:
    assert smallest(wrong, map(by_query, counted(3, 3000))) < -1e-3


# With any tokens: growth.


@dataclass(frozen=True)
class Network:
    """Tokens X (N, L, d), labels (N,), readout, weights; gradients by their definitions, one query at a time."""

    X: Array
    y: Array
    a: Array
    W_O: Array
    W_V: Array
    W_K: Array
    W_Q: Array

    def sample(self, x: Array) -> tuple[float, Array, Array, Array]:
        """F, J = dF/dR, H = dF/dP and attention (query, key) of one sample."""
        P, R = self.W_K.T @ self.W_Q, self.W_O @ self.W_V
        score = x @ P.T @ x.T
        A = np.exp(score - score.max(axis=1, keepdims=True))
        A /= A.sum(axis=1, keepdims=True)
        F, J, H = 0.0, np.zeros_like(R), np.zeros_like(P)
        for l in range(len(x)):
            hidden = R @ (A[l] @ x)
            b = self.a * (hidden > 0.0)
            t = x @ (R.T @ b)
            F += float(self.a @ np.maximum(hidden, 0.0)) / len(x)
            J += np.outer(b, A[l] @ x) / len(x)
            H += np.outer((A[l] * (t - A[l] @ t)) @ x, x[l]) / len(x)
        return F, J, H, A

    def drives(self) -> tuple[Array, Array, float, float, list[Array]]:
        """K, H, share of active samples, largest output, attention."""
        K, H, active, largest, attention = np.zeros((len(self.a), self.X.shape[2])), 0.0, 0.0, 0.0, []
        for x, y in zip(self.X, self.y, strict=True):
            F, J, G, A = self.sample(x)
            on = float(1.0 - y * F > 0.0)
            K, H = K + y * on * J / len(self.y), H + y * on * G / len(self.y)
            active, largest = active + on / len(self.y), max(largest, abs(F))
            attention.append(A)
        return K, np.asarray(H), active, largest, attention

    def step(self, K: Array, H: Array, eta: float) -> "Network":
        return Network(
            self.X,
            self.y,
            self.a,
            self.W_O + eta * K @ self.W_V.T,
            self.W_V + eta * self.W_O.T @ K,
            self.W_K + eta * self.W_Q @ H.T,
            self.W_Q + eta * self.W_K @ H,
        )

    @property
    def radius(self) -> float:
        return float(np.linalg.norm(self.X, axis=2).max())

    @property
    def diameter(self) -> float:
        return float(np.linalg.norm(self.X[:, :, None] - self.X[:, None], axis=3).max())

    @property
    def norms(self) -> list[float]:
        return [float(np.linalg.norm(W, 2)) for W in (self.W_O, self.W_V, self.W_K, self.W_Q)]


def networks(seed: int, trials: int) -> Iterator[Network]:
    rng = np.random.default_rng(seed)
    for trial in range(trials):
        N, L, d, m = (int(rng.integers(1, top)) for top in (3, 4, 4, 4))
        X = rng.standard_normal((N, L, d)) * 10.0 ** rng.uniform(-1, 1)
        if trial % 3 == 0:
            X = np.sign(X)
        if trial % 7 == 0:
            X[:, :] = X[:, :1]
        W = [rng.standard_normal(shape) for shape in ((m, 1 + trial % 3), (1 + trial % 3, d), (2, d), (2, d))]
        scale = 10.0 ** rng.uniform(-2, 0.5, 4)
        W_O, W_V, W_K, W_Q = (size * each for size, each in zip(scale, W, strict=True))
        signs = np.ones(m) if trial % 2 else rng.choice([-1.0, 1.0], m)
        if trial % 5 == 0:
            W_O, W_V = np.abs(W_O), W_V / 50.0
            W_K *= 0.0
        yield Network(X, rng.choice([-1.0, 1.0], N), signs / np.sqrt(m), W_O, W_V, W_K, W_Q)


def drive_of_r(factor: float) -> Margin:
    def margin(each: Network) -> float:
        K, _, active, _, _ = each.drives()
        return relative(float(np.linalg.norm(K)), factor * each.radius * active)

    return margin


def drive_of_p(factor: float) -> Margin:
    def margin(each: Network) -> float:
        _, H, active, _, _ = each.drives()
        o, v, _, _ = each.norms
        return relative(float(np.linalg.norm(H)), factor * each.radius * each.diameter**2 * o * v * active + 1e-13)

    return margin


def output_bound(factor: float) -> Margin:
    def margin(each: Network) -> float:
        _, _, _, largest, _ = each.drives()
        o, v, _, _ = each.norms
        return relative(largest, factor * each.radius * o * v)

    return margin


def growth(factor: float) -> Margin:
    def margin(each: Network) -> float:
        K, H, active, _, _ = each.drives()
        moved = each.step(K, H, 0.7)
        before, after = sum(each.norms[:2]), sum(moved.norms[:2])
        return relative(after, (1.0 + factor * 0.7 * each.radius * active) * before)

    return margin


@pytest.mark.parametrize(("bound", "wrong"), [(drive_of_r, 0.9), (output_bound, 0.9), (growth, 0.5)])
def test_growth_is_bounded(bound: Callable[[float], Margin], wrong: float) -> None:
    assert smallest(bound(1.0), networks(4, 800)) >= -ROUNDING
    assert smallest(bound(wrong), networks(4, 800)) < -1e-3, "a slightly better constant is found out"


def test_the_drive_of_scores_is_bounded() -> None:
    assert smallest(drive_of_p(0.25), networks(5, 800)) >= -ROUNDING
    assert smallest(drive_of_p(0.125), networks(5, 800)) < -1e-3


# Two clocks.


def clocks(each: Network, eta: float, steps: int, by: float = 1.0, turn_by: float = 1.0, both: bool = True) -> float:
    """The smallest margin of the clocks over some steps; `by` scales the drives, `both` moves both hands."""
    start, R0, P0 = each, each.W_O @ each.W_V, each.W_K.T @ each.W_Q
    o, v, k, q = o0, v0, k0, q0 = each.norms
    first: list[Array] = []
    found = np.inf
    for step in range(steps):
        K, H, _, _, attention = each.drives()
        first = first or attention
        hidden = np.linalg.norm(each.W_O @ each.W_V - R0, 2)
        scores = np.linalg.norm(each.W_K.T @ each.W_Q - P0, 2)
        turn = turn_by * start.radius * start.diameter * (k * q - k0 * q0)
        if not (turn < 50.0 and o * v < 1e6):
            break
        moved = max(
            float(np.abs(np.log(np.maximum(now, 1e-300) / np.maximum(then, 1e-300))).max())
            for now, then in zip(attention, first, strict=True)
        )
        if step:
            slack = 1e-12 * (1.0 + o * v + k * q)
            found = min(found, relative(float(hidden), o * v - o0 * v0 + slack))
            found = min(found, relative(float(scores), k * q - k0 * q0 + slack))
            # Of attention near 0 the logarithm is not known to more.
            smallest_one = min(float(each.min()) for each in (*attention, *first))
            found = min(
                found, relative(moved, turn + slack * (1.0 + start.radius**2)) if smallest_one > 1e-200 else 1.0
            )
        kappa, chi = by * float(np.linalg.norm(K, 2)), by * float(np.linalg.norm(H, 2))
        o, v = o + eta * kappa * v, v + eta * kappa * o * both
        k, q = k + eta * chi * q, q + eta * chi * k * both
        each = each.step(K, H, eta)
    return found


def test_nothing_runs_ahead_of_its_clock() -> None:
    for eta in (0.05, 1.0):
        assert smallest(lambda each: clocks(each, eta, 8), networks(6, 250)) >= -ROUNDING  # noqa: B023


@pytest.mark.parametrize("wrong", [{"by": 0.5}, {"both": False}, {"turn_by": 0.25}])
def test_clocks_that_are_slow_are_found_out(wrong: dict[str, Any]) -> None:
    assert smallest(lambda each: clocks(each, 0.3, 8, **wrong), networks(6, 250)) < -1e-3


# Drives at the start: exact probabilities, shares being 0 or r with probability 1/2 each, for M = 4.


def misaligned(N: int, D: float, r: float) -> float:
    """The exact probability that the mean of labels times shares is D/2 or more, absolutely; N/2 of each label."""
    half = N // 2
    weights = binom.pmf(np.arange(half + 1), half, 0.5)
    difference = np.convolve(weights, weights[::-1])
    return float(difference[np.abs(np.arange(-half, half + 1)) * r / N >= D / 2.0 - 1e-15].sum())


def enough(D: float, r: float, p: float, factor: float) -> int:
    return 2 * int(np.ceil(factor * r**2 / D**2 * np.log(4.0 / p) / 2.0))


SHARES = [(D, r, p) for D in (0.08, 0.2, 0.3) for r in (0.3, 0.7, 0.97) for p in (0.3, 0.05, 1e-2, 1e-4) if r > D]


def test_enough_samples_align_the_drives() -> None:
    assert all(misaligned(enough(*each, 2.0), *each[:2]) <= each[2] for each in SHARES)
    assert any(misaligned(enough(*each, 1.0), *each[:2]) > each[2] for each in SHARES), "half of them do not"


def test_few_samples_do_not() -> None:
    for D, r, _ in SHARES:
        for theta in (0.02, 0.1, 0.3, 0.6):
            N = 2 * int(theta * 4.0 * (r**2 / 4.0) / D**2 / 2.0)
            if N:
                theta_there = N * D**2 / r**2
                # A share of two values has fourth moment s^4.
                bound = (1.0 - theta_there) ** 2 / (3.0 + 1.0 / N)
                assert misaligned(N, D, r) >= bound
    assert misaligned(1000, 0.97 * np.sqrt(0.1 / 1000), 0.97) < (1 - 0.1) ** 2, "without the fourth moment it is false"
