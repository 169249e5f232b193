"""The problem: sizes, scales and training of token selection under label noise.

Letters: n samples of T tokens in R^d; signals of norm m, noise of standard deviation sigma per coordinate; k_w tokens
carry the own signal and k_c tokens the other one, both at size rho; a share eta_f of labels is flipped; W starts with
W^T W of mean s_0 I.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verify.errors import RequestError
from verify.systems.base import Preset
from verify.systems.fields import LARGEST_DIMENSION, Count, NonNegative, Positive

LARGEST_UNIFORM = 30_000
"""Largest dimension of a uniform start: all d^2 entries of W are drawn, which takes some ten seconds there."""

Share = Annotated[float, Field(ge=0, le=1)]


class Training(BaseModel):
    """What a run needs beside its arrays: when it stops, and how many test samples it looks at."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    loss_target: NonNegative = Field(0.0, description="training loss at which the run ends (0: only max_steps ends it)")
    max_steps: Annotated[Count, Field(ge=1, le=10**12)] = Field(
        3000, description="gradient steps after which the run ends at the latest"
    )
    test_samples: Annotated[Count, Field(ge=0, le=10**6)] = Field(
        20_000, description="test samples of each class behind test loss, error and selection (0: none)"
    )


class ArraysGiven(Training):
    """A run on given arrays: only what the arrays leave open can be set.

    Test quantities need the data law, `m` and `sigma` at least; its signals lie along the first two coordinates.
    """

    step_size: Positive | None = Field(None, description="gradient descent step; overrides the file's")
    m: Positive | None = Field(None, description="norm of a test sample's signal")
    sigma: Positive | None = Field(None, description="standard deviation of test noise per coordinate")
    rho: NonNegative = Field(0.1, description="size of weak and confusing signals of test samples")
    k_w: Annotated[Count, Field(ge=0)] = Field(1, description="tokens of a test sample with the own signal, weakly")
    k_c: Annotated[Count, Field(ge=0)] = Field(1, description="tokens of a test sample with the other signal, weakly")


class Problem(Training):
    """Sizes and scales from which data and initial weights are drawn.

    `SNR = m / (sigma sqrt(d))`; giving both `SNR` and `m` is refused.

    Examples:
        >>> problem = Problem(d=16000, m=20.0)
        >>> round(problem.n * problem.signal_to_noise**2, 6), problem.flips
        (0.5, 2)
        >>> Problem(d=10000, SNR=0.5).m
        50.0
    """

    n: Annotated[Count, Field(ge=2, le=10**4, multiple_of=2)] = Field(
        20, description="training samples, half of each class"
    )
    T: Annotated[Count, Field(ge=2, le=10**4)] = Field(8, description="tokens a sample")
    d: Annotated[Count, Field(ge=3, le=LARGEST_DIMENSION)] = Field(2000, description="token dimension")
    sigma: Positive = Field(1.0, description="noise standard deviation per coordinate")
    SNR: Positive | None = Field(None, description="signal-to-noise ratio m / (sigma sqrt(d)), in place of m")
    m: Positive = Field(
        default_factory=lambda given: (
            20.0 if given["SNR"] is None else given["SNR"] * given["sigma"] * math.sqrt(given["d"])
        ),
        description="norm of a signal [20]",
    )
    rho: NonNegative = Field(0.1, description="size of weak and confusing signals, as a share of m")
    k_w: Annotated[Count, Field(ge=0)] = Field(1, description="tokens with the own signal, weakly")
    k_c: Annotated[Count, Field(ge=0)] = Field(1, description="tokens with the other signal, weakly")
    eta_f: Share = Field(0.2, description="share of flipped labels; the same number in both classes, rounded down")
    start: Literal["gaussian", "uniform", "orthogonal"] = Field(
        "gaussian", description="law of the entries of W; orthogonal: sqrt(s_0) times an orthogonal matrix"
    )
    s_0: Positive = Field(1 / 3, description="mean of W^T W at the start, a multiple of the identity")
    step_size: Positive = Field(5e-3, description="gradient descent step")
    drawn: Literal["auto", "full", "reduced"] = Field(
        "auto",
        description="full: every entry of W and of the tokens; reduced: coordinates in the same law; auto: full where"
        " the arrays are small or the start is uniform",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_signal_rule(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("SNR") is not None and given.get("m") is not None:
            raise RequestError("SNR and m exclude each other: give one of them")
        return given

    @model_validator(mode="after")
    def _fields_together(self) -> "Problem":
        needed = 1 + self.k_w + self.k_c
        if needed > self.T:
            raise RequestError.of("T", self.T, f"at least 1 + k_w + k_c = {needed}")
        if self.start == "uniform" and self.drawn == "reduced":
            raise RequestError.of("drawn", self.drawn, "auto or full with start uniform: it has no reduced law")
        if self.start == "uniform" and self.d > LARGEST_UNIFORM:
            raise RequestError.of(
                "d", self.d, f"at most {LARGEST_UNIFORM} with start uniform: it has no reduced law, gaussian has"
            )
        return self

    @property
    def signal_to_noise(self) -> float:
        """`m / (sigma sqrt(d))`."""
        return self.m / (self.sigma * math.sqrt(self.d))

    @property
    def flips(self) -> int:
        """Flipped labels in each class: half of `ceil(n eta_f)`, rounded down."""
        return math.ceil(round(self.n * self.eta_f, 9)) // 2

    @property
    def total_tokens(self) -> int:
        """`N = n T`."""
        return self.n * self.T


_CONFUSED = {"rho": 0.5, "k_c": 4, "d": 16000}

PRESETS = {
    "benign": Preset(
        "n SNR^2 = 4: noisy labels are memorised, and yet test samples are told apart by their signal",
        {"start": "uniform", "max_steps": 3000},
    ),
    "not-overfitting": Preset(
        "n SNR^2 = 64, 150 steps: the signal is selected even where the label is flipped",
        {"d": 500, "m": 40.0, "max_steps": 150},
    ),
    "overfitting-later": Preset(
        "the same for 10000 steps: noisy labels are memorised in the end",
        {"d": 500, "m": 40.0, "max_steps": 10_000},
    ),
    "benign-delayed": Preset(
        "n SNR^2 = 0.5: training labels are fitted at once, test samples select their signal much, much later",
        {"d": 16000, "m": 20.0, "step_size": 2e-2, "max_steps": 500_000},
    ),
    "delayed-accuracy": Preset(
        "four confusing tokens: test accuracy is 0 at the start and long after all training labels are fitted",
        {**_CONFUSED, "m": 36.0, "step_size": 1e-3, "max_steps": 300_000},
    ),
    "delayed-accuracy-orthogonal": Preset(
        "the same with a weaker signal and an orthogonal start",
        {**_CONFUSED, "m": 30.0, "step_size": 1e-3, "max_steps": 300_000, "start": "orthogonal"},
    ),
    "harmful": Preset(
        "n SNR^2 = 0.11: noise is selected, and test accuracy falls",
        {"d": 4500, "m": 5.0, "start": "uniform", "max_steps": 20_000},
    ),
}
DEFAULT_PRESET = "benign"
