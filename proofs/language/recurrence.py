"""Coupled scalar sequences given by where they start and how they go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proofs.language.definitions import check_expression
from proofs.language.errors import checked_name, refusal
from proofs.language.nodes import Observable, free_indices, on_increments


class Member(Observable):
    """One sequence of a recurrence; in statements it stands for its value at the present step."""

    recurrence: Recurrence
    start: Any
    update: Any


class Recurrence:
    """Sequences whose next values are expressions of their present ones.

    Starts are taken at step 0; updates may also use constants and scalar observables of the present step.

    >>> growth = Recurrence("growth", words="a quantity that doubles")
    >>> size = growth.member("size", start=1, words="size", nonnegative=True)
    >>> growth.updates({size: 2 * size})
    >>> growth.members
    (size,)
    """

    def __init__(self, name: str, *, words: str) -> None:
        self.name = checked_name(name, "recurrence")
        self.words = words
        self.members: tuple[Member, ...] = ()

    def member(
        self, name: str, *, start: Any, words: str, symbol: str | None = None, nonnegative: bool = False
    ) -> Member:
        """Declare a sequence and its value at step 0."""
        member = Member(name, words=words, symbol=symbol, nonnegative=nonnegative)
        member.recurrence = self
        member.start = self._scalar(f"start of {name}", start)
        member.update = None
        self.members += (member,)
        return member

    def updates(self, updates: Mapping[Member, Any]) -> None:
        """Say what every member is one step later; all right sides speak of the present step."""
        for member in self.members:
            if member.update is not None:
                raise refusal(f"updates of {self.name}", f"{member} has one already")
            if member not in updates:
                raise refusal(f"updates of {self.name}", f"{member} has none")
        for member, expression in updates.items():
            if member not in self.members:
                raise refusal(f"updates of {self.name}", f"{member} is not one of its members")
            member.update = self._scalar(f"update of {member}", expression)

    def _scalar(self, what: str, expression: Any) -> Any:
        expression = check_expression(what, expression)
        if free_indices(expression):
            raise refusal(what, f"a recurrence is scalar, but index {min(free_indices(expression), key=str)} is open")
        if on_increments(expression):
            raise refusal(what, "it speaks of the next step")
        return expression
