"""Every statement about `shallow-vit`, by name."""

from functools import cache

from proofs.language import Lemma, collect
from proofs.language.statements import Statement
from proofs.shallow_vit import exact, inequalities, order

MODULES = (exact, inequalities, order)


@cache
def statements() -> dict[str, Statement]:
    """Names to statements, in reading order."""
    found: dict[str, Statement] = {}
    for module in MODULES:
        found.update(collect(module))
    return found


def lemmas() -> list[Lemma]:
    """The lemmas among them."""
    return [statement for statement in statements().values() if isinstance(statement, Lemma)]
