"""What statements are made of: index sets, observables, and the operations that sympy lacks.

Every node is a real sympy expression and nothing more: no sign is ever told to sympy, since `Abs(x)` would
vanish for an x declared positive and a violation of positivity would go unseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy
from sympy import Expr, Integer, Tuple
from sympy.core.expr import AtomicExpr
from sympy.utilities.iterables import NotIterable

from proofs.language.errors import checked_name, place, refusal

_serial = itertools.count()


@dataclass(frozen=True)
class IndexSet:
    """A finite set that indices range over, known by its name and by the name of its size.

    >>> IndexSet("sample", size="N")
    IndexSet(name='sample', size='N')
    """

    name: str
    size: str

    def __post_init__(self) -> None:
        checked_name(self.name, "index set")
        checked_name(self.size, "size")


class OwnNode(Expr):
    """A real expression of this language with parts."""

    is_real = True


class RealAtom(AtomicExpr):
    """An expression without parts, compared by its name and a tag."""

    is_real = True
    name: str

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.name,)

    def _sympystr(self, printer: Any) -> str:
        return self.name


class Index(RealAtom):
    """A letter that ranges over an index set."""

    ranges_over: IndexSet

    def __new__(cls, name: str, ranges_over: IndexSet) -> Index:
        """Declare a letter and the set that it ranges over."""
        index = super().__new__(cls)
        index.name = checked_name(name, "index")
        index.ranges_over = ranges_over
        return index

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.name, self.ranges_over.name, self.ranges_over.size)


class Size(RealAtom):
    """The number of elements of an index set; two sets with one size name have one size."""

    def __new__(cls, index_set: IndexSet) -> Size:
        """The size of that set."""
        size = super().__new__(cls)
        size.name = index_set.size
        return size


class StepNumber(RealAtom):
    """The number of the step: the state after t updates has number t."""

    name = "t"


STEP = StepNumber()


class Observable(RealAtom, NotIterable):
    """A named quantity with one value per step and per element of its index sets.

    An observable without index sets is used as it is, any other with indices in brackets. Data (`constant`)
    and the `state` have no definition; every other observable gets one with `define`, and the state gets its
    value one step later with `update`. `nonnegative` is read by the rounding bound alone. `elements_of` makes
    an array of integers usable as an index.

    >>> SAMPLE = IndexSet("sample", size="N")
    >>> output = Observable("output", SAMPLE, words="output of a sample", symbol="f")
    >>> output[Index("n", SAMPLE)]
    output[n]
    """

    def __new__(
        cls,
        name: str,
        *index_sets: IndexSet,
        words: str,
        symbol: str | None = None,
        constant: bool = False,
        state: bool = False,
        nonnegative: bool = False,
        elements_of: IndexSet | None = None,
    ) -> Observable:
        """Declare an observable; the class says what the options mean."""
        observable = super().__new__(cls)
        observable.name = checked_name(name, "observable")
        observable.index_sets = index_sets
        observable.words = words
        observable.symbol = checked_name(symbol, "symbol") if symbol is not None else name
        observable.constant = constant
        observable.state = state
        observable.nonnegative = nonnegative
        observable.elements_of = elements_of
        observable.definition = None
        observable.next_value = None
        observable.rounding = None
        observable.passed_on = None
        observable.place = place()
        observable.serial = next(_serial)
        if constant and state:
            raise refusal(f"observable {name}", "it is either constant or part of the state")
        if elements_of is not None and not constant:
            raise refusal(f"observable {name}", "only a constant array can be used as an index")
        return observable

    index_sets: tuple[IndexSet, ...]
    words: str
    symbol: str
    constant: bool
    state: bool
    nonnegative: bool
    elements_of: IndexSet | None
    definition: Formula | None
    next_value: Formula | None
    rounding: Formula | None
    passed_on: Formula | None
    place: str
    serial: int

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.name, self.serial)

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The expressions that give its value; none for data and state."""
        return () if self.definition is None else (self.definition.expression,)

    __iter__ = None  # brackets alone would make Python, and so sympy, take it for a sequence

    def __getitem__(self, indices: Any) -> Element:
        return Element(self, *(indices if isinstance(indices, tuple) else (indices,)))


@dataclass(frozen=True)
class Formula:
    """A defining expression and the indices that stand for the observable's own."""

    indices: tuple[Index, ...]
    expression: Any


class Element(OwnNode):
    """An observable at given indices."""

    def __new__(cls, observable: Observable, *indices: Any) -> Element:
        """The observable at those indices, one for each of its sets."""
        if len(indices) != len(observable.index_sets):
            raise refusal(
                f"{observable.name}{list(indices)}",
                f"{observable.name} has {len(observable.index_sets)} indices, {len(indices)} given",
            )
        checked = [
            _as_index(observable, index, index_set)
            for index, index_set in zip(indices, observable.index_sets, strict=True)
        ]
        return super().__new__(cls, observable, *checked)

    @property
    def observable(self) -> Observable:
        """What is observed."""
        return self.args[0]

    @property
    def indices(self) -> tuple[Any, ...]:
        """The indices, in the order of the sets."""
        return self.args[1:]

    def _sympystr(self, printer: Any) -> str:
        return f"{self.observable.name}[{', '.join(map(printer._print, self.indices))}]"


def _as_index(observable: Observable, index: Any, slot: IndexSet) -> Any:
    if isinstance(index, Index):
        ranges_over: IndexSet | None = index.ranges_over
    elif isinstance(index, Element | Observable):
        ranges_over = index_source(index).elements_of
    elif isinstance(index, int | Integer) and int(index) >= 0:
        return Integer(index)
    else:
        ranges_over = None
    if ranges_over is None or ranges_over.size != slot.size:
        raise refusal(
            f"index {index} of {observable.name}",
            f"it must range over {slot.name} or a set of size {slot.size}, pick an element, or be a number",
        )
    return index


def index_source(index: Any) -> Observable:
    """The integer observable behind an index that is itself an observable."""
    return index.observable if isinstance(index, Element) else index


class Reduction(OwnNode):
    """An expression reduced over indices, which it binds."""

    indices: tuple[Index, ...]

    @property
    def body(self) -> Any:
        """What is reduced."""
        return self.args[0]


def _bound_indices(kind: str, body: Any, indices: Iterable[Any]) -> Tuple:
    bound = tuple(indices)
    if not bound:
        raise refusal(f"{kind}({body})", "it names no index")
    for index in bound:
        if not isinstance(index, Index):
            raise refusal(f"{kind}({body})", f"{index} is no index")
        if index not in free_indices(body):
            raise refusal(f"{kind}({body})", f"index {index} does not occur in it")
    return Tuple(*bound)


class Total(Reduction):
    """The sum over indices.

    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> Total(Observable("output", SAMPLE, words="output")[n], n)
    Total(output[n], n)
    """

    def __new__(cls, body: Any, *indices: Any) -> Total:
        """Sum the body over the indices."""
        body = sympy.sympify(body)
        return super().__new__(cls, body, *_bound_indices("Total", body, indices))

    @property
    def indices(self) -> tuple[Index, ...]:  # type: ignore[override]
        """The indices that it binds."""
        return self.args[1:]


class Extreme(Reduction):
    """The largest or smallest value over indices where a 0/1 expression of constants is 1."""

    def __new__(cls, body: Any, *indices: Any, where: Any = None, empty: Any = 0) -> Extreme:
        """Reduce the body over the indices, or over those of their elements that `where` picks."""
        body = sympy.sympify(body)
        if len(indices) == 3 and isinstance(indices[0], Tuple):
            bound, mask, default = indices
            return super().__new__(cls, body, bound, mask, default)
        bound = _bound_indices(cls.__name__, body, indices)
        return super().__new__(cls, body, bound, sympy.sympify(1 if where is None else where), sympy.sympify(empty))

    @property
    def indices(self) -> tuple[Index, ...]:  # type: ignore[override]
        """The indices that it binds."""
        return tuple(self.args[1])

    @property
    def where(self) -> Any:
        """The 0/1 expression that picks the elements."""
        return self.args[2]

    @property
    def empty(self) -> Any:
        """The value if no element is picked."""
        return self.args[3]

    def _sympystr(self, printer: Any) -> str:
        parts = [self.body, *self.indices]
        shown = ", ".join(map(printer._print, parts))
        if self.where != 1:
            shown += f", where={printer._print(self.where)}, empty={printer._print(self.empty)}"
        return f"{type(self).__name__}({shown})"


class Largest(Extreme):
    """The largest value over indices; of nothing at all it is `empty`."""


class Smallest(Extreme):
    """The smallest value over indices; of nothing at all it is `empty`."""


class Softmax(OwnNode):
    """Exponential of a score over the sum of exponentials along one index, evaluated without overflow."""

    def __new__(cls, body: Any, index: Any) -> Softmax:
        """The softmax of the body along an index that stays open."""
        body = sympy.sympify(body)
        return super().__new__(cls, body, *_bound_indices("Softmax", body, [index]))

    @property
    def body(self) -> Any:
        """The scores."""
        return self.args[0]

    @property
    def index(self) -> Index:
        """The index along which it sums to one."""
        return self.args[1]


class Same(OwnNode):
    """One where two indices are equal, else zero (the Kronecker delta)."""

    def __new__(cls, left: Any, right: Any) -> Same:
        """Compare two indices."""
        for index in (left, right):
            if not isinstance(index, Index | Element | Observable | Integer | int):
                raise refusal(f"Same({left}, {right})", f"{index} is no index")
            if isinstance(index, Element | Observable) and index_source(index).elements_of is None:
                raise refusal(f"Same({left}, {right})", f"{index} is no index")
        return super().__new__(cls, sympy.sympify(left), sympy.sympify(right))


class SmoothFunction(sympy.Function):
    """A real function of one real variable with its derivative."""

    nargs = 1
    is_real = True


class Logistic(SmoothFunction):
    """1 / (1 + exp(-x)), without overflow.

    >>> x = sympy.Symbol("x", real=True)
    >>> Logistic(x).diff(x)
    Logistic(-x)*Logistic(x)
    """

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative by the argument."""
        return Logistic(self.args[0]) * Logistic(-self.args[0])


class Softplus(SmoothFunction):
    """log(1 + exp(x)), without overflow or cancellation.

    >>> x = sympy.Symbol("x", real=True)
    >>> Softplus(x).diff(x)
    Logistic(x)
    """

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative by the argument."""
        return Logistic(self.args[0])


class Expm1(SmoothFunction):
    """exp(x) - 1, without cancellation near 0.

    >>> x = sympy.Symbol("x", real=True)
    >>> Expm1(x).diff(x), Expm1(0)
    (Expm1(x) + 1, 0)
    """

    @classmethod
    def eval(cls, argument: Any) -> Any:
        """Zero at zero."""
        return sympy.S.Zero if argument == 0 else None

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative by the argument."""
        return self + 1


class Log1p(SmoothFunction):
    """log(1 + x) for x > -1, without cancellation near 0.

    >>> x = sympy.Symbol("x", real=True)
    >>> Log1p(x).diff(x), Log1p(0)
    (1/(x + 1), 0)
    """

    @classmethod
    def eval(cls, argument: Any) -> Any:
        """Zero at zero."""
        return sympy.S.Zero if argument == 0 else None

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative by the argument."""
        return 1 / (1 + self.args[0])


class Event(RealAtom):
    """The first step, not before that of `since`, at which all claims hold for all indices.

    Of a claim that contains `after` it is the first step whose next state it is about, known one step later.
    """

    def __new__(cls, name: str, *claims: Any, words: str, since: Event | None = None) -> Event:
        """Declare an event by the claims that hold when it happens."""
        event = super().__new__(cls)
        event.name = checked_name(name, "event")
        event.claims = claims
        event.words = words
        event.since = since
        event.serial = next(_serial)
        if not claims:
            raise refusal(f"event {name}", "it has no claim")
        return event

    claims: tuple[Any, ...]
    words: str
    since: Event | None
    serial: int

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.name, self.serial)


class _Start(RealAtom):
    """Step 0 as the beginning of an accumulation."""

    name = "start"


START = _Start()


class After(OwnNode):
    """The value one step later."""

    def __new__(cls, body: Any) -> Any:
        """The body one step later; the body itself if it depends on no step."""
        body = sympy.sympify(body)
        if not depends_on_step(body):
            return body
        if on_increments(body):
            raise refusal(f"after({body})", "it already speaks of the next step")
        return super().__new__(cls, body)


class AtStart(OwnNode):
    """The value at step 0."""

    def __new__(cls, body: Any) -> Any:
        """The body at step 0; the body itself if it depends on no step."""
        body = sympy.sympify(body)
        return super().__new__(cls, body) if depends_on_step(body) else body


class AtEvent(OwnNode):
    """The value at the step of an event."""

    def __new__(cls, body: Any, event: Event) -> Any:
        """The body at the event; the body itself if it depends on no step."""
        body = sympy.sympify(body)
        if not isinstance(event, Event):
            raise refusal(f"at_event({body}, {event})", "the second argument is an Event")
        if on_increments(body):
            raise refusal(f"at_event({body}, {event})", "a value at an event is that of a state, not of an increment")
        return super().__new__(cls, body, event) if depends_on_step(body) else body

    @property
    def event(self) -> Event:
        """The event at which it is taken."""
        return self.args[1]


class Accumulated(OwnNode):
    """The sum over the steps from an event (or the start) to the one before the present."""

    def __new__(cls, body: Any, since: Any = START) -> Accumulated:
        """Sum the body over steps, from the event or from the start."""
        body = sympy.sympify(body)
        for mentioned in body.atoms(AtEvent):
            if mentioned.event != since:
                raise refusal(
                    f"accumulated({body})",
                    f"it uses a value at {mentioned.event.name} but does not start there",
                )
        return super().__new__(cls, body, since)

    @property
    def since(self) -> Event | None:
        """The event from which it sums, None for the start."""
        return self.args[1] if isinstance(self.args[1], Event) else None


def after(expression: Any) -> Any:
    """The expression one step later."""
    return After(expression)


def change(expression: Any) -> Any:
    """The expression one step later minus the expression now."""
    return After(expression) - expression


def at_start(expression: Any) -> Any:
    """The expression at step 0."""
    return AtStart(expression)


def at_event(expression: Any, event: Event) -> Any:
    """The expression at the step of the event; a claim that uses it is checked from that step on."""
    return AtEvent(expression, event)


def accumulated(expression: Any, since: Any = START) -> Accumulated:
    """The sum of the expression over the steps from `since` to the one before the present."""
    return Accumulated(expression, since)


@cache
def free_indices(expression: Any) -> frozenset[Index]:
    """The indices that an expression leaves open.

    >>> SAMPLE = IndexSet("sample", size="N"); n = Index("n", SAMPLE)
    >>> output = Observable("output", SAMPLE, words="output")
    >>> free_indices(Total(output[n], n)), free_indices(2 * output[n])
    (frozenset(), frozenset({n}))
    """
    if isinstance(expression, Index):
        return frozenset([expression])
    inner = frozenset[Index]().union(*(free_indices(part) for part in expression.args))
    return inner - frozenset(expression.indices) if isinstance(expression, Reduction) else inner


@cache
def observables_in(expression: Any) -> frozenset[Observable]:
    """The observables that an expression names, not those behind their definitions."""
    if isinstance(expression, Observable):
        return frozenset([expression])
    return frozenset[Observable]().union(*map(observables_in, expression.args))


def depends_on_step(expression: Any) -> bool:
    """Whether the value can differ between steps."""
    if isinstance(expression, Observable):
        return not expression.constant
    if isinstance(expression, StepNumber | Accumulated):
        return True
    if isinstance(expression, AtStart):
        return False
    if isinstance(expression, AtEvent):
        return False
    return any(depends_on_step(part) for part in expression.args)


def on_increments(expression: Any) -> bool:
    """Whether an expression speaks of a step and the next one, itself or through a definition."""
    if isinstance(expression, After):
        return True
    if isinstance(expression, AtStart | AtEvent | Accumulated):
        return False
    if isinstance(expression, Observable):
        return expression.definition is not None and on_increments(expression.definition.expression)
    return any(on_increments(part) for part in expression.args)
