"""What one claim of a lemma is on one stretch of steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, reduce
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from proofs.language.nodes import Index
from proofs.language.statements import Claim, Lemma
from verify.checking.run import RELATIONS
from verify.checking.sweeps import SMALLEST, exceeds, largest, swept_equality, swept_inequality, takes

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]


def taken(array: Any, axes: Mapping[Index, int], indices: Sequence[Index]) -> Array:
    """A laid-out array with one axis for each of the indices, in their order, then the step."""
    array = np.asarray(array)
    if array.ndim <= 1:
        return np.reshape(array, (1,) * len(indices) + (-1,))
    selection, order, expansion = _layout(array.ndim, tuple(axes.get(index) for index in indices))
    return np.asarray(array[selection].transpose(order)[expansion])


@cache
def _layout(dimensions: int, wanted: tuple[int | None, ...]) -> tuple[tuple[Any, ...], list[int], tuple[Any, ...]]:
    """How an array gets the wanted axes (`None`: a new one) and then its last: what is taken, in which order."""
    present = sorted(axis for axis in wanted if axis is not None)
    order = [present.index(axis) for axis in wanted if axis is not None]
    return (
        tuple(slice(None) if axis in wanted else 0 for axis in range(dimensions - 1)),
        [*order, len(order)],
        tuple(None if axis is None else slice(None) for axis in wanted),
    )


@dataclass(frozen=True)
class Sides:
    """Both sides of a claim: one axis for each index (length one where it does not matter), then the step."""

    relation: str
    lhs: Array
    rhs: Array

    @cached_property
    def margin(self) -> Array:
        """By how much the relation holds; negative where it fails. Minus the distance for an equality."""
        match self.relation:
            case "<=" | "<":
                return self.rhs - self.lhs
            case ">=" | ">":
                return self.lhs - self.rhs
            case _:
                return -np.abs(self.lhs - self.rhs)

    @property
    def holds(self) -> Bools:
        """Where the relation holds in float64."""
        return np.asarray(RELATIONS[self.relation](self.lhs, self.rhs))


def _below(known: float | None) -> float:
    return np.inf if known is None else known


@dataclass(frozen=True)
class Place:
    """One element of a claim: its step, the values of its indices, both sides, and the margin."""

    step: int
    where: Mapping[str, int]
    lhs: float
    rhs: float
    margin: float
    relative_margin: float


@dataclass(frozen=True)
class Tally:
    """One stretch of one claim, summed up.

    `checked_steps` counts the steps at which the claim applied to some element. `worst` has the smallest
    margin relative to |lhs| + |rhs|. `violations` are the elements that fail by more than their rounding
    bound, at the first step that has any; `suspects` those whose margin lies inside it, which floats cannot
    decide. For an equality the margin is the rounding bound minus the distance, both relative to the sum of
    the absolute terms, and nothing is suspect; `resolution` is the tolerance over the size that the smallest
    of its terms reaches.
    """

    checked_steps: int
    worst: Place | None = None
    violations: Sequence[Place] = ()
    suspects: Sequence[Place] = ()
    resolution: float | None = None


@dataclass(frozen=True)
class Outcome:
    """One claim of a lemma on the places of a stretch that belong to the lemma's stage.

    `steps` are their steps; `lhs`, `rhs` and `margin` have shape (steps, *indices).
    """

    lemma: Lemma
    claim: Claim
    claim_number: int
    first_step: int
    sides: Sides
    given: Sequence[Sides]
    where: Bools | None
    ceiling: Callable[[], float]
    tolerance: Callable[[float], Any]
    bound: Callable[[], Array]
    sizes: Sequence[Array]

    @property
    def indices(self) -> tuple[str, ...]:
        """The names of the claim's indices, in the order of the axes."""
        return tuple(index.name for index in self.claim.indices)

    @property
    def steps(self) -> NDArray[np.int_]:
        """The steps that the first axis counts."""
        return self.first_step + np.arange(self._shape[-1])

    @property
    def lhs(self) -> Array:
        """The left side."""
        return np.asarray(self._steps_first(self.sides.lhs))

    @property
    def rhs(self) -> Array:
        """The right side."""
        return np.asarray(self._steps_first(self.sides.rhs))

    @property
    def margin(self) -> Array:
        """By how much the claim holds, in its own units."""
        return np.asarray(self._steps_first(self.sides.margin))

    @property
    def rounding(self) -> Array:
        """The bound on the rounding error of the margin."""
        return np.asarray(self._steps_first(self.bound()))

    @property
    def applies(self) -> Bools:
        """Where the lemma's hypotheses hold and the claim is about the element."""
        applying = self._applying
        return np.asarray(self._steps_first(np.True_ if applying is None else applying))

    @property
    def applies_at_first(self) -> bool:
        """Whether it applies to some element at its first step."""
        if 0 in self._shape:
            return False
        return self._applying is None or bool(self._applying[..., 0].any())

    @property
    def hypothesis_margins(self) -> list[Array]:
        """The margins of the lemma's hypotheses."""
        return [self._steps_first(sides.margin) for sides in self.given]

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        arrays = [
            self.sides.lhs,
            self.sides.rhs,
            *(side for each in self.given for side in (each.lhs, each.rhs)),
        ]
        return np.broadcast_shapes(*(array.shape for array in arrays))

    @cached_property
    def _applying(self) -> Bools | None:
        masks = [each.holds for each in self.given] + ([] if self.where is None else [self.where])
        return reduce(np.logical_and, masks) if masks else None

    def _steps_first(self, array: Any) -> Any:
        return np.moveaxis(np.broadcast_to(array, self._shape), -1, 0)

    def tally(self, known: float | None = None) -> Tally:
        """Sum up the stretch, evaluating the rounding bound only where cheaper bounds leave a doubt.

        `known` is a relative margin seen before; where none is smaller, `worst` may be left out.
        """
        with np.errstate(all="ignore"):
            checked = self._checked_steps()
            if checked == 0:
                return Tally(checked_steps=0)
            if self.claim.relation == "==":
                return self._tally_equality(checked, known)
            return self._tally_inequality(checked, known)

    def _checked_steps(self) -> int:
        if 0 in self._shape:
            return 0
        if self._applying is None:
            return self._shape[-1]
        applying = self._applying.reshape(-1, self._applying.shape[-1]).any(axis=0)
        return int(np.count_nonzero(np.broadcast_to(applying, self._shape[-1:])))

    def _tally_inequality(self, checked: int, known: float | None) -> Tally:
        smaller, larger = self.sides.lhs, self.sides.rhs
        if self.claim.relation in (">=", ">"):
            smaller, larger = larger, smaller
        if takes(self._shape):
            applying, shape = self._applying, self._shape
            swept = swept_inequality(smaller, larger, applying, shape, _below(known))
            if (
                swept.clear
                and (known is not None or swept.place)
                and (swept.least > self.ceiling() or exceeds(smaller, larger, self.bound(), applying, shape))
            ):
                return Tally(checked, self._swept_place(swept.place, swept.relative))
        margin = self.sides.margin
        scale = np.abs(smaller) + np.abs(larger)
        scale += SMALLEST
        relative = self._only_applying(margin / scale, np.inf)
        worst = self._least(relative)
        bound = self.bound()
        certain = self._only_applying(margin > bound, True)
        violated = self._only_applying(margin < -bound, False)
        return Tally(checked, worst, self._first(violated, relative), self._all(~certain & ~violated, relative))

    def _tally_equality(self, checked: int, known: float | None) -> Tally:
        sizes = [self._largest(size) for size in self.sizes]
        smallest = min((size for size in sizes if size > 0), default=0.0)
        tolerance = self.tolerance(smallest)
        if takes(self._shape, len(self.sizes)):
            applying, shape = self._applying, self._shape
            swept = swept_equality(
                self.sides.lhs, self.sides.rhs, self.sizes, tolerance, applying, shape, _below(known)
            )
            if swept.clear and (known is not None or swept.place):
                worst = self._swept_place(swept.place, swept.relative)
                return Tally(checked, worst, resolution=swept.widest / smallest if smallest else None)
        distance = -self.sides.margin
        # Where states have left float64 there is no tolerance, and nothing is decided.
        finite = np.isfinite(tolerance)
        undecided = bool(np.any(self._only_applying(~finite, False)))
        violated = self._only_applying(~(distance <= tolerance) & finite, False)
        scale = sum(self.sizes, np.float64(SMALLEST))
        relative = self._only_applying((tolerance - distance) / scale, np.inf)
        worst = self._least(relative)
        widest = float(np.max(self._only_applying(tolerance, 0.0)))
        resolution = np.inf if undecided else widest / smallest if smallest else None
        return Tally(checked, worst, self._first(violated, relative), (), resolution)

    def _largest(self, size: Array) -> float:
        if takes(self._shape):
            return largest(size, self._applying, self._shape)
        return float(np.max(self._only_applying(size, 0.0)))

    def _least(self, relative: Array) -> Place:
        place = np.unravel_index(np.argmin(relative), relative.shape)
        return self.place(place, float(relative[place]))

    def _swept_place(self, place: Sequence[int] | None, relative: float) -> Place | None:
        return None if place is None else self.place(place, relative)

    def _only_applying(self, array: Any, otherwise: Any) -> Any:
        array = np.broadcast_to(array, self._shape)
        return array if self._applying is None else np.where(self._applying, array, otherwise)

    def _first(self, found: Bools, relative: Array) -> Sequence[Place]:
        """The elements found, at the first step that has any."""
        steps = np.flatnonzero(found.reshape(-1, found.shape[-1]).any(axis=0))
        if not steps.size:
            return ()
        elements = np.argwhere(found[..., steps[0]])
        return Places(self, np.column_stack([elements, np.full(len(elements), steps[0])]), relative)

    def _all(self, found: Bools, relative: Array) -> Sequence[Place]:
        """The elements found, the smallest relative margin first."""
        places = np.argwhere(found)
        return Places(self, places[np.argsort(relative[found], kind="stable")], relative)

    def place(self, place: Sequence[Any], relative: float) -> Place:
        """The element at a place of the arrays, its indices, then its step counted from the first."""

        def at(array: Array) -> float:
            inside = (0 if size == 1 else int(at) for size, at in zip(array.shape, place, strict=True))
            return float(array[tuple(inside)])

        return Place(
            step=self.first_step + int(place[-1]),
            where=dict(zip(self.indices, map(int, place[:-1]), strict=True)),
            lhs=at(self.sides.lhs),
            rhs=at(self.sides.rhs),
            margin=at(self.sides.margin),
            relative_margin=relative,
        )


class Places(Sequence[Place]):
    """Many elements of an outcome, each made when it is asked for."""

    def __init__(self, outcome: Outcome, places: NDArray[np.int_], relative: Array) -> None:
        self._outcome = outcome
        self._places = places
        self._relative = relative

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Place: ...
    @overload
    def __getitem__(self, number: slice) -> "Places": ...
    def __getitem__(self, number: int | slice) -> "Place | Places":
        if isinstance(number, slice):
            return Places(self._outcome, self._places[number], self._relative)
        place = self._places[number]
        return self._outcome.place(place, float(self._relative[tuple(place)]))
