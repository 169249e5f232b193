"""The headline claims of arXiv:2409.17625, and what bears on each."""

from proofs.language import Headline
from proofs.token_selection import exact, inequalities, order, stage_one, stage_two

LEDGER: dict[str, Headline] = {
    "attention-gaps": Headline(
        "the gaps of scores, of clean and noisy samples, tell what is selected, and grow by a function g of themselves",
        (
            exact.gram_system,
            exact.gap_step,
            exact.gap_identity,
            stage_two.gap_sandwich,
            stage_two.growth_sandwich,
            stage_two.clean_growth,
            stage_two.noisy_growth,
            order.clean_growth_law,
            order.noisy_growth_law,
        ),
        ("scaling",),
    ),
    "stage-one": Headline(
        "first attention stays nearly uniform, and scores grow as at the start",
        (
            exact.first_step,
            stage_one.stage_one_scores,
            stage_one.stage_one_gaps,
            stage_one.stage_one_not_shorter,
            stage_one.stage_one_not_longer,
            stage_one.stage_one_loss_derivatives,
            stage_one.stage_one_is_linear,
            stage_one.stage_one_duration,
            stage_one.stage_one_attention,
        ),
    ),
    "benign-or-harmful": Headline(
        "with noisy labels memorised, test samples select their signal, or noise, by the signal-to-noise ratio",
        (
            exact.test_law,
            inequalities.selection_probability,
            order.benign_selection,
            order.harmful_selection,
            order.selection_boundary,
        ),
        ("regimes", "boundary", "seeds"),
    ),
    "not-overfitting": Headline(
        "at a large signal-to-noise ratio the signal is selected even where the label is noise",
        (order.window_without_overfitting,),
        ("window",),
    ),
    "delayed-generalisation": Headline(
        "test samples select their signal exponentially later than training labels are fitted",
        (
            exact.accuracy_at_the_start,
            order.signal_grows_like_the_margin,
            order.signal_slope_in_closed_form,
            order.generalisation_is_delayed,
            order.exponential_delay,
        ),
        ("delay", "label-noise"),
    ),
}
