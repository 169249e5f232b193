"""A small system to check the checker with, and a slow evaluator of its own in 50 digits."""

from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Abs, Max, Min, Rational, exp, log, pi, sqrt, tanh

from proofs.language import (
    STEP,
    Claim,
    Derived,
    Event,
    Index,
    IndexSet,
    Largest,
    Lemma,
    Logistic,
    Observable,
    Recurrence,
    Same,
    Size,
    Smallest,
    Softmax,
    Softplus,
    Stage,
    Total,
    accumulated,
    after,
    at_event,
    at_start,
    change,
    define,
    nodes,
    update,
)
from proofs.language.recurrence import Member

DIGITS = 50


def build_symbols() -> SimpleNamespace:
    """Softmax attention with values and queries that are trained, keys that are not."""
    SAMPLE, QUERY = IndexSet("sample", size="N"), IndexSet("query", size="M")
    KEY, TOKEN, WIDTH = IndexSet("key", size="M"), IndexSet("token", size="P"), IndexSet("width", size="r")
    n, l, p, q = Index("n", SAMPLE), Index("l", QUERY), Index("p", TOKEN), Index("q", TOKEN)
    j, m, h = Index("j", KEY), Index("m", KEY), Index("h", WIDTH)
    N, M = Size(SAMPLE), Size(KEY)

    def data(name: str, *sets: IndexSet, **options: Any) -> Observable:
        return Observable(name, *sets, words=name, constant=True, **options)

    def seen(name: str, *sets: IndexSet, **options: Any) -> Observable:
        return Observable(name, *sets, words=name, **options)

    label, step_size = data("label", SAMPLE), data("step_size", nonnegative=True)
    token_at = data("token_at", SAMPLE, KEY, elements_of=TOKEN)
    is_noise, is_none = data("is_noise", TOKEN, nonnegative=True), data("is_none", TOKEN, nonnegative=True)
    gram, key = data("gram", TOKEN, TOKEN), data("key", TOKEN, WIDTH)
    gram_norm = data("gram_norm", nonnegative=True)
    define(gram_norm, Largest(Total(Abs(gram[p, q]), q), p))

    value, query = seen("value", TOKEN, state=True), seen("query", TOKEN, WIDTH, state=True)
    score = seen("score", SAMPLE, QUERY, KEY)
    define(score[n, l, j], Total(query[token_at[n, l], h] * key[token_at[n, j], h], h))
    attention = seen("attention", SAMPLE, QUERY, KEY, nonnegative=True)
    define(attention[n, l, j], Softmax(score[n, l, j], j))
    output = seen("output", SAMPLE)
    define(output[n], Total(attention[n, l, j] * value[token_at[n, j]], l, j) / M)
    loss_derivative = seen("loss_derivative", SAMPLE, nonnegative=True)
    define(loss_derivative[n], Logistic(-label[n] * output[n]))
    loss = seen("loss", nonnegative=True)
    define(loss, Total(Softplus(-label[n] * output[n]), n) / N)
    pull = seen("pull", SAMPLE, QUERY, KEY)
    define(
        pull[n, l, j],
        attention[n, l, j] * (value[token_at[n, j]] - Total(attention[n, l, m] * value[token_at[n, m]], m)) / M,
    )
    weight = label[n] * loss_derivative[n] / N
    value_step = step_size / M * Total(weight * attention[n, l, j] * gram[p, token_at[n, j]], n, l, j)
    update(value[p], value[p] + value_step)
    update(
        query[p, h],
        query[p, h]
        + step_size * Total(weight * gram[p, token_at[n, l]] * pull[n, l, j] * key[token_at[n, j], h], n, l, j),
    )
    query_change = seen("query_change", TOKEN, nonnegative=True)
    define(query_change[p], sqrt(Total(change(query[p, h]) ** 2, h)))

    envelope = Recurrence("envelope", words="a bound on values")
    reach = envelope.member("reach", start=Largest(Abs(value[p]), p), words="reach", nonnegative=True)
    speed = envelope.member("speed", start=Rational(1, 3), words="speed")
    rate = step_size * gram_norm * Logistic(reach)
    envelope.updates({reach: reach + Max(rate, 0), speed: speed * (1 - rate / 7) + Min(loss, 1) / 100})
    return SimpleNamespace(STEP=STEP, **{name: each for name, each in locals().items() if name not in ("data", "seen")})


def build_lemmas(s: SimpleNamespace) -> dict[str, Lemma]:
    """Statements that use every node of the language; some are false, which does not matter here."""
    big = Event("big", Claim(Largest(Abs(s.output[s.n]), s.n), ">=", Rational(1, 10)), words="outputs have grown")
    later = Event("later", Claim(STEP, ">=", 3), since=big, words="three steps at least, and big")
    lam, out, V, phi = s.loss_derivative, s.output, s.value, s.attention
    n, l, j, p = s.n, s.l, s.j, s.p
    at_key = V[s.token_at[n, j]]

    def lemma(*claims: Claim, **options: Any) -> Lemma:
        return Lemma(words="a statement", claims=claims, source=Derived("tests"), **options)

    lemmas = {
        "near_half": lemma(Claim(Abs(lam[n] - Rational(1, 2)), "<=", Abs(out[n]) / 4)),
        "output_bound": lemma(
            Claim(Abs(out[n]), "<=", Largest(Abs(at_key), j)), Claim(out[n], ">", Smallest(at_key, j) - 1)
        ),
        "uniform": lemma(
            Claim(phi[n, l, j], "<=", 1 / (1 + (s.M - 1) * exp(-2 * Largest(Abs(s.score[n, l, j]), n, l, j)))),
            Claim(Total(phi[n, l, j], j), "==", 1),
        ),
        "drift": lemma(
            Claim(change(V[p]), "==", s.value_step),
            Claim(
                Abs(change(V[p])),
                "<=",
                s.step_size / s.N * Total(Abs(s.gram[p, s.token_at[n, j]]) * lam[n], n, j),
            ),
        ),
        "query_drift": lemma(Claim(s.query_change[p], "<=", s.step_size * s.gram_norm * s.reach + exp(-STEP))),
        "output_change": lemma(Claim(Abs(change(out[n])), "<=", Abs(at_start(out[n])) + STEP / 9 + after(s.loss))),
        "masked": lemma(
            Claim(Largest(V[p], p, where=s.is_noise[p]), "<=", Largest(V[p], p, where=s.is_none[p], empty=2)),
            Claim(V[p], "<=", Smallest(V[s.q], s.q, where=1 - Same(p, s.q)) + 3, where=s.is_noise[p]),
            Claim(Largest(at_key, n, j, where=s.is_noise[s.token_at[n, j]]), "<=", s.reach),
        ),
        "since_event": lemma(
            Claim(V[p], "<=", at_event(V[p], big) + accumulated(Abs(change(V[p])), since=big)),
            stage=Stage("after big", start=big, end=later),
        ),
        "from_start": lemma(Claim(V[p], "==", at_start(V[p]) + accumulated(change(V[p])))),
        "running_sum": lemma(Claim(accumulated(lam[n] ** 3), "<=", STEP * s.speed + 5)),
        "functions": lemma(
            Claim(
                tanh(out[n]) + sqrt(1 + out[n] ** 2) + log(2 + s.loss) - (1 + lam[n]) ** Rational(5, 3),
                "<",
                Max(pi * out[n], Min(out[n] ** 3, lam[n]), Rational(2, 7)) + 1 / sqrt(s.N) + lam[n] ** -2,
            )
        ),
        "places": lemma(Claim(phi[n, j, j] * V[0], ">=", phi[n, j, 1] ** 2 - V[s.token_at[n, 0]])),
        "given": lemma(Claim(out[n], "<=", s.loss), given=[Claim(s.label[n], ">", 0), Claim(out[n], "<=", 1)]),
        "envelope": lemma(Claim(Abs(V[p]), "<=", s.reach), Claim(after(s.speed), ">=", s.speed - 1)),
    }
    for name, each in lemmas.items():
        each.name = name
    return lemmas


def draw(seed: int, scale: float = 1.0) -> dict[str, Any]:
    """Constants and a first state."""
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(8, 5))
    return {
        "label": np.array([1.0, -1.0, 1.0]),
        "step_size": 0.3,
        "token_at": np.array([[0, 2, 3], [1, 4, 5], [0, 6, 7]]),
        "is_noise": (np.arange(8) >= 2) * 1.0,
        "is_none": np.zeros(8),
        "gram": tokens @ tokens.T,
        "key": rng.normal(size=(8, 2)),
        "value": scale * rng.normal(size=8),
        "query": scale * rng.normal(size=(8, 2)),
    }


RECORDED = ("value", "query", "score", "attention", "output", "loss_derivative", "loss", "query_change")


def train(problem: dict[str, Any], steps: int) -> dict[str, np.ndarray]:
    """Gradient descent written as a kernel would write it; what a stretch of these steps records."""
    at, y, eta = problem["token_at"], problem["label"], problem["step_size"]
    V, Q, K, G = problem["value"].copy(), problem["query"].copy(), problem["key"], problem["gram"]
    rows: dict[str, list[Any]] = {name: [] for name in RECORDED}
    for _ in range(steps + 1):
        score = np.einsum("nlh,njh->nlj", Q[at], K[at])
        attention = np.exp(score - score.max(axis=2, keepdims=True))
        attention /= attention.sum(axis=2, keepdims=True)
        output = np.einsum("nlj,nj->n", attention, V[at]) / 3
        derivative = 1 / (1 + np.exp(y * output))
        pull = attention * (V[at][:, None, :] - np.einsum("nlj,nj->nl", attention, V[at])[..., None]) / 3
        weight = y * derivative / 3
        V_step = eta / 3 * np.einsum("n,nlj,pnj->p", weight, attention, G[:, at])
        Q_next = Q + eta * np.einsum("n,pnl,nlj,njh->ph", weight, G[:, at], pull, K[at])
        loss = np.mean(np.logaddexp(0, -y * output))
        change = np.sqrt(((Q_next - Q) ** 2).sum(axis=1))
        state = (V, Q, score, attention, output, derivative, loss, change)
        for name, array in zip(RECORDED, state, strict=True):
            rows[name].append(array)
        V, Q = V + V_step, Q_next
    arrays = {name: np.array(row) for name, row in rows.items()}
    arrays["query_change"] = arrays["query_change"][:-1]
    return arrays


class Reference:
    """Evaluates expressions element by element in 50 digits, from states and constants taken as exact.

    `exact_next` tells whether the next state is the exact update of the present one or the recorded next one.
    """

    def __init__(self, problem: dict[str, Any], states: dict[str, np.ndarray], exact_next: bool) -> None:
        self.problem, self.states, self.exact_next = problem, states, exact_next
        self.sizes = {"N": 3, "M": 3, "P": 8, "r": 2}
        self.known: dict[Any, Any] = {}
        self.event_steps: dict[Any, int | None] = {}

    def value(self, expression: Any, step: int, env: dict[str, int]) -> Any:
        with mpmath.workdps(DIGITS):
            return self.at(expression, (step, False), env)

    def at(self, node: Any, time: tuple[int, bool], env: dict[str, int]) -> Any:
        used = tuple(sorted((index.name, env[index.name]) for index in nodes.free_indices(node)))
        key = node, time, used
        if key not in self.known:
            self.known[key] = self._at(node, time, env)
        return self.known[key]

    def index(self, index: Any, env: dict[str, int]) -> int:
        if isinstance(index, nodes.Index):
            return env[index.name]
        if isinstance(index, nodes.Element):
            return int(self.problem[index.observable.name][tuple(self.index(each, env) for each in index.indices)])
        return int(index)

    def over(self, indices: Any, env: dict[str, int]) -> list[dict[str, int]]:
        places = [env]
        for index in indices:
            size = self.sizes[index.ranges_over.size]
            places = [place | {index.name: element} for place in places for element in range(size)]
        return places

    def _at(self, node: Any, time: tuple[int, bool], env: dict[str, int]) -> Any:
        def parts() -> list[Any]:
            return [self.at(part, time, env) for part in node.args]

        step, later = time
        if isinstance(node, Member):
            return self.member(node, step + later)
        if isinstance(node, nodes.Observable | nodes.Element):
            return self.observable(node, time, env)
        if isinstance(node, nodes.Size):
            return mpmath.mpf(self.sizes[node.name])
        if isinstance(node, nodes.StepNumber):
            return mpmath.mpf(step + later)
        if isinstance(node, nodes.Same):
            return mpmath.mpf(self.index(node.args[0], env) == self.index(node.args[1], env))
        if isinstance(node, nodes.After):
            return self.at(node.args[0], (step, True) if self.exact_next else (step + 1, False), env)
        if isinstance(node, nodes.AtStart):
            return self.at(node.args[0], (0, False), env)
        if isinstance(node, nodes.AtEvent):
            return self.at(node.args[0], (self.event(node.event), False), env)
        if isinstance(node, nodes.Accumulated):
            first = 0 if node.since is None else self.event(node.since)
            return mpmath.fsum(self.at(node.args[0], (s, False), env) for s in range(first, step + later))
        if isinstance(node, nodes.Total):
            return mpmath.fsum(self.at(node.body, time, place) for place in self.over(node.indices, env))
        if isinstance(node, nodes.Largest | nodes.Smallest):
            pick = max if isinstance(node, nodes.Largest) else min
            places = [each for each in self.over(node.indices, env) if self.at(node.where, time, each) == 1]
            return pick([self.at(node.body, time, each) for each in places], default=self.at(node.empty, time, env))
        if isinstance(node, nodes.Softmax):
            powers = [mpmath.exp(self.at(node.body, time, each)) for each in self.over([node.index], env)]
            return powers[env[node.index.name]] / mpmath.fsum(powers)
        if isinstance(node, Logistic):
            return 1 / (1 + mpmath.exp(-parts()[0]))
        if isinstance(node, Softplus):
            return mpmath.log(1 + mpmath.exp(parts()[0]))
        if isinstance(node, sympy.Rational):
            return mpmath.mpf(int(node.p)) / int(node.q)
        if node in (pi, sympy.E):
            return +mpmath.pi if node == pi else +mpmath.e
        plain = {sympy.exp: mpmath.exp, sympy.log: mpmath.log, sympy.tanh: mpmath.tanh, sympy.Abs: abs}
        if type(node) in plain:
            return plain[type(node)](parts()[0])
        many = {sympy.Add: mpmath.fsum, sympy.Mul: mpmath.fprod, sympy.Max: max, sympy.Min: min}
        if type(node) in many:
            return many[type(node)](parts())
        if isinstance(node, sympy.Pow):
            base, exponent = parts()
            return base**exponent
        raise AssertionError(f"the reference does not know {type(node).__name__}")

    def observable(self, node: Any, time: tuple[int, bool], env: dict[str, int]) -> Any:
        observable, indices = (node.observable, node.indices) if isinstance(node, nodes.Element) else (node, ())
        place = tuple(self.index(index, env) for index in indices)
        formula = observable.definition
        step, later = time
        if observable.state and later:
            formula, time = observable.next_value, (step, False)
        if formula is not None:
            inner = {dummy.name: at for dummy, at in zip(formula.indices, place, strict=True)}
            return self.at(formula.expression, time, inner)
        array = self.problem[observable.name] if observable.constant else self.states[observable.name][step]
        return mpmath.mpf(float(np.asarray(array)[place]))

    def member(self, member: Member, step: int) -> Any:
        if step == 0:
            return self.at(member.start, (0, False), {})
        return self.at(member.update, (step - 1, False), {})

    def event(self, event: Any) -> int:
        if event not in self.event_steps:
            first = 0 if event.since is None else self.event(event.since)
            steps = len(self.states["value"])
            self.event_steps[event] = next(s for s in range(first, steps) if self.happens(event, s))
        return self.event_steps[event]

    def happens(self, event: Any, step: int) -> bool:
        sides = [
            (
                self.at(claim.lhs, (step, False), place),
                claim.relation,
                self.at(claim.rhs, (step, False), place),
            )
            for claim in event.claims
            for place in self.over(claim.indices, {})
        ]
        return all(left <= right if relation == "<=" else left >= right for left, relation, right in sides)


@pytest.fixture(scope="session")
def mock() -> SimpleNamespace:
    """The system: its symbols, statements, problems, training and reference."""
    symbols = build_symbols()
    return SimpleNamespace(
        symbols=symbols,
        lemmas=build_lemmas(symbols),
        draw=draw,
        train=train,
        reference=Reference,
        recorded=RECORDED,
    )
