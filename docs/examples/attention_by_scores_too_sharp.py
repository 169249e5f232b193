"""A lemma of one's own that is false, and looks right: the factor 2 of the true one is forgotten."""

from sympy import Abs, exp

from proofs.benign_vit.symbols import M, attention, j, l, n, score
from proofs.language import Claim, Derived, Largest, Lemma

largest_score = Largest(Abs(score[n, l, j]), n, l, j)

attention_by_scores_too_sharp = Lemma(
    words="Scores of at most S in size bend attention by no more than the factor e^S.",
    claim=Claim(attention[n, l, j], "<=", 1 / (1 + (M - 1) * exp(-largest_score))),
    source=Derived("every score is at most S, so its exponential is at most e^S"),
)
