"""A lemma of one's own that is true: how far scores can bend attention."""

from sympy import Abs, exp

from proofs.benign_vit.symbols import M, attention, j, l, n, score
from proofs.language import Claim, Derived, Largest, Lemma

largest_score = Largest(Abs(score[n, l, j]), n, l, j)

attention_by_scores = Lemma(
    words="Scores of at most S in size bend attention by no more than the factor e^(2S).",
    claim=Claim(attention[n, l, j], "<=", 1 / (1 + (M - 1) * exp(-2 * largest_score))),
    source=Derived("two scores of one query differ by at most 2S"),
)
