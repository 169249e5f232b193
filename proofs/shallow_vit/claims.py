"""The headline claims of arXiv:2302.06015, and what bears on each."""

from proofs.language import Headline
from proofs.shallow_vit import exact

LEDGER: dict[str, Headline] = {
    "sample-complexity": Headline(
        "zero generalisation error from a number of samples that grows with the inverse square of the share of"
        " label-relevant tokens, with token noise and with the error of the initial model",
        (exact.error_of_equal_counts,),
    ),
    "iterations": Headline(
        "the number of iterations grows with the inverse of the share of label-relevant tokens",
        (exact.norm_growth, exact.closed_recursion),
    ),
    "sparse-attention": Headline(
        "training makes attention sparse, concentrated on label-relevant tokens",
        (exact.attention_odds, exact.attention_budget, exact.key_sum_conserved),
    ),
    "sparsification": Headline(
        "removing label-irrelevant or noisy tokens improves learning",
        (exact.multiplicities, exact.pattern_reduction),
    ),
}
