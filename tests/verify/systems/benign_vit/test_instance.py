"""The table of distinct tokens."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from verify.systems.benign_vit.draw import draw
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.problem import Problem


@given(instance=st.from_type(Instance))
def test_the_table_rebuilds_the_data_from_distinct_tokens(instance: Instance) -> None:
    table = TokenTable.of(instance)
    np.testing.assert_array_equal(table.tokens[table.token_at], instance.X)
    assert len(np.unique(table.tokens, axis=0)) == len(table.tokens)
    assert set(table.token_at.ravel()) == set(range(len(table.tokens)))


@given(instance=st.from_type(Instance))
def test_signals_come_first_and_positions_say_where_a_token_stands(instance: Instance) -> None:
    table = TokenTable.of(instance)
    assert set(table.token_at[:, 0]) == set(range(table.signals))
    for row, (sample, position) in enumerate(zip(table.sample, table.position, strict=True)):
        users = {int(n) for n, _ in np.argwhere(table.token_at == row)}
        if row < table.signals or len(users) > 1:
            assert sample == -1
        else:
            assert users == {sample}
        assert row in table.token_at[:, position]


def test_a_drawn_problem_has_two_signals_the_positive_one_first() -> None:
    instance = draw(Problem(N=5, M=4, d=1e9, d_h=1e9), seed=0)
    table = TokenTable.of(instance)
    assert len(table.tokens) == 2 + 5 * 3
    assert table.signals == 2
    np.testing.assert_array_equal(table.token_at[:, 0], np.where(instance.y > 0, 0, 1))
    assert list(table.position[:2]) == [0, 0]


def test_zeros_of_either_sign_are_one_token() -> None:
    X = np.array([[[0.0, 1.0], [-0.0, 1.0]]])
    zeros = np.zeros((2, 1))
    assert len(TokenTable.of(Instance(X, np.ones(1), zeros, zeros, zeros, np.ones(1))).tokens) == 1


def test_unequal_signals_are_tokens_of_their_own_and_equal_noise_is_shared() -> None:
    signals, shared = np.eye(4)[:3], np.full(4, 0.5)
    X = np.stack([np.stack([signal, shared]) for signal in signals])
    zeros = np.zeros((4, 1))
    table = TokenTable.of(Instance(X, np.array([1.0, 1.0, -1.0]), zeros, zeros, zeros, np.ones(1)))
    assert table.signals == 3
    assert len(table.tokens) == 4
    assert list(table.sample) == [-1, -1, -1, -1]
    assert list(table.position) == [0, 0, 0, 1]
