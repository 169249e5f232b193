"""Stage three of `benign-vit`: outputs grow like a logarithm, the loss falls like its inverse step number."""

from typing import Any

from sympy import Rational, exp

from proofs.benign_vit.bounds import loss_derivative_bracket
from proofs.benign_vit.exact import PAPER
from proofs.benign_vit.stage_two import selected_square, stage_two_log_growth
from proofs.benign_vit.stages import T3
from proofs.benign_vit.symbols import N, attention, benign, loss_target, mean_attention, n, readout, selected, step_size
from proofs.language import STEP, ByHand, Claim, Derived, Lemma, Observable, Paper, Recurrence, Smallest, Stage, Total
from proofs.shared import logistic

AT_CONVERGENCE = Stage("convergence", start=T3, end=T3, words="when the loss reaches its target")

# x_{t+1} = x_t + a / (1 + b e^(x_t)): an output whose attention stands still; a is the run's rate, b is 1.

growth = Recurrence("logistic_growth", words="an output that grows by its loss derivative alone")
rate = step_size * readout * selected_square / N
model_output = growth.member("model_output", start=0, symbol="x", words="output of the scalar model")
growth.updates({model_output: model_output + rate / (1 + exp(model_output))})


def _progress(output: Any) -> Any:
    """`x + b e^x`, which the continuous solution increases by a at every step."""
    return output + exp(output)


def _derivative(output: Any) -> Any:
    return 1 / (1 + exp(output))


logistic_growth_sandwich = Lemma(
    words="Logistic growth in steps runs ahead of its continuous solution, by at most the fall of its rate.",
    claims=[
        Claim(_progress(model_output), ">=", 1 + rate * STEP),
        Claim(
            _progress(model_output - rate * (_derivative(0) - _derivative(model_output))),
            "<=",
            1 + rate * STEP,
        ),
    ],
    source=Derived("docs/statements.md#logistic-growth"),
    rests_on=[logistic.convexity_of_the_potential],
    proof=ByHand("docs/statements.md#logistic-growth"),
)

test_loss = Observable("test_loss", constant=True, words="test loss when training has ended")
boundary_exponent = Observable(
    "boundary_exponent", constant=True, words="b, where the test loss crosses a cut-off along log N = a - b log SNR"
)
boundary_constant = Observable(
    "boundary_constant", constant=True, words="N SNR^2 / C_p^2, where the test loss crosses a cut-off"
)

selected_attention = Total(mean_attention[n, selected[n]], n) / N
"""Attention to the selected tokens, averaged over queries and samples."""

stage_three_convergence = Lemma(
    words="The loss reaches its target eps after order 1/(eta eps psi^2) steps, in units of the values' growth.",
    kind="order",
    claim=Claim(
        STEP * step_size * loss_target * readout * selected_square * (benign + (1 - benign) / N),
        "Theta",
        selected_attention**-2,
    ),
    stage=AT_CONVERGENCE,
    source=Paper(
        PAPER,
        says="training loss at most eps after order 1/eps steps",
        derived="that the attention psi to the selected tokens enters by its square",
    ),
    rests_on=[stage_two_log_growth, loss_derivative_bracket],
)

attention_converges = Lemma(
    words="At convergence attention is on the selected tokens.",
    kind="order",
    claim=Claim(Smallest(attention[n, selected[n], selected[n]], n), "~", 1),
    stage=AT_CONVERGENCE,
    source=Paper(PAPER, says="attention concentrates on the selected token"),
    rests_on=[stage_two_log_growth],
)

benign_test_loss = Lemma(
    words="With N SNR^2 above its threshold the test loss tends to zero with the training loss, at large sizes.",
    kind="order",
    claim=Claim(test_loss, "o", 1),
    source=Paper(PAPER, says="N SNR^2 = Omega(1) gives test loss o(1)", derived="the limit: eps to zero"),
    rests_on=[stage_three_convergence],
)

harmful_test_loss = Lemma(
    words="With N SNR^2 below its threshold the test loss at convergence stays above 0.1.",
    kind="order",
    claim=Claim(test_loss, ">=", Rational(1, 10)),
    source=Paper(PAPER, says="1/(N SNR^2) = Omega(1) gives test loss Omega(1)", derived="the constant"),
    rests_on=[stage_three_convergence],
)

phase_boundary = Lemma(
    words="The test loss crosses over near N SNR^2 = 2 C_p^2, where signals and noise grow equally fast.",
    kind="order",
    claims=[
        Claim(boundary_exponent, ">=", Rational(7, 4)),
        Claim(boundary_exponent, "<=", Rational(9, 4)),
        Claim(boundary_constant, ">=", Rational(13, 10)),
        Claim(boundary_constant, "<=", Rational(27, 10)),
    ],
    source=Paper(PAPER, says="the regimes are separated at N SNR^2 of order 1", derived="the constant 2 C_p^2"),
    rests_on=[benign_test_loss, harmful_test_loss],
)
