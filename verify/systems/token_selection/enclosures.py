"""Gradient descent of an instance in balls: on inner products of its tokens, or on its weights.

Letters as in `proofs.token_selection.symbols`: tokens Z, K = Z Z^T, M = Z W^T W Z^T, scores a, values gamma, c minus
the loss's derivative by the scores, v = Z^T c, q = |p|^2; P, pi, alpha and beta are the representer's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from flint import arb, arb_mat

from verify.certify.arrays import (
    Balls,
    balls,
    entries,
    larger,
    logistic,
    matrix,
    reduced,
    softmax,
    softplus,
    sqrt,
    square,
)
from verify.systems.token_selection.dynamics import Geometry, probe_coefficients
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.observed import statement_data
from verify.systems.token_selection.problem import ArraysGiven, Problem


class Forward(NamedTuple):
    """What follows from a state: outputs (n,), c, K c and M c (nT,)."""

    output: Balls
    drive: Balls
    gram_drive: Balls
    map_drive: Balls


class Enclosure:
    """What both ways of following the weights share: the representer, and what statements name.

    Between calls there are `score` (nT,) and `query_square`, and of the representer `coefficient` pi and
    `start_coefficient` beta (nT,), `representer` P (nT, nT) and `start_share` alpha. `name` is that of the engine that
    an enclosure repeats.
    """

    name: ClassVar[str]
    score: Balls
    query_square: arb

    def __init__(self, instance: Instance, training: Problem | ArraysGiven) -> None:
        assert instance.step_size is not None
        samples, tokens, _, _ = instance.shape
        self._instance = instance
        self._places = samples, tokens
        self._label = balls(instance.y)
        self._step_size = arb(instance.step_size)
        self._tokens = matrix(instance.tokens)
        self._value = _times(self._tokens, balls(instance.nu)).reshape(self._places)
        images = self._tokens * matrix(instance.W).transpose()
        query = balls(instance.p)
        self._gram = self._tokens * self._tokens.transpose()
        self._start_map = images * images.transpose()
        self._start_score = _times(images, query)
        self._start_square = np.sum(square(query))
        probes = probe_coefficients(samples * tokens)
        self._probe = matrix(probes)
        self._start_probe = entries(self._start_map * self._probe)
        self._start_query_probe = self._start_score @ balls(probes)
        self._images, self._query = images, query
        self.constants: dict[str, Any] = {
            **statement_data(instance, Geometry(instance), training, {}),
            **self._exact_data(training),
        }
        self.coefficient = self.start_coefficient = np.full(samples * tokens, arb(0), dtype=object)
        self.representer = arb_mat(samples * tokens, samples * tokens)
        self.start_share = arb(1)
        self.step = 0
        self._begin()

    def _exact_data(self, training: Problem | ArraysGiven) -> dict[str, Any]:
        """The data of statements that are computed from the arrays, enclosed."""
        samples, _ = self._places
        blocks = (*self._places, *self._places)
        mapped = self._images * matrix(self._instance.W)
        gram = entries(self._gram).reshape(blocks)
        own = gram[np.arange(samples), :, np.arange(samples), :]
        square = np.diagonal(own, axis1=1, axis2=2)
        distances = square[:, :, None] + square[:, None, :] - 2 * own
        data = {
            "value": self._value,
            "token_gram": gram,
            "start_map": entries(self._start_map).reshape(blocks),
            "start_score": self._start_score.reshape(self._places),
            "start_query_square": self._start_square,
            "token_norm": sqrt(square),
            "start_size": sqrt(np.diagonal(entries(self._start_map))).reshape(self._places),
            "diameter": sqrt(reduced(larger, distances, (1, 2))).reshape(samples),
        }
        if training.m is not None:
            signal_norm = arb(training.m)
            data |= {
                "start_square_map": entries(mapped * mapped.transpose()).reshape(blocks),
                "signal_overlap": (signal_norm * entries(self._tokens)[:, :2]).T.reshape(2, *self._places),
                "signal_start_map": (signal_norm * entries(mapped)[:, :2]).T.reshape(2, *self._places),
            }
        return data

    def _begin(self) -> None:
        """Take the first state."""
        raise NotImplementedError

    def _map(self, coefficients: arb_mat) -> arb_mat:
        """M times coefficients of the tokens."""
        raise NotImplementedError

    def _move(self, here: Forward) -> None:
        """One step of the weights."""
        raise NotImplementedError

    def _balance(self) -> Balls:
        """`|W^T z|^2 - (p^T z)^2` since the start, along each probe direction `z = W_0 Z^T b`."""
        raise NotImplementedError

    @property
    def observables(self) -> Sequence[str]:
        """The names of what stretches hold."""
        return list(self._seen(self._forward()))

    def advance(self, steps: int) -> Mapping[str, Balls]:
        """Make so many steps; see `verify.certify.enclosing.Enclosing`."""
        here = self._forward()
        states = [self._seen(here)]
        for _ in range(steps):
            self._follow(here)
            self._move(here)
            here = self._forward()
            states.append(self._seen(here))
        self.step += steps
        return {name: np.array([state[name] for state in states], dtype=object) for name in states[0]}

    def _forward(self) -> Forward:
        """`c = Y g phi (gamma - f) / n`, with `gamma_t - f = sum_s phi_s (gamma_t - gamma_s)`: an error of phi costs
        least.
        """
        samples, _ = self._places
        attention = softmax(self.score.reshape(self._places), 1)
        leads = np.sum(attention[:, None, :] * (self._value[:, :, None] - self._value[:, None, :]), axis=2)
        output = np.sum(attention * self._value, axis=1)
        weight = self._label * logistic(-self._label * output) / samples
        drive = np.ravel(weight[:, None] * attention * leads)
        return Forward(output, drive, _times(self._gram, drive), _times_by(self._map, drive))

    def _follow(self, here: Forward) -> None:
        """One step of the representer."""
        step = self._step_size
        coefficient, share = self.coefficient, self.start_share
        self.coefficient = coefficient + step * (here.drive + _times(self.representer, here.gram_drive))
        self.start_share = share + step * (self.start_coefficient @ here.gram_drive)
        self.start_coefficient = self.start_coefficient + step * share * here.drive
        self.representer = self.representer + matrix(step * coefficient[:, None]) * matrix(here.drive[None])

    def _seen(self, here: Forward) -> dict[str, Any]:
        """What statements name of a state."""
        start_pull = _times(self._start_map, self.coefficient)
        seen = self.start_share * self._start_score + start_pull
        from_start = self.start_share * self._start_square + self._start_score @ self.coefficient
        pull = _times(self.representer.transpose(), seen) + self.start_coefficient * from_start
        arrays = {
            "score": self.score,
            "gram_drive": here.gram_drive,
            "map_drive": here.map_drive,
            "coefficient": self.coefficient,
            "start_coefficient": self.start_coefficient,
            "start_pull": start_pull,
            "representer_drive": _times(self.representer, here.gram_drive),
            "coefficient_pull": pull,
        }
        probed = {"map_probe": self._map(self._probe), "representer_probe": self.representer * self._probe}
        return {
            **{name: array.reshape(self._places) for name, array in arrays.items()},
            **{name: entries(each).reshape(*self._places, -1) for name, each in probed.items()},
            "query_square": self.query_square,
            "start_share": self.start_share,
            "balance": self._balance(),
            "loss": np.mean(softplus(-self._label * here.output)),
        }

    @property
    def state(self) -> dict[str, Balls]:
        """The representer; outer classes add the weights."""
        return {
            "coefficient": self.coefficient,
            "start_coefficient": self.start_coefficient,
            "representer": entries(self.representer),
            "start_share": np.array(self.start_share, dtype=object),
        }

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        self.step = step
        self.coefficient, self.start_coefficient = state["coefficient"], state["start_coefficient"]
        self.representer, self.start_share = matrix(state["representer"]), state["start_share"].item()


class ReducedEnclosure(Enclosure):
    """On inner products of tokens: scores, M and q are a closed system."""

    name = "reduced"

    def _begin(self) -> None:
        self.score, self.query_square = self._start_score, self._start_square
        self._token_map = self._start_map

    def _map(self, coefficients: arb_mat) -> arb_mat:
        return self._token_map * coefficients

    def _move(self, here: Forward) -> None:
        """`M += h (a (K c)^T + K c a^T) + h^2 q K c (K c)^T`, as one product of two columns with two rows."""
        step, score, moved = self._step_size, self.score, here.gram_drive
        alignment, pulled = score @ here.drive, here.drive @ here.map_drive
        twice = step * score + step**2 * self.query_square * moved
        columns, rows = np.column_stack([step * score, moved]), np.stack([moved, twice])
        self._token_map = self._token_map + matrix(columns) * matrix(rows)
        self.score = score + step * (here.map_drive + (self.query_square + step * alignment) * moved)
        self.query_square = self.query_square + 2 * step * alignment + step**2 * pulled

    def _balance(self) -> Balls:
        """By the representer: `W^T z` has grown by `Z^T G` with `G = P^T M_0 b + (p_0^T z) beta`."""
        start, by_query = self._start_probe, self._start_query_probe
        growth = entries(self.representer.transpose() * matrix(start)) + self.start_coefficient[:, None] * by_query
        query = self.start_share * by_query + self.coefficient @ start
        grown = np.sum(growth * (2 * start + entries(self._gram * matrix(growth))), axis=0)
        return np.asarray(grown - square(query) + square(by_query), dtype=object)

    @property
    def state(self) -> dict[str, Balls]:
        """Scores, q and M, and the representer."""
        own = {"score": self.score, "query_square": np.array(self.query_square, dtype=object)}
        return {**super().state, **own, "token_map": entries(self._token_map)}

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        super().set_state(step, state)
        self.score, self.query_square = state["score"], state["query_square"].item()
        self._token_map = matrix(state["token_map"])


class WeightsEnclosure(Enclosure):
    """On `W` and `p` themselves: for arrays that are small in full."""

    name = "weights"

    def _begin(self) -> None:
        self._W, self._p = matrix(self._instance.W), self._query
        self._directions = self._images.transpose() * self._probe
        self._start_balance = self._balance_now()
        self._look()

    def _look(self) -> None:
        """Scores and q of the present weights."""
        self.score = _times(self._tokens, _times(self._W.transpose(), self._p))
        self.query_square = np.sum(square(self._p))

    def _map(self, coefficients: arb_mat) -> arb_mat:
        return self._tokens * (self._W.transpose() * (self._W * (self._tokens.transpose() * coefficients)))

    def _move(self, here: Forward) -> None:
        """`p += h W v`, `W += h p v^T`."""
        moved = _times(self._tokens.transpose(), here.drive)
        pulled = _times(self._W, moved)
        self._W = self._W + matrix(self._step_size * self._p[:, None]) * matrix(moved[None])
        self._p = self._p + self._step_size * pulled
        self._look()

    def _balance_now(self) -> Balls:
        by_map = np.sum(square(entries(self._W.transpose() * self._directions)), axis=0)
        return np.asarray(by_map - square(self._p @ entries(self._directions)), dtype=object)

    def _balance(self) -> Balls:
        return np.asarray(self._balance_now() - self._start_balance, dtype=object)

    @property
    def state(self) -> dict[str, Balls]:
        """The weights, and the representer."""
        return {**super().state, "W": entries(self._W), "p": self._p}

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        super().set_state(step, state)
        self._W, self._p = matrix(state["W"]), state["p"]
        self._look()


ENCLOSURES: Mapping[str, type[Enclosure]] = {each.name: each for each in (ReducedEnclosure, WeightsEnclosure)}
"""The enclosures by the names of the engines that they repeat."""


def _times(of: arb_mat, vector: Balls) -> Balls:
    """A matrix times a vector."""
    return entries(of * matrix(vector[:, None]))[:, 0]


def _times_by(product: Any, vector: Balls) -> Balls:
    return entries(product(matrix(vector[:, None])))[:, 0]
