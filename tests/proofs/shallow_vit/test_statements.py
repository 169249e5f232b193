from pathlib import Path

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


def test_every_statement_has_a_proof_that_is_written_down() -> None:
    page = open_page()
    for lemma in lemmas():
        assert lemma.proof is not None, lemma.name
        if isinstance(lemma.proof, ByHand):
            anchor = lemma.proof.anchor.partition("#")[2]
            assert f"## {anchor.replace('-', ' ')}" in page, lemma.name


def open_page() -> str:
    page = Path(__file__).parents[3] / "docs" / "shallow-vit.md"
    return page.read_text(encoding="utf-8").lower()


def test_the_ledger_names_statements() -> None:
    known = set(map(id, statements().values()))
    assert all(id(statement) in known for headline in LEDGER.values() for statement in headline.statements)
    assert all(isinstance(each, Lemma) for each in lemmas())


def test_events_and_condition_have_words() -> None:
    assert all(event.words for event in EVENTS)
    assert all(says for says, _ in CONDITION.values())
