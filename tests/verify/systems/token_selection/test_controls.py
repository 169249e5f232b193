"""Every planted error is caught by the check that it names."""

from verify.controls import run_controls
from verify.systems.token_selection import SYSTEM, compiled, draw, dynamics, kernels, system


def test_every_planted_error_is_caught_by_its_check_and_taken_away_again() -> None:
    owners = (kernels, compiled, dynamics, draw, system)
    before = [dict(vars(owner)) for owner in owners]
    found = run_controls(SYSTEM)
    assert {each.control.name: each.verdict for each in found if not each.caught} == {}
    assert [dict(vars(owner)) for owner in owners] == before
    names = [each.control.name for each in found]
    assert len(set(names)) == len(names) >= 35
