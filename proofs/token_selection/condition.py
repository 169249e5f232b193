"""The regime in which token selection is benign: sizes against each other, hidden constants set to one.

The paper's condition is not at hand; these requirements are those of the derived statements of order.
"""

from sympy import sqrt

from proofs.language import Claim
from proofs.token_selection.symbols import N, dimension, noise_deviation, signal_norm

snr_square = signal_norm**2 / (noise_deviation**2 * dimension)
"""`SNR^2 = m^2 / (sigma^2 d)`."""

CONDITION: dict[str, tuple[str, Claim]] = {
    "signal-against-noise": (
        "sqrt(n d) SNR^2 = Omega(1): test samples select their signal in the end",
        Claim(sqrt(N * dimension) * snr_square, ">=", 1),
    ),
    "memorisation": (
        "n SNR^2 = O(1): noisy labels are memorised about as fast as the signal is learnt",
        Claim(N * snr_square, "<=", 1),
    ),
}
