"""What is claimed, when, under which hypotheses, where it comes from and how it is proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import sympy

from proofs.language.definitions import check_expression, observables_behind
from proofs.language.errors import place, refusal
from proofs.language.nodes import (
    Accumulated,
    AtEvent,
    AtStart,
    Event,
    Index,
    StepNumber,
    depends_on_step,
    free_indices,
    on_increments,
)
from proofs.language.recurrence import Member, recurrences_behind

Relation = Literal["<=", ">=", "<", ">", "==", "O", "Theta", "o", "~"]
Kind = Literal["exact", "bound", "order", "probability", "law", "pair"]

_SYMPY_RELATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": sympy.Le,
    ">=": sympy.Ge,
    "<": sympy.Lt,
    ">": sympy.Gt,
    "==": sympy.Eq,
}

ASYMPTOTIC = ("O", "Theta", "o", "~")
"""Relations along a family of growing problems: at most of the order, of the order, of smaller order, equal to
leading order. A constant hides in the first two; a single problem can judge none."""


class Claim:
    """One relation between two expressions, for all values of their open indices.

    `<= >= < > ==` are asserted as they stand; `O Theta o ~` (see `ASYMPTOTIC`) belong to statements of order.

    `where`, a 0/1 expression of constants, restricts the claim to some elements. The two sides are kept
    apart: sympy's own relations collapse, reorder and chain.

    >>> from proofs.language.nodes import Observable
    >>> output, value = (Observable(name, words=name) for name in ("output", "value"))
    >>> Claim(sympy.Abs(output), "<=", value)
    Claim(Abs(output) <= value)
    """

    def __init__(
        self,
        lhs: Any,
        relation: Relation,
        rhs: Any,
        *,
        where: Any = None,
        variables: Sequence[sympy.Symbol] = (),
    ) -> None:
        self.place = place()
        what = f"claim {lhs} {relation} {rhs}"
        if relation not in get_args(Relation):
            raise refusal(what, f"relation {relation!r} is none of {' '.join(get_args(Relation))}")
        self.lhs = check_expression(what, lhs, variables)
        self.relation = relation
        self.rhs = check_expression(what, rhs, variables)
        self.where = sympy.Integer(1) if where is None else check_expression(what, where)
        self.variables = tuple(variables)
        open_indices = free_indices(self.lhs) | free_indices(self.rhs)
        self.indices: tuple[Index, ...] = tuple(sorted(open_indices, key=lambda index: index.name))
        if not free_indices(self.where) <= open_indices:
            raise refusal(what, "where= uses an index that the claim does not have")
        if depends_on_step(self.where):
            raise refusal(what, "where= must be made of constants")
        if len({index.name for index in self.indices}) < len(self.indices):
            raise refusal(what, "two of its indices have the same name")
        self._refuse_if_empty(what)

    def _refuse_if_empty(self, what: str) -> None:
        if self.relation in ASYMPTOTIC:
            return
        outcome = _SYMPY_RELATIONS[self.relation](self.lhs, self.rhs)
        if outcome == sympy.true:
            raise refusal(what, "it is true by assumption alone and so says nothing")
        if outcome == sympy.false:
            raise refusal(what, "it is false by assumption alone")

    @cached_property
    def on_increments(self) -> bool:
        """Whether it speaks of a step and the next one (then it is checked up to the last step but one)."""
        return on_increments(self.lhs) or on_increments(self.rhs)

    @cached_property
    def remembers(self) -> bool:
        """Whether it looks back: at the start, at an event, at sums over steps, or at a recurrence."""
        both = sympy.Tuple(self.lhs, self.rhs)
        looking = both.atoms(AtStart, AtEvent, Accumulated, StepNumber)
        return bool(looking) or any(isinstance(each, Member) for each in observables_behind(both))

    @property
    def looks_back(self) -> bool:
        """Whether it takes more than the state it is about, and its successor: `remembers`, or needs an event."""
        return self.remembers or bool(self.events)

    @cached_property
    def events(self) -> frozenset[Event]:
        """The events that must have happened before the claim means anything."""
        both = sympy.Tuple(self.lhs, self.rhs)
        mentioned = {node.event for node in both.atoms(AtEvent)}
        mentioned |= {node.since for node in both.atoms(Accumulated) if node.since is not None}
        for observable in observables_behind(both):
            if observable.definition is not None:
                inner = observable.definition.expression
                mentioned |= {node.event for node in inner.atoms(AtEvent)}
                mentioned |= {node.since for node in inner.atoms(Accumulated) if node.since is not None}
        mentioned |= {each.since for each in recurrences_behind(both) if each.since is not None}
        return frozenset(mentioned)

    def __repr__(self) -> str:
        return f"Claim({self.lhs} {self.relation} {self.rhs})"


@dataclass(frozen=True)
class Stage:
    """A part of training, from step 0 or an event to an event or the end of the run, both ends included."""

    name: str
    start: Event | Literal[0] = 0
    end: Event | None = None
    words: str = ""


ALWAYS = Stage("always", words="at every step")


@dataclass(frozen=True)
class Paper:
    """A statement of a paper, and what had to be derived to make it precise."""

    reference: str
    says: str
    derived: str | None = None


@dataclass(frozen=True)
class Derived:
    """A statement worked out for this project, and where it is proved."""

    where: str


@dataclass(frozen=True)
class BySymbols:
    """A proof that sympy carries out: the function returns True when it succeeds."""

    check: Callable[[], bool]


@dataclass(frozen=True)
class ByScalar:
    """An instance of a scalar inequality."""

    inequality: ScalarInequality


@dataclass(frozen=True)
class ByHand:
    """A proof written down in the documentation."""

    anchor: str


Source = Paper | Derived
Proof = BySymbols | ByScalar | ByHand


@dataclass(eq=False, kw_only=True, repr=False)
class Statement:
    """What lemmas and scalar inequalities share; the name is that of the variable that holds it."""

    words: str
    source: Source
    proof: Proof | None = None
    rests_on: Sequence[Statement | str] = ()
    name: str = field(default="", init=False)
    module: str = field(default="", init=False)
    place: str = field(default_factory=place, init=False)

    def __post_init__(self) -> None:
        if not self.words.strip():
            raise refusal(type(self).__name__, "it says nothing in words", self.place)
        for other in self.rests_on:
            if not isinstance(other, Statement | str):
                raise refusal(self.words, f"rests_on holds {other!r}, which is no statement")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or self.words!r})"

    def _repr_html_(self) -> str:
        from proofs.language.html import statement_html

        return statement_html(self)


@dataclass(eq=False, kw_only=True, repr=False)
class Lemma(Statement):
    """Claims about the observables of a system, in a stage of training and under hypotheses.

    Its kind is `exact` if every claim is an equality, else `bound`; the kinds that no single run can judge
    (`order`, `probability`, `law`, `pair`) are named and may do without claims.
    """

    claim: Claim | None = None
    claims: Sequence[Claim] = ()
    stage: Stage = ALWAYS
    given: Sequence[Claim] = ()
    kind: Kind | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.claim is not None and self.claims:
            raise refusal(self.words, "claim= and claims= are both given")
        self.claims = tuple(self.claims) if self.claim is None else (self.claim,)
        if self.kind is None:
            self.kind = "exact" if all(claim.relation == "==" for claim in self.claims) else "bound"
            if not self.claims:
                raise refusal(self.words, "it claims nothing")
        if self.kind not in get_args(Kind):
            raise refusal(self.words, f"kind {self.kind!r} is none of {' '.join(get_args(Kind))}")
        asymptotic = [claim for claim in (*self.claims, *self.given) if claim.relation in ASYMPTOTIC]
        if asymptotic and (self.kind != "order" or asymptotic[0] in self.given):
            raise refusal(self.words, f"{asymptotic[0]} speaks of a family of problems: only a kind='order' claims so")
        for hypothesis in self.given:
            for claim in self.claims:
                self._check_hypothesis(hypothesis, claim)

    def _check_hypothesis(self, hypothesis: Claim, claim: Claim) -> None:
        if extra := set(hypothesis.indices) - set(claim.indices):
            raise refusal(self.words, f"hypothesis {hypothesis} has index {min(extra, key=str)}, which {claim} has not")
        if hypothesis.on_increments and not claim.on_increments:
            raise refusal(self.words, f"hypothesis {hypothesis} speaks of the next step, but {claim} does not")
        if (hypothesis.lhs, hypothesis.relation, hypothesis.rhs) == (claim.lhs, claim.relation, claim.rhs):
            raise refusal(self.words, f"hypothesis {hypothesis} is what it claims")

    @property
    def judged_in_a_run(self) -> bool:
        """Whether one run can judge it."""
        return self.kind in ("exact", "bound")


@dataclass(eq=False, kw_only=True, repr=False)
class ScalarInequality(Statement):
    """An inequality between real numbers, for all values of its variables in their domains.

    `domain` maps a variable to its two ends, the whole real line if absent.
    """

    variables: tuple[sympy.Symbol, ...]
    claim: Claim
    domain: Mapping[sympy.Symbol, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.variables:
            raise refusal(self.words, "it has no variables")
        if used := (self.claim.lhs.atoms(sympy.Symbol) | self.claim.rhs.atoms(sympy.Symbol)) - set(self.variables):
            raise refusal(self.words, f"symbol {min(used, key=str)} is not among its variables")
        for variable in self.variables:
            if not variable.is_real or variable.is_nonnegative is not None:
                raise refusal(self.words, f"variable {variable} must be declared real and nothing else")
        if self.claim.indices or observables_behind(sympy.Tuple(self.claim.lhs, self.claim.rhs)):
            raise refusal(self.words, "it is about real numbers, not about observables")


@dataclass(frozen=True)
class Headline:
    """A claim as a paper makes it, the statements that bear on it, and the studies that judge it."""

    says: str
    statements: tuple[Statement, ...]
    studies: tuple[str, ...] = ()


def real_variable(name: str) -> sympy.Symbol:
    """A variable of a scalar inequality."""
    return sympy.Symbol(name, real=True)
