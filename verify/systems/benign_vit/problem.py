"""The problem: sizes, scales and training of the two-layer transformer, with the defaults of its theory.

Letters of arXiv:2409.19345: N samples of M tokens in R^d, head dimension d_h, signal-to-noise ratio
SNR = |mu| / (sigma_p sqrt(d)), noise multiplier C_p of the second token, step size eta, confidence delta.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verify.errors import RequestError
from verify.systems.base import Preset
from verify.systems.fields import LARGEST_DIMENSION, Count, NonNegative, Positive


def _log_term(given: dict[str, Any]) -> float:
    return math.log(6.0 * given["N"] ** 2 * given["M"] ** 2 / given["delta"])


def _scale(given: dict[str, Any]) -> float:
    noise = given["sigma_p"] ** 2 * given["d"]
    return float(noise * max(given["SNR"] ** 2, given["C_p"] ** 2))


class Training(BaseModel):
    """What a run needs beside its arrays: when it stops, and how its test samples are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    loss_target: NonNegative = Field(0.0125, description="training loss at which the run ends (the paper's eps)")
    max_steps: Annotated[Count, Field(ge=1, le=10**12)] = Field(
        400_000, description="gradient steps after which the run ends at the latest"
    )
    delta: Annotated[float, Field(gt=0, lt=1)] = Field(0.05, description="failure probability of the theory")
    test_samples: Annotated[Count, Field(ge=0, le=10**6)] = Field(
        1000, description="fresh samples behind test loss and test error (0: none)"
    )
    test_law: Literal["fresh", "joint"] = Field(
        "fresh",
        description="fresh: every test sample meets unseen weights of its own (unbiased mean);"
        " joint: all test samples share one set of weights (the law of the test loss itself)",
    )


class ArraysGiven(Training):
    """A run on given arrays: only what the arrays leave open can be set.

    Test quantities need the law of the noise tokens, `sigma_p` and `C_p`.
    """

    step_size: Positive | None = Field(None, description="gradient descent step; overrides the file's")
    sigma_p: Positive | None = Field(None, description="standard deviation of test noise per coordinate")
    C_p: Positive | None = Field(None, description="multiplier of the second token's test noise")


class Problem(Training):
    """Sizes and scales from which data and initial weights are drawn.

    Fields left at `None` are derived: `sigma_p = 1/sqrt(d)`, `C_p = 5 sqrt(M)`, and, with
    `m = max(|mu|^2, C_p^2 sigma_p^2 d)` and `c_log = log(6 N^2 M^2 / delta)`,
    `sigma_h^2 = 1 / (m sqrt(d_h) c_log^1.75)`, `sigma_V = 0.1 / (sqrt(m) d_h^(1/4) |w_O|)`,
    `step_size = r / (m sqrt(d_h))`: inside the ranges that arXiv:2409.19345 asks for.

    Examples:
        >>> problem = Problem(N=20, M=4, d=10**8, d_h=10**8, SNR=14.0)
        >>> round(problem.signal_norm, 6), round(problem.N * problem.SNR**2)
        (14.0, 3920)
        >>> problem.C_p
        10.0
    """

    N: Annotated[Count, Field(ge=1, le=10**6)] = Field(20, description="training samples")
    M: Annotated[Count, Field(ge=2, le=10**4)] = Field(4, description="tokens a sample: a signal and M-1 noise tokens")
    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] = Field(10**8, description="token dimension")
    d_h: Annotated[Count, Field(ge=1, le=LARGEST_DIMENSION)] = Field(10**8, description="query and key dimension")
    d_v: Annotated[Count, Field(ge=1, le=10**4)] = Field(
        4, description="value dimension (only W_V w_O enters the trajectory)"
    )
    SNR: Positive = Field(14.0, description="signal-to-noise ratio |mu| / (sigma_p sqrt(d))")
    C_p: Positive = Field(
        default_factory=lambda given: 5.0 * math.sqrt(given["M"]),
        description="noise multiplier of the second token [5 sqrt(M)]",
    )
    sigma_p: Positive = Field(
        default_factory=lambda given: 1.0 / math.sqrt(given["d"]),
        description="noise standard deviation per coordinate [1/sqrt(d)]",
    )
    w_O_norm: Positive = Field(1.0, description="norm of the fixed output vector w_O")
    sigma_h: NonNegative = Field(
        default_factory=lambda given: (
            1.0 / math.sqrt(_scale(given) * math.sqrt(given["d_h"]) * _log_term(given) ** 1.75)
        ),
        description="standard deviation of W_Q, W_K at the start [1/sqrt(m sqrt(d_h) c_log^1.75)]",
    )
    sigma_V: NonNegative = Field(
        default_factory=lambda given: 0.1 / (math.sqrt(_scale(given) * math.sqrt(given["d_h"])) * given["w_O_norm"]),
        description="standard deviation of W_V at the start [0.1 / (sqrt(m) d_h^(1/4) |w_O|)]",
    )
    r: Positive | None = Field(None, description="step size in units of 1/(m sqrt(d_h)) [100]")
    step_size: Positive = Field(
        default_factory=lambda given: (given["r"] or 100.0) / (_scale(given) * math.sqrt(given["d_h"])),
        description="gradient descent step [r / (m sqrt(d_h))]",
    )
    balanced: bool = Field(True, description="as many labels +1 as -1 (they differ by one if N is odd)")

    @model_validator(mode="before")
    @classmethod
    def _one_step_rule(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("r") is not None and given.get("step_size") is not None:
            raise RequestError("r and step_size exclude each other: give one of them")
        return given

    @property
    def log_term(self) -> float:
        """`c_log = log(6 N^2 M^2 / delta)`."""
        return _log_term(self.__dict__)

    @property
    def noise_norm(self) -> float:
        """`sigma_p sqrt(d)`, the typical norm of an ordinary noise token."""
        return self.sigma_p * math.sqrt(self.d)

    @property
    def signal_norm(self) -> float:
        """`|mu|`."""
        return self.SNR * self.noise_norm

    @property
    def token_scale(self) -> float:
        """`m`, the largest squared token norm: signal or second token."""
        return _scale(self.__dict__)

    @property
    def distinct_tokens(self) -> int:
        """`P = 2 + N (M - 1)`."""
        return 2 + self.N * (self.M - 1)


PRESETS = {
    "benign": Preset("N SNR^2 = 3920: the signal is learnt, overfitting is benign; d = d_h = 1e8", {"r": 100.0}),
    "harmful": Preset("N SNR^2 = 5: the noise is learnt, the test loss stays large", {"SNR": 0.5, "r": 300.0}),
    "benign-asymptotic": Preset(
        "benign at d = d_h = 1e12: attention saturates before the loss derivatives move",
        {"d": 10**12, "d_h": 10**12, "r": 1000.0},
    ),
    "small": Preset(
        "d = 2000, d_h = 64: the weight matrices fit, both engines run the same arrays",
        {"d": 2000, "d_h": 64, "r": 1.0},
    ),
}
DEFAULT_PRESET = "benign"
