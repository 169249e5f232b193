"""Statements as a piece of HTML for notebooks; all words are escaped."""

from html import escape

from proofs.language.mathml import mathml
from proofs.language.statements import Derived, Lemma, Paper, ScalarInequality, Source, Statement


def statement_html(statement: Statement) -> str:
    """Name, words, formulas, hypotheses and source.

    >>> from proofs.language.nodes import Observable
    >>> from proofs.language.statements import Claim
    >>> loss = Observable("loss", words="training loss", symbol="L")
    >>> lemma = Lemma(words="L < 2.", claim=Claim(loss, "<", 2), source=Derived("x"))
    >>> lemma.name = "small"
    >>> statement_html(lemma)
    '<div><b>small</b> (bound)<p>L &lt; 2.</p><math><mi>L</mi><mo>&lt;</mo><mn>2</mn></math><p>derived: x</p></div>'
    """
    kind = f" ({escape(str(statement.kind))})" if isinstance(statement, Lemma) else ""
    claims = [statement.claim] if isinstance(statement, ScalarInequality) else []
    given = ""
    if isinstance(statement, Lemma):
        claims = list(statement.claims)
        if statement.given:
            given = "<p>given</p>" + "<br>".join(map(mathml, statement.given))
    head = f"<b>{escape(statement.name)}</b>{kind}<p>{escape(statement.words)}</p>"
    return f"<div>{head}{'<br>'.join(map(mathml, claims))}{given}<p>{escape(_source(statement.source))}</p></div>"


def _source(source: Source) -> str:
    match source:
        case Paper(reference, says, derived):
            return f"{reference}: {says}" + (f"; derived: {derived}" if derived else "")
        case Derived(where):
            return f"derived: {where}"
