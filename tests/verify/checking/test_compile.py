from collections.abc import Iterator
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Max, Rational

from proofs.language import (
    ALWAYS,
    Claim,
    Derived,
    Event,
    Index,
    IndexSet,
    Lemma,
    Observable,
    Stage,
    StatementError,
    after,
    arrays,
    at_start,
    change,
    rounding,
    roundoff,
)
from verify.checking import compile as compile_module
from verify.checking.arrays import SumOfProducts
from verify.checking.compile import Checker, Session, compile_lemmas, value_of
from verify.checking.loops import compiled_loop
from verify.checking.outcome import Outcome

STEPS = 6


def evaluated(
    mock: SimpleNamespace, problem: dict[str, Any], lemmas: Any = None
) -> tuple[Session, Any, dict[str, Any]]:
    states = mock.train(problem, STEPS)
    checker = compile_lemmas(mock.lemmas.values() if lemmas is None else lemmas, mock.recorded)
    session = checker.start(problem)
    return session, session.evaluate(states, 0), states


def elements(outcome: Outcome) -> Iterator[tuple[int, int, dict[str, int], tuple[int, ...]]]:
    """Place in the stretch, step, indices and place in the array of every element of an outcome."""
    sizes = outcome.margin.shape[1:]
    for place, step in enumerate(outcome.steps):
        for element in product(*map(range, sizes)):
            yield place, int(step), dict(zip(outcome.indices, element, strict=True)), (place, *element)


def disagreements(result: Any, reference: Any) -> list[str]:
    """Sides that differ from the reference by more than rounding can explain."""
    found = []
    for outcome in result.outcomes:
        for side, array in (("lhs", outcome.lhs), ("rhs", outcome.rhs)):
            for _, step, env, place in elements(outcome):
                exact = reference.value(getattr(outcome.claim, side), step, env)
                if not abs(array[place] - exact) <= 1e-11 * (1 + abs(exact)):
                    found.append(f"{outcome.lemma.name} {side} at {step} {env}: {array[place]} is not {exact}")
    return found


@pytest.fixture(scope="module")
def problem(mock: SimpleNamespace) -> dict[str, Any]:
    return mock.draw(0, 0.05)


class TestValues:
    def test_every_node_agrees_with_the_reference(self, mock, problem):
        _, result, states = evaluated(mock, problem)
        reference = mock.reference(problem, states, exact_next=False)
        assert disagreements(result, reference) == []
        stage = mock.lemmas["since_event"].stage
        assert result.events == {event.name: reference.event(event) for event in (stage.start, stage.end)}
        assert 0 < result.events["big"] < result.events["later"]
        assert all(outcome.steps.size for outcome in result.outcomes)

    @pytest.mark.parametrize(
        ("table", "planted"),
        [
            ("_LATTICE", {Max: "np.minimum"}),
            ("_FUNCTIONS", {Abs: "np.negative"}),
        ],
    )
    def test_a_wrong_printer_is_caught(self, mock, problem, monkeypatch, table, planted):
        monkeypatch.setattr(arrays, table, getattr(arrays, table) | planted)
        _, result, states = evaluated(mock, problem)
        assert disagreements(result, mock.reference(problem, states, exact_next=False))

    def test_definitions_agree_with_what_the_kernel_records(self, mock, problem):
        states = mock.train(problem, STEPS)
        for name in ("score", "attention", "output", "loss_derivative", "loss", "query_change"):
            value = value_of(getattr(mock.symbols, name), problem, states)
            assert value.shape == states[name].shape
            np.testing.assert_allclose(value, states[name], rtol=1e-12, atol=1e-13)
        assert value_of(mock.symbols.gram_norm, problem, {}) == pytest.approx(
            np.abs(problem["gram"]).sum(axis=1).max(), rel=1e-14
        )

    def test_definitions_serve_where_nothing_but_the_state_is_recorded(self, mock, problem):
        states = mock.train(problem, STEPS)
        checker = compile_lemmas([mock.lemmas["near_half"], mock.lemmas["query_drift"]], ["value", "query"])
        assert checker.needed_states == {"value", "query"}
        result = checker.start(problem).evaluate({name: states[name] for name in ("value", "query")}, 0)
        assert disagreements(result, mock.reference(problem, states, exact_next=False)) == []

    def test_needed_names_only_what_is_used(self, mock):
        checker = compile_lemmas([mock.lemmas["given"]], mock.recorded)
        assert "query_change" not in checker.needed_states
        assert {"output", "loss"} <= checker.needed_states
        assert "gram" not in checker.needed_constants
        assert "label" in checker.needed_constants


class TestStretches:
    @settings(max_examples=12)
    @given(cuts=st.sets(st.integers(0, STEPS), max_size=4))
    def test_cuts_change_nothing(self, mock, problem, cuts):
        states = mock.train(problem, STEPS)
        checker = compile_lemmas(mock.lemmas.values(), mock.recorded)
        whole, parts = checker.start(problem), checker.start(problem)
        result = whole.evaluate(states, 0)
        bounds = [0, *sorted(cuts), STEPS]
        seen: dict[tuple[str, int, int], Any] = {}
        for first, last in pairwise(bounds):
            piece = {name: each[first : last if name == "query_change" else last + 1] for name, each in states.items()}
            partial = parts.evaluate(piece, first)
            for outcome in partial.outcomes:
                for place, step in enumerate(outcome.steps):
                    seen[outcome.lemma.name, outcome.claim_number, int(step)] = (
                        outcome.lhs[place],
                        outcome.rhs[place],
                        np.broadcast_to(outcome.applies, outcome.margin.shape)[place],
                    )
        assert partial.events == result.events
        for outcome in result.outcomes:
            for place, step in enumerate(outcome.steps):
                lhs, rhs, applies = seen.pop((outcome.lemma.name, outcome.claim_number, int(step)))
                np.testing.assert_allclose(lhs, outcome.lhs[place], rtol=1e-13, atol=1e-15)
                np.testing.assert_allclose(rhs, outcome.rhs[place], rtol=1e-13, atol=1e-15)
                np.testing.assert_array_equal(applies, outcome.applies[place])
        assert not seen

    def test_saved_memories_can_be_gone_back_to(self, mock, problem):
        states = mock.train(problem, STEPS)
        lemmas = [mock.lemmas["from_start"], mock.lemmas["envelope"]]
        session = compile_lemmas(lemmas, mock.recorded).start(problem)
        session.evaluate({name: each[:3] for name, each in states.items() if name != "query_change"}, 0)
        saved = session.save()
        rest = {name: each[2:] for name, each in states.items() if name != "query_change"}
        first = [outcome.rhs.copy() for outcome in session.evaluate(rest, 2).outcomes]
        session.restore(saved)
        again = [outcome.rhs for outcome in session.evaluate(rest, 2).outcomes]
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_looking_back_needs_step_0(self, mock, problem):
        states = mock.train(problem, STEPS)
        session = compile_lemmas([mock.lemmas["from_start"]], mock.recorded).start(problem)
        with pytest.raises(ValueError, match="first_step = 5"):
            session.evaluate(states, 5)


class TestStages:
    def outcome(self, mock, problem, claim, stage, **options) -> Outcome:
        lemma = Lemma(words="a statement", claim=claim, stage=stage, source=Derived("tests"), **options)
        _, result, _ = evaluated(mock, problem, [lemma])
        return result.outcomes[0]

    def test_both_ends_belong_to_a_stage_and_increments_end_one_step_earlier(self, mock, problem):
        s = mock.symbols
        third = Event("third", Claim(s.STEP, ">=", 2), words="step 2")
        fifth = Event("fifth", Claim(s.STEP, ">=", 4), words="step 4")
        never = Event("never", Claim(s.STEP, ">=", 99), words="step 99")
        state = Claim(s.value[s.p], "<=", 9)
        increment = Claim(change(s.value[s.p]), "<=", 9)
        assert list(self.outcome(mock, problem, state, Stage("x", third, fifth)).steps) == [2, 3, 4]
        assert list(self.outcome(mock, problem, increment, Stage("x", third, fifth)).steps) == [2, 3]
        assert list(self.outcome(mock, problem, increment, Stage("x", third)).steps) == [2, 3, 4, 5]
        assert list(self.outcome(mock, problem, state, Stage("x", 0, never)).steps) == list(range(STEPS + 1))
        assert list(self.outcome(mock, problem, state, Stage("x", never)).steps) == []
        assert list(self.outcome(mock, problem, state, Stage("x", fifth, third)).steps) == []

    def test_what_depends_on_no_step_is_returned_once(self, mock, problem):
        s = mock.symbols
        outcome = self.outcome(mock, problem, Claim(at_start(s.loss), "<=", s.gram_norm), ALWAYS)
        assert list(outcome.steps) == [0]

    def test_hypotheses_and_where_restrict(self, mock, problem):
        s = mock.symbols
        claim = Claim(s.value[s.p], "<=", 9, where=s.is_noise[s.p])
        outcome = self.outcome(mock, problem, claim, ALWAYS, given=[Claim(s.value[s.p], ">", 0)])
        expected = (mock.train(problem, STEPS)["value"] > 0) & (problem["is_noise"] == 1)
        np.testing.assert_array_equal(outcome.applies, expected)
        assert outcome.tally().checked_steps == np.count_nonzero(expected.any(axis=1))
        nothing = self.outcome(mock, problem, claim, ALWAYS, given=[Claim(s.value[s.p], ">", 1000)])
        assert nothing.tally().checked_steps == 0
        assert nothing.tally().worst is None


class TestTally:
    def tally(self, mock, problem, claim):
        _, result, _ = evaluated(mock, problem, [Lemma(words="w", claim=claim, source=Derived("tests"))])
        return result.outcomes[0].tally()

    def test_a_violation_is_found_at_its_first_step_and_place(self, mock, problem):
        s = mock.symbols
        values = mock.train(problem, STEPS)["value"]
        cut = Rational(float(np.sort(values.max(axis=1))[-2]))
        tally = self.tally(mock, problem, Claim(s.value[s.p], "<=", cut))
        step = np.flatnonzero((values > float(cut)).any(axis=1))[0]
        tokens = np.flatnonzero(values[step] > float(cut))
        assert [(each.step, each.where) for each in tally.violations] == [(step, {"p": token}) for token in tokens]
        assert tally.worst.margin == float(cut) - values.max()

    def test_ties_are_suspects_not_verdicts(self, mock, problem):
        s = mock.symbols
        tally = self.tally(mock, problem, Claim(s.value[s.p] ** 2 - 1, "<=", (s.value[s.p] - 1) * (s.value[s.p] + 1)))
        assert not tally.violations
        assert len(tally.suspects) == 8 * (STEPS + 1)
        assert isinstance(tally.suspects[0].where["p"], int)
        assert len(tally.suspects[2:5]) == 3

    def test_what_is_left_out_is_never_worse_than_what_is_known(self, mock, problem):
        _, result, _ = evaluated(mock, problem)
        left_out = 0
        for outcome in result.outcomes:
            full = outcome.tally()
            for known in (-1.0, 0.0, 1e-3, 0.5, 1.0):
                brief = outcome.tally(known)
                if brief.worst is None:
                    left_out += 1
                    assert full.worst is None or full.worst.relative_margin >= known
                assert (len(brief.violations), len(brief.suspects)) == (
                    len(full.violations),
                    len(full.suspects),
                )
        assert left_out > 20

    def test_nan_is_never_taken_for_true(self, mock, problem):
        states = mock.train(problem, STEPS)
        states["loss"][4] = np.nan
        lemma = Lemma(words="w", claim=Claim(mock.symbols.loss, "<=", 1000), source=Derived("tests"))
        session = compile_lemmas([lemma], mock.recorded).start(problem)
        tally = session.evaluate(states, 0).outcomes[0].tally()
        assert [each.step for each in tally.suspects] == [4]

    def test_equality_holds_to_its_resolution_and_fails_beyond(self, mock, problem):
        s = mock.symbols
        tally = self.tally(mock, problem, Claim(change(s.value[s.p]), "==", s.value_step))
        assert not tally.violations
        assert 0 < tally.resolution < 1e-10
        off = self.tally(mock, problem, Claim(change(s.value[s.p]), "==", s.value_step * (1 + Rational(1, 10**9))))
        assert off.violations

    def test_screening_never_hides_a_suspect(self, mock, problem, monkeypatch):
        """The upper estimate is at least the bound of every element, so skipping on it is safe."""
        _, result, _ = evaluated(mock, problem)
        for outcome in result.outcomes:
            if outcome.claim.relation != "==":
                assert np.nanmax(outcome.rounding) <= outcome.ceiling()


class TestRounding:
    """The bound must hold for every element, and be small on well-scaled problems."""

    def worst(self, mock, problem) -> list[tuple[float, float, str]]:
        """Per claim: the largest error over its bound, and the largest bound over the size of the sides."""
        _, result, states = evaluated(mock, problem)
        reference = mock.reference(problem, states, exact_next=True)
        found = []
        with mpmath.workdps(50):
            for outcome in result.outcomes:
                bounds, margins = outcome.rounding, outcome.margin
                over, size = 0.0, 0.0
                for _, step, env, place in elements(outcome):
                    lhs = reference.value(outcome.claim.lhs, step, env)
                    rhs = reference.value(outcome.claim.rhs, step, env)
                    exact = {"<": rhs - lhs, ">": lhs - rhs, "=": -abs(lhs - rhs)}[outcome.claim.relation[0]]
                    error = abs(mpmath.mpf(float(margins[place])) - exact)
                    over = max(over, float(error / bounds[place]) if bounds[place] else float(error > 0) * np.inf)
                    size = max(size, float(bounds[place] / (abs(lhs) + abs(rhs) + 1)))
                found.append((over, size, f"{outcome.lemma.name} {outcome.claim_number}"))
        return found

    @settings(max_examples=5)
    @given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 1e-2, 1.0]))
    def test_the_bound_holds_and_is_small(self, mock, seed, scale):
        for over, size, name in self.worst(mock, mock.draw(seed, scale)):
            assert over <= 1, name
            assert size < 1e-10, name

    def test_a_bound_that_forgets_roundings_is_caught(self, mock, problem, monkeypatch):
        monkeypatch.setattr(roundoff, "EPSILON", Rational(1, 2**62))
        assert any(over > 1 for over, _, _ in self.worst(mock, problem))

    def test_the_rounding_of_the_next_state_is_counted(self, mock, problem):
        """The increments of a large value lose digits that the increments themselves do not show."""
        s = mock.symbols
        large = problem | {"value": problem["value"] * 1e3}
        lemma = Lemma(words="w", claim=Claim(change(s.value[s.p]), "<=", s.value_step), source=Derived("tests"))
        _, result, _ = evaluated(mock, large, [lemma])
        bound = result.outcomes[0].rounding
        assert np.all(bound >= np.finfo(float).eps * np.abs(mock.train(large, STEPS)["value"][1:]) / 2)

    def test_the_rounding_of_the_next_state_is_passed_on(self):
        """What an author says of recorded values does not hide that they were made of a state that was rounded."""
        place = IndexSet("place", size="P")
        p = Index("p", place)
        part = Observable("part", place, words="a state", state=True)
        seen = Observable("seen", words="a norm recorded in place of a vector")
        from proofs.language import Largest, define, update

        define(seen, 3 * Largest(part[p], p))
        update(part[p], part[p] / 3)
        lemma = Lemma(words="w", claim=Claim(after(seen), "<=", 3), source=Derived("tests"))
        states = {"part": np.array([[9.0, 1.0], [3.0, 1.0]]), "seen": np.array([27.0, 9.0])}
        bounds = []
        for passed_on in (None, 3 * Largest(part[p], p)):
            seen.rounding = None
            rounding(seen, Rational(1, 1000) * Abs(seen), passed_on)
            outcome = compile_lemmas([lemma], states).start({}).evaluate(states, 0).outcomes[0]
            bounds.append(float(outcome.rounding[0]))
        said = 0.009 + np.finfo(float).eps * 6
        assert bounds[0] == pytest.approx(said, rel=1e-15)
        assert bounds[1] - bounds[0] >= 3 * np.finfo(float).eps * 3.0

    def test_bounds_evaluated_together_are_those_evaluated_alone(self, mock, problem, monkeypatch):
        alone, together = [], []
        for often, bounds in ((10**9, alone), (2, together)):
            monkeypatch.setattr(compile_module, "OFTEN", often)
            session, result, states = evaluated(mock, problem)
            for _ in range(3):
                result = session.evaluate(states, 0)
                bounds[:] = [outcome.rounding for outcome in result.outcomes]
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)

    def test_what_an_author_says_of_rounding_is_used(self):
        seen = Observable("seen", words="a norm recorded in place of a vector")
        part = Observable("part", words="a state", state=True)
        from proofs.language import define

        define(seen, 2 * part)
        rounding(seen, Rational(1, 1000) * Abs(seen))
        lemma = Lemma(words="w", claim=Claim(seen, "<=", 3), source=Derived("tests"))
        checker = compile_lemmas([lemma], ["seen"])
        assert checker.needed_states == {"seen"}
        outcome = checker.start({}).evaluate({"seen": np.array([2.0, 2.998, 3.1])}, 0).outcomes[0]
        np.testing.assert_allclose(outcome.rounding, [0.002, 0.002998, 0.0031], rtol=1e-9)
        tally = outcome.tally()
        assert [each.step for each in tally.suspects] == [1]
        assert [each.step for each in tally.violations] == [2]

    def test_a_next_state_of_unknown_making_is_refused(self):
        state = Observable("state", words="a state that nothing updates", state=True)
        lemma = Lemma(words="w", claim=Claim(after(state), "<=", 3), source=Derived("tests"))
        with pytest.raises(StatementError, match=r"test_compile.py:\d+: after\(state\)"):
            compile_lemmas([lemma], ["state"])


class TestRefusals:
    @pytest.fixture
    def checker(self, mock) -> Checker:
        return compile_lemmas([mock.lemmas["near_half"], mock.lemmas["masked"]], mock.recorded)

    def test_missing_arrays(self, mock, problem, checker):
        with pytest.raises(ValueError, match=r"\Alabel: the statements need it, and the problem does not hold it\Z"):
            checker.start({name: each for name, each in problem.items() if name != "label"})
        states = mock.train(problem, 2)
        del states["output"]
        with pytest.raises(ValueError, match=r"\Aoutput: .* the stretch does not hold it\Z"):
            checker.start(problem).evaluate(states, 0)

    def test_shapes(self, mock, problem, checker):
        with pytest.raises(ValueError, match=r"\Alabel: shape \(3, 1\) is not that of \(sample\)\Z"):
            checker.start(problem | {"label": problem["label"][:, None]})
        states = mock.train(problem, 2)
        with pytest.raises(ValueError, match="P = 7, but elsewhere it is 8"):
            checker.start(problem).evaluate(states | {"value": states["value"][:, :7]}, 0)
        with pytest.raises(ValueError, match="2 steps in a stretch of 2 increments"):
            checker.start(problem).evaluate(states | {"output": states["output"][:2]}, 0)

    def test_indices(self, mock, problem, checker):
        with pytest.raises(ValueError, match="give integers"):
            checker.start(problem | {"token_at": problem["token_at"] * 1.0})
        with pytest.raises(ValueError, match="elements 0 to 9, allowed are 0 to 7"):
            checker.start(problem | {"token_at": problem["token_at"] + 2 * (problem["token_at"] == 7)}).evaluate(
                mock.train(problem, 2), 0
            )

    def test_what_is_neither_recorded_nor_defined(self, mock):
        with pytest.raises(
            StatementError, match=r"conftest.py:\d+: observable query: it is neither recorded nor defined"
        ):
            compile_lemmas([mock.lemmas["uniform"]], ["value"])

    def test_two_observables_of_one_name(self):
        one, other = (Observable("twin", words="x", constant=True) for _ in range(2))
        claims = [Lemma(words="w", claim=Claim(each, "<=", 1), source=Derived("x")) for each in (one, other)]
        with pytest.raises(StatementError, match="has the same name"):
            compile_lemmas(claims, [])


class TestLoops:
    SOURCE = "def power(b, e):\n    return b\n\n\nlogistic = softplus = power\n\n\n" + (
        "def iterate(sizes, starts, constants, drives, sequences):\n"
        "    for t in range(3):\n        sequences[t, 0] = starts[0] + t\n"
    )

    def run(self, source):
        sequences = np.zeros((3, 1))
        compiled_loop(source)(np.zeros(0, dtype=np.intp), np.array([2.0]), np.zeros(0), np.zeros((2, 0)), sequences)
        return sequences[:, 0].tolist()

    def test_a_loop_is_kept_in_the_cache_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert self.run(self.SOURCE) == [2.0, 3.0, 4.0]
        (kept,) = (tmp_path / "verify" / "loops").glob("*.py")
        assert kept.read_text() == self.SOURCE
        assert list(kept.parent.rglob("*.nbi"))

    def test_a_folder_that_cannot_be_written_does_not_matter(self, tmp_path, monkeypatch):
        blocked = tmp_path / "file"
        blocked.write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
        assert self.run(self.SOURCE + "\n") == [2.0, 3.0, 4.0]


@settings(max_examples=60)
@given(data=st.data())
def test_sums_of_products_are_those_of_einsum(data):
    """Any operands, with and without steps, whatever route the sizes choose."""
    from proofs.language.programs import Contraction

    sizes = data.draw(st.lists(st.integers(1, 9), min_size=3, max_size=3))
    operands = data.draw(st.lists(st.sets(st.integers(0, 2), min_size=1), min_size=2, max_size=4))
    stepwise = tuple(data.draw(st.booleans()) for _ in operands)
    used = set().union(*operands)
    remaining = tuple(sorted(data.draw(st.sets(st.sampled_from(sorted(used))))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    steps = 5
    arrays_ = [
        rng.normal(size=[sizes[axis] if axis in axes else 1 for axis in range(3)] + [steps if step else 1])
        for axes, step in zip(operands, stepwise, strict=True)
    ]
    constant = tuple(not step and data.draw(st.booleans()) for step in stepwise)
    contraction = Contraction(tuple(tuple(sorted(axes)) for axes in operands), stepwise, constant, remaining)
    product_ = 1.0
    for array in arrays_:
        product_ = product_ * array
    expected = product_.sum(axis=tuple(axis for axis in range(3) if axis not in remaining), keepdims=True)
    product_of = SumOfProducts(contraction, 3)
    for _ in range(2):
        result = product_of(*arrays_)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)
