"""Statements counted on many draws at once, against one draw at a time in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sympy import Abs, Rational

from proofs.language import Claim, Derived, Index, IndexSet, Lemma, Observable, Size
from verify.checking.trials import Counted, Trials, together

ITEM = IndexSet("item", size="K")
k = Index("k", ITEM)
length = Observable("length", ITEM, constant=True, nonnegative=True, words="drawn data")
counts = Observable("counts", ITEM, constant=True, nonnegative=True, words="1 where the claim is about an item")
turn = Observable("turn", ITEM, state=True, words="drawn state")
limit = Observable("limit", constant=True, nonnegative=True, words="a limit")
HERE = Derived("here")

short = Lemma(
    words="Items are short, and turn little.",
    kind="probability",
    claims=[
        Claim(length[k], "<=", limit * Size(ITEM), where=counts[k]),
        Claim(Abs(turn[k]), "<=", length[k]),
    ],
    given=[Claim(limit, ">=", Rational(1, 2))],
    source=HERE,
)
short.name = "short"

items = st.integers(1, 4)
numbers = st.floats(0, 8)


@given(st.data(), st.integers(1, 6), items, st.floats(0.1, 2.0), st.integers(1, 3))
def test_counts_are_those_of_one_draw_at_a_time(
    data: st.DataObject, trials: int, size: int, bound: float, chunk: int
) -> None:
    drawn = data.draw(arrays(np.float64, (trials, size), elements=numbers))
    turns = data.draw(arrays(np.float64, (trials, size), elements=st.floats(-8, 8)))
    about = data.draw(arrays(np.float64, size, elements=st.sampled_from([0.0, 1.0])))
    successes, margins = 0, [math.inf]
    for lengths, angles in zip(drawn, turns, strict=True):
        holds = True
        for item in range(size):
            sides = [(abs(angles[item]), lengths[item])]
            if about[item]:
                sides.append((lengths[item], bound * size))
            holds = holds and all(left <= right for left, right in sides)
            margins += [(right - left) / (left + right) if left + right > 0 else 0.0 for left, right in sides]
        successes += holds
    draws = [
        {"length": drawn[first : first + chunk], "turn": turns[first : first + chunk]}
        for first in range(0, trials, chunk)
    ]
    constants = {"counts": about, "limit": bound, "K": size}
    found = Trials([short], ["length", "turn"]).count(constants, draws)["short"]
    assert (found.trials, found.successes) == (trials, successes)
    assert found.given == pytest.approx((bound - 0.5) / (bound + 0.5))
    assert found.smallest == pytest.approx(min(margins))


def test_sizes_are_the_problems_even_where_a_draw_holds_some_elements_only() -> None:
    trials = Trials([short], ["length", "turn"])
    draw = {"length": np.array([[3.0]]), "turn": np.array([[0.0]])}
    constants = {"counts": np.ones(1), "limit": 1.0}
    assert trials.count({**constants, "K": 2}, [draw])["short"].successes == 0
    assert trials.count({**constants, "K": 3}, [draw])["short"].successes == 1


def test_what_neither_a_draw_nor_a_constant_gives_is_asked_for() -> None:
    with pytest.raises(ValueError, match="limit"):
        Trials([short], ["length", "turn"]).count({"counts": np.ones(1), "K": 1}, [])
    with pytest.raises(ValueError, match="turn"):
        Trials([short], ["length", "turn"]).count(
            {"counts": np.ones(1), "K": 1, "limit": 1.0}, [{"length": np.ones((1, 1))}]
        )


def test_trials_without_hypotheses_have_no_margin_of_one() -> None:
    assert together([Counted(1, 1, 0.5, None), Counted(2, 0, -1.0, None)]) == Counted(3, 1, -1.0, None)
