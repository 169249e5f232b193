"""Attacks on the bounds of `token-selection`: plain NumPy, not the statements, on instances made to break them.

The arrays hold 60-digit numbers, so that what exceeds its bound is a violation and no rounding error. Weights are
trained in full; instances have two tokens or more, one dimension or more, repeated, zero and identical tokens, a head
that sees nothing, one class, huge scores and huge steps. Every control is a bound that is slightly too good: the same
search has to find it violated.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mpmath import MPContext
from scipy.special import ndtr

from proofs.language import BySymbols, Expm1
from proofs.token_selection import inequalities, stage_two, symbols
from proofs.token_selection import stage_one as stage_one_statements
from verify.checking.compile import value_of

mp = MPContext()
mp.dps = 60
one, half, quarter = mp.mpf(1), mp.mpf(1) / 2, mp.mpf(1) / 4

exact = np.frompyfunc(mp.mpf, 1, 1)
exp = np.frompyfunc(mp.exp, 1, 1)
expm1 = np.frompyfunc(mp.expm1, 1, 1)
log = np.frompyfunc(mp.log, 1, 1)
log1p = np.frompyfunc(mp.log1p, 1, 1)
sqrt = np.frompyfunc(mp.sqrt, 1, 1)
sinh = np.frompyfunc(mp.sinh, 1, 1)
cosh = np.frompyfunc(mp.cosh, 1, 1)


def exceeds(left: Any, right: Any, scale: Any = 0) -> bool:
    """Whether somewhere the left side is larger for certain; `scale` is the size of what cancelled."""
    left, right = np.broadcast_arrays(left, right)
    rounding = mp.mpf(10) ** -40 * (np.abs(left) + np.abs(right)) + mp.mpf(10) ** -50 * scale
    return bool(np.any(left - right > rounding))


def logistic(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def softplus(x: Any) -> Any:
    return np.where(x > 0, x, 0 * x) + log1p(exp(-np.abs(x)))


def norms(vectors: Any) -> Any:
    return sqrt((vectors**2).sum(axis=-1))


def operator_norm(matrix: Any) -> Any:
    """An upper bound that is off by its last digits in float64 alone."""
    return mp.mpf(np.linalg.norm(matrix.astype(float), 2) * (1 + 1e-12)) if matrix.size else mp.mpf(0)


@dataclass(frozen=True)
class State:
    """Tokens X (N, T, d), labels Y, weights W (e, d) and p (e,), head nu (d,), step h."""

    X: Any
    Y: Any
    W: Any
    p: Any
    nu: Any
    h: Any

    @property
    def N(self) -> int:
        return len(self.X)

    @property
    def T(self) -> int:
        return self.X.shape[1]

    @cached_property
    def a(self) -> Any:
        return np.dot(self.X, np.dot(self.W.T, self.p))

    @cached_property
    def gamma(self) -> Any:
        return np.dot(self.X, self.nu)

    @cached_property
    def phi(self) -> Any:
        weights = exp(self.a - self.a.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    @cached_property
    def f(self) -> Any:
        return (self.phi * self.gamma).sum(axis=1)

    @cached_property
    def g(self) -> Any:
        return logistic(-self.Y * self.f)

    @cached_property
    def loss(self) -> Any:
        return softplus(-self.Y * self.f).sum() / self.N

    @cached_property
    def c(self) -> Any:
        return (self.Y * self.g)[:, None] * self.phi * (self.gamma - self.f[:, None]) / self.N

    @cached_property
    def v(self) -> Any:
        return (self.c[..., None] * self.X).sum(axis=(0, 1))

    @cached_property
    def Wv(self) -> Any:
        return np.dot(self.W, self.v)

    @cached_property
    def after(self) -> "State":
        return replace(self, p=self.p + self.h * self.Wv, W=self.W + self.h * np.outer(self.p, self.v))

    def trained(self, steps: int) -> Iterator["State"]:
        state = self
        for _ in range(steps):
            yield state
            state = state.after
        yield state

    @cached_property
    def values_apart(self) -> Any:
        return self.gamma.max(axis=1) - self.gamma.min(axis=1)

    @cached_property
    def tokens_apart(self) -> Any:
        return norms(self.X[:, :, None] - self.X[:, None]).max(axis=(1, 2))

    @cached_property
    def gap(self) -> Any:
        """Effective gaps (N, T): log(T - 1) less the logarithm of the sum of e^(a_t - a_s) over the others."""
        others = [np.delete(self.a, s, axis=1) for s in range(self.T)]
        top = np.stack([each.max(axis=1) for each in others], axis=1)
        rest = np.stack([exp(each - each.max(axis=1, keepdims=True)).sum(axis=1) for each in others], axis=1)
        return self.a + mp.log(self.T - 1) - top - log(rest)


# Instances: few different entries make repeated tokens, zero tokens, ties and cancellations common.

ENTRIES = st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0, 3.0])
SCALES = st.sampled_from([0.0, 2.0**-6, 0.25, 1.0, 4.0, 32.0])
STEPS = st.sampled_from([2.0**-10, 2.0**-4, 0.5, 4.0, 64.0])


def instance(X: Any, Y: Any, W: Any, p: Any, nu: Any, h: float = 2.0**-4) -> State:
    floats = (np.array(each, dtype=float) for each in (X, Y, W, p, nu))
    return State(*map(exact, floats), mp.mpf(h))


@st.composite
def drawn(draw: st.DrawFn, started: bool) -> State:
    """Tokens, weights and head in any position; at p = 0 unless the training has `started`."""
    N, T, d, e = (draw(st.integers(*ends)) for ends in ((1, 3), (2, 4), (1, 3), (1, 3)))
    X = draw(SCALES.filter(bool)) * draw(arrays(float, (N, T, d), elements=ENTRIES))
    Y = draw(arrays(float, N, elements=st.sampled_from([1.0, -1.0])))
    W, nu = draw(arrays(float, (e, d), elements=ENTRIES)), draw(SCALES) * draw(arrays(float, d, elements=ENTRIES))
    p = draw(SCALES) * draw(arrays(float, e, elements=ENTRIES)) if started else np.zeros(e)
    return instance(X, Y, W, p, nu, draw(STEPS))


# Two tokens of one dimension, half of the attention each: their covariance is as large as it can be.
EXTREMAL = [
    instance([[[1], [-1]]], [1], [[1]], [0], [1]),
    instance([[[1], [-1]]], [1], [[1]], [1], [1]),
    instance([[[1], [-1]]], [-1], [[1]], [0.5], [1], h=4.0),
    instance([[[1], [0], [0]]], [1], [[1]], [4], [3]),
]
ANYWHERE = st.one_of(drawn(started=True), st.sampled_from(EXTREMAL))
FROM_ZERO = st.one_of(drawn(started=False), st.sampled_from(EXTREMAL[:1]))


# The bounds of one state or step. Each returns whether it is violated; keyword arguments make the controls.

Bound = Callable[..., bool]


def output_within_values(z: State, share: Any = one) -> bool:
    largest = np.abs(z.gamma).max(axis=1)
    return exceeds(np.abs(z.f), share * largest) or exceeds(z.Y * z.f, (z.Y[:, None] * z.gamma).max(axis=1), largest)


def loss_bracket(z: State, least: Any = np.min) -> bool:
    fits = z.Y[:, None] * z.gamma
    below, above = (softplus(-pick(fits, axis=1)).sum() / z.N for pick in (np.max, least))
    return exceeds(below, z.loss) or exceeds(z.loss, above)


def derivative_bracket(z: State, share: Any = one) -> bool:
    largest = share * np.abs(z.gamma).max(axis=1)
    return exceeds(logistic(-largest), z.g) or exceeds(z.g, logistic(largest))


def derivative_near_half(z: State, constant: Any = quarter) -> bool:
    return exceeds(np.abs(z.g - half), constant * np.abs(z.f), 1)


def drive_bounded(z: State, switch: Any = half, cap: Any = one) -> bool:
    most = np.maximum(z.phi.max(axis=1), switch)
    weight = np.minimum(most * (1 - most), cap)
    return exceeds(norms(z.v), (z.g * z.values_apart * z.tokens_apart * weight).sum() / z.N)


def one_token_more(z: State, share: Any = one, cover: Any = one) -> bool:
    spread = z.phi * (1 - z.phi)
    odds = z.gap - mp.log(z.T)
    other = logistic(odds) * logistic(-odds)
    off = mp.mpf(z.T) / (z.T - 1)
    near = share * mp.log(off) / (6 * mp.sqrt(3))
    factor = cover * off
    return (
        exceeds(np.abs(other - spread), near, 1)
        or exceeds(other, factor * spread, 1)
        or exceeds(spread, factor * other, 1)
    )


def lead_moves(z: State) -> tuple[Any, Any, Any]:
    """Of every token: the actual change of its gap, the mean move of its leads, and their range."""
    move = z.after.a - z.a
    mean, apart = np.empty_like(move), np.empty_like(move)
    for s in range(z.T):
        weight, others = np.delete(z.phi, s, axis=1), np.delete(move, s, axis=1)
        mean[:, s] = (weight * (move[:, [s]] - others)).sum(axis=1) / weight.sum(axis=1)
        apart[:, s] = others.max(axis=1) - others.min(axis=1)
    return z.after.gap - z.gap, mean, apart


def gap_sandwich(z: State, eighth: Any = one / 8) -> bool:
    change, mean, apart = lead_moves(z)
    scale = np.abs(z.a).max() + np.abs(z.after.a).max()
    return exceeds(change, mean, scale) or exceeds(mean - eighth * apart**2, change, scale)


def growth_change(phi: Any, y: Any) -> Any:
    return phi**2 * expm1(y) + 2 * phi * (1 - phi) * y - (1 - phi) ** 2 * expm1(-y)


def growth_is_what_it_says(z: State, tokens: int = 1) -> bool:
    """`growth_change` against the growth function itself, with the logarithm of all tokens but so many."""
    shift = mp.log(z.T - tokens) if tokens < z.T else mp.mpf(0)
    before, after = (2 * gap + 2 * sinh(gap - shift) for gap in (z.gap, z.after.gap))
    slope = 2 + 2 * cosh(z.gap - shift)
    claimed = growth_change(z.phi, z.after.gap - z.gap)
    scale = mp.mpf(10) ** 20 * (1 + (np.abs(before) + np.abs(after)) / slope)
    return exceeds(claimed, (after - before) / slope, scale) or exceeds((after - before) / slope, claimed, scale)


def growth_sandwich(z: State, eighth: Any = one / 8, above: Callable[[Any], Any] = expm1) -> bool:
    change, mean, apart = lead_moves(z)
    actual = growth_change(z.phi, change)
    scale = (1 + np.abs(z.a).max() + np.abs(z.after.a).max()) * exp(np.abs(change))
    return exceeds(actual, above(mean), scale) or exceeds(-expm1(eighth * apart**2 - mean), actual, scale)


EVERYWHERE: dict[str, Bound] = {
    each.__name__: each
    for each in (
        output_within_values,
        loss_bracket,
        derivative_bracket,
        derivative_near_half,
        drive_bounded,
        one_token_more,
        gap_sandwich,
        growth_is_what_it_says,
        growth_sandwich,
    )
}


def loss_falls_by_its_slope(z: State) -> bool:
    slope = (z.Wv**2).sum() + (z.p**2).sum() * (z.v**2).sum()
    return exceeds(z.h * slope / 2, z.loss - z.after.loss, z.loss + z.after.loss)


# The bounds of a run from p = 0.


def query_norm(start: State, steps: int = 4, share: Any = one) -> bool:
    largest = logistic(np.abs(start.gamma).max(axis=1))
    B = share * (largest * start.values_apart * start.tokens_apart).sum() / (4 * start.N)
    if start.h * B >= 1:
        return False
    for step, z in enumerate(start.trained(steps)):
        bound = operator_norm(start.W) / 2 * (expm1(step * log1p(start.h * B)) - expm1(step * log1p(-start.h * B)))
        if exceeds(norms(z.p), bound):
            return True
    return False


def balance_drift(start: State, steps: int = 3, pick: Callable[..., Any] = max, share: Any = one) -> bool:
    """In all three norms; singular values in float64, so that ties are not told from violations there."""
    first, direction = np.dot(start.W, start.W.T) - np.outer(start.p, start.p), np.ones(len(start.p)) * one
    drift: list[Any] = [mp.mpf(0)] * 3
    size = np.abs(first).max()
    for z in start.trained(steps):
        D = np.dot(z.W, z.W.T) - np.outer(z.p, z.p) - first
        size = max(size, (z.p**2).sum(), (z.W**2).sum())
        along = abs(np.dot(direction, np.dot(D, direction)))
        if exceeds(along, share * drift[0] * (direction**2).sum(), size):
            return True
        singular = np.linalg.svd(D.astype(float), compute_uv=False)
        found = singular.max(), np.sqrt((singular**2).sum()), singular.sum()
        if any(
            left > float(share * right) * (1 + 1e-9) + 1e-9 * float(size)
            for left, right in zip(found, drift, strict=True)
        ):
            return True
        by_query, by_map = (z.p**2).sum() * (z.v**2).sum(), (z.Wv**2).sum()
        terms = pick(by_query, by_map), mp.sqrt(by_query**2 + by_map**2), by_query + by_map
        drift = [total + start.h**2 * term for total, term in zip(drift, terms, strict=True)]
    return False


# Stage one, a priori.


@dataclass
class StageOne:
    """What the start knows, and the errors of the expected growth; `without` names terms that are left out."""

    start: State
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        z = self.start
        N, T = z.N, z.T
        tokens = z.X.reshape(N * T, -1)
        self.M = np.dot(np.dot(tokens, z.W.T), np.dot(tokens, z.W.T).T).reshape(N, T, N, T)
        self.K = np.dot(tokens, tokens.T).reshape(N, T, N, T)
        self.blocks = [self._norms(each) for each in (self.M, self.K)]
        mean = z.gamma.mean(axis=1)
        self.centred, self.mean = z.gamma - mean[:, None], mean
        self.size, self.peak = norms(self.centred), np.abs(self.centred).max(axis=1)
        self.g0 = logistic(-z.Y * mean)
        self.c0 = (z.Y * self.g0)[:, None] * self.centred / (N * T)
        self.first = self._mapped(self.c0)
        along = (self.centred * self.first).sum(axis=1, keepdims=True) / T
        turn = (z.Y * self.g0)[:, None] * (self.centred * self.first - along) / (N * T)
        turn = turn - (self.g0 * (1 - self.g0))[:, None] * along * self.centred / (N * T)
        self.second = self._mapped(turn)
        self.j0 = (self.g0 * self.peak / T + self.g0 * (1 - self.g0) * (self.size / T) ** 2) / N
        self.e, self.qb = 0 * mean, mp.mpf(0)
        self.E = self.F = np.zeros((N, N)) * one
        self.k = 0

    @staticmethod
    def _centre(array: Any) -> Any:
        return array - array.mean(axis=1, keepdims=True)

    def _mapped(self, array: Any) -> Any:
        N, T = array.shape
        return self._centre(np.dot(self.M.reshape(N * T, N * T), array.reshape(-1)).reshape(N, T))

    def _norms(self, matrix: Any) -> tuple[Any, Any]:
        """Operator norms of centred blocks, and of every sample's blocks with all others."""
        N, T = matrix.shape[:2]
        P = np.eye(T) - 1 / T
        centred = np.einsum("tu,nums,sr->ntmr", P, matrix.astype(float), P)
        blocks = [[operator_norm(centred[n, :, m]) for m in range(N)] for n in range(N)]
        rest = [operator_norm(np.delete(centred[n], n, axis=1).reshape(T, -1)) for n in range(N)]
        return np.array(blocks), np.array(rest)

    def through(self, which: int, x: Any) -> Any:
        blocks, rest = self.blocks[which]
        others = sqrt(np.array([(np.delete(x, n) ** 2).sum() for n in range(len(x))]) * one)
        own = np.diagonal(blocks)
        return np.minimum(np.dot(blocks, x), own * x + rest * others)

    @property
    def bend(self) -> Any:
        return self.start.h**2 * self.k * (self.k - 1) / 2 * self.second

    @property
    def main(self) -> Any:
        return self.k * self.start.h * self.first + self.bend

    @property
    def spread(self) -> Any:
        return self.main.max(axis=1) - self.main.min(axis=1) + mp.sqrt(2) * self.e

    def step(self) -> None:
        z, h, N, T = self.start, self.start.h, self.start.N, self.start.T
        al, p = norms(self.main) + self.e, 1 / (1 + (T - 1) * exp(-self.spread))
        v = p * al
        df = v * self.size
        gu = logistic(-z.Y * self.mean + df)
        si = np.minimum(p * (self.peak + df), z.values_apart / 4)
        s2 = np.minimum(p * sqrt(self.size**2 + T * df**2), sqrt(p) * z.values_apart / 2)
        Hs = si + 2 * s2 * v
        J = (gu * Hs + np.minimum(gu, quarter) * s2**2) / N
        terms = {
            "derivative": df * self.peak / (4 * T),
            "curvature": gu * (Hs * al + 2 * s2 * v),
            "square": df * (self.size / T) ** 2 / (6 * mp.sqrt(3)) + Hs * al * (s2 + self.size / T) / 4,
        }
        dJ = sum(term for name, term in terms.items() if name not in self.without) / N
        chi = norms(self.c0) + ("slope" not in self.without) * J * al
        y, b = self.through(1, chi), (al * chi).sum()
        m = np.dot(self.E + self.E.T + self.F, chi)
        rest = ("bend" not in self.without) * self.j0 * (norms(self.bend) + self.e)
        by_query = ("query" not in self.without) * (self.qb + h * b) * y
        self.e = self.e + h * (self.through(0, dJ * al / 2 + rest) + ("map" not in self.without) * m + by_query)
        self.E = self.E + h * np.outer(al, y)
        self.F = self.F + h**2 * self.qb * np.outer(y, y)
        self.qb = self.qb + 2 * h * b + h**2 * (chi * (self.through(0, chi) + m)).sum()
        self.k += 1

    def broken_by(self, z: State) -> bool:
        """Whether the state at this step is further from the expected than the errors allow."""
        centred = self._centre(z.a)
        scale = np.abs(z.a).max() + np.abs(self.main).max() + mp.mpf(10) ** -20
        if exceeds(norms(centred - self.main), self.e, scale) or exceeds((z.p**2).sum(), self.qb):
            return True
        return exceeds(np.abs(z.gap - self._gap_of_main(z)), self._gap_error, scale)

    def _gap_of_main(self, z: State) -> Any:
        expected = replace(z, X=np.ones((1, 1, 1)))
        expected.__dict__.update(a=self.main, X=z.X)
        return expected.gap

    @property
    def _gap_error(self) -> Any:
        others = 1 / (1 + (self.start.T - 2) * exp(-self.spread))
        return (self.e * sqrt(1 + others))[:, None]

    def departures(self, z: State, share: Any = one) -> tuple[Any, Any]:
        """How far from uniform attention is for certain, and can be; `share` of the errors is allowed for."""
        odds, error = self._gap_of_main(z) - log(z.T - 1), share * self._gap_error
        least, most = z.T * logistic(odds - error) - 1, z.T * logistic(odds + error) - 1
        return np.maximum(least, -most).max(), np.maximum(most, -least).max()

    def departs_otherwise(self, z: State, share: Any = one) -> bool:
        """Whether attention is farther from uniform than it can be, or nearer than it is for certain."""
        certain, possible = self.departures(z, share)
        departure = np.abs(z.T * z.phi - 1).max()
        scale = 1 + np.abs(z.a).max() + np.abs(self.main).max()
        return exceeds(departure, possible, scale) or exceeds(certain, departure, scale)


def informed(start: State, steps: int, without: frozenset[str] = frozenset()) -> Iterator[tuple[StageOne, State]]:
    """Errors and states, while the errors are at most a hundred times what they are errors of."""
    envelope = StageOne(start, without)
    for z in start.trained(steps):
        if envelope.e.max() > 100 * (1 + norms(envelope.main).max()):
            return
        yield envelope, z
        envelope.step()


def stage_one(start: State, steps: int = 6, without: frozenset[str] = frozenset()) -> bool:
    return any(
        envelope.broken_by(z) or envelope.departs_otherwise(z) for envelope, z in informed(start, steps, without)
    )


def departs_as_expected(start: State, steps: int = 6) -> bool:
    """The bracket of attention with a hundredth of its errors."""
    return any(envelope.departs_otherwise(z, share=one / 100) for envelope, z in informed(start, steps))


# Test samples: token 0 has lead sqrt(2) z_t over token t, all with independent standard normal noise.


def selection_outside(leads: Any, root: float = 2.0) -> bool:
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    leads = np.asarray(leads)
    right = np.prod(ndtr(nodes[:, None] + np.sqrt(2.0) * leads), axis=1) @ weights / np.sqrt(2 * np.pi)
    z = leads * np.sqrt(2.0 / root)
    return bool(1 - right < np.max(ndtr(-z)) - 1e-9 or 1 - right > 1 - np.prod(ndtr(z)) + 1e-9)


# The attacks.

ATTACK = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@ATTACK
@given(ANYWHERE)
def test_bounds_hold_wherever_the_tokens_are(z: State) -> None:
    assert [name for name, violated in EVERYWHERE.items() if violated(z)] == []


@ATTACK
@given(FROM_ZERO)
def test_the_norm_of_p_stays_below_its_exponential(start: State) -> None:
    assert not query_norm(start)


@ATTACK
@given(ANYWHERE)
def test_the_balance_drifts_by_its_rank_one_terms(start: State) -> None:
    assume(start.h < 10)
    assert not balance_drift(start)


@ATTACK
@given(FROM_ZERO)
def test_stage_one_stays_within_its_errors(start: State) -> None:
    assert not stage_one(start)


@settings(max_examples=300)
@given(st.lists(st.floats(-4, 4), min_size=1, max_size=8))
def test_the_selection_of_test_samples_is_between_its_products(leads: list[float]) -> None:
    assert not selection_outside(leads)


def test_the_drive_is_attained() -> None:
    """The bound on the drive cannot be improved, for uniform attention and beyond."""
    for z in EXTREMAL[:3]:
        most = z.phi.max(axis=1)
        bound = (z.g * z.values_apart * z.tokens_apart * most * (1 - most)).sum() / z.N
        assert abs(norms(z.v) - bound) < mp.mpf(10) ** -50


# The statements say what is attacked.


def floats(array: Any) -> Any:
    return np.asarray(array, dtype=float)


@pytest.fixture(scope="module")
def trained() -> list[State]:
    rng = np.random.default_rng(5)
    start = instance(
        rng.normal(size=(3, 4, 6)), [1, -1, 1], rng.normal(size=(6, 6)), np.zeros(6), rng.normal(size=6), 0.01
    )
    return list(start.trained(4))


@pytest.fixture(scope="module")
def arrays_of_run(trained: list[State]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Constants and states by the names of the observables."""
    start, envelope = trained[0], StageOne(trained[0])
    (start_block, start_rest), (gram_block, gram_rest) = envelope.blocks
    constants = {
        "value": start.gamma,
        "label": start.Y,
        "step_size": start.h,
        "start_map": envelope.M,
        "start_block": start_block,
        "start_rest": start_rest,
        "gram_block": gram_block,
        "gram_rest": gram_rest,
    }
    states = {
        "score": np.stack([z.a for z in trained]),
        "attention": np.stack([z.phi for z in trained]),
        "query_square": np.stack([(z.p**2).sum() for z in trained]),
        "map_drive": np.stack([np.dot(np.dot(z.X, z.W.T), z.Wv) for z in trained]),
        "gram_drive": np.stack([np.dot(z.X, z.v) for z in trained]),
        "alignment": np.stack([(z.a * z.c).sum() for z in trained]),
    }
    named = [{name: floats(each) for name, each in group.items()} for group in (constants, states)]
    return named[0], named[1]


def test_the_recurrence_of_stage_one_is_the_one_attacked(trained, arrays_of_run) -> None:
    errors, squares, gaps = (
        value_of(each, *arrays_of_run)
        for each in (stage_one_statements.score_error, stage_one_statements.query_bound, symbols.effective_gap)
    )
    main = value_of(stage_one_statements.expected_score, *arrays_of_run)
    ends = (stage_one_statements.certain_departure, stage_one_statements.possible_departure)
    departures = np.stack([value_of(each, *arrays_of_run) for each in ends], axis=1)
    envelope = StageOne(trained[0])
    for step, z in enumerate(trained):
        assert errors[step] == pytest.approx(floats(envelope.e), rel=1e-10)
        assert squares[step] == pytest.approx(float(envelope.qb), rel=1e-10)
        assert main[step] == pytest.approx(floats(envelope.main), rel=1e-10)
        assert departures[step] == pytest.approx(floats(envelope.departures(z)), rel=1e-9, abs=1e-13)
        assert gaps[step] == pytest.approx(floats(z.gap), rel=1e-10, abs=1e-13)
        envelope.step()


def test_the_moves_of_leads_are_the_ones_attacked(trained, arrays_of_run) -> None:
    moves = value_of(stage_two.mean_lead_move, *arrays_of_run)
    for step, z in enumerate(trained[:-1]):
        change, mean, apart = lead_moves(z)
        assert moves[step] == pytest.approx(floats(mean), rel=1e-9)
        of_scores = floats(z.after.a - z.a)
        assert np.all(of_scores.max(axis=1) - of_scores.min(axis=1) >= floats(apart).max(axis=1) - 1e-12)
        assert np.all(floats(change) <= moves[step] + 1e-12)


def test_the_symbolic_proofs_succeed() -> None:
    for inequality in (inequalities.growth_above, inequalities.growth_below, inequalities.spread_by_gap):
        assert isinstance(inequality.proof, BySymbols)
        assert inequality.proof.check()


def test_a_growth_function_of_other_weights_is_refuted(monkeypatch) -> None:
    monkeypatch.setattr(inequalities, "growth_change", lambda phi, y: phi * Expm1(y) - (1 - phi) * Expm1(-y))
    assert isinstance(inequalities.growth_above.proof, BySymbols)
    assert not inequalities.growth_above.proof.check()


# Controls.

TOO_GOOD: dict[str, tuple[Any, Bound]] = {
    "outputs within less than the values": (ANYWHERE, partial(output_within_values, share=mp.mpf("0.9"))),
    "the loss below that of mean values": (ANYWHERE, partial(loss_bracket, least=np.mean)),
    "derivatives within less than the values": (ANYWHERE, partial(derivative_bracket, share=mp.mpf("0.9"))),
    "an eighth for a quarter": (ANYWHERE, partial(derivative_near_half, constant=one / 8)),
    "the drive where attention is one, everywhere": (
        ANYWHERE,
        partial(drive_bounded, switch=mp.mpf("0.4"), cap=mp.mpf("0.24")),
    ),
    "phi (1 - phi) of less attention than half": (ANYWHERE, partial(drive_bounded, switch=mp.mpf(0))),
    "one token more changes less": (ANYWHERE, partial(one_token_more, share=mp.mpf("0.9"))),
    "one token more, by a smaller factor": (ANYWHERE, partial(one_token_more, cover=mp.mpf("0.95"))),
    "a sixteenth for an eighth": (ANYWHERE, partial(gap_sandwich, eighth=one / 16)),
    "the growth function with log T": (ANYWHERE, partial(growth_is_what_it_says, tokens=0)),
    "growth without the range of leads": (ANYWHERE, partial(growth_sandwich, eighth=mp.mpf(0))),
    "linear growth": (ANYWHERE, partial(growth_sandwich, above=lambda mean: mean)),
    "a loss that falls at every step size": (ANYWHERE, loss_falls_by_its_slope),
    "the norm of p grows by less": (FROM_ZERO, partial(query_norm, share=mp.mpf("0.5"))),
    "the balance drifts by the smaller term": (ANYWHERE, partial(balance_drift, pick=min)),
    "the balance drifts by half": (ANYWHERE, partial(balance_drift, share=half)),
    "products without the root of 2": (
        st.lists(st.floats(-4, 4), min_size=1, max_size=4),
        partial(selection_outside, root=1.0),
    ),
    "stage one with a start that lasts": (FROM_ZERO, partial(stage_one, without=frozenset({"bend", "map", "query"}))),
    "stage one with linear drives": (
        FROM_ZERO,
        partial(stage_one, without=frozenset({"derivative", "curvature", "square", "query", "map"})),
    ),
    "attention that leaves uniform as expected": (FROM_ZERO, departs_as_expected),
    "stage one without p": (FROM_ZERO, partial(stage_one, without=frozenset({"query"}))),
    "stage one with M as at the start": (FROM_ZERO, partial(stage_one, without=frozenset({"map"}))),
}

SEARCH = settings(
    max_examples=3000,
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", TOO_GOOD)
def test_a_bound_that_is_too_good_is_found_violated(name: str) -> None:
    instances, violated = TOO_GOOD[name]
    assert violated(find(instances, violated, settings=SEARCH))
