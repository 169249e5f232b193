from pathlib import Path

import pytest

from proofs.language import ByHand, Lemma
from proofs.shallow_vit.claims import LEDGER
from proofs.shallow_vit.condition import CONDITION
from proofs.shallow_vit.stages import EVENTS
from proofs.shallow_vit.statements import lemmas, statements

EXACT = {
    "softmax_jacobian": "E1",
    "attention_gradient_bounded": "E1",
    "factor_change": "E2",
    "homogeneity": "E3",
    "head_balance_drift": "E4",
    "value_balance_drift": "E5",
    "norm_growth": "E6",
    "closed_recursion": "E7",
    "moves_in_token_span": "E8",
    "keys_move_in_differences": "E8",
    "moves_in_head_span": "E8",
    "key_sum_conserved": "E9",
    "pattern_reduction": "E10",
    "multiplicities": "E11",
    "rest_at_unit_margins": "E12",
    "sign_change": "E13",
    "token_permutation": "E14",
    "rotation": "E14",
    "rest_at_zero_readout": "E15",
    "error_of_equal_counts": "E16",
    "attention_odds": "E17",
    "attention_budget": "E17",
}


def test_every_exact_fact_is_a_statement() -> None:
    names = {name.replace("-", "_") for name in statements()}
    assert set(EXACT) <= names


def test_every_statement_that_a_run_judges_has_a_proof() -> None:
    assert [lemma.name for lemma in lemmas() if lemma.judged_in_a_run and lemma.proof is None] == []


@pytest.mark.parametrize("lemma", lemmas(), ids=lambda lemma: lemma.name)
def test_proofs_are_written_down(lemma: Lemma) -> None:
    if isinstance(lemma.proof, ByHand):
        page, _, anchor = lemma.proof.anchor.partition("#")
        text = (Path(__file__).parents[3] / page).read_text(encoding="utf-8").lower()
        assert f"## {anchor.replace('-', ' ')}\n" in text


def test_the_ledger_names_statements() -> None:
    known = set(map(id, statements().values()))
    assert all(id(statement) in known for headline in LEDGER.values() for statement in headline.statements)
    assert all(isinstance(each, Lemma) for each in lemmas())


def test_events_and_condition_have_words() -> None:
    assert all(event.words for event in EVENTS)
    assert all(says for says, _ in CONDITION.values())
