"""Verdicts: what a run says of a lemma, and how strongly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from proofs.language import Paper
from proofs.language.statements import ByScalar, BySymbols, Statement


class Verdict(Enum):
    """What is said of a statement; the value is what the user reads."""

    HOLDS = "holds"
    VIOLATED = "violated"
    HYPOTHESIS_NOT_MET = "hypothesis not met"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged here"
    SUPPORTED = "supported"
    CONSISTENT = "consistent"
    REFUTED = "refuted"


class Evidence(Enum):
    """On what a verdict rests."""

    PROVED = "proved"
    CERTIFIED = "certified"
    FLOAT = "float"
    SAMPLED = "sampled"
    NONE = "none"


SEVERITY = (
    Verdict.VIOLATED,
    Verdict.INCONCLUSIVE,
    Verdict.HYPOTHESIS_NOT_MET,
    Verdict.NOT_JUDGED,
    Verdict.HOLDS,
)
"""What a run can say. Of several claims of a lemma, the first of these that occurs is the lemma's verdict."""


@dataclass(frozen=True)
class ClaimVerdict:
    """What was found of one claim.

    `worst_margin`, `lhs`, `rhs`, `at_step` and `where` belong to the smallest margin relative to its sides;
    `first_violation` is the first step at which the claim fails by more than rounding explains.
    `checked_steps` counts the steps at which it applied. `snapshots` are the steps at which it was judged in full; at
    every step without them. `enclosures` are there where the claim was judged on enclosures: lower and upper ends of
    its sides and margin at the worst place, and of the smallest relative margin of the whole run.
    """

    text: str
    verdict: Verdict
    worst_margin: float | None = None
    relative_margin: float | None = None
    lhs: float | None = None
    rhs: float | None = None
    at_step: int | None = None
    where: Mapping[str, int] = field(default_factory=dict)
    first_violation: int | None = None
    checked_steps: int = 0
    decided_by_balls: int = 0
    decided_by_proof: int = 0
    undecided: int = 0
    resolution: float | None = None
    snapshots: Sequence[int] = ()
    enclosures: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def certified(self) -> bool:
        """Whether the verdict was reached on enclosures alone."""
        return bool(self.enclosures) and not self.decided_by_proof


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis of a lemma: its smallest margin, and the share of the places where it was needed and held."""

    text: str
    smallest_margin: float | None
    share: float


@dataclass(frozen=True, repr=False)
class LemmaVerdict:
    """What was found of one lemma.

    Where the run follows it by a sample, its claims come once more, in full at snapshots; `only_sampled` says why
    they do not.
    """

    system: str
    statement: Statement
    kind: str
    stage: str
    claims: Sequence[ClaimVerdict]
    hypotheses: Sequence[Hypothesis] = ()
    reason: str = ""
    only_sampled: str = ""

    @property
    def name(self) -> str:
        """`system/lemma`."""
        return f"{self.system}/{self.statement.name}"

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict among the claims."""
        found = {claim.verdict for claim in self.claims}
        return next((verdict for verdict in SEVERITY if verdict in found), Verdict.NOT_JUDGED)

    @property
    def worst(self) -> ClaimVerdict | None:
        """Among the claims with the lemma's verdict, the one with the smallest relative margin; at every step first."""
        deciding = [
            claim for claim in self.claims if claim.verdict == self.verdict and claim.relative_margin is not None
        ]
        return min(deciding, key=lambda claim: (bool(claim.snapshots), claim.relative_margin or 0.0), default=None)

    @property
    def in_full(self) -> dict[str, Any] | None:
        """How many snapshots judged the lemma in full, and how sharply; why none did; `None` if nothing is sampled."""
        whole = [claim for claim in self.claims if claim.snapshots]
        if not whole and not self.only_sampled:
            return None
        resolutions = [claim.resolution for claim in whole if claim.resolution is not None]
        margins = [claim.relative_margin for claim in whole if claim.relative_margin is not None]
        return {
            "snapshots": max((len(claim.snapshots) for claim in whole), default=0),
            "resolution": max(resolutions, default=None),
            "relative_margin": min(margins, default=None),
            "reason": self.only_sampled,
        }

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on: a machine-checked proof as well, enclosures, floats, or nothing."""
        if self.verdict not in (Verdict.HOLDS, Verdict.VIOLATED):
            return Evidence.NONE
        if any(claim.enclosures for claim in self.claims):
            deciding = [claim for claim in self.claims if claim.verdict is self.verdict]
            settles = any if self.verdict is Verdict.VIOLATED else all
            return Evidence.CERTIFIED if settles(claim.certified for claim in deciding) else Evidence.PROVED
        proved = isinstance(self.statement.proof, BySymbols | ByScalar) or any(c.decided_by_proof for c in self.claims)
        return Evidence.PROVED if proved and self.verdict is Verdict.HOLDS else Evidence.FLOAT

    def __repr__(self) -> str:
        return f"LemmaVerdict({self.name}: {self.verdict.value})"

    def _repr_html_(self) -> str:
        from verify.report.notebook import verdict_html

        return verdict_html(self)

    def record(self) -> dict[str, Any]:
        """The verdict as `verdicts.json` holds it."""
        worst = self.worst
        return {
            "lemma": self.name,
            "kind": self.kind,
            "verdict": self.verdict.value,
            "evidence": self.evidence.value,
            "worst_margin": worst.worst_margin if worst else None,
            "at_step": worst.at_step if worst else None,
            "first_violation": min(
                (claim.first_violation for claim in self.claims if claim.first_violation is not None), default=None
            ),
            "where": dict(worst.where) if worst else {},
            "lhs": worst.lhs if worst else None,
            "rhs": worst.rhs if worst else None,
            "checked_steps": max((claim.checked_steps for claim in self.claims), default=0),
            "decided_by_balls": sum(claim.decided_by_balls for claim in self.claims),
            "provenance": "paper" if isinstance(self.statement.source, Paper) else "derived",
            "words": self.statement.words,
            "stage": self.stage,
            "reason": self.reason,
            "in_full": self.in_full,
            "claims": [
                {
                    "claim": claim.text,
                    "verdict": claim.verdict.value,
                    "worst_margin": claim.worst_margin,
                    "relative_margin": claim.relative_margin,
                    "at_step": claim.at_step,
                    "first_violation": claim.first_violation,
                    "where": dict(claim.where),
                    "lhs": claim.lhs,
                    "rhs": claim.rhs,
                    "checked_steps": claim.checked_steps,
                    "decided_by_balls": claim.decided_by_balls,
                    "decided_by_proof": claim.decided_by_proof,
                    "undecided": claim.undecided,
                    "resolution": claim.resolution,
                    "snapshots": list(claim.snapshots),
                    "enclosures": {name: list(ends) for name, ends in claim.enclosures.items()},
                }
                for claim in self.claims
            ],
            "hypotheses": [
                {"claim": given.text, "smallest_margin": given.smallest_margin, "share": given.share}
                for given in self.hypotheses
            ],
        }
