"""Every kernel, plain and jitted, against the same formula in NumPy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit
from scipy.special import expit, softmax

from verify.systems.benign_vit import compiled, kernels
from verify.systems.benign_vit.dynamics import FullWeights, Reduced, workspace
from verify.systems.benign_vit.instance import Instance, TokenTable

pytestmark = pytest.mark.kernels

EPSILON = float(np.finfo(float).eps)
OPERATIONS = 64
"""More roundings than any entry here goes through (sums of at most 4 x 4 x 5 products, mostly of zeros)."""


def plain(kernel: Callable[..., Any]) -> Callable[..., Any]:
    return kernel


@cache
def jitted(kernel: Callable[..., Any]) -> Callable[..., Any]:
    made = getattr(compiled, kernel.__name__, None)
    return made or njit(cache=True, error_model="numpy")(kernel)


both_forms = pytest.mark.parametrize("form", [plain, jitted])


def assert_close(found: Any, wanted: Any, terms: Any = None) -> None:
    """Equal up to the rounding of sums whose absolute terms add up to `terms`."""
    size = np.abs(wanted) if terms is None else terms
    assert np.all(np.abs(np.subtract(found, wanted)) <= OPERATIONS * EPSILON * size), (found, wanted)


def small(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=st.floats(-3.0, 3.0, allow_subnormal=False))


square_scores = st.integers(1, 3).flatmap(
    lambda n: st.integers(2, 4).flatmap(lambda m: arrays(np.float64, (n, m, m), elements=st.floats(-900, 900)))
)


@both_forms
@given(score=square_scores)
def test_attend_is_the_softmax_of_each_row_at_any_size_of_score(form: Any, score: np.ndarray) -> None:
    attention = np.empty_like(score)
    form(kernels.attend)(score, attention)
    assert_close(attention, softmax(score, axis=2), terms=1.0)
    assert_close(attention.sum(axis=2), 1.0)


@both_forms
@given(attention=small(3, 4, 4), value=small(3, 4))
def test_read_out_averages_the_attended_values(form: Any, attention: np.ndarray, value: np.ndarray) -> None:
    output = np.empty(3)
    form(kernels.read_out)(attention, value, output)
    terms = np.einsum("nlj,nj->n", np.abs(attention), np.abs(value))
    assert_close(output, np.einsum("nlj,nj->n", attention, value) / 4, terms)


@both_forms
@given(margin=arrays(np.float64, 4, elements=st.floats(-700.0, 700.0)), data=st.data())
def test_logistic_loss_and_its_derivative(form: Any, margin: np.ndarray, data: st.DataObject) -> None:
    labels = data.draw(arrays(np.float64, 4, elements=st.sampled_from([-1.0, 1.0])))
    derivative = np.empty(4)
    loss = form(kernels.logistic_loss)(labels, labels * margin, derivative)
    assert_close(loss, np.logaddexp(0.0, -margin).mean())
    assert_close(derivative, expit(-margin))


@both_forms
def test_logistic_loss_does_not_overflow(form: Any) -> None:
    derivative = np.empty(2)
    loss = form(kernels.logistic_loss)(np.array([1.0, -1.0]), np.array([1e300, 1e300]), derivative)
    assert loss == 1e300 / 2.0
    np.testing.assert_array_equal(derivative, [0.0, 1.0])


@both_forms
@given(score=small(2, 3, 3), value=small(2, 3))
def test_attention_gradient_is_the_softmax_jacobian_times_values(
    form: Any, score: np.ndarray, value: np.ndarray
) -> None:
    attention = softmax(score, axis=2)
    found = np.empty_like(attention)
    form(kernels.attention_gradient)(attention, value, found)
    for n, l in np.ndindex(2, 3):
        phi = attention[n, l]
        jacobian = np.diag(phi) - np.outer(phi, phi)
        assert_close(found[n, l], jacobian @ value[n] / 3, terms=np.abs(value[n]).max())
    assert_close(found.sum(axis=2), 0.0, terms=np.abs(value).max())


@both_forms
@given(rows=st.integers(0, 40).flatmap(lambda width: small(2, width)))
def test_inner_product(form: Any, rows: np.ndarray) -> None:
    left, right = rows
    assert_close(form(kernels.inner_product)(left, right), np.sum(left * right), terms=np.sum(np.abs(left * right)))


@both_forms
@given(states=small(3, 4), increment=small(3, 4), dual=small(3, 4), direction=small(3, 4))
def test_descend_adds_and_keeps_the_difference_that_was_made(
    form: Any, states: np.ndarray, increment: np.ndarray, dual: np.ndarray, direction: np.ndarray
) -> None:
    moved, difference, total = states.copy(), increment.copy(), dual.copy()
    form(kernels.descend)(moved, difference, total, direction)
    np.testing.assert_array_equal(moved, states + increment)
    np.testing.assert_array_equal(difference, (states + increment) - states)
    np.testing.assert_array_equal(total, dual + direction)


class Observables:
    """The token form of one state, in NumPy, straight from the arrays."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        X, y, w_O = instance.X, instance.y, instance.w_O
        samples, tokens, _, _ = instance.shape
        self.queries, self.keys = X @ instance.W_Q, X @ instance.W_K
        self.token_value = X @ instance.W_V @ w_O
        self.score = self.queries @ self.keys.transpose(0, 2, 1)
        self.attention = softmax(self.score, axis=2)
        self.output = np.einsum("nlj,nj->n", self.attention, self.token_value) / tokens
        self.loss = np.logaddexp(0.0, -y * self.output).mean()
        self.loss_derivative = expit(-y * self.output)
        mean = np.einsum("nlj,nj->nl", self.attention, self.token_value)
        self.pull = self.attention * (self.token_value[:, None, :] - mean[:, :, None]) / tokens
        self.query_drive = self.pull @ self.keys
        self.key_drive = self.pull.transpose(0, 2, 1) @ self.queries
        weight = y * self.loss_derivative / samples
        self.descent_W_Q = np.einsum("n,nid,nir->dr", weight, X, self.query_drive)
        self.descent_W_K = np.einsum("n,nid,nir->dr", weight, X, self.key_drive)
        value_weight = np.einsum("n,nli->ni", weight, self.attention) / tokens
        self.descent_W_V = np.outer(np.einsum("ni,nid->d", value_weight, X), w_O)

    def next(self) -> "Observables":
        step, old = self.instance.step_size, self.instance
        return Observables(
            Instance(
                X=old.X,
                y=old.y,
                W_Q=old.W_Q + step * self.descent_W_Q,
                W_K=old.W_K + step * self.descent_W_K,
                W_V=old.W_V + step * self.descent_W_V,
                w_O=old.w_O,
                step_size=step,
            )
        )

    @classmethod
    def trajectory(cls, instance: Instance, steps: int) -> list["Observables"]:
        states = [cls(instance)]
        for _ in range(steps):
            states.append(states[-1].next())
        return states


def in_token_form(instance: Instance) -> tuple[TokenTable, np.ndarray, np.ndarray, kernels.Workspace]:
    table = TokenTable.of(instance)
    states = np.ascontiguousarray(table.tokens @ np.hstack([instance.W_Q, instance.W_K]))
    values = table.tokens @ instance.W_V @ instance.w_O
    return table, states, values, workspace(*table.token_at.shape, len(values), instance.W_Q.shape[1])


TERMS = 1e3
"""Bounds every sum of absolute terms here: entries of at most 1.5, five of them in a product."""
SQUARED_TERMS = 1e2 * TERMS
"""The same of squared norms, of vectors of at most 50 (twice that times the error of the vector)."""


@both_forms
@given(instance=st.from_type(Instance))
def test_one_pass_forward_and_backward(form: Any, instance: Instance) -> None:
    table, states, values, work = in_token_form(instance)
    wanted = Observables(instance)
    loss = form(kernels.forward)(states, values, table.token_at, instance.y, work)
    form(kernels.drive)(work)
    form(kernels.backward)(table.token_at, instance.y, 1.0, work)
    assert_close(loss, wanted.loss, TERMS)
    names = ("queries", "keys", "score", "attention", "token_value", "output", "loss_derivative", "pull")
    for name in (*names, "query_drive", "key_drive"):
        assert_close(getattr(work, name), getattr(wanted, name), TERMS)
    descent = np.split(table.tokens.T @ work.direction, 2, axis=1)
    assert_close(descent[0], wanted.descent_W_Q, TERMS)
    assert_close(descent[1], wanted.descent_W_K, TERMS)
    assert_close(np.outer(table.tokens.T @ work.value_direction, instance.w_O), wanted.descent_W_V, TERMS)


@both_forms
@given(instance=st.from_type(Instance))
def test_gather_puts_each_places_query_and_key_in_memory_order(form: Any, instance: Instance) -> None:
    table, states, _, work = in_token_form(instance)
    form(kernels.gather)(states, table.token_at, work.queries, work.keys)
    heads = instance.W_Q.shape[1]
    np.testing.assert_array_equal(work.queries, states[table.token_at, :heads])
    np.testing.assert_array_equal(work.keys, states[table.token_at, heads:])


@both_forms
@given(instance=st.from_type(Instance))
def test_record_keeps_one_state_and_touches_no_other(form: Any, instance: Instance) -> None:
    table, states, values, work = in_token_form(instance)
    kernels.forward(states, values, table.token_at, instance.y, work)
    shapes = (work.score, work.attention, work.pull, values, work.output, work.loss_derivative, np.array(0.0))
    recording = kernels.Recording(*(np.full((3, *array.shape), -7.0) for array in shapes))
    form(kernels.record)(recording, 1, values, work, 0.25)
    for found, wanted in zip(recording, (*shapes[:-1], 0.25), strict=True):
        np.testing.assert_array_equal(found[1], wanted)
        assert np.all(found[[0, 2]] == -7.0)


@contextmanager
def made_by(form: Callable[[Any], Any]) -> Iterator[None]:
    """Let the dynamics run the plain or the jitted loops."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("advance", "advance_weights"):
            patch.setattr(compiled, name, form(getattr(kernels, name)))
        yield


STEPS = 3


@both_forms
@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@given(instance=st.from_type(Instance))
def test_steps_and_all_that_is_recorded_of_them(form: Any, engine: Any, instance: Instance) -> None:
    table = TokenTable.of(instance)
    wanted = Observables.trajectory(instance, STEPS)
    with made_by(form):
        stretch = engine(instance, table, None, norms=True).advance(STEPS, -1.0, [0, STEPS])
    assert stretch.steps == STEPS
    for t, state in enumerate(wanted):
        found = {name: array[t] for name, array in stretch.arrays.items() if t < len(array)}
        for name in ("loss", "output", "loss_derivative", "attention", "score"):
            assert_close(found[name], getattr(state, name), TERMS)
        assert_close(found["attention_gradient"], state.pull, TERMS)
        for name in ("query_drive", "key_drive"):
            assert_close(found[name] ** 2, np.sum(getattr(state, name) ** 2, axis=2), SQUARED_TERMS)
        assert_close(found["value"][table.token_at], state.token_value, TERMS)
        for side, vectors in (("query", state.queries), ("key", state.keys)):
            assert_close(found[f"{side}_square"][table.token_at], np.sum(vectors**2, axis=2), TERMS)
            assert_close(found[f"{side}_overlap"], np.einsum("nir,nr->ni", vectors, vectors[:, 0]), TERMS)
            if t < STEPS:
                after = wanted[t + 1].queries if side == "query" else wanted[t + 1].keys
                change = found[f"{side}_change"][table.token_at]
                assert_close(change**2, np.sum((after - vectors) ** 2, axis=2), SQUARED_TERMS)


def balance(state: Observables, directions: np.ndarray) -> np.ndarray:
    """`|W_Q z|^2 - |W_K z|^2` for each probe direction z."""
    by_query, by_key = state.instance.W_Q @ directions, state.instance.W_K @ directions
    return np.asarray(np.sum(by_query**2, axis=0) - np.sum(by_key**2, axis=0))


@both_forms
@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@given(instance=st.from_type(Instance))
def test_probes_and_the_balance_of_queries_and_keys(form: Any, engine: Any, instance: Instance) -> None:
    table = TokenTable.of(instance)
    wanted = Observables.trajectory(instance, STEPS)
    dynamics = engine(instance, table, None, norms=True)
    directions = dynamics.directions
    if len(directions) < instance.W_Q.shape[1]:  # the reduced engine follows fewer, turned directions
        return
    with made_by(form):
        found = dynamics.advance(STEPS, -1.0, []).arrays
    for t, state in enumerate(wanted):
        drift = balance(state, directions) - balance(wanted[0], directions)
        assert_close(found["balance"][t], drift, SQUARED_TERMS)
        assert np.all(found["balance_scale"][t] >= np.abs(found["balance"][t]))
        for side, vectors in (("query", state.queries), ("key", state.keys)):
            assert_close(found[f"{side}_probe"][t, table.token_at], vectors @ directions, TERMS)


@both_forms
@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@given(instance=st.from_type(Instance))
def test_the_present_weights_come_back(form: Any, engine: Any, instance: Instance) -> None:
    """For the reduced engine: `W(t) = W(0) + sum_p x_p dual_p^T`, on which its test samples rest too."""
    wanted = Observables.trajectory(instance, STEPS)[-1].instance
    dynamics = engine(instance, TokenTable.of(instance), None)
    with made_by(form):
        dynamics.advance(STEPS, -1.0, [])
    found = dynamics.instance()
    for name in ("X", "y", "w_O"):
        np.testing.assert_array_equal(getattr(found, name), getattr(instance, name))
    for name in ("W_Q", "W_K", "W_V"):
        assert_close(getattr(found, name), getattr(wanted, name), TERMS)


@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@given(instance=st.from_type(Instance))
def test_a_twin_goes_the_same_way_and_disturbs_nothing(engine: Any, instance: Instance) -> None:
    dynamics = engine(instance, TokenTable.of(instance), None, norms=True)
    first = dynamics.advance(2, -1.0, [])
    seen = {name: array.copy() for name, array in first.arrays.items()}
    twin = dynamics.twin()
    second = {name: array.copy() for name, array in dynamics.advance(2, -1.0, []).arrays.items()}
    for name, array in twin.advance(2, -1.0, []).arrays.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)
    twin.restore(first.start)
    for name, array in twin.advance(2, -1.0, []).arrays.items():
        np.testing.assert_array_equal(array, seen[name], err_msg=name)
    # One stretch can be looked at while the next is made, or made again by the twin.
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, seen[name], err_msg=name)


@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@given(instance=st.from_type(Instance), cut=st.integers(0, 7))
def test_the_bits_do_not_depend_on_stretches_nor_on_what_is_measured(engine: Any, instance: Instance, cut: int) -> None:
    table = TokenTable.of(instance)
    whole = engine(instance, table, None).advance(7, -1.0, [])
    parts = engine(instance, table, None, norms=True)
    first = {name: array.copy() for name, array in parts.advance(cut, -1.0, []).arrays.items()}
    second = parts.advance(7 - cut, -1.0, []).arrays
    for name, array in whole.arrays.items():
        joined = np.concatenate([first[name][:cut], second[name]])
        np.testing.assert_array_equal(joined, array)


@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@given(instance=st.from_type(Instance))
def test_a_restored_state_goes_on_as_before(engine: Any, instance: Instance) -> None:
    dynamics = engine(instance, TokenTable.of(instance), None)
    dynamics.advance(2, -1.0, [])
    saved = dynamics.save()
    once = {name: array.copy() for name, array in dynamics.advance(3, -1.0, []).arrays.items()}
    dynamics.restore(saved)
    assert dynamics.step == 2
    for name, array in dynamics.advance(3, -1.0, []).arrays.items():
        np.testing.assert_array_equal(array, once[name])


def learnable() -> Instance:
    """Two orthogonal signals and no scores at the start: the loss falls at every step."""
    X = np.zeros((2, 2, 4))
    X[0, 0, 0] = X[1, 0, 1] = X[0, 1, 2] = X[1, 1, 3] = 1.0
    zeros = np.zeros((4, 2))
    return Instance(X, np.array([1.0, -1.0]), zeros, zeros, np.zeros((4, 1)), np.ones(1), 1.0)


def random_start() -> Instance:
    rng = np.random.default_rng(0)
    X, W_Q, W_K, W_V = (rng.standard_normal(shape) for shape in ((3, 3, 4), (4, 2), (4, 2), (4, 1)))
    return Instance(X, np.array([1.0, -1.0, 1.0]), W_Q, W_K, W_V, np.ones(1), 1.0)


@both_forms
@pytest.mark.parametrize("engine", [Reduced, FullWeights])
def test_stops_at_the_first_state_at_the_target(form: Any, engine: Any) -> None:
    with made_by(form):
        free = engine(learnable(), TokenTable.of(learnable()), None).advance(20, -1.0, [])
        target = free.arrays["loss"][7]
        stretch = engine(learnable(), TokenTable.of(learnable()), None).advance(20, target, [7, 8])
    assert np.all(np.diff(free.arrays["loss"]) < 0.0)
    assert stretch.steps == stretch.last == 7
    assert stretch.arrays["loss"][-1] == target
    assert list(stretch.kept) == [7]


@both_forms
@pytest.mark.parametrize("engine", [Reduced, FullWeights])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_stops_at_the_first_loss_that_is_not_finite(form: Any, engine: Any) -> None:
    instance = random_start().with_step_size(1e200)
    with made_by(form):
        stretch = engine(instance, TokenTable.of(instance), None).advance(20, -1.0, [])
    assert stretch.steps < 20
    assert not np.isfinite(stretch.arrays["loss"][-1])
    assert np.all(np.isfinite(stretch.arrays["loss"][:-1]))
