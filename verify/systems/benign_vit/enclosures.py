"""Gradient descent of an instance in balls: on its tokens' states, or on its weight matrices.

Letters: tokens X (P, d), Gram matrix G = X X^T, queries Q and keys K (P, d_h), values V (P,). With the matrix
`B[p, q] = sum y_n lambda_n A_{n,l,j} / N` over the places (n, l) of token p and (n, j) of token q, a step adds
`eta G B K` to the queries and `eta G B^T Q` to the keys (section "vectorised Q & K" of arXiv:2409.19345).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flint import arb, arb_mat

from verify.certify.arrays import Balls, balls, entries, logistic, matrix, softmax, softplus, sqrt
from verify.checking.arrays import power
from verify.systems.benign_vit.dynamics import probe_directions
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.observed import statement_data
from verify.systems.benign_vit.problem import Training


class Forward(NamedTuple):
    """One state: inner products of queries, of keys, of both (P, P); attention and its gradient (N, M, M); outputs."""

    queries: Balls
    keys: Balls
    scores: Balls
    attention: Balls
    pull: Balls
    output: Balls


class Enclosure:
    """What both ways of following the weights share: an outer class moves queries, keys and values."""

    name = ""

    def __init__(self, instance: Instance, training: Training) -> None:
        assert instance.step_size is not None
        table = TokenTable.of(instance)
        self._table = table
        self._label = balls(instance.y)
        self._step_size = arb(instance.step_size)
        self._tokens = matrix(table.tokens)
        self._gram = self._tokens * self._tokens.transpose()
        self._w_O = balls(instance.w_O)
        self._readout = np.sum(power(self._w_O, 2))
        directions = probe_directions(instance.W_Q.shape[1])
        self._probe = matrix(directions)
        self._instance = instance
        self._begin()
        gram = entries(self._gram)
        self.constants: dict[str, Any] = {
            **statement_data(instance, table, training, directions, balance_terms=0),
            "overlap": gram[:, table.token_at],
            "token_square": np.diagonal(gram),
            "readout": self._readout,
        }
        self.step = 0

    _query: arb_mat
    _key: arb_mat
    _value: Balls

    def _begin(self) -> None:
        """Take the first state."""
        raise NotImplementedError

    def _move(self, query: arb_mat, key: arb_mat, value: Balls) -> None:
        """Add combinations of tokens to the weights: `W_Q += X^T query`, `W_K += X^T key`, `W_V w_O += w X^T value`."""
        raise NotImplementedError

    def _balance(self) -> Balls:
        """`|W_Q z|^2 - |W_K z|^2` since the start, along each probe."""
        raise NotImplementedError

    @property
    def observables(self) -> Sequence[str]:
        """The names of what stretches hold."""
        return [*self._seen(self._forward()), "query_change", "key_change"]

    @property
    def loss(self) -> arb:
        """The training loss of the present state."""
        return np.sum(softplus(-self._label * self._forward().output)) / len(self._label)

    def advance(self, steps: int) -> Mapping[str, Balls]:
        """Make so many steps; see `verify.certify.enclosing.Enclosing`."""
        here = self._forward()
        states = [self._seen(here)]
        changes = []
        for _ in range(steps):
            query, key = self._query, self._key
            self._descend(here)
            changes.append((_norms(self._query - query), _norms(self._key - key)))
            here = self._forward()
            states.append(self._seen(here))
        self.step += steps
        arrays = {name: np.array([state[name] for state in states], dtype=object) for name in states[0]}
        if steps:
            arrays["query_change"], arrays["key_change"] = np.moveaxis(np.array(changes, dtype=object), 1, 0)
        else:
            arrays["query_change"] = arrays["key_change"] = np.empty((0, len(self._value)), dtype=object)
        return arrays

    def _forward(self) -> Forward:
        """`s_{n,l,j} = <q_{(n,l)}, k_{(n,j)}>`, `f_n = (1/M) sum phi V`, `A = phi (V - sum phi V) / M`."""
        at = self._table.token_at
        transposed = self._key.transpose()
        scores = entries(self._query * transposed)
        attention = softmax(scores[at[:, :, None], at[:, None, :]], 2)
        value = self._value[at][:, None, :]
        mean = np.sum(attention * value, axis=2)
        tokens = at.shape[1]
        return Forward(
            queries=entries(self._query * self._query.transpose()),
            keys=entries(self._key * transposed),
            scores=scores,
            attention=attention,
            pull=attention * (value - mean[:, :, None]) / tokens,
            output=np.sum(mean, axis=1) / tokens,
        )

    def _descend(self, here: Forward) -> None:
        """One step of gradient descent."""
        at = self._table.token_at
        samples, tokens = at.shape
        weight = self._step_size * self._label * logistic(-self._label * here.output) / samples
        pull = np.full((len(self._value),) * 2, arb(0), dtype=object)
        np.add.at(pull, (at[:, :, None], at[:, None, :]), weight[:, None, None] * here.pull)
        attended = np.full(len(self._value), arb(0), dtype=object)
        np.add.at(attended, at, weight[:, None] * np.sum(here.attention, axis=1) / tokens)
        coefficients = matrix(pull)
        self._move(coefficients * self._key, coefficients.transpose() * self._query, attended)

    def _seen(self, here: Forward) -> dict[str, Balls]:
        """What statements name of a state."""
        at = self._table.token_at
        queries, keys = here.queries, here.keys
        return {
            "score": here.scores[at[:, :, None], at[:, None, :]],
            "value": self._value,
            "query_square": np.diagonal(queries),
            "key_square": np.diagonal(keys),
            "query_overlap": queries[at, at[:, :1]],
            "key_overlap": keys[at, at[:, :1]],
            "query_drive": _combined_norms(here.pull, keys[at[:, :, None], at[:, None, :]]),
            "key_drive": _combined_norms(here.pull.transpose(0, 2, 1), queries[at[:, :, None], at[:, None, :]]),
            "query_probe": entries(self._query * self._probe),
            "key_probe": entries(self._key * self._probe),
            "balance": self._balance(),
        }


class ReducedEnclosure(Enclosure):
    """In token space: queries, keys and values of the distinct tokens, moved by their Gram matrix."""

    name = "reduced"

    def _begin(self) -> None:
        self._query, self._key = (self._tokens * matrix(weight) for weight in (self._instance.W_Q, self._instance.W_K))
        value_map = balls(self._instance.W_V) @ self._w_O
        self._value = entries(self._tokens * matrix(value_map[:, None]))[:, 0]
        self._start_probes = self._query * self._probe, self._key * self._probe
        self._moved = tuple(arb_mat(probed.nrows(), probed.ncols()) for probed in self._start_probes)

    def _move(self, query: arb_mat, key: arb_mat, value: Balls) -> None:
        self._moved = self._moved[0] + query * self._probe, self._moved[1] + key * self._probe
        self._query, self._key = self._query + self._gram * query, self._key + self._gram * key
        self._value = self._value + self._readout * entries(self._gram * matrix(value[:, None]))[:, 0]

    def _balance(self) -> Balls:
        """From `W = W(0) + X^T D`: `|W z|^2 - |W(0) z|^2 = sum_p (D z)_p (2 X W(0) z + G D z)_p`."""
        by_query, by_key = (
            np.sum(entries(moved) * (2 * entries(start) + entries(self._gram * moved)), axis=0)
            for moved, start in zip(self._moved, self._start_probes, strict=True)
        )
        return np.asarray(by_query - by_key, dtype=object)

    @property
    def state(self) -> dict[str, Balls]:
        """Queries, keys and values, and what has moved the weights along the probes."""
        moved = dict(zip(("query_moved", "key_moved"), map(entries, self._moved), strict=True))
        return {"query": entries(self._query), "key": entries(self._key), "value": self._value, **moved}

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        self.step = step
        self._query, self._key, self._value = matrix(state["query"]), matrix(state["key"]), state["value"]
        self._moved = matrix(state["query_moved"]), matrix(state["key_moved"])


class WeightsEnclosure(Enclosure):
    """On `W_Q`, `W_K` and `W_V` themselves: for arrays that are small in full."""

    name = "weights"

    def _begin(self) -> None:
        self._weights = matrix(self._instance.W_Q), matrix(self._instance.W_K)
        self._W_V = balls(self._instance.W_V)
        self._start_balance = self._balance_now()
        self._look()

    def _look(self) -> None:
        self._query, self._key = (self._tokens * weight for weight in self._weights)
        self._value = entries(self._tokens * matrix((self._W_V @ self._w_O)[:, None]))[:, 0]

    def _move(self, query: arb_mat, key: arb_mat, value: Balls) -> None:
        transposed = self._tokens.transpose()
        self._weights = self._weights[0] + transposed * query, self._weights[1] + transposed * key
        self._W_V = self._W_V + entries(transposed * matrix(value[:, None])) * self._w_O
        self._look()

    def _balance_now(self) -> Balls:
        by_query, by_key = (np.sum(power(entries(weight * self._probe), 2), axis=0) for weight in self._weights)
        return np.asarray(by_query - by_key, dtype=object)

    def _balance(self) -> Balls:
        return np.asarray(self._balance_now() - self._start_balance, dtype=object)

    @property
    def state(self) -> dict[str, Balls]:
        """The weights."""
        return {"W_Q": entries(self._weights[0]), "W_K": entries(self._weights[1]), "W_V": self._W_V}

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        self.step = step
        self._weights = matrix(state["W_Q"]), matrix(state["W_K"])
        self._W_V = state["W_V"]
        self._look()


def _norms(rows: arb_mat) -> Balls:
    """The norm of each row."""
    return np.asarray(sqrt(np.sum(power(entries(rows), 2), axis=1)), dtype=object)


def _combined_norms(coefficients: Balls, gram: Balls) -> Balls:
    """`|sum_j c_{n,l,j} v_{(n,j)}|` (N, M) from the coefficients (N, M, M) and inner products of v (N, M, M)."""
    return np.asarray(sqrt(np.sum(coefficients @ gram * coefficients, axis=2)), dtype=object)
