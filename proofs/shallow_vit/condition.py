"""What the theory asks of a problem, requirement by requirement, hidden constants set to one."""

from proofs.language import Claim
from proofs.shallow_vit.symbols import (
    confusion_share,
    head_error,
    head_scale,
    relevant_share,
    samples,
    token_noise,
    value_error,
)

CONDITION: dict[str, tuple[str, Claim]] = {
    "samples": ("N of order 1/alpha_*^2 at least", Claim(samples * relevant_share**2, ">=", 1)),
    "majority": ("more tokens of the own label than of the other", Claim(relevant_share, ">", confusion_share)),
    "token-noise": ("token noise below the norm of patterns", Claim(token_noise, "<=", 1)),
    "value-error": ("initial error of values below their norm", Claim(value_error, "<=", 1)),
    "head-error": ("initial error of queries and keys below their norm", Claim(head_error, "<=", 1)),
    "head-scale": ("initial queries and keys of unit norm", Claim(head_scale, "<=", 1)),
}
