"""Gradient descent of an instance in balls: on its tokens' inner products, or on its weight matrices.

Letters: tokens X (P, d), Gram matrix G = X X^T, queries Q = X W_Q and keys K = X W_K (P, d_h), values V (P,). With the
matrix `B[p, q] = eta sum y_n lambda_n A_{n,l,j} / N` over the places (n, l) of token p and (n, j) of token q, a step
adds `X^T B K` to `W_Q` and `X^T B^T Q` to `W_K` (section "vectorised Q & K" of arXiv:2409.19345).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from flint import arb, arb_mat

from verify.certify.arrays import Balls, balls, entries, logistic, matrix, softmax, softplus, sqrt, square
from verify.systems.benign_vit.dynamics import probe_directions
from verify.systems.benign_vit.instance import Instance, TokenTable
from verify.systems.benign_vit.observed import statement_data
from verify.systems.benign_vit.problem import Training


class Grams(NamedTuple):
    """Inner products of tokens' queries, of their keys, and scores `<q_p, k_p'>`: all (P, P)."""

    queries: arb_mat
    keys: arb_mat
    scores: arb_mat


class Forward(NamedTuple):
    """What follows from a state: attention and its gradient (N, M, M), and outputs (N,)."""

    attention: Balls
    pull: Balls
    output: Balls


class Enclosure:
    """What both ways of following the weights share; `name` is that of the engine that an enclosure repeats.

    Between calls there are `grams`, `value` (P,) and, along the probes, `query_probe` and `key_probe` (P, Z).
    """

    name: ClassVar[str]
    grams: Grams
    value: Balls
    query_probe: arb_mat
    key_probe: arb_mat

    def __init__(self, instance: Instance, training: Training) -> None:
        assert instance.step_size is not None
        table = TokenTable.of(instance)
        self._instance = instance
        self._token_at = at = table.token_at
        self._pairs = at[:, :, None], at[:, None, :]
        self._label = balls(instance.y)
        self._step_size = arb(instance.step_size)
        self._tokens = matrix(table.tokens)
        self._gram = self._tokens * self._tokens.transpose()
        self._w_O = balls(instance.w_O)
        self._readout = np.sum(square(self._w_O))
        directions = probe_directions(instance.W_Q.shape[1])
        self._probe = matrix(directions)
        gram = entries(self._gram)
        self.constants: dict[str, Any] = {
            **statement_data(instance, table, training, directions, balance_terms=0),
            "overlap": gram[:, at],
            "token_square": np.diagonal(gram),
            "readout": self._readout,
        }
        self.step = 0
        self._begin()

    @property
    def state(self) -> dict[str, Balls]:
        """What gradient descent moves."""
        raise NotImplementedError

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Take the first state."""
        raise NotImplementedError

    def _move(self, pull: arb_mat, attended: Balls) -> tuple[Balls, Balls]:
        """One step by the matrix B and `eta sum y_n lambda_n psi_{n,j} / N` (P,); how far queries and keys move."""
        raise NotImplementedError

    def _balance(self) -> Balls:
        """`|W_Q z|^2 - |W_K z|^2` since the start, along each probe."""
        raise NotImplementedError

    @property
    def observables(self) -> Sequence[str]:
        """The names of what stretches hold."""
        return [*self._seen(self._forward()), "query_change", "key_change"]

    def advance(self, steps: int) -> Mapping[str, Balls]:
        """Make so many steps; see `verify.certify.enclosing.Enclosing`."""
        here = self._forward()
        states = [self._seen(here)]
        changes = np.empty((2, steps, len(self.value)), dtype=object)
        for t in range(steps):
            changes[:, t] = self._descend(here)
            here = self._forward()
            states.append(self._seen(here))
        self.step += steps
        arrays = {name: np.array([state[name] for state in states], dtype=object) for name in states[0]}
        return {**arrays, "query_change": changes[0], "key_change": changes[1]}

    def _forward(self) -> Forward:
        """`A_{n,l,j} = phi_j sum_m phi_m (V_j - V_m) / M`: in this form an error of phi costs least."""
        attention = softmax(entries(self.grams.scores)[self._pairs], 2)
        value = self.value[self._token_at]
        differences = (value[:, :, None] - value[:, None, :])[:, None]
        tokens = value.shape[1]
        return Forward(
            attention=attention,
            pull=attention * np.sum(attention[:, :, None, :] * differences, axis=3) / tokens,
            output=np.sum(attention * value[:, None, :], axis=(1, 2)) / tokens,
        )

    def _descend(self, here: Forward) -> tuple[Balls, Balls]:
        """One step of gradient descent."""
        samples, tokens = self._token_at.shape
        weight = self._step_size * self._label * logistic(-self._label * here.output) / samples
        pull = np.full((len(self.value),) * 2, arb(0), dtype=object)
        np.add.at(pull, self._pairs, weight[:, None, None] * here.pull)
        attended = np.full(len(self.value), arb(0), dtype=object)
        np.add.at(attended, self._token_at, weight[:, None] * np.sum(here.attention, axis=1) / tokens)
        return self._move(matrix(pull), attended)

    def _seen(self, here: Forward) -> dict[str, Any]:
        """What statements name of a state."""
        queries, keys, scores = map(entries, self.grams)
        to_signal = self._token_at, self._token_at[:, :1]
        return {
            "score": scores[self._pairs],
            "value": self.value,
            "query_square": np.diagonal(queries),
            "key_square": np.diagonal(keys),
            "query_overlap": queries[to_signal],
            "key_overlap": keys[to_signal],
            "query_drive": _combined_norms(here.pull, keys[self._pairs]),
            "key_drive": _combined_norms(here.pull.transpose(0, 2, 1), queries[self._pairs]),
            "query_probe": entries(self.query_probe),
            "key_probe": entries(self.key_probe),
            "balance": self._balance(),
            "loss": np.mean(softplus(-self._label * here.output)),
        }


class ReducedEnclosure(Enclosure):
    """In token space, for any d and d_h: the inner products of queries and keys, moved by the tokens' Gram matrix."""

    name = "reduced"

    def _begin(self) -> None:
        query, key = (self._tokens * matrix(weight) for weight in (self._instance.W_Q, self._instance.W_K))
        self.grams = Grams(*(left * right.transpose() for left, right in ((query, query), (key, key), (query, key))))
        value_map = matrix((balls(self._instance.W_V) @ self._w_O)[:, None])
        self.value = entries(self._tokens * value_map)[:, 0]
        self.query_probe, self.key_probe = query * self._probe, key * self._probe
        self._start_probes = self.query_probe, self.key_probe
        self._moved = tuple(arb_mat(probed.nrows(), probed.ncols()) for probed in self._start_probes)

    def _move(self, pull: arb_mat, attended: Balls) -> tuple[Balls, Balls]:
        """`Q' = Q + U K` and `K' = K + W Q` with `U = G B`, `W = G B^T`, for all inner products of Q and K."""
        queries, keys, scores = self.grams
        by_key, by_query = self._gram * pull, self._gram * pull.transpose()
        query_step, key_step = by_key * scores.transpose(), by_query * scores
        weighted_keys, weighted_queries = by_key * keys, by_query * queries
        query_square = weighted_keys * by_key.transpose()
        key_square = weighted_queries * by_query.transpose()
        self.grams = Grams(
            queries + query_step + query_step.transpose() + query_square,
            keys + key_step + key_step.transpose() + key_square,
            scores + weighted_keys + weighted_queries.transpose() + query_step * by_query.transpose(),
        )
        query_probe, key_probe = pull * self.key_probe, pull.transpose() * self.query_probe
        self._moved = self._moved[0] + query_probe, self._moved[1] + key_probe
        self.query_probe, self.key_probe = (
            self.query_probe + self._gram * query_probe,
            self.key_probe + self._gram * key_probe,
        )
        self.value = self.value + self._readout * entries(self._gram * matrix(attended[:, None]))[:, 0]
        return _roots(query_square), _roots(key_square)

    def _balance(self) -> Balls:
        """From `W = W(0) + X^T D`: `|W z|^2 - |W(0) z|^2 = sum_p (D z)_p (2 X W(0) z + G D z)_p`."""
        by_query, by_key = (
            np.sum(entries(moved) * (2 * entries(start) + entries(self._gram * moved)), axis=0)
            for moved, start in zip(self._moved, self._start_probes, strict=True)
        )
        return np.asarray(by_query - by_key, dtype=object)

    @property
    def state(self) -> dict[str, Balls]:
        """Inner products, values and probes, and what has moved the weights along the probes."""
        matrices = (*self.grams, self.query_probe, self.key_probe, *self._moved)
        return {"value": self.value, **dict(zip(_MATRICES, map(entries, matrices), strict=True))}

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        matrices = [matrix(state[name]) for name in _MATRICES]
        self.step, self.value = step, state["value"]
        self.grams = Grams(*matrices[:3])
        self.query_probe, self.key_probe = matrices[3:5]
        self._moved = matrices[5], matrices[6]


_MATRICES = (*Grams._fields, "query_probe", "key_probe", "query_moved", "key_moved")


class WeightsEnclosure(Enclosure):
    """On `W_Q`, `W_K` and `W_V` themselves: for arrays that are small in full."""

    name = "weights"

    def _begin(self) -> None:
        self._weights = matrix(self._instance.W_Q), matrix(self._instance.W_K)
        self._W_V = balls(self._instance.W_V)
        self._start_balance = self._balance_now()
        self._look()

    def _look(self) -> None:
        """Queries, keys and values of the present weights."""
        query, key = (self._tokens * weight for weight in self._weights)
        self._query, self._key = query, key
        self.grams = Grams(*(left * right.transpose() for left, right in ((query, query), (key, key), (query, key))))
        self.value = entries(self._tokens * matrix((self._W_V @ self._w_O)[:, None]))[:, 0]
        self.query_probe, self.key_probe = query * self._probe, key * self._probe

    def _move(self, pull: arb_mat, attended: Balls) -> tuple[Balls, Balls]:
        """`W_Q += X^T B K`, `W_K += X^T B^T Q`, `W_V += X^T c w_O^T`."""
        query, key = self._query, self._key
        transposed = self._tokens.transpose()
        self._weights = (
            self._weights[0] + transposed * (pull * key),
            self._weights[1] + transposed * (pull.transpose() * query),
        )
        self._W_V = self._W_V + entries(transposed * matrix(attended[:, None])) * self._w_O
        self._look()
        return _norms(self._query - query), _norms(self._key - key)

    def _balance_now(self) -> Balls:
        by_query, by_key = (np.sum(square(entries(weight * self._probe)), axis=0) for weight in self._weights)
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


ENCLOSURES: Mapping[str, type[Enclosure]] = {each.name: each for each in (ReducedEnclosure, WeightsEnclosure)}
"""The enclosures by the names of the engines that they repeat."""


def _roots(squares: arb_mat) -> Balls:
    """The roots of a diagonal of squares."""
    return np.asarray(sqrt(np.diagonal(entries(squares))), dtype=object)


def _norms(rows: arb_mat) -> Balls:
    """The norm of each row."""
    return np.asarray(sqrt(np.sum(square(entries(rows)), axis=1)), dtype=object)


def _combined_norms(coefficients: Balls, gram: Balls) -> Balls:
    """`|sum_j c_{n,l,j} v_{(n,j)}|` (N, M) from the coefficients (N, M, M) and inner products of v (N, M, M)."""
    return np.asarray(sqrt(np.sum(coefficients @ gram * coefficients, axis=2)), dtype=object)
