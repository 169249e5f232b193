"""Every peer trains as the engines do, and a step size 1 % too large is seen: at small sizes, all systems."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.contestants import Array, Contestant
from benchmarks.meeting import Entrants, Meeting, hold

pytest.importorskip("torch")

from benchmarks.benign_vit import meetings as benign_vit
from benchmarks.shallow_vit import meetings as shallow_vit
from benchmarks.token_selection import meetings as token_selection

NOISELESS, NOISY = (
    shallow_vit.PROBLEM.model_copy(update={"N": 20, "L": 12, "m": 8, "B": 5, "d": 10, "n_star": 2, "tau": tau})
    for tau in (0.0, shallow_vit.NOISY.tau)
)

SMALL = {
    "benign-vit": (partial(benign_vit.enter, d=200, d_h=16), 200),
    "token-selection": (partial(token_selection.enter, d=60), 60),
    "shallow-vit": (partial(shallow_vit.enter, NOISELESS, ("patterns", "gram", "weights")), 12),
    "shallow-vit, noise": (partial(shallow_vit.enter, NOISY, ("weights", "gram")), 12),
}


def untimed(contestants: Sequence[Contestant], rounds: int) -> Array:
    return np.ones((len(contestants), rounds))


@pytest.fixture(params=SMALL.values(), ids=SMALL.keys())
def meeting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Meeting:
    monkeypatch.setattr("benchmarks.meeting.interleaved", untimed)
    enter, terms = request.param
    return Meeting("small", enter, terms, compared=20, rounds=1, targets=[])


def test_all_agree(meeting: Meeting) -> None:
    outcome = hold(meeting)
    assert all(agreement.holds for agreement in outcome.agreements[1:])


def test_a_wrong_step_is_refused(meeting: Meeting) -> None:
    def with_one_wrong() -> Entrants:
        entrants = meeting.enter()
        return Entrants([*entrants.contestants, entrants.wrong(1.01)], entrants.wrong)

    with pytest.raises(SystemExit, match="disagrees with the reference"):
        hold(replace(meeting, enter=with_one_wrong))


def test_peers_go_on_where_they_stopped(meeting: Meeting) -> None:
    for at_once, in_parts in zip(meeting.enter().contestants, meeting.enter().contestants, strict=True):
        parts = np.concatenate([in_parts.train(3), in_parts.train(0), in_parts.train(5)])
        np.testing.assert_allclose(parts, at_once.train(8), rtol=20 * at_once.precision)
