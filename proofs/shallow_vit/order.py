"""The laws of `shallow-vit`: statements about families of problems, and the ranges that were seen.

Studies measure what no single run can. A range of this module is where a claim of order is drawn from exploratory
runs on other seeds; laws with derived constants say so.
"""

from typing import Any

from sympy import Abs, Expr, Rational, Symbol, cosh, sinh, sqrt

from proofs.language import ByHand, Claim, Derived, Lemma, Observable, Paper
from proofs.shallow_vit.inequalities import PAGE, attention_capped, drive_alignment
from proofs.shallow_vit.symbols import relevant_share, step_size

PAPER = "arXiv:2302.06015"


def _measured(name: str, symbol: str, words: str, nonnegative: bool = True) -> Observable:
    """A quantity of whole runs, or of many, that a study measures."""
    return Observable(name, constant=True, nonnegative=nonnegative, symbol=symbol, words=words)


def _seen(anchor: str) -> Derived:
    return Derived(f"{PAGE}#{anchor}")


# How many samples.

drive_failure = _measured(
    "drive_failure", "p_drive", "probability that some irrelevant drive is at least the relevant one, by absolute value"
)
normal_failure = _measured(
    "normal_failure",
    "p_normal",
    "probability that the largest of M - 2 standard normal numbers with correlation -1/(M - 3) exceeds"
    " sqrt(c), absolutely",
)
required_samples = _measured("required_samples", "N_half", "samples at which the test error is 0 half the time")
early_exponent = _measured(
    "early_exponent", "b_early", "exponent of N_half in alpha where training stops at loss 0.7", nonnegative=False
)
late_exponent = _measured(
    "late_exponent", "b_late", "exponent of N_half in alpha where training stops at loss 0.1", nonnegative=False
)
BETWEEN_EXPONENTS = Rational(-6, 5)

drive_failure_law = Lemma(
    words="With N = 4 c s^2/D^2 samples, drives are misaligned as often as normal numbers exceed sqrt(c).",
    kind="order",
    claim=Claim(drive_failure, "~", normal_failure),
    source=_seen("drive"),
    proof=ByHand(f"{PAGE}#drive"),
    rests_on=[drive_alignment],
)

sufficient_samples = Lemma(
    words="Of order 1/alpha^2 samples suffice for zero test error.",
    kind="order",
    claim=Claim(required_samples, "O", relevant_share**-2),
    source=Paper(PAPER, says="the sample complexity is of order 1/alpha_*^2, an upper bound", derived="what is fitted"),
    rests_on=[drive_alignment],
)

exponent_depends_on_stopping = Lemma(
    words="How the required samples grow depends on when training stops: steeply early, hardly near convergence.",
    kind="order",
    claims=[Claim(early_exponent, "<", BETWEEN_EXPONENTS), Claim(late_exponent, ">", BETWEEN_EXPONENTS)],
    source=_seen("sample-complexity"),
)

# How many steps.

theta, pattern_number = Symbol("theta", real=True), Symbol("M", positive=True)


def relevant_lead(angle: Any, count: Any) -> Expr:
    """`z`: by how much relevant keys lead irrelevant ones in score when values have turned by the angle."""
    turned = sqrt(2 * count) / (4 * (count - 2)) * (cosh(2 * angle) - 1)
    return sqrt(count) / (sqrt(2) * (count - 2)) * sinh(turned)


iteration_constant = _measured("iteration_constant", "I_M", "integral of e^(-z) over all angles: 0.9027 for M = 4")
doubling_constant = _measured(
    "doubling_constant", "I_2", "the same up to the angle at which e^z is 2: 0.8023 for M = 4"
)
active_readout = _measured("active_readout", "A", "sum of a_r^2 over the neurons that irrelevant tokens make active")
total_steps = _measured("total_steps", "T_loss", "steps until the loss is at its target")
doubling_steps = _measured("doubling_steps", "T_double", "steps until the attention to relevant tokens has doubled")

_pace = step_size * relevant_share * sqrt(active_readout / 2)
PREDICATE = 5 * relevant_share + Rational(1, 100)


def _within(ratio: Any) -> list[Claim]:
    return [Claim(ratio, ">=", 1 - PREDICATE), Claim(ratio, "<=", 1 + PREDICATE)]


iteration_law = Lemma(
    words="From orthogonal queries and keys steps are an explicit constant over eta alpha, up to order sqrt(alpha).",
    kind="order",
    claims=[
        Claim(Abs(total_steps * _pace / iteration_constant - 1), "O", sqrt(relevant_share)),
        Claim(Abs(doubling_steps * _pace / doubling_constant - 1), "O", sqrt(relevant_share)),
    ],
    source=Paper(PAPER, says="the number of iterations is of order 1/alpha_*", derived="the constant"),
)

iteration_law_at_finite_share = Lemma(
    words="At finite shares the law is off by at most five times the share, and a hundredth.",
    kind="order",
    claims=[*_within(total_steps * _pace / iteration_constant), *_within(doubling_steps * _pace / doubling_constant)],
    source=_seen("iterations"),
    rests_on=[iteration_law],
)

iterations_bounded = Lemma(
    words="From there the number of steps is at most of order 1/alpha, where attention is trained.",
    kind="order",
    claim=Claim(total_steps, "O", 1 / relevant_share),
    source=Paper(PAPER, says="the number of iterations is of order 1/alpha_*", derived="as an upper bound"),
    rests_on=[iteration_law],
)

aligned_exponent = _measured(
    "aligned_exponent", "b_aligned", "exponent of T_loss in 1/alpha from aligned queries and keys", nonnegative=False
)
frozen_exponent = _measured(
    "frozen_exponent", "b_frozen", "the same where W_K and W_Q are not trained", nonnegative=False
)

aligned_iterations = Lemma(
    words="From aligned queries and keys steps grow nearly like 1/alpha over the shares tried: a crossover, no law.",
    kind="order",
    claims=[Claim(aligned_exponent, ">=", Rational(9, 10)), Claim(aligned_exponent, "<=", Rational(11, 10))],
    source=_seen("iterations"),
)

frozen_iterations = Lemma(
    words="With frozen attention they grow faster over the same shares.",
    kind="order",
    claim=Claim(frozen_exponent, ">", Rational(5, 4)),
    source=_seen("iterations"),
)

# Where attention goes.

relevant_attention_at_end = _measured(
    "relevant_attention_at_end",
    "A_end",
    "attention to relevant tokens when training has ended, averaged over all queries and the data law",
)
NEARLY = Rational(95, 100)
filled_runs = _measured(
    "filled_runs", "p_filled", "share of runs that end with attention to relevant tokens above 95 % of its cap"
)
step_exponent = _measured(
    "step_exponent", "C", "exponent of 1 - A_end in the step size, keys and queries of unit norm", nonnegative=False
)

attention_grows = Lemma(
    words="Training concentrates attention on relevant tokens: it at least doubles.",
    kind="order",
    claim=Claim(relevant_attention_at_end, ">=", 2 * relevant_share),
    source=Paper(PAPER, says="attention becomes sparse, concentrated on label-relevant tokens", derived="the factor"),
    rests_on=[attention_capped],
)

attention_fills_its_cap = Lemma(
    words="With keys and queries 16 times as long most runs end with attention near what the data law allows.",
    kind="order",
    claim=Claim(filled_runs, ">", Rational(1, 2)),
    source=_seen("attention"),
    rests_on=[attention_capped],
)

attention_stops_short = Lemma(
    words="With keys and queries of unit norm training ends long before: margins are met with attention spread.",
    kind="order",
    claim=Claim(relevant_attention_at_end, "<=", Rational(7, 10)),
    source=_seen("attention"),
)

attention_near_one = Lemma(
    words="Attention to relevant tokens is one less a power of the step size.",
    kind="order",
    claim=Claim(step_exponent, ">", 0),
    source=Paper(PAPER, says="attention to relevant tokens tends to 1 - eta^C"),
)

# What noise, the initial model and further tokens do to the test error.


def _effect(name: str, words: str) -> Observable:
    return _measured(name, f"d_{name}", f"by how much the mean test error grows {words}", nonnegative=False)


HARDLY = Rational(1, 10)
"""Effects on the test error below this count as none."""

noise_effect = _effect("noise_effect", "when token noise has norm 5/2 in place of 0")
few_samples_effect = _effect("few_samples_effect", "at that noise, when there are 8 samples in place of 64")
directed_effect = _effect("directed_effect", "when the values of the relevant patterns are pushed together by 0.9")
random_value_effect = _effect("random_value_effect", "when values have a random error of 1.5, norms kept")
random_head_effect = _effect("random_head_effect", "when queries and keys have a random error of 1.5, norms kept")
irrelevant_effect = _effect("irrelevant_effect", "when 30 irrelevant tokens are dropped of 40")
relevant_effect = _effect("relevant_effect", "when 4 relevant tokens are dropped of 6")
spurious_effect = _effect("spurious_effect", "when 10 tokens agree with the label in training alone")
label_effect = _effect("label_effect", "when the training labels are permuted")
removal_effect = _effect("removal_effect", "when 9 of these 10 are dropped, against tokens that agree by chance")


def _hurts(words: str, effect: Observable, says: str) -> Lemma:
    return Lemma(words=words, kind="order", claim=Claim(effect, ">", 0), source=Paper(PAPER, says=says))


def _hardly(words: str, effect: Observable, anchor: str) -> Lemma:
    return Lemma(
        words=words,
        kind="order",
        claims=[Claim(effect, ">=", -HARDLY), Claim(effect, "<=", HARDLY)],
        source=_seen(anchor),
    )


token_noise_hurts = _hurts(
    "Token noise raises the test error.", noise_effect, "the sample complexity grows with token noise"
)
noise_needs_samples = _hurts(
    "More samples undo what token noise does.", few_samples_effect, "the sample complexity grows with token noise"
)
directed_error_hurts = _hurts(
    "An initial model whose values of the relevant patterns are close raises the test error.",
    directed_effect,
    "the sample complexity grows with the error of the initial model",
)
random_value_error_is_harmless = _hardly(
    "An error of the values in random directions changes the test error by less than a tenth.",
    random_value_effect,
    "effects",
)
random_head_error_is_harmless = _hardly(
    "An error of queries and keys in random directions changes the test error by less than a tenth.",
    random_head_effect,
    "effects",
)
irrelevant_tokens_hurt = Lemma(
    words="Dropping label-irrelevant tokens lowers the test error.",
    kind="order",
    claim=Claim(irrelevant_effect, "<", 0),
    source=Paper(PAPER, says="removing label-irrelevant tokens improves learning"),
)
relevant_tokens_help = _hurts(
    "Dropping label-relevant tokens raises the test error.",
    relevant_effect,
    "the sample complexity grows as the share of label-relevant tokens falls",
)
spurious_tokens_hurt = _hurts(
    "Tokens that agree with the label in training alone raise the test error.",
    spurious_effect,
    "spurious correlations harm, and token sparsification removes them",
)
labels_matter = Lemma(
    words="Training on permuted labels raises the test error.",
    kind="order",
    claim=Claim(label_effect, ">", 0),
    source=_seen("effects"),
)
removal_repairs = _hardly("Dropping most of the spurious tokens repairs that.", removal_effect, "effects")
