"""Coupled sequences, of numbers or of arrays, given by where they start and how they go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from proofs.language.definitions import check_expression, observables_behind
from proofs.language.errors import checked_name, refusal
from proofs.language.nodes import AtEvent, Element, Event, Index, Observable, free_indices, on_increments


class Member(Observable):
    """One sequence of a recurrence; in statements it stands for its value at the present step.

    `letters` are the indices that `start` and `update` leave open, one for each of its index sets.
    """

    recurrence: Recurrence
    letters: tuple[Index, ...]
    start: Any
    update: Any

    @property
    def made_of(self) -> tuple[Any, ...]:
        """Where it starts and how it goes on."""
        return (self.start, self.update)

    @property
    def itself(self) -> Any:
        """The member at its own letters."""
        return self[self.letters] if self.letters else self


class Recurrence:
    """Sequences whose next values are expressions of their present ones.

    Starts are taken at step 0, or at the event `since`: a claim that uses a member is checked from there on.
    Updates may also use observables of the present step, and others that are defined by the members.

    >>> growth = Recurrence("growth", words="a quantity that doubles")
    >>> size = growth.member("size", start=1, words="size", nonnegative=True)
    >>> growth.updates({size: 2 * size})
    >>> growth.members
    (size,)

    A member with letters is an array:

    >>> from proofs.language.nodes import IndexSet, Total
    >>> SAMPLE = IndexSet("sample", size="N"); n, m = Index("n", SAMPLE), Index("m", SAMPLE)
    >>> mixing = Recurrence("mixing", words="every entry becomes the sum of all")
    >>> entry = mixing.member("entry", n, start=1, words="entry")
    >>> mixing.updates({entry[n]: Total(entry[m], m)})
    """

    def __init__(self, name: str, *, words: str, since: Event | None = None) -> None:
        self.name = checked_name(name, "recurrence")
        self.words = words
        self.since = since
        self.members: tuple[Member, ...] = ()

    def member(
        self, name: str, *letters: Index, start: Any, words: str, symbol: str | None = None, nonnegative: bool = False
    ) -> Member:
        """Declare a sequence and its first value, which may differ between the values of its letters."""
        sets = [letter.ranges_over for letter in letters if isinstance(letter, Index)]
        if len(set(letters)) != len(letters) or len(sets) != len(letters):
            raise refusal(f"member {name}", "it needs one different index for each of its axes")
        member = Member(name, *sets, words=words, symbol=symbol, nonnegative=nonnegative)
        member.recurrence = self
        member.letters = letters
        member.start = self._checked(f"start of {name}", start, letters)
        member.update = None
        self.members += (member,)
        return member

    def updates(self, updates: Mapping[Any, Any]) -> None:
        """Say what every member, at its own letters, is one step later; right sides speak of the present step."""
        for member in self.members:
            if member.update is not None:
                raise refusal(f"updates of {self.name}", f"{member} has one already")
            if member.itself not in updates:
                raise refusal(f"updates of {self.name}", f"{member.itself} has none")
        for left, expression in updates.items():
            member = left.observable if isinstance(left, Element) else left
            if member not in self.members:
                raise refusal(f"updates of {self.name}", f"{member} is not one of its members")
            member.update = self._checked(f"update of {member}", expression, member.letters)

    def _checked(self, what: str, expression: Any, letters: tuple[Index, ...]) -> Any:
        expression = check_expression(what, expression)
        if spare := free_indices(expression) - frozenset(letters):
            raise refusal(what, f"index {min(spare, key=str)} is open")
        if on_increments(expression):
            raise refusal(what, "it speaks of the next step")
        for event in {node.event for node in expression.atoms(AtEvent)} - {self.since}:
            raise refusal(what, f"it uses a value at {event.name} but does not start there")
        return expression


def recurrences_behind(expressions: Any) -> frozenset[Recurrence]:
    """The recurrences on whose members expressions depend, themselves or through definitions and each other."""
    found: set[Recurrence] = set()
    waiting = [sympy.Tuple(expressions)]
    while waiting:
        for each in observables_behind(waiting.pop()):
            if isinstance(each, Member) and each.recurrence not in found:
                found.add(each.recurrence)
                waiting += [part for member in each.recurrence.members for part in (member.start, member.update)]
    return frozenset(found)
