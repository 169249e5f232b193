"""Every statement about `token-selection`, by name."""

from functools import cache

from proofs.language import Lemma, collect
from proofs.language.statements import Statement
from proofs.shared import logistic
from proofs.token_selection import exact, inequalities, order, stage_one, stage_two

MODULES = (exact, inequalities, stage_one, stage_two, order)


@cache
def statements() -> dict[str, Statement]:
    """Names to statements, in reading order; the scalar inequalities behind them come first."""
    found: dict[str, Statement] = {}
    for module in (logistic, *MODULES):
        found.update(collect(module))
    return found


def lemmas() -> list[Lemma]:
    """The lemmas among them."""
    return [statement for statement in statements().values() if isinstance(statement, Lemma)]
