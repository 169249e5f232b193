"""Python source of a loop that iterates a recurrence and bounds its rounding errors on the way.

Numbers are variables; arrays, which have an axis for each of their letters, are filled by loops over these.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sympy import Abs, Add, Function, Integer, Max, Min, Mul, Pow, Symbol, Tuple

from proofs.language.arrays import Source, arithmetic_parts, array_source
from proofs.language.definitions import observables_behind
from proofs.language.errors import refusal
from proofs.language.graph import Input, Inputs
from proofs.language.nodes import (
    AtEvent,
    AtStart,
    Element,
    Extreme,
    Formula,
    Index,
    Largest,
    Observable,
    Total,
    depends_on_step,
    free_indices,
)
from proofs.language.recurrence import Recurrence
from proofs.language.roundoff import EPSILON, Error, RoundingAnalysis, exact
from proofs.language.scalars import variable

_PRELUDE = '''"""Generated: one step of a recurrence after another, with bounds on their rounding errors."""

import numpy as np


def power(base, exponent):
    result = 1.0
    for _ in range(exponent):
        result = result * base
    return result


def logistic(argument):
    small = np.exp(-abs(argument))
    return (1.0 if argument >= 0 else small) / (1.0 + small)


def softplus(argument):
    return max(argument, 0.0) + np.log1p(np.exp(-abs(argument)))


'''


def _placeholder(name: str, letters: Sequence[Index]) -> Any:
    """What stands in an update for a member, a drive or an observable: a symbol, or an array at some letters."""
    if not letters:
        return Symbol(name, real=True)
    return Observable(name, *(letter.ranges_over for letter in letters), words=name)


@dataclass(frozen=True)
class _Drive:
    """An expression without members that an update is fed with; `doubt` is its rounding error."""

    name: str
    letters: tuple[Index, ...]
    expression: Any
    doubt: Any

    @property
    def moving(self) -> bool:
        """Whether it can differ between steps."""
        return depends_on_step(self.expression) or depends_on_step(self.doubt)


class _Between(NamedTuple):
    """An observable that the members define."""

    name: str
    letters: tuple[Index, ...]
    formula: Any


class Loop:
    """The source of `iterate(sizes, starts, constants, drives, sequences)` and what to feed it with.

    `sequences` has a row for every step and a column for every element of every member, then one for every
    element's error; `starts` is its first row. `constants` is a row of what stands still; a row of `drives`
    holds what one of the steps but the last brings.

    For an arithmetic without rounding errors there are `updates`, in which the names of `member_names`, `input_names`
    and `between` stand for members, for the constants and drives of `exact_inputs`, and for what members define.
    """

    def __init__(self, recurrence: Recurrence, analysis: RoundingAnalysis) -> None:
        self.members = recurrence.members
        self._analysis = analysis
        self._places = {each: _placeholder(f"m{k}", each.letters) for k, each in enumerate(self.members)}
        self._drives: dict[Any, tuple[_Drive, Any]] = {}
        self._between: dict[Observable, tuple[_Between, Any]] = {}
        updates = self.updates = [self._fed(member.update) for member in self.members]
        drives = [drive for drive, _ in self._drives.values()]
        self._still = [drive for drive in drives if not drive.moving]
        self._moving = [drive for drive in drives if drive.moving]
        starts = [(self._first(each.start, recurrence), each.letters) for each in self.members]
        doubts = [(analysis.error(start).bound(start), letters) for start, letters in starts]
        sizes = self._size_names(updates)
        self.inputs = Inputs(
            tuple(Input(expression, letters) for expression, letters in (*starts, *doubts)),
            _inputs(self._still),
            _inputs(self._moving),
            sizes,
        )
        self.exact_inputs = Inputs(
            tuple(Input(expression, letters) for expression, letters in starts),
            _values(self._still),
            _values(self._moving),
            sizes,
        )
        self.source = _PRELUDE + self._written(updates)

    @property
    def member_names(self) -> list[str]:
        """What members are called in the updates, in their order."""
        return [place.name for place in self._places.values()]

    @property
    def input_names(self) -> tuple[list[str], list[str]]:
        """What the constants and the drives of `exact_inputs` are called, in their order."""
        return [drive.name for drive in self._still], [drive.name for drive in self._moving]

    @property
    def between(self) -> Mapping[str, Formula]:
        """What members define: a formula by its name."""
        return {between.name: Formula(between.letters, between.formula) for between, _ in self._between.values()}

    @staticmethod
    def _first(start: Any, recurrence: Recurrence) -> Any:
        return AtStart(start) if recurrence.since is None else AtEvent(start, recurrence.since)

    def _size_names(self, updates: Sequence[Any]) -> tuple[str, ...]:
        """The names of all sizes that the loop needs."""
        formulas = Tuple(*updates, *(between.formula for between, _ in self._between.values()))
        letters = formulas.atoms(Index).union(*(each.letters for each in self.members))
        return tuple(sorted({letter.ranges_over.size for letter in letters}))

    def _fed(self, expression: Any) -> Any:
        """The expression with its largest parts that no member occurs in replaced by names."""
        if expression.is_number:
            return expression
        if not self._has_member(expression):
            return self._drive(expression)
        if isinstance(expression, Observable | Element):
            return self._observable(expression)
        if isinstance(expression, Add | Mul):
            moving = [part for part in expression.args if self._has_member(part)]
            resting = [part for part in expression.args if not self._has_member(part)]
            return expression.func(self._fed(expression.func(*resting)), *map(self._fed, moving))
        if isinstance(expression, Total):
            return Total(self._fed(expression.body), *expression.indices)
        if isinstance(expression, Extreme):
            body, where, empty = map(self._fed, (expression.body, expression.where, expression.empty))
            return expression.func(body, Tuple(*expression.indices), where, empty)
        if not isinstance(expression, Pow | Abs | Max | Min | Function):
            raise refusal(f"{expression}", f"{type(expression).__name__} of a member cannot stand in a recurrence")
        parts = map(self._fed, expression.args)
        if isinstance(expression, Max | Min):
            return expression.func(*parts, evaluate=False)  # sympy would compare all pairs of them, at length
        return expression.func(*parts)

    def _has_member(self, expression: Any) -> bool:
        return any(each in self._places for each in observables_behind(expression))

    def _drive(self, expression: Any) -> Any:
        if expression not in self._drives:
            letters = _ordered(free_indices(expression))
            name = f"d{len(self._drives)}"
            drive = _Drive(name, letters, expression, self._analysis.error(expression).bound(expression))
            self._drives[expression] = drive, _placeholder(name, letters)
        drive, place = self._drives[expression]
        return place[drive.letters] if drive.letters else place

    def _observable(self, expression: Any) -> Any:
        """A member, or an observable that members define, at its indices."""
        observable, indices = (
            (expression.observable, expression.indices) if isinstance(expression, Element) else (expression, ())
        )
        if not all(isinstance(index, Index | Integer) for index in indices):
            raise refusal(f"{expression}", "in a recurrence a member's indices are letters or numbers")
        place = self._places[observable] if observable in self._places else self._defined(observable)
        return place[indices] if indices else place

    def _defined(self, observable: Observable) -> Any:
        if observable not in self._between:
            definition = observable.definition
            assert definition is not None  # a member is behind it
            formula = self._fed(definition.expression)
            between = _Between(f"o{len(self._between)}", definition.indices, formula)
            self._between[observable] = between, _placeholder(between.name, between.letters)
        return self._between[observable][1]

    def _written(self, updates: Sequence[Any]) -> str:
        rows = _Rows()
        members = [(f"m{k}", member.letters) for k, member in enumerate(self.members)]
        for row, group in (
            ("state", [*members, *((f"e{name}", letters) for name, letters in members)]),
            ("constants", _named(self._still)),
            ("brought", _named(self._moving)),
        ):
            for name, letters in group:
                rows.add(row, name, letters)
        names = {place: (f"m{k}", f"em{k}") for k, place in enumerate(self._places.values())}
        names |= {
            place: (drive.name, f"e{drive.name}" if drive.doubt != 0 else "") for drive, place in self._drives.values()
        }
        body = _Body(names, rows)
        for between, place in self._between.values():
            body.define(between, place)
        for k, (update, member) in enumerate(zip(updates, self.members, strict=True)):
            body.renew(update, f"m{k}", member.letters)
        lines = body.finished()
        heads = [f"s_{name} = sizes[{k}]" for k, name in enumerate(self.inputs.size_names)]
        heads += [*rows.offsets, "state, fresh = starts.copy(), starts.copy()", "sequences[0] = state"]
        steps = ["brought = drives[t]", *lines, "state[:] = fresh", "sequences[t + 1] = state"]
        lines = [*heads, "for t in range(sequences.shape[0] - 1):", *_indented(steps)]
        return "\n    ".join(["def iterate(sizes, starts, constants, drives, sequences):", *lines]) + "\n"


def _values(drives: Sequence[_Drive]) -> tuple[Input, ...]:
    return tuple(Input(drive.expression, drive.letters) for drive in drives)


def _inputs(drives: Sequence[_Drive]) -> tuple[Input, ...]:
    return (*_values(drives), *(Input(drive.doubt, drive.letters) for drive in drives if drive.doubt != 0))


def _named(drives: Sequence[_Drive]) -> list[tuple[str, Sequence[Index]]]:
    values = [(drive.name, drive.letters) for drive in drives]
    return [*values, *((f"e{drive.name}", drive.letters) for drive in drives if drive.doubt != 0)]


def _ordered(indices: Iterable[Index]) -> tuple[Index, ...]:
    return tuple(sorted(indices, key=lambda index: (index.name, index.ranges_over.name)))


def _size(letters: Sequence[Index]) -> str:
    return " * ".join(f"s_{letter.ranges_over.size}" for letter in letters) or "1"


class _Rows:
    """Where numbers and arrays lie in rows of numbers, one after another; numbers at work are variables."""

    def __init__(self) -> None:
        self._placed: dict[str, tuple[str, Sequence[Index]]] = {}

    def add(self, row: str, name: str, letters: Sequence[Index]) -> None:
        """Give a name the next place in a row."""
        self._placed[name] = row, letters

    @property
    def offsets(self) -> list[str]:
        """Lines that say where in its row everything begins, and make the row for work."""
        ends: dict[str, str] = {}
        lines = []
        for name, (row, letters) in self._placed.items():
            lines.append(f"at_{name} = {ends.get(row, '0')}")
            ends[row] = f"at_{name} + {_size(letters)}"
        return [*lines, f"work = np.empty({ends.get('work', '0')})"]

    def holds(self, row: str, name: str) -> bool:
        """Whether the name lies in that row."""
        return name in self._placed and self._placed[name][0] == row

    def forget(self, names: Iterable[str]) -> None:
        """Give up places."""
        for name in names:
            del self._placed[name]

    def at(self, name: str, indices: Sequence[Any]) -> str:
        """The text of an element."""
        if name not in self._placed:
            return name
        row, letters = self._placed[name]
        terms = [f"at_{name}"]
        for slot, index in enumerate(indices):
            factors = [variable(index) if isinstance(index, Index) else str(index)]
            terms.append(" * ".join([*factors, *(f"s_{letter.ranges_over.size}" for letter in letters[slot + 1 :])]))
        return f"{row}[{' + '.join(terms)}]"


def _nest(letters: Sequence[Index]) -> list[str]:
    """The heads of loops over letters, each inside the one before."""
    return [
        f"{'    ' * depth}for {variable(letter)} in range(s_{letter.ranges_over.size}):"
        for depth, letter in enumerate(letters)
    ]


def _indented(lines: Iterable[str], depth: int = 1) -> list[str]:
    return ["    " * depth + line for line in lines]


class _Body:
    """Lines that compute expressions and the errors they are computed with, each subexpression once.

    `names` tells the names of values and errors of symbols and arrays; an exact one has the error "".
    """

    def __init__(self, names: dict[Any, tuple[str, str]], rows: _Rows) -> None:
        self._nests: list[tuple[tuple[Index, ...], list[str]]] = []
        self._names = names
        self._rows = rows
        self._values: dict[Any, str] = {}
        self._errors: dict[Any, str] = {}
        self._inside: tuple[Index, ...] | None = None
        self._count = 0

    def define(self, between: _Between, place: Any) -> None:
        """Give an observable that members define a name of its own."""
        value, error = self.named(between.formula)
        if between.letters:
            self._inside_loops(between.letters, self._assigned(between.name, between.letters, value, error))
            value, error = between.name, f"e{between.name}"
        self._names[place] = value, "" if error == "0.0" else error
        self._inside = None

    def renew(self, update: Any, name: str, letters: tuple[Index, ...]) -> None:
        """Set a member's next values, beside the present ones, which other updates still want."""
        targets = (self._rows.at(each, letters).replace("state", "fresh", 1) for each in (name, f"e{name}"))
        texts = self.named(update)
        lines = [f"{target} = {text}" for target, text in zip(targets, texts, strict=True)]
        self._inside_loops(letters, lines)

    def named(self, expression: Any) -> tuple[str, str]:
        """The texts of an expression's value and error, at the letters that it leaves open."""
        if expression not in self._values:
            if isinstance(expression, Symbol | Element):
                self._leaf(expression)
            elif isinstance(expression, Total | Extreme):
                self._reduced(expression)
            else:
                self._computed(expression)
        return self._values[expression], self._errors.get(expression, "0.0")

    def _leaf(self, leaf: Any) -> None:
        place, indices = (leaf.observable, leaf.indices) if isinstance(leaf, Element) else (leaf, ())
        value, error = self._names[place]
        self._values[leaf] = self._rows.at(value, indices)
        if error:
            self._errors[leaf] = self._rows.at(error, indices)

    def _computed(self, expression: Any) -> None:
        parts = arithmetic_parts(expression)
        sources = [Source(self.named(part)[0]) for part in parts]
        letters, name = _ordered(free_indices(expression)), self._new_name()
        self._place(name, letters)
        value = self._values[expression] = self._rows.at(name, letters)
        text = array_source(expression, sources).text
        error = self._error_of(expression, parts, value)
        if error != "0.0":
            self._place(f"e{name}", letters)
            self._errors[expression] = self._rows.at(f"e{name}", letters)
        self._inside_loops(letters, self._assigned(name, letters, text, error if error != "0.0" else ""))

    def _reduced(self, node: Any) -> None:
        body, doubt = self.named(node.body)
        if isinstance(node, Total):
            begin = "total, doubt, size = 0.0, 0.0, 0.0"
            inner = [f"total += {body}", f"doubt += {doubt}", f"size += abs({body})"]
            results = "total", f"doubt + (1 + {_size(node.indices)}) * {float(EPSILON)!r} * size"
        else:
            function, least = ("maximum", "-np.inf") if isinstance(node, Largest) else ("minimum", "np.inf")
            begin = f"best, doubt, found = {least}, 0.0, {node.where == 1}"
            inner = [f"best, doubt = np.{function}(best, {body}), np.maximum(doubt, {doubt})"]
            if node.where != 1:
                inner = [f"if {self.named(node.where)[0]} > 0.5:", *_indented([*inner, "found = True"])]
            empty, empty_doubt = self.named(node.empty)
            results = f"best if found else {empty}", f"doubt if found else {empty_doubt}"
        letters, name = _ordered(free_indices(node)), self._new_name()
        assigned = self._assigned(name, letters, *results)
        self._values[node], self._errors[node] = (self._rows.at(each, letters) for each in (name, f"e{name}"))
        nest = _nest(node.indices)
        lines = [begin, *nest, *_indented(inner, len(nest)), *assigned]
        self._inside_loops(letters, lines)

    def _new_name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _place(self, name: str, letters: tuple[Index, ...]) -> None:
        if letters:
            self._rows.add("work", name, letters)

    def _assigned(self, name: str, letters: tuple[Index, ...], value: str, error: str) -> list[str]:
        """Assignments of a value and of its error, if it has one, to places for them."""
        targets = {name: value} | ({f"e{name}": error} if error else {})
        for target in targets:
            self._place(target, letters)
        return [f"{self._rows.at(target, letters)} = {text}" for target, text in targets.items()]

    def _inside_loops(self, letters: tuple[Index, ...], lines: Sequence[str]) -> None:
        """Lines for every value of the letters; loops over the same letters go on."""
        if self._inside != letters:
            self._nests.append((letters, []))
            self._inside = letters
        self._nests[-1][1].extend(lines)

    def finished(self) -> list[str]:
        """All lines; what only one nest of loops uses is a variable in it."""
        homes: dict[str, set[int]] = {}
        for number, (_, lines) in enumerate(self._nests):
            for name in re.findall(r"\bat_(\w+)", "\n".join(lines)):
                homes.setdefault(name, set()).add(number)
        passing = [name for name, nests in homes.items() if len(nests) == 1 and self._rows.holds("work", name)]
        written = []
        for letters, lines in self._nests:
            text = "\n".join(lines)
            for name in set(re.findall(r"\bat_(\w+)", text)).intersection(passing):
                text = text.replace(self._rows.at(name, letters), name)
            nest = _nest(letters)
            written += [*nest, *_indented(text.split("\n"), len(nest))]
        self._rows.forget(passing)
        return written

    def _error_of(self, expression: Any, parts: Sequence[Any], value: str) -> str:
        """The error of one operation, whose result is known by name and whose parts have names and errors."""
        symbols = {part: Symbol(f"p{number}", real=True) for number, part in enumerate(parts)}
        texts = {symbols[part]: self._values[part] for part in parts}
        leaves: dict[Any, Error] = {}
        for part, symbol in symbols.items():
            leaves[symbol] = exact()
            if part in self._errors:
                error = Symbol(f"q{symbol}", real=True)
                texts[error] = self._errors[part]
                leaves[symbol] = Error(absolute=error)
        operation = _with_parts(expression, symbols)
        bound = RoundingAnalysis(leaves).error(operation).bound(operation)
        texts[operation] = value
        return _text(bound, texts)


def _with_parts(expression: Any, symbols: dict[Any, Symbol]) -> Any:
    """One operation on symbols that stand for the parts."""
    waiting = iter(arithmetic_parts(expression))
    arguments = []
    for place, argument in enumerate(expression.args):
        plain = isinstance(expression, Add | Mul | Max | Min) or (isinstance(expression, Pow) and place == 1)
        if plain and argument.is_Rational:
            arguments.append(argument)
        else:
            part = next(waiting)
            symbol = symbols[part]
            arguments.append(symbol if part == argument else -symbol if part == -argument else 1 / symbol)
    return expression.func(*arguments) if arguments else expression


def _text(expression: Any, texts: dict[Any, str]) -> str:
    if expression in texts:
        return texts[expression]
    sources = [Source(_text(part, texts)) for part in arithmetic_parts(expression)]
    return array_source(expression, sources).text
