"""Python source of a scalar loop that iterates a recurrence and bounds its rounding errors on the way."""

from collections.abc import Iterable, Sequence
from typing import Any

from sympy import Add, Max, Min, Mul, Pow, Symbol

from proofs.language.arrays import Source, arithmetic_parts, array_source
from proofs.language.graph import Inputs
from proofs.language.nodes import AtStart
from proofs.language.recurrence import Member, Recurrence
from proofs.language.roundoff import Error, RoundingAnalysis, exact

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


class Loop:
    """The source of `iterate(starts, drives, sequences)` and what to feed it with.

    `sequences` has a row for every member and one for every member's error, and a column for every step;
    `starts` is its first column. A row of `drives` is an expression of the steps but the last, or the error
    of one.
    """

    def __init__(self, recurrence: Recurrence, analysis: RoundingAnalysis) -> None:
        self._members = recurrence.members
        self._drives: dict[Any, Symbol] = {}
        updates = [self._fed(member.update) for member in self._members]
        errors = [analysis.error(drive).bound(drive) for drive in self._drives]
        starts = [AtStart(member.start) for member in self._members]
        start_errors = [analysis.error(start).bound(start) for start in starts]
        self.inputs = Inputs((*starts, *start_errors), (*self._drives, *errors))
        self.source = _PRELUDE + self._written(updates, [error != 0 for error in errors])

    def _fed(self, expression: Any) -> Any:
        """The expression with its largest parts that no member occurs in replaced by symbols."""
        if expression.is_number:
            return expression
        if not self._has_member(expression):
            return self._drives.setdefault(expression, Symbol(f"d{len(self._drives)}", real=True))
        if isinstance(expression, Member):
            return Symbol(f"m{self._members.index(expression)}", real=True)
        if isinstance(expression, Add | Mul):
            moving = [part for part in expression.args if self._has_member(part)]
            resting = [part for part in expression.args if not self._has_member(part)]
            return expression.func(self._fed(expression.func(*resting)), *map(self._fed, moving))
        parts = map(self._fed, expression.args)
        if isinstance(expression, Max | Min):
            return expression.func(*parts, evaluate=False)  # sympy would compare all pairs of them, at length
        return expression.func(*parts)

    def _has_member(self, expression: Any) -> bool:
        return any(member in self._members for member in expression.atoms(Member))

    def _written(self, updates: Sequence[Any], uncertain: Sequence[bool]) -> str:
        members, drives = range(len(self._members)), range(len(self._drives))
        values = {Symbol(f"m{k}", real=True): f"m{k}" for k in members}
        errors = {symbol: f"e{symbol}" for symbol in values}
        values |= {symbol: str(symbol) for symbol in self._drives.values()}
        errors |= {s: f"e{s}" for s, doubt in zip(self._drives.values(), uncertain, strict=True) if doubt}
        body = _Body(values, errors)
        results = [body.named(update) for update in updates]
        heads = [f"m{k}, em{k} = starts[{k}], starts[{len(members) + k}]" for k in members]
        firsts = [f"sequences[{k}, 0], sequences[{len(members) + k}, 0] = m{k}, em{k}" for k in members]
        loads = [f"d{k} = drives[{k}, t]" for k in drives]
        loads += [f"ed{k} = drives[{len(drives) + k}, t]" for k in drives if uncertain[k]]
        news = [f"m{k}, em{k} = {value}, {error}" for k, (value, error) in zip(members, results, strict=True)]
        news = [_at_once(news)] if news else []
        stores = [f"sequences[{k}, t + 1], sequences[{len(members) + k}, t + 1] = m{k}, em{k}" for k in members]
        lines = [*heads, *firsts, "for t in range(sequences.shape[1] - 1):"]
        lines += ["    " + line for line in (*loads, *body.lines, *news, *stores)]
        return "\n    ".join(["def iterate(starts, drives, sequences):", *lines]) + "\n"


def _at_once(assignments: Iterable[str]) -> str:
    """Assignments made one, so that every right side sees the old values."""
    left, right = zip(*(line.split(" = ") for line in assignments), strict=True)
    return f"{', '.join(left)} = {', '.join(right)}"


class _Body:
    """Lines that compute expressions and the errors they are computed with, each subexpression once."""

    def __init__(self, values: dict[Any, str], errors: dict[Any, str]) -> None:
        self.lines: list[str] = []
        self._values = values
        self._errors = errors

    def named(self, expression: Any) -> tuple[str, str]:
        """The names of an expression's value and error."""
        if expression not in self._values:
            parts = arithmetic_parts(expression)
            sources = [Source(self.named(part)[0]) for part in parts]
            name = f"v{len(self._values)}"
            self.lines.append(f"{name} = {array_source(expression, sources).text}")
            error = self._error_of(expression, parts, name)
            self._values[expression] = name
            if error != "0.0":
                self._errors[expression] = f"e{name}"
                self.lines.append(f"e{name} = {error}")
        return self._values[expression], self._errors.get(expression, "0.0")

    def _error_of(self, expression: Any, parts: Sequence[Any], name: str) -> str:
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
        texts[operation] = name
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
