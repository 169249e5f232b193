"""Every statement about `benign-vit`, by name."""

from functools import cache

from proofs.benign_vit import bounds, exact, stage_one, stage_three, stage_two, start
from proofs.language import Lemma, collect
from proofs.language.statements import Statement
from proofs.shared import logistic

MODULES = (exact, bounds, stage_one, stage_two, stage_three, start)


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
