"""What a system says of itself, read from its folders when it is asked for: statements take a second to import."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from verify.controls import Control

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from proofs.language import Claim, Event, Headline, Lemma, Statement
    from verify.studies.study import Study
    from verify.systems.drawn import Drawn


class Described:
    """A system whose mathematics is the package `proofs`, and whose controls and studies are in the package `home`."""

    proofs: ClassVar[str]
    home: ClassVar[str]

    def statements(self) -> dict[str, Statement]:
        """The system's statements by name, with the scalar inequalities behind them."""
        found: dict[str, Statement] = self._proofs("statements").statements()
        return found

    def ledger(self) -> dict[str, Headline]:
        """The paper's headline claims, each with the statements and studies that bear on it."""
        found: dict[str, Headline] = self._proofs("claims").LEDGER
        return found

    def lemmas(self) -> list[Lemma]:
        """The system's statements, in reading order."""
        found: list[Lemma] = self._proofs("statements").lemmas()
        return found

    def events(self) -> tuple[Event, ...]:
        """The events that mark its stages."""
        found: tuple[Event, ...] = self._proofs("stages").EVENTS
        return found

    def condition(self) -> dict[str, tuple[str, Claim]]:
        """The requirements that its paper makes."""
        found: dict[str, tuple[str, Claim]] = self._proofs("condition").CONDITION
        return found

    def controls(self) -> list[Control]:
        """Errors easy and subtle, and the check that must catch each."""
        found: list[Control] = self._home("controls").controls(self)
        return found

    def studies(self) -> Sequence[Study]:
        """Families of problems, and the questions asked of them."""
        found: Sequence[Study] = self._home("studies").STUDIES
        return found

    def drawn(self) -> Drawn:
        """Small problems and arrays of it, for property-based tests."""
        found: Drawn = self._home("strategies").DRAWN
        return found

    def extremes(self) -> SearchStrategy[Any]:
        """Small instances made to break statements."""
        found: SearchStrategy[Any] = self._home("extremes").arrays()
        return found

    def _proofs(self, module: str) -> Any:
        return import_module(f"{self.proofs}.{module}")

    def _home(self, module: str) -> Any:
        return import_module(f"{self.home}.{module}")
