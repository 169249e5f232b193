"""NumPy source of many expressions at once.

An array has one axis per index and the step along its last axis, so that long runs of memory are contiguous;
axes of indices that it lacks have length one, which makes broadcasting right. What does not depend on the
step is evaluated once per problem by a first function, the rest once per stretch by a second.

The source calls, besides NumPy: `given(name)` for a recorded array (axes of its index sets, then the step),
`sizes`, `steps`, `contract[k]` for a sum of products, the functions of `verify.checking.arrays`, and `run`,
which carries what outlives a stretch. In an exact scope nothing is rounded on the way: numbers come as `number(p, q)`,
as in `proofs.language.scalars`, and arrays, `np` included, are what the caller makes of them.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sympy import Abs, Add, Integer, Max, Min, Mul, Pow

from proofs.language.arrays import Source, array_source, number_source
from proofs.language.graph import (
    Given,
    Graph,
    History,
    Input,
    Mask,
    Node,
    Scope,
    Sequences,
    Window,
    earlier_events,
    has_outer_factors,
    is_plain,
    shared_axes,
)
from proofs.language.nodes import (
    Accumulated,
    After,
    AtEvent,
    AtStart,
    Element,
    Event,
    Extreme,
    Index,
    Largest,
    Observable,
    Same,
    Size,
    Softmax,
    StepNumber,
    Total,
)
from proofs.language.recurrence import Recurrence
from proofs.language.scalars import scalar_source


class Contraction(NamedTuple):
    """A sum of products: axes of operands, which have a step axis, which are constant; axes that remain."""

    operands: tuple[tuple[int, ...], ...]
    stepwise: tuple[bool, ...]
    constant: tuple[bool, ...]
    remaining: tuple[int, ...]


class Program:
    """The sources of two functions, `constants` and `stretch`, that evaluate the targets.

    Indices named `together` have different axes even where no expression holds both.

    `axes` tells on which axis an index lies, `dimensions` how many axes an array has besides the step,
    `windows` for which steps each target has values, `given` what arrays are asked for.
    """

    def __init__(self, targets: Sequence[Any], scope: Scope, together: Iterable[frozenset[Index]] = ()) -> None:
        self._scope = scope
        self._number = scalar_source if scope.exact else number_source
        self._graph = Graph(targets, scope)
        self._texts: dict[Any, str] = {}
        self.given = frozenset(self._graph.given)
        self.axes = shared_axes(self._graph, together)
        self.dimensions = max(self.axes.values(), default=-1) + 1
        self.contractions: list[Contraction] = []
        self.windows = [self._graph.nodes[target].window for target in targets]
        self.constants_source, self.stretch_source = self._written(targets)

    def _written(self, targets: Sequence[Any]) -> tuple[str, str]:
        constants: list[str] = []
        stretch: list[str] = []
        for key, node in self._graph.nodes.items():
            text = self._text(key, node)
            inline = self._graph.uses[key] == 1 and _is_arithmetic(key)
            if not inline and not text.isidentifier():
                constant = node.window == Window.CONSTANT
                name = f"{'c' if constant else 'v'}{len(self._texts)}"
                (constants if constant else stretch).append(f"{name} = {text}")
                text = name
            self._texts[key] = text
        stretch = _forgetting([*stretch, f"return ({_listed(self._texts[target] for target in targets)})"])
        shared = sorted(set(re.findall(r"\bc\d+\b", "\n".join(stretch))), key=lambda name: int(name[1:]))
        unpacked = [f"({_listed(shared)}) = constants"] if shared else []
        return (
            _function("constants(given, sizes, contract)", [*constants, f"return ({_listed(shared)})"]),
            _function("stretch(given, sizes, contract, constants, steps, run)", [*unpacked, *stretch]),
        )

    def _text(self, key: Any, node: Node) -> str:
        used = [self._used(part, node.window) for part in node.parts]
        match key:
            case Given():
                return f"given({key.observable.name!r})"
            case Mask():
                return f"({used[0]} > 0.5)"
            case Size():
                return f"number(sizes[{key.name!r}], 1)" if self._scope.exact else f"sizes[{key.name!r}]"
            case StepNumber():
                return "steps"
            case Index():
                return f"np.arange(sizes[{key.ranges_over.size!r}]).reshape({self._selection('-1', '1', [key])})"
            case Same():
                left, right = self._index_texts(key.args, used)
                return f"np.equal({left}, {right})[..., None] * 1.0"
            case Event() | History() | Sequences():
                return self._run_text(key, node, used)
            case AtStart() | AtEvent() | Accumulated():
                return self._placed(used[0], sorted(node.indices, key=str))
            case After():
                (body,) = node.parts
                return self._texts[body] + ("[..., 1:]" if self._graph.nodes[body].window == Window.STATE else "")
            case Observable() | Element():
                return self._observable_text(key, node, used)
            case Total():
                return self._total_text(key, node, used)
            case Extreme():
                kind = "maximum" if isinstance(key, Largest) else "minimum"
                return f"extreme(np.{kind}, {used[0]}, ({self._numbers(key.indices)}), ({_listed(used[1:])}))"
            case Softmax():
                return f"softmax({used[0]}, {self.axes[key.index]})"
            case _:
                parts = zip(node.parts, used, strict=True)
                sources = [Source(text, self._weight(part)) for part, text in parts]
                return array_source(key, sources, self._number).text

    def _used(self, part: Any, window: Window) -> str:
        """The text of a part where values for `window` are wanted."""
        cut = (self._graph.nodes[part].window, window) == (Window.STATE, Window.INCREMENT)
        return f"{self._texts[part]}[..., :-1]" if cut else self._texts[part]

    def _weight(self, part: Any) -> int:
        node = self._graph.nodes[part]
        return len(node.indices) + 4 * (node.window >= Window.STATE)

    def _numbers(self, indices: Iterable[Index]) -> str:
        return _listed(str(self.axes[index]) for index in indices)

    def _selection(self, present: str, absent: str, indices: Iterable[Index]) -> str:
        """One text per axis, telling those of the indices from the others."""
        axes = {self.axes[index] for index in indices}
        return ", ".join(present if axis in axes else absent for axis in range(self.dimensions))

    def _placed(self, array: str, indices: Sequence[Index]) -> str:
        """An array with axes in the order of `indices`, its axes put where all arrays have them."""
        if not indices:
            return array
        order = sorted(range(len(indices)), key=lambda slot: self.axes[indices[slot]])
        if order != list(range(len(indices))):
            array = f"{array}.transpose({_listed(map(str, (*order, len(indices))))})"
        return f"{array}[{self._selection(':', 'None', indices)}, :]"

    def _taken(self, array: str, indices: Sequence[Index]) -> str:
        """The reverse: an array with axes in the order of `indices` alone, then the step."""
        if not indices:
            return f"np.reshape({array}, -1)"
        order = sorted(indices, key=lambda index: self.axes[index])
        array = f"{array}[{self._selection(':', '0', indices)}, :]"
        if order != list(indices):
            slots = [order.index(index) for index in indices]
            array = f"{array}.transpose({_listed(map(str, (*slots, len(indices))))})"
        return array

    def _observable_text(self, key: Any, node: Node, used: Sequence[str]) -> str:
        observable, indices = (key.observable, key.indices) if isinstance(key, Element) else (key, ())
        source = node.parts[0]
        own = indices if observable.definition is None else observable.definition.indices
        as_it_comes = isinstance(source, Given | Sequences)
        if is_plain(key) and own == indices and not as_it_comes:
            return used[0]
        array = used[0] if as_it_comes else self._taken(used[0], own)
        if isinstance(source, Sequences):
            array += f"[{self._scope.sequences[observable][1]}]"
        if is_plain(key):
            return self._placed(array, indices)
        places = self._index_texts(indices, used[1:])
        fixed = all(isinstance(index, Integer) for index in indices)
        return f"{array}[{', '.join(places)}]" + (f"[{self._selection('', 'None', ())}, :]" if fixed else "")

    def _index_texts(self, indices: Sequence[Any], used: Sequence[str]) -> list[str]:
        waiting = iter(used)
        texts = []
        for index in indices:
            if isinstance(index, Integer):
                texts.append(str(index))
            else:
                array = next(waiting)
                texts.append(array if isinstance(index, Index) else f"{array}[..., 0]")
        return texts

    def _total_text(self, key: Total, node: Node, used: Sequence[str]) -> str:
        if has_outer_factors(key):
            return f"({used[0]} * {used[1]})"
        if len(used) == 1:
            return f"np.sum({used[0]}, axis=({self._numbers(key.indices)}), keepdims=True)"
        parts = [self._graph.nodes[part] for part in node.parts]
        contraction = Contraction(
            tuple(tuple(sorted(self.axes[index] for index in part.indices)) for part in parts),
            tuple(part.window >= Window.STATE for part in parts),
            tuple(part.window == Window.CONSTANT for part in parts),
            tuple(sorted(self.axes[index] for index in node.indices)),
        )
        self.contractions.append(contraction)
        return f"contract[{len(self.contractions) - 1}]({_listed(used)})"

    def _run_text(self, key: Any, node: Node, used: Sequence[str]) -> str:
        number = self._scope.number(key)
        if self._scope.recalled:
            return f"run.recall({number})"
        if isinstance(key, Event):
            tests = []
            for slot, claim in enumerate(key.claims):
                sides = node.parts[3 * slot : 3 * slot + 3]
                window = max(self._graph.nodes[side].window for side in sides)
                lhs, rhs, where = (self._used(side, window) for side in sides)
                tests.append(f"({lhs}, {claim.relation!r}, {rhs}, {where}, {window == Window.INCREMENT})")
            earlier = _listed(str(self._scope.number(event)) for event in earlier_events(key))
            return f"run.event({number}, ({_listed(tests)}), ({earlier}))"
        if isinstance(key, Sequences):
            return f"run.sequences({number}, {self._sequences_text(key.recurrence, used)})"
        body = self._taken(used[0], sorted(node.indices, key=str))
        event = ""
        if len(node.parts) > 1:
            event = f", {self._scope.number(node.parts[1])}"
        match key.node:
            case AtStart():
                return f"run.at_start({number}, {body})"
            case AtEvent():
                return f"run.at_event({number}, {body}{event})"
            case _:
                return f"run.accumulated({number}, {body}{event})"

    def _sequences_text(self, recurrence: Recurrence, used: Sequence[str]) -> str:
        """Sizes, shapes of the members, first values, what stands still, what every step brings, the event."""
        inputs, members = self._scope.inputs[recurrence], recurrence.members
        shapes = _listed(self._shape(each.letters) for each in members)
        fed = iter([self._flattened(each, text) for each, text in zip(inputs.all, used, strict=False)])
        groups = [
            f"({_listed(next(fed) for _ in group)})" for group in (inputs.starts, inputs.constants, inputs.drives)
        ]
        since = () if recurrence.since is None else (str(self._scope.number(recurrence.since)),)
        sizes = _listed(f"sizes[{name!r}]" for name in inputs.size_names)
        return ", ".join([f"({sizes})", f"({shapes})", *groups, *since])

    def _shape(self, letters: Sequence[Index]) -> str:
        return f"({_listed(f'sizes[{letter.ranges_over.size!r}]' for letter in letters)})"

    def _flattened(self, fed: Input, text: str) -> str:
        """An input as rows of steps, one for each element of its letters."""
        present = [letter for letter in fed.letters if letter in self._graph.nodes[fed.expression].indices]
        array = self._taken(text, present)
        if present != list(fed.letters):
            array += f"[{_listed(':' if letter in present else 'None' for letter in fed.letters)}:]"
        return f"flattened({array}, {self._shape(fed.letters)})"


def _is_arithmetic(key: Any) -> bool:
    return isinstance(key, Add | Mul | Pow | Abs | Max | Min)


def _listed(texts: Iterable[str]) -> str:
    return "".join(f"{text}, " for text in texts)


def _forgetting(lines: Sequence[str]) -> list[str]:
    """The lines with every variable deleted after its last use: memory just freed is still in the cache."""
    last_use: dict[str, int] = {}
    for number, line in enumerate(lines):
        for name in re.findall(r"\bv\d+\b", line):
            last_use[name] = number
    written = []
    for number, line in enumerate(lines):
        written.append(line)
        dead = [name for name, last in last_use.items() if last == number]
        if dead and number < len(lines) - 1:
            written.append(f"del {', '.join(dead)}")
    return written


def _function(header: str, lines: Iterable[str]) -> str:
    return "\n    ".join([f"def {header}:", *lines]) + "\n"
