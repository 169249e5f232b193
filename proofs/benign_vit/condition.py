"""The paper's condition on sizes and scales, requirement by requirement, hidden constants set to one."""

from sympy import Max, Min, Rational, sqrt

from proofs.benign_vit.stages import log_term
from proofs.benign_vit.symbols import (
    N,
    head_dimension,
    head_scale,
    loss_target,
    noise_square,
    readout,
    signal_square,
    step_size,
    value_scale,
)
from proofs.language import Claim

snr_square = signal_square / noise_square
smaller_scale = Min(1 / signal_square, 1 / noise_square)
"""`min(|mu|^-2, (sigma_p^2 d)^-1)`."""

CONDITION: dict[str, tuple[str, Claim]] = {
    "head-dimension": (
        "d_h of order max(SNR^4, SNR^-4) N^2 eps^-2",
        Claim(head_dimension, ">=", Max(snr_square**2, snr_square**-2) * N**2 / loss_target**2),
    ),
    "step-size": (
        "eta at most of order min(|mu|^-2, (sigma_p^2 d)^-1) d_h^(-1/2)",
        Claim(step_size, "<=", smaller_scale / sqrt(head_dimension)),
    ),
    "head-scale-above": (
        "sigma_h^2 at least of order min(|mu|^-2, (sigma_p^2 d)^-1) d_h^(-1/2) / log(6N^2M^2/delta)^2",
        Claim(head_scale**2, ">=", smaller_scale / sqrt(head_dimension) / log_term**2),
    ),
    "head-scale-below": (
        "sigma_h^2 at most of order the same over log(6N^2M^2/delta)^(3/2)",
        Claim(head_scale**2, "<=", smaller_scale / sqrt(head_dimension) / log_term ** Rational(3, 2)),
    ),
    "value-scale": (
        "sigma_V at most of order min(|mu|^-1, (sigma_p sqrt(d))^-1) d_h^(-1/4) / |w_O|",
        Claim(value_scale, "<=", sqrt(smaller_scale) * head_dimension ** Rational(-1, 4) / sqrt(readout)),
    ),
}
