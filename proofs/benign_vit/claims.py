"""The headline claims of arXiv:2409.19345, and what bears on each."""

from proofs.benign_vit import bounds, stage_one, stage_three, stage_two
from proofs.language import Headline

LEDGER: dict[str, Headline] = {
    "benign": Headline(
        "N SNR^2 = Omega(1): training loss at most eps, test loss o(1)",
        (stage_three.stage_three_convergence, stage_three.benign_test_loss, stage_three.phase_boundary),
        ("scaling", "phase-diagram", "phase-boundary", "regime"),
    ),
    "harmful": Headline(
        "1/(N SNR^2) = Omega(1): training loss at most eps, test loss Omega(1)",
        (stage_three.stage_three_convergence, stage_three.harmful_test_loss, stage_three.phase_boundary),
        ("scaling", "phase-diagram", "phase-boundary", "regime"),
    ),
    "stage-one": Headline(
        "first values separate, while attention stays uniform",
        (
            stage_one.stage_one_duration,
            stage_one.stage_one_attention,
            stage_one.stage_one_attention_bound,
            stage_one.stage_one_values,
        ),
        ("scaling", "frontier", "concentration", "initialization"),
    ),
    "stage-two": Headline(
        "then the attention on the selected token grows, its score like a logarithm",
        (stage_two.stage_two_step, stage_two.stage_two_log_growth, stage_two.stage_two_quadratic_growth),
        ("scaling",),
    ),
    "loss-derivatives": Headline(
        "in stages one and two every loss derivative stays near 1/2",
        (
            bounds.loss_derivative_near_half,
            stage_one.stage_one_loss_derivative_bound,
            stage_one.stage_one_loss_derivative,
            stage_two.stage_two_loss_derivative_bound,
            stage_two.stage_two_loss_derivative,
            stage_two.loss_derivative_until_attention,
        ),
        ("scaling", "frontier"),
    ),
    "convergence": Headline(
        "in stage three the training loss converges",
        (stage_three.stage_three_convergence, stage_three.attention_converges, bounds.loss_decreases),
        ("scaling",),
    ),
}
