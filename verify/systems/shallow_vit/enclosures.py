"""Stochastic gradient descent of an instance on its weights, in balls.

Letters as in `proofs.shallow_vit.symbols`: P = W_K^T W_Q scores tokens, R = W_O W_V makes hidden units of them; K and H
are minus the derivatives of the batch loss by R and by P. A kink, of ReLU or of the hinge loss, must be known to lie on
one side: where a ball holds it, nothing can be said of the step.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flint import arb, arb_mat

from verify.certify.arrays import Balls, balls, entries, larger, matrix, softmax, square
from verify.certify.memory import Undecided
from verify.certify.norms import operator_norm
from verify.systems.shallow_vit.dynamics import WEIGHTS, Course
from verify.systems.shallow_vit.kernels import Integers, Weights
from verify.systems.shallow_vit.measures import Setting

NORMS = ("output_norm", "value_norm", "key_norm", "query_norm")


class Forward(NamedTuple):
    """Samples at one state: scores and attention (B, S, S), hidden units (B, S, m), effects of keys on them (B, S, m),
    outputs (B,).
    """

    score: Balls
    attention: Balls
    hidden: Balls
    seen: Balls
    output: Balls


class Enclosure:
    """All four weights, in the coordinates in which the run trains them: `start` are their exact first values.

    The loss over all samples is enclosed at every step.
    """

    def __init__(self, start: Weights, course: Course, setting: Setting, constants: Mapping[str, Any]) -> None:
        samples = course.samples
        self._course = course
        self._setting = setting
        self._readout = balls(course.readout)
        self._step_size, self._attention_step = arb(course.step_size), arb(course.attention_step)
        self._label = balls(samples.label)
        self._key_count = balls(samples.key_count)
        self._query_weight = self._key_count / np.sum(self._key_count, axis=1, keepdims=True)
        self._tokens = balls(samples.tokens) if samples.tokens.size else None
        self._weight = balls(samples.weight)
        whole = course.batches is None
        self._batch_weight = self._weight if whole else np.full(course.batch, arb(1) / course.batch, dtype=object)
        self._weights = Weights(*map(matrix, start))
        self._start_maps = self._maps()
        self.constants: dict[str, Any] = {
            **constants,
            "query_weight": self._query_weight[course.watched],
            "readout_norm": np.sum(square(self._readout)).sqrt(),
            **self._token_sizes(),
        }
        self.step = 0

    def _token_sizes(self) -> dict[str, arb]:
        """The largest norm of a token, and the largest distance of two tokens of a sample."""
        count = self._course.samples.key_count
        if self._tokens is None:
            several = np.count_nonzero(count, axis=1).max() > 1
            return {"token_radius": arb(1), "token_diameter": arb(2).sqrt() if several else arb(0)}
        radius, diameter = arb(0), arb(0)
        for tokens, there in zip(self._tokens, count > 0, strict=True):
            own = tokens[there]
            radius = larger.reduce(np.sum(square(own), axis=1), initial=radius)
            distances = np.sum(square(own[:, None] - own[None]), axis=2)
            diameter = larger.reduce(distances.ravel(), initial=diameter)
        return {"token_radius": radius.sqrt(), "token_diameter": diameter.sqrt()}

    def _maps(self) -> tuple[arb_mat, arb_mat]:
        """P and R."""
        W_O, W_V, W_K, W_Q = self._weights
        return W_K.transpose() * W_Q, W_O * W_V

    @property
    def observables(self) -> Sequence[str]:
        """The names of what stretches hold."""
        return list(self._seen(*self._at_hand()))

    def advance(self, steps: int) -> Mapping[str, Balls]:
        """Make so many steps; see `verify.certify.enclosing.Enclosing`."""
        here = self._at_hand()
        states = [self._seen(*here)]
        for _ in range(steps):
            self._descend(here[2], here[3])
            self.step += 1
            here = self._at_hand()
            states.append(self._seen(*here))
        return {name: np.array([state[name] for state in states], dtype=object) for name in states[0]}

    def _at_hand(self) -> tuple[Integers, Forward, Balls, Balls, Balls]:
        """The batch about to be used and what it comes to: its rows, outputs, K, H and active samples."""
        course = self._course
        rows = course.rows(self.step, 1)[0]
        found = self._forward(rows, course.samples.key_count[rows], self._query_weight[rows])
        active = self._side(1 - self._label[rows] * found.output, "the hinge loss")
        push = self._batch_weight * self._label[rows] * active
        query = (push[:, None] * self._query_weight[rows])[:, :, None]
        gate = self._readout * self._side(found.hidden, "a hidden unit")
        by_effect = found.attention.swapaxes(1, 2) @ (query * gate)
        attended = found.attention * (gate @ found.seen.swapaxes(1, 2))
        by_score = query * (attended - found.attention * np.sum(attended, axis=2, keepdims=True))
        if self._tokens is None:
            hidden_drive, score_drive = np.sum(by_effect, axis=0).T, np.sum(by_score, axis=0).T
        else:
            together = matrix(self._tokens[rows].reshape(-1, self._tokens.shape[2]))
            effects, scores = by_effect.reshape(together.nrows(), -1), by_score.swapaxes(1, 2) @ self._tokens[rows]
            hidden_drive = entries(matrix(effects).transpose() * together)
            score_drive = entries(together.transpose() * matrix(scores.reshape(together.nrows(), -1)))
        return rows, found, hidden_drive, score_drive, active

    def _forward(self, rows: Integers, count: Any, query_weight: Balls) -> Forward:
        """`F = sum_i w_i a^T relu(sum_j A_ij R x_j)`."""
        score_map, hidden_map = self._maps()
        if self._tokens is None:
            shape = len(rows), score_map.nrows()
            score = np.broadcast_to(entries(score_map).T, (*shape, shape[1]))
            seen = np.broadcast_to(entries(hidden_map).T, (*shape, hidden_map.nrows()))
        else:
            tokens = self._tokens[rows]
            together = matrix(tokens.reshape(-1, tokens.shape[2]))
            scored = entries(together * score_map).reshape(tokens.shape)
            score = tokens @ scored.swapaxes(1, 2)
            seen = entries(together * hidden_map.transpose()).reshape(*tokens.shape[:2], -1)
        attention = _counted_softmax(score, count)
        hidden = attention @ seen
        output = np.sum(query_weight * (larger(hidden, arb(0)) @ self._readout), axis=1)
        return Forward(score, attention, hidden, seen, output)

    def _side(self, array: Balls, what: str) -> Balls:
        """1 where numbers are positive and 0 where they are not.

        Raises:
            Undecided: if one of them may be either.
        """
        above, not_above = np.asarray(array > 0, dtype=bool), np.asarray(array <= 0, dtype=bool)
        if not np.all(above | not_above):
            raise Undecided(f"on which side of its kink {what} is", self.step)
        return balls(above.astype(int))

    def _descend(self, hidden_drive: Balls, score_drive: Balls) -> None:
        """Minus the gradients are `K W_V^T`, `W_O^T K`, `W_Q H^T` and `W_K H`."""
        W_O, W_V, W_K, W_Q = self._weights
        K, H = matrix(self._step_size * hidden_drive), matrix(self._attention_step * score_drive)
        self._weights = Weights(
            W_O + K * W_V.transpose(), W_V + W_O.transpose() * K, W_K + W_Q * H.transpose(), W_Q + W_K * H
        )

    def _seen(self, rows: Integers, batch: Forward, hidden_drive: Balls, score_drive: Balls, active: Balls) -> Any:
        """What statements name of a state."""
        course, setting = self._course, self._setting
        watched = course.watched
        counts = course.samples.key_count[watched]
        seen = self._forward(watched, counts, self._query_weight[watched])
        everything = np.arange(len(self._label))
        outputs = self._forward(everything, course.samples.key_count, self._query_weight).output
        gate = self._readout * self._side(seen.hidden, "a hidden unit")
        weights = {name: entries(each) for name, each in zip(WEIGHTS, self._weights, strict=True)}
        score_map, hidden_map = self._maps()
        moved = [entries(now - start) for now, start in zip(self._maps(), self._start_maps, strict=True)]
        found: dict[str, Any] = {
            **weights,
            **{name: operator_norm(each) for name, each in zip(NORMS, weights.values(), strict=True)},
            "batch_label": self._label[rows],
            "batch_weight": self._batch_weight,
            "batch_output": batch.output,
            "batch_active": active,
            "loss": np.sum(self._weight * larger(1 - self._label * outputs, arb(0))),
            "hidden_drive": hidden_drive,
            "score_drive": score_drive,
            "hidden_drive_norm": operator_norm(hidden_drive),
            "score_drive_norm": operator_norm(score_drive),
            "score_moved": operator_norm(moved[0]),
            "hidden_moved": operator_norm(moved[1]),
            "score": seen.score,
            "token_effect": gate @ seen.seen.swapaxes(1, 2),
        }
        if self._tokens is None:  # slots are patterns, and patterns are the unit vectors
            ones = np.array([arb(1)] * score_map.nrows(), dtype=object)
            twins = counts[:, [1, 0, *range(2, counts.shape[1])]]
            twin_weight = balls(twins) / np.sum(balls(twins), axis=1, keepdims=True)
            found |= {
                "score_on_patterns": entries(score_map),
                "hidden_on_patterns": entries(hidden_map),
                "twin_output": self._forward(watched, twins, twin_weight).output,
                "key_outside": weights["W_K"] @ balls(setting.nulls["difference_null"]),
                "key_sum": weights["W_K"] @ ones,
            }
        return found

    @property
    def state(self) -> dict[str, Balls]:
        """The weights."""
        return {name: entries(each) for name, each in zip(WEIGHTS, self._weights, strict=True)}

    def set_state(self, step: int, state: Mapping[str, Balls]) -> None:
        """Go to a state."""
        self.step = step
        self._weights = Weights(*(matrix(state[name]) for name in WEIGHTS))


def _counted_softmax(score: Balls, count: Any) -> Balls:
    """Attention of each query: softmax of the scores, every key as often as it is there."""
    attention = np.full(score.shape, arb(0), dtype=object)
    for n, there in enumerate(count > 0):
        times = balls(count[n, there])
        # A key that is there k times is k keys with one score: log k is added, or here, k multiplied.
        single = softmax(score[n][:, there], 1) * times
        attention[n][:, there] = single / np.sum(single, axis=1, keepdims=True)
    return attention
