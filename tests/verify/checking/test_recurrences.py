"""Recurrences of arrays, and recurrences that start at an event, against sequences written out in 50 digits."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Abs, Max, Min, Rational, exp, sqrt

from proofs.language import (
    STEP,
    Claim,
    Derived,
    Event,
    Expm1,
    Index,
    IndexSet,
    Largest,
    Lemma,
    Observable,
    Recurrence,
    Same,
    Size,
    Smallest,
    Stage,
    StatementError,
    Total,
    after,
    at_event,
    at_start,
    define,
    loops,
)
from verify.checking.balls import Decider
from verify.checking.compile import compile_lemmas, value_of

STEPS = 7
SAMPLE, TOKEN = IndexSet("sample", size="N"), IndexSet("token", size="T")
n, m = Index("n", SAMPLE), Index("m", SAMPLE)
t = Index("t", TOKEN)
T = Size(TOKEN)


def data(name: str, *sets: IndexSet, **options: Any) -> Observable:
    return Observable(name, *sets, words=name, constant=True, **options)


weight = data("weight", SAMPLE, SAMPLE)
is_odd = data("is_odd", SAMPLE, nonnegative=True)
place = data("place", SAMPLE, elements_of=TOKEN)
score = Observable("score", SAMPLE, TOKEN, state=True, words="score")
loss = Observable("loss", state=True, words="loss")


def mixing() -> SimpleNamespace:
    """A number, a vector and a matrix that feed one another through observables that they define."""
    mixing = Recurrence("mixing", words="every kind of node with members inside")
    size = mixing.member("size", start=Rational(1, 3), words="a number")
    entry = mixing.member("entry", n, start=Largest(Abs(score[n, t]), t), words="a vector", nonnegative=True)
    block = mixing.member("block", n, m, start=Same(n, m) / 7, words="a matrix")
    pull = Observable("pull", SAMPLE, words="the matrix times the vector, transposed")
    define(pull[n], Total(block[m, n] * entry[m] * weight[n, m], m) + size / T)
    reach = Observable("reach", words="the largest odd entry, at least the smallest of all")
    define(reach, Max(Largest(pull[n], n, where=is_odd[n], empty=size), Smallest(Abs(pull[m]), m)))
    mixing.updates(
        {
            size: size * Rational(2, 3) + Total(Abs(block[n, m]), n, m) / 50 + loss / 9,
            entry[n]: Min(sqrt(entry[n] ** 2 + pull[n] ** 2), 3) * exp(-reach / 10) + Total(score[n, t], t) / 100,
            block[n, m]: block[m, n] / 2 + pull[n] * entry[m] / 20 + Expm1(-reach / 30) + block[0, n] * STEP / 40,
        }
    )
    return SimpleNamespace(size=size, entry=entry, block=block, pull=pull, reach=reach)


def problem() -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(3)
    constants = {
        "weight": rng.normal(size=(4, 4)),
        "is_odd": np.array([0.0, 1.0, 0.0, 1.0]),
        "place": np.array([2, 0, 1, 1]),
    }
    return constants, {"score": rng.normal(size=(STEPS + 1, 4, 3)), "loss": np.linspace(0, 1, STEPS + 1)}


def written_out(constants: dict[str, Any], states: dict[str, Any]) -> list[tuple[Any, Any, Any, Any, Any]]:
    """The same in plain loops over exact numbers."""
    mp = mpmath.mp
    W = [[mp.mpf(w) for w in row] for row in constants["weight"]]
    samples = range(4)
    found = []
    size, block = mp.mpf(1) / 3, [[mp.mpf(a == b) / 7 for b in samples] for a in samples]
    entry = [max(abs(mp.mpf(x)) for x in states["score"][0, a]) for a in samples]
    for step in range(STEPS + 1):
        pull = [sum(block[b][a] * entry[b] * W[a][b] for b in samples) + size / 3 for a in samples]
        reach = max(pull[1], pull[3], min(map(abs, pull)))
        found.append((size, entry, block, pull, reach))
        drift = [sum(map(mp.mpf, states["score"][step, a])) / 100 for a in samples]
        size, entry, block = (
            size * 2 / 3 + sum(abs(x) for row in block for x in row) / 50 + mp.mpf(states["loss"][step]) / 9,
            [
                min(mp.sqrt(e**2 + p**2), 3) * mp.exp(-reach / 10) + d
                for e, p, d in zip(entry, pull, drift, strict=True)
            ],
            [
                [
                    block[b][a] / 2 + pull[a] * entry[b] / 20 + mp.exp(-reach / 30) - 1 + block[0][a] * step / 40
                    for b in samples
                ]
                for a in samples
            ],
        )
    return found


def lemma(*claims: Claim) -> Lemma:
    found = Lemma(words="w", claims=claims, source=Derived("tests"))
    found.name = "lemma"
    return found


def statements(s: SimpleNamespace) -> Lemma:
    return lemma(
        Claim(s.size, "<=", 10 * loss),
        Claim(s.entry[n], "<=", s.reach),
        Claim(s.block[n, m], "<=", s.pull[m]),
        Claim(s.block[m, m], "<=", s.block[n, 1] + score[m, place[n]]),
    )


class TestArrays:
    @pytest.mark.parametrize("cuts", [[], [1], [3, 4]])
    def test_members_are_those_written_out(self, cuts):
        constants, states = problem()
        session = compile_lemmas([statements(mixing())], states).start(constants)
        with mpmath.workdps(50):
            exact = written_out(constants, states)
        bounds = [0, *cuts, STEPS]
        for first, last in pairwise(bounds):
            result = session.evaluate({name: each[first : last + 1] for name, each in states.items()}, first)
            lhs = [outcome.lhs for outcome in result.outcomes]
            for row, (size, entry, block, _, _) in enumerate(exact[first : last + 1]):
                assert float(size) == pytest.approx(lhs[0][row], rel=1e-13)
                assert lhs[1][row] == pytest.approx([float(e) for e in entry], rel=1e-13)
                # claims have their indices in the order of their names: m, n
                assert pytest.approx(np.array(block, dtype=float), rel=1e-12, abs=1e-15) == lhs[2][row].T
                assert lhs[3][row][:, 0] == pytest.approx([float(block[a][a]) for a in range(4)], rel=1e-12, abs=1e-15)

    def test_rounding_bounds_hold_and_are_small(self):
        constants, states = problem()
        assert self.worst(constants, states) <= 1

    def test_a_bound_that_forgets_roundings_is_caught(self, monkeypatch):
        monkeypatch.setattr(loops, "EPSILON", Rational(1, 2**90))
        monkeypatch.setattr("proofs.language.roundoff.EPSILON", Rational(1, 2**90))
        constants, states = problem()
        assert self.worst(constants, states) > 1

    def worst(self, constants: dict[str, Any], states: dict[str, Any]) -> float:
        """The largest error of a margin over its bound, which is below 1e-11."""
        checked = statements(mixing())
        result = compile_lemmas([checked], states).start(constants).evaluate(states, 0)
        worst = 0.0
        with mpmath.workdps(50):
            exact = written_out(constants, states)
            for outcome, margins in zip(result.outcomes[:3], self.margins(exact, states), strict=True):
                bound = np.broadcast_to(outcome.rounding, outcome.margin.shape)
                errors = np.abs(np.vectorize(mpmath.mpf, otypes=[object])(outcome.margin) - margins)
                worst = max(worst, float(np.max(errors / np.maximum(bound, 1e-300))))
                assert np.max(bound) < 1e-11
        return worst

    @staticmethod
    def margins(exact: Any, states: dict[str, Any]) -> list[Any]:
        of_size = [10 * mpmath.mpf(loss) - step[0] for loss, step in zip(states["loss"], exact, strict=True)]
        of_entry = [[step[4] - entry for entry in step[1]] for step in exact]
        of_block = [[[step[3][b] - step[2][a][b] for a in range(4)] for b in range(4)] for step in exact]
        return [np.array(each, dtype=object) for each in (of_size, of_entry, of_block)]

    def test_balls_enclose_them(self):
        constants, states = problem()
        s = mixing()
        here, start = ({**constants, **{name: each[step] for name, each in states.items()}} for step in (2, 0))
        frozen = Recurrence("frozen", words="driven by constants and its start alone")
        part = frozen.member("part", n, start=Largest(Abs(score[n, t]), t), words="part")
        inner = Observable("inner", SAMPLE, words="inner")
        define(inner[n], Total(weight[n, m] * part[m], m))
        frozen.updates({part[n]: inner[n] / 3 + at_start(loss) + STEP})
        decider = Decider(start=start)
        with mpmath.workdps(50):
            value = [max(abs(mpmath.mpf(x)) for x in row) for row in states["score"][0]]
            for step in range(2):
                mixed = [sum(mpmath.mpf(w) * v for w, v in zip(row, value, strict=True)) for row in constants["weight"]]
                value = [each / 3 + step for each in mixed]
            for sample in range(4):
                ball = decider.enclose(part[n], here, {"n": sample}, 2, 128)
                assert abs(mpmath.mpf(ball.mid().str(45, radius=False)) - value[sample]) < 1e-33
        # what the states of other steps drive does not follow from two states
        assert decider.decide(Claim(s.size, "<=", 100), here, {}, 2) == "undecided"

    def test_they_are_evaluated_by_name(self):
        constants, states = problem()
        with mpmath.workdps(50):
            exact = written_out(constants, states)
        s = mixing()
        assert value_of(s.pull, constants, states) == pytest.approx(
            np.array([[float(p) for p in step[3]] for step in exact]), rel=1e-12
        )

    def test_what_cannot_stand_around_a_member_is_refused(self):
        bad = Recurrence("bad", words="gathers")
        entry = bad.member("entry", n, start=0, words="entry")
        at = data("at", SAMPLE, elements_of=SAMPLE)
        bad.updates({entry[n]: entry[at[n]]})
        with pytest.raises(StatementError, match="a member's indices are letters or numbers"):
            compile_lemmas([lemma(Claim(entry[n], "<=", 1))], ["loss"])


class TestAtAnEvent:
    """A sequence that starts when the loss has passed a half, from the loss itself."""

    event = Event("half", Claim(loss, ">=", Rational(1, 2)), words="the loss has passed a half")

    def since(self) -> Any:
        growth = Recurrence("growth", words="doubles since an event", since=self.event)
        size = growth.member("size", start=loss, words="size")
        growth.updates({size: 2 * size})
        return size

    @pytest.mark.parametrize("cuts", [[], [2], [3], [4], [5], [2, 3, 4, 5, 6]])
    def test_it_starts_there_wherever_stretches_end(self, cuts):
        _, states = problem()
        losses = states["loss"]
        session = compile_lemmas([lemma(Claim(self.since(), "<=", 100))], ["loss"]).start({})
        begun = int(np.argmax(losses >= 0.5))
        bounds = [0, *cuts, STEPS]
        seen: dict[int, float] = {}
        for first, last in pairwise(bounds):
            (outcome,) = session.evaluate({"loss": losses[first : last + 1]}, first).outcomes
            seen |= dict(zip(outcome.steps.tolist(), outcome.lhs.tolist(), strict=True))
        assert seen == {step: losses[begun] * 2.0 ** (step - begun) for step in range(begun, STEPS + 1)}

    def test_without_its_event_nothing_is_checked(self):
        (outcome,) = (
            compile_lemmas([lemma(Claim(self.since(), "<=", 100))], ["loss"])
            .start({})
            .evaluate({"loss": np.zeros(4)}, 0)
            .outcomes
        )
        assert outcome.tally().checked_steps == 0

    def test_balls_do_not_decide_it(self):
        assert Decider(start={"loss": 1.0}).decide(Claim(self.since(), "<=", 100), {"loss": 1.0}, {}, 0) == "undecided"

    def test_values_at_other_events_are_refused(self):
        growth = Recurrence("growth", words="w")
        with pytest.raises(StatementError, match="it uses a value at half but does not start there"):
            growth.member("size", start=at_event(loss, self.event), words="size")


def test_an_event_can_be_about_the_next_state() -> None:
    falls = Event("falls", Claim(after(loss), "<", loss), words="the loss is about to fall")
    losses = np.array([1.0, 2.0, 3.0, 2.5, 4.0])
    for cuts in ([], [2], [3], [1, 2, 3]):
        session = compile_lemmas([lemma(Claim(loss, "<=", 5))], ["loss"], events=[falls]).start({})
        bounds = [0, *cuts, 4]
        for first, last in pairwise(bounds):
            events = session.evaluate({"loss": losses[first : last + 1]}, first).events
        assert events == {"falls": 2}


def test_a_recurrence_is_carried_no_further_than_its_stages() -> None:
    grown = Event("grown", Claim(loss, ">=", 1), words="the loss has grown")
    growth = Recurrence("growth", words="doubles")
    size = growth.member("size", start=1, words="size")
    growth.updates({size: 2 * size})
    until = Lemma(words="w", claim=Claim(size, "<=", 100), stage=Stage("until", end=grown), source=Derived("tests"))
    always = Lemma(words="w", claim=Claim(size, "<=", 100), source=Derived("tests"))
    losses = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    for lemmas in ([until], [until, always]):
        session = compile_lemmas(lemmas, ["loss"]).start({})
        for first in (0, 2, 4):
            result = session.evaluate({"loss": losses[first : first + 3]}, first)
            if first == 2:
                assert result.outcomes[0].lhs.tolist() == [4.0]
        assert [outcome.lemma for outcome in result.outcomes] == lemmas[1:]
        assert [members[0][-1] for members in session.run.now.values()] == [64.0] * len(lemmas[1:])
