"""How a statement stands: its verdict, the strength of its evidence, and whether all that it rests on stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx

from proofs.language import ScalarInequality
from proofs.language.statements import ByScalar, BySymbols, Statement
from verify.checking.scalar import prove_inequality
from verify.checking.verdicts import Evidence, Verdict

PROVED = "proved"
"""What is said of a scalar inequality: it is no matter of runs."""

ICONS: Mapping[str, str] = {
    Verdict.HOLDS.value: "✓",
    Verdict.SUPPORTED.value: "✓",
    Verdict.CONSISTENT.value: "✓",
    PROVED: "✓",
    Verdict.VIOLATED.value: "✗",
    Verdict.REFUTED.value: "✗",
    Verdict.INCONCLUSIVE.value: "?",
    Verdict.HYPOTHESIS_NOT_MET.value: "∅",
    Verdict.NOT_JUDGED.value: "–",
}
"""Verdict -> its sign."""

LOOKS: Mapping[str, str] = {
    Verdict.HOLDS.value: "good",
    Verdict.SUPPORTED.value: "good",
    Verdict.CONSISTENT.value: "good",
    PROVED: "good",
    Verdict.VIOLATED.value: "bad",
    Verdict.REFUTED.value: "bad",
    Verdict.INCONCLUSIVE.value: "open",
    Verdict.HYPOTHESIS_NOT_MET.value: "unmet",
    Verdict.NOT_JUDGED.value: "away",
}
"""Verdict -> the class of the style sheet."""

STRENGTHS: Mapping[str, str] = {
    "symbolic": "proved by machine: symbols, or a scalar inequality enclosed in ball arithmetic",
    "certified": "certified in ball arithmetic",
    "float": "float64, by a margin beyond rounding",
    "sampled": "sampled, at a stated confidence",
    "none": "nothing established here",
}
"""Strength of evidence -> what it means, the strongest first."""


@dataclass(frozen=True)
class Standing:
    """How one statement stands: `verdict` and `strength` as words; `sound` if it and all that it rests on stand."""

    verdict: str
    strength: str
    sound: bool = False

    @property
    def icon(self) -> str:
        """The sign of its verdict."""
        return ICONS.get(self.verdict, "–")

    @property
    def look(self) -> str:
        """The class of its verdict."""
        return LOOKS.get(self.verdict, "away")

    @property
    def stands(self) -> bool:
        """Whether it is itself established: by its verdict, or by a machine's proof for all reals."""
        return self.look == "good" or (self.look == "away" and self.strength == "symbolic")


def standings(statements: Mapping[str, Statement], verdicts: Mapping[str, tuple[str, str]]) -> dict[str, Standing]:
    """How every statement stands, by names; `verdicts` says verdict and evidence of those that were judged."""
    alone = {name: _alone(each, verdicts.get(name)) for name, each in statements.items()}
    graph = rests_on_graph(statements)
    return {
        name: Standing(
            each.verdict,
            each.strength,
            all(alone[other].stands for other in (name, *nx.ancestors(graph, name)) if other in alone),
        )
        for name, each in alone.items()
    }


def rests_on_graph(statements: Mapping[str, Statement]) -> nx.DiGraph:
    """Edges from what is rested on to what rests on it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(statements)
    for name, statement in statements.items():
        for other in statement.rests_on:
            basis = other if isinstance(other, str) else other.name
            if basis in statements:
                graph.add_edge(basis, name)
    return graph


def _alone(statement: Statement, judged: tuple[str, str] | None) -> Standing:
    by_machine = isinstance(statement.proof, BySymbols | ByScalar)
    if isinstance(statement, ScalarInequality):
        proved = by_machine or prove_inequality(statement).status == "proved"
        return Standing(PROVED, "symbolic") if proved else Standing(Verdict.INCONCLUSIVE.value, "none")
    verdict, evidence = judged or (Verdict.NOT_JUDGED.value, Evidence.NONE.value)
    if verdict == Verdict.NOT_JUDGED.value and by_machine:
        return Standing(verdict, "symbolic")
    return Standing(verdict, strength_of(evidence, by_machine))


def strength_of(evidence: str, by_machine: bool) -> str:
    """The strength of a verdict's evidence; where near ties rest on a proof by hand, that of all the rest, floats.

    Examples:
        >>> strength_of("proved", by_machine=True), strength_of("proved", by_machine=False)
        ('symbolic', 'float')
    """
    if evidence == Evidence.PROVED.value:
        return "symbolic" if by_machine else "float"
    return evidence if evidence in STRENGTHS else "none"
