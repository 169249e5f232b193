"""Statements of bounds and laws: their proofs are written down, and they hold on runs that break wrong ones."""

from dataclasses import replace
from pathlib import Path

import pytest
import sympy

from proofs.language import ByHand, Derived, Lemma, Observable, plain
from proofs.shallow_vit import inequalities, order
from proofs.shallow_vit.statements import lemmas
from verify.checking.verdicts import Verdict
from verify.io.request import make_request
from verify.runs import carry_out
from verify.systems.shallow_vit import SYSTEM
from verify.systems.shallow_vit.system import ShallowVit

ROOT = Path(__file__).parents[3]
OURS = [each for each in lemmas() if each.module in (inequalities.__name__, order.__name__)]
JUDGED = [each for each in OURS if each.judged_in_a_run]


def anchors(page: str) -> set[str]:
    headings = [line.lstrip("# ") for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    return {heading.lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("lemma", OURS, ids=lambda each: each.name)
def test_what_is_behind_a_statement_is_written_down(lemma: Lemma) -> None:
    places = [lemma.source.where] if isinstance(lemma.source, Derived) else []
    places += [lemma.proof.anchor] if isinstance(lemma.proof, ByHand) else []
    for place in places:
        page, _, anchor = place.partition("#")
        assert anchor in anchors(page)
    assert all(plain(claim) for claim in lemma.claims)


def test_every_bound_has_a_proof_and_is_named_in_the_page() -> None:
    page = (ROOT / inequalities.PAGE).read_text(encoding="utf-8")
    bounds = [each for each in OURS if each.module == inequalities.__name__]
    assert len(bounds) >= 9
    for each in bounds:
        assert each.proof is not None
        assert f"**{each.name}**" in page


def test_the_lead_of_relevant_keys_vanishes_at_the_start_and_grows() -> None:
    lead = order.relevant_lead(order.theta, order.pattern_number)
    assert lead.subs(order.theta, 0) == 0
    slope = sympy.diff(lead, order.theta).subs(order.pattern_number, 4)
    assert all(slope.subs(order.theta, angle) > 0 for angle in (0.1, 1.0, 1.5))
    # z = theta^2 M/(2 (M - 2)^2) to second order.
    second = sympy.series(lead.subs(order.pattern_number, 4), order.theta, 0, 3).coeff(order.theta, 2)
    assert second == sympy.Rational(4, 8)


def test_cap_by_its_identity() -> None:
    m, k, x = sympy.symbols("m k x", positive=True)
    missing = 2 * m / (m + k) - m * x / (m * x + k) - m / (k * x + m)
    claimed = m * k * (m - k) * (x - 1) ** 2 / ((m + k) * (m * x + k) * (k * x + m))
    assert sympy.simplify(missing - claimed) == 0


def verdicts(monkeypatch: pytest.MonkeyPatch, judged: list[Lemma], preset: str, **settings: str) -> dict[str, Verdict]:
    monkeypatch.setattr(ShallowVit, "lemmas", lambda self: judged)
    run = carry_out(make_request(SYSTEM.name, preset=preset, settings=settings))
    return {each.statement.name: each.verdict for each in run.judged}


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("confusion", {"m": "16"}),
        ("attention-saturates", {"max_steps": "320"}),
        ("token-noise", {"max_steps": "50", "N": "8", "m": "16"}),
    ],
)
def test_bounds_hold_on_runs(monkeypatch: pytest.MonkeyPatch, preset: str, settings: dict[str, str]) -> None:
    found = verdicts(monkeypatch, JUDGED, preset, **settings)
    assert set(found.values()) <= {Verdict.HOLDS, Verdict.HYPOTHESIS_NOT_MET, Verdict.NOT_JUDGED}
    assert sum(each is Verdict.HOLDS for each in found.values()) >= 5
    if preset == "attention-saturates":
        assert set(found.values()) == {Verdict.HOLDS}


def smaller(lemma: Lemma, factor: sympy.Rational) -> Lemma:
    """The same with the right sides of its upper bounds times a factor."""
    claims = [type(each)(each.lhs, each.relation, each.rhs * factor) for each in lemma.claims if each.relation == "<="]
    wrong = replace(lemma, claim=None, claims=claims, proof=None)
    wrong.name = lemma.name
    return wrong


def test_bounds_that_are_too_small_are_violated_on_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    tenth = sympy.Rational(1, 10)
    too_small = [smaller(each, tenth) for each in JUDGED if each is not inequalities.margins_need_spread]
    found = verdicts(monkeypatch, too_small, "attention-saturates", max_steps="320")
    assert set(found.values()) == {Verdict.VIOLATED}, found


def test_orders_speak_of_what_studies_measure() -> None:
    for lemma in OURS:
        if lemma.kind == "order":
            sides = sympy.Tuple(*(side for claim in lemma.claims for side in (claim.lhs, claim.rhs)))
            assert all(each.constant for each in sides.atoms(Observable))
