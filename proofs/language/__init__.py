"""The language in which statements about training are written, once, for readers and for machines alike."""

from proofs.language.collect import collect
from proofs.language.definitions import define, update
from proofs.language.errors import StatementError
from proofs.language.mathml import mathml
from proofs.language.nodes import (
    START,
    STEP,
    Event,
    Index,
    IndexSet,
    Largest,
    Logistic,
    Observable,
    Same,
    Size,
    Smallest,
    Softmax,
    Softplus,
    Total,
    accumulated,
    after,
    at_event,
    at_start,
    change,
)
from proofs.language.recurrence import Recurrence
from proofs.language.statements import (
    ALWAYS,
    ByHand,
    ByScalar,
    BySymbols,
    Claim,
    Derived,
    Lemma,
    Paper,
    ScalarInequality,
    Stage,
    Statement,
    real_variable,
)
from proofs.language.text import formula, plain

__all__ = [
    "ALWAYS", "START", "STEP", "ByHand", "ByScalar", "BySymbols", "Claim", "Derived", "Event", "Index", "IndexSet",
    "Largest", "Lemma", "Logistic", "Observable", "Paper", "Recurrence", "Same", "ScalarInequality", "Size",
    "Smallest", "Softmax", "Softplus", "Stage", "Statement", "StatementError", "Total", "accumulated", "after",
    "at_event", "at_start", "change", "collect", "define", "formula", "mathml", "plain", "real_variable", "update",
]
