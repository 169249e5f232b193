from pathlib import Path

import pytest

from proofs.language import ByHand, BySymbols, Derived, Lemma, plain
from proofs.token_selection import exact
from proofs.token_selection.claims import LEDGER
from proofs.token_selection.statements import lemmas, statements

ROOT = Path(__file__).parents[3]


def anchors(page: str) -> set[str]:
    headings = [line.lstrip("# ") for line in (ROOT / page).read_text().splitlines() if line.startswith("#")]
    return {heading.lower().replace(" ", "-").replace(",", "") for heading in headings}


@pytest.mark.parametrize(
    "lemma", [each for each in lemmas() if each.module == exact.__name__], ids=lambda each: each.name
)
def test_proofs_are_where_statements_say(lemma: Lemma) -> None:
    places = [each.where for each in (lemma.source,) if isinstance(each, Derived)]
    places += [lemma.proof.anchor] if isinstance(lemma.proof, ByHand) else []
    for place in places:
        page, _, anchor = place.partition("#")
        assert anchor in anchors(page)


def test_symbolic_proofs_of_exact_statements_succeed() -> None:
    checks = {
        each.proof.check for each in lemmas() if isinstance(each.proof, BySymbols) and each.module == exact.__name__
    }
    assert len(checks) >= 6
    assert all(check() for check in checks)


def test_every_statement_has_a_name_and_prints() -> None:
    for name, statement in statements().items():
        assert statement.name == name
        for claim in getattr(statement, "claims", ()):
            assert plain(claim)


def test_the_ledger_names_statements_of_this_system() -> None:
    known = set(statements().values())
    assert LEDGER
    assert all(set(headline.statements) <= known and headline.statements for headline in LEDGER.values())
