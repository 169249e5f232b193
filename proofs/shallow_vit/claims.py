"""The headline claims of arXiv:2302.06015, and what bears on each."""

from proofs.language import Headline
from proofs.shallow_vit import exact, inequalities, order

LEDGER: dict[str, Headline] = {
    "sample-complexity": Headline(
        "zero generalisation error from a number of samples that grows with the inverse square of the share of"
        " label-relevant tokens, with token noise and with the error of the initial model",
        (
            exact.error_of_equal_counts,
            inequalities.twin_budget,
            inequalities.margins_need_spread,
            inequalities.drive_alignment,
            inequalities.drive_misaligned,
            order.drive_failure_law,
            order.sufficient_samples,
            order.exponent_depends_on_stopping,
            order.token_noise_hurts,
            order.noise_needs_samples,
            order.directed_error_hurts,
            order.random_value_error_is_harmless,
            order.random_head_error_is_harmless,
            order.labels_matter,
        ),
        ("sample-complexity", "drive", "token-noise", "initial-error"),
    ),
    "iterations": Headline(
        "the number of iterations grows with the inverse of the share of label-relevant tokens",
        (
            exact.norm_growth,
            exact.closed_recursion,
            inequalities.norms_grow_exponentially,
            inequalities.two_clocks,
            order.iteration_law,
            order.iteration_law_at_finite_share,
            order.iterations_bounded,
            order.aligned_iterations,
            order.frozen_iterations,
        ),
        ("iterations", "iteration-law"),
    ),
    "sparse-attention": Headline(
        "training makes attention sparse, concentrated on label-relevant tokens",
        (
            exact.attention_odds,
            exact.attention_budget,
            exact.key_sum_conserved,
            inequalities.attention_by_the_clock,
            inequalities.attention_capped,
            order.attention_grows,
            order.attention_fills_its_cap,
            order.attention_stops_short,
            order.attention_near_one,
        ),
        ("attention",),
    ),
    "sparsification": Headline(
        "removing label-irrelevant or noisy tokens improves learning",
        (
            exact.multiplicities,
            exact.pattern_reduction,
            order.irrelevant_tokens_hurt,
            order.relevant_tokens_help,
            order.spurious_tokens_hurt,
            order.removal_repairs,
        ),
        ("sparsification",),
    ),
}
