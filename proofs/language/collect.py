"""The statements of a module, each under the name of the variable that holds it."""

from types import ModuleType

from proofs.language.errors import checked_name, refusal
from proofs.language.statements import Statement


def collect(module: ModuleType) -> dict[str, Statement]:
    """The statements that a module's own file defines, in order, under their variables' names with hyphens.

    Names in `rests_on` are replaced by the statements they name. Raises StatementError if a statement has two
    names, rests on an unknown one, or rests on itself through others.
    """
    found: dict[str, Statement] = {}
    for variable, statement in vars(module).items():
        if isinstance(statement, Statement) and statement.place.rpartition(":")[0] == module.__file__:
            name = checked_name(variable, "statement").replace("_", "-")
            if statement.name not in ("", name):
                raise refusal(name, f"it is also called {statement.name}", statement.place)
            statement.name, statement.module = name, module.__name__
            found[name] = statement
    for statement in found.values():
        statement.rests_on = tuple(_named(statement, other, found) for other in statement.rests_on)
    for statement in found.values():
        _refuse_cycle(statement, (statement,))
    return found


def _named(statement: Statement, other: Statement | str, found: dict[str, Statement]) -> Statement:
    if isinstance(other, Statement):
        return other
    if other not in found:
        raise refusal(statement.name, f"it rests on {other}, which this module does not have", statement.place)
    return found[other]


def _refuse_cycle(statement: Statement, path: tuple[Statement, ...]) -> None:
    for other in statement.rests_on:
        if other in path:
            chain = " -> ".join(
                each.name for each in (*path[path.index(other) :], other) if isinstance(each, Statement)
            )
            raise refusal(path[0].name, f"it rests on itself: {chain}", path[0].place)
        if isinstance(other, Statement):
            _refuse_cycle(other, (*path, other))
