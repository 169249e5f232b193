"""`verify show`: statements and the ledger as the reader sees them."""

from typing import Any

import pytest

from verify.errors import RequestError
from verify.report.statement import print_statement
from verify.systems.base import find_system


def shown(capsys: Any, name: str) -> str:
    print_statement(name)
    return str(capsys.readouterr().out)


def test_a_statement_shows_formula_source_proof_and_what_it_rests_on(capsys: Any) -> None:
    text = shown(capsys, "benign-vit/loss-derivative-near-half")
    for part in ("|λ[n] − 1/2| ≤ |f[n]|/4", "arXiv:2409.19345", "quarter-lipschitz", "rests on", "bounds.py:"):
        assert part in text


def test_named_quantities_are_spelt_out(capsys: Any) -> None:
    assert "logistic(-y[n] · f[n])" in shown(capsys, "benign-vit/loss-derivative-near-half")


def test_a_scalar_inequality_is_proved_on_the_spot(capsys: Any) -> None:
    assert "proved in ball arithmetic" in shown(capsys, "benign-vit/quarter-lipschitz")


@pytest.mark.parametrize("name", sorted(find_system("benign-vit").statements()))
def test_every_statement_can_be_shown(capsys: Any, name: str) -> None:
    text = shown(capsys, f"benign-vit/{name}")
    assert text.startswith(f"benign-vit/{name}\n")
    assert "undecided" not in text
    assert "refuted" not in text


def test_the_ledger_names_statements_for_every_headline(capsys: Any) -> None:
    text = shown(capsys, "benign-vit")
    for name, headline in find_system("benign-vit").ledger().items():
        assert f"{name}: {headline.says}" in text
        assert headline.statements
        assert f"studies: {', '.join(headline.studies)}" in text


def test_a_misspelt_statement_is_told_with_its_neighbours() -> None:
    with pytest.raises(RequestError, match="did you mean balancedness-drift"):
        print_statement("benign-vit/balancednes")
