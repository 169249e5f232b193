"""The problem: data law, initial model and training of the shallow transformer.

Letters: N samples of L tokens in R^d, M patterns of which the first two make the label; n_star tokens of a sample agree
with its label, n_sharp with the other one; tau token noise; m neurons, W_V of m_a rows, W_K and W_Q of m_b; kappa,
sigma, delta, xi of the initial model; B the batch; eta the step size.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from verify.systems.base import Preset
from verify.systems.fields import LARGEST_DIMENSION, Count, NonNegative, Positive


class Training(BaseModel):
    """What a run needs beside its arrays: batches, when it stops, and how its test samples are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    B: Annotated[Count, Field(ge=1, le=10**6)] = Field(
        20, description="samples in a batch, drawn epoch by epoch (N or more: all samples)"
    )
    loss_target: NonNegative = Field(0.1, description="hinge loss over all samples at which the run ends")
    loss_every: Annotated[Count, Field(ge=1, le=10**6)] = Field(
        5, description="steps between two looks at the loss over all samples"
    )
    max_steps: Annotated[Count, Field(ge=1, le=10**12)] = Field(
        5000, description="gradient steps after which the run ends at the latest"
    )
    test_samples: Annotated[Count, Field(ge=0, le=10**6)] = Field(
        1000, description="fresh samples behind test loss and test error, where they are not summed exactly (0: none)"
    )


class ArraysGiven(Training):
    """A run on given arrays: only what the arrays leave open can be set.

    Arrays do not tell the law of their samples, so there are no test quantities.
    """

    step_size: Positive | None = Field(None, description="gradient descent step; overrides the file's")
    attention_step: NonNegative | None = Field(None, description="step of W_K and W_Q (0: frozen) [step_size]")


class Problem(Training):
    """Sizes and scales from which data and initial weights are drawn.

    Examples:
        >>> problem = Problem(n_star=8, L=100)
        >>> problem.alpha_star, problem.others
        (0.08, 92)
    """

    N: Annotated[Count, Field(ge=1, le=10**6)] = Field(400, description="training samples, labels balanced")
    L: Annotated[Count, Field(ge=1, le=10**6)] = Field(100, description="tokens a sample")
    M: Annotated[Count, Field(ge=2, le=10**3)] = Field(4, description="patterns; the first two make the label")
    d: Annotated[Count, Field(ge=2, le=LARGEST_DIMENSION)] = Field(64, description="token dimension")
    m: Annotated[Count, Field(ge=1, le=10**5)] = Field(64, description="neurons")
    m_a: Annotated[Count, Field(ge=2, le=10**4)] = Field(10, description="rows of W_V, at least M")
    m_b: Annotated[Count, Field(ge=2, le=10**4)] = Field(10, description="rows of W_K and W_Q, at least M (perp: 2M)")
    n_star: Annotated[Count, Field(ge=0, le=10**6)] = Field(8, description="tokens that agree with the label")
    n_sharp: Annotated[Count, Field(ge=0, le=10**6)] = Field(0, description="tokens of the other label (confusion)")
    n_spurious: Annotated[Count, Field(ge=0, le=10**6)] = Field(
        0,
        description="tokens of pattern 3 or of 4, as the label of the sample has it or by chance; others are neither",
    )
    rho: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="probability that spurious tokens agree with the label in training (in test: 1/2)"
    )
    dirichlet: NonNegative = Field(
        0.0, description="concentration of the random shares of other patterns in a sample (0: equal shares)"
    )
    tau: NonNegative = Field(0.0, description="size of token noise")
    noise: Literal["sphere", "gaussian", "orthogonal"] = Field(
        "sphere",
        description="sphere: noise of norm tau; gaussian: variance tau^2/d a coordinate;"
        " orthogonal: norm tau, orthogonal to the patterns",
    )
    start: Literal["aligned", "perp"] = Field(
        "perp", description="aligned: queries of patterns are their keys; perp: they are orthogonal to all keys"
    )
    kappa: Positive = Field(1.0, description="norm of queries and keys of patterns at the start")
    sigma: NonNegative = Field(0.1, description="initial error of values")
    delta: NonNegative = Field(0.1, description="initial error of queries and keys")
    error: Literal["random", "matched", "directed"] = Field(
        "random",
        description="random: unit vectors times sigma or delta are added; matched: norms are then restored;"
        " directed: values of the first two patterns are pushed together by sigma instead",
    )
    xi: NonNegative = Field(0.1, description="standard deviation of W_O at the start")
    step_size: Positive = Field(0.1, description="gradient descent step")
    attention_step: NonNegative = Field(
        default_factory=lambda given: given["step_size"], description="step of W_K and W_Q (0: frozen) [step_size]"
    )
    population: bool = Field(
        False, description="train on the data law itself, every possible sample with its probability (tau = 0)"
    )

    @field_validator("d", "m_a")
    @classmethod
    def _room_for_patterns(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("M", value):
            raise ValueError(f"should be at least M = {info.data['M']}")
        return value

    @field_validator("n_spurious")
    @classmethod
    def _fits(cls, value: int, info: ValidationInfo) -> int:
        given = info.data
        if not {"L", "M", "n_star", "n_sharp"} <= set(given):
            return value
        taken = given["n_star"] + given["n_sharp"] + value
        if taken > given["L"]:
            raise ValueError(f"n_star + n_sharp + n_spurious should be at most L = {given['L']}")
        if value and given["M"] < 4:
            raise ValueError("spurious tokens need M = 4 patterns or more")
        if given["M"] == (4 if value else 2) and taken < given["L"]:
            three = "n_star + n_sharp + n_spurious"
            raise ValueError(f"{three} should be L = {given['L']}: M = {given['M']} leaves no pattern for other tokens")
        return value

    @field_validator("start")
    @classmethod
    def _room_for_heads(cls, value: str, info: ValidationInfo) -> str:
        if not {"M", "m_b"} <= set(info.data):
            return value
        needed = info.data["M"] * (2 if value == "perp" else 1)
        if info.data["m_b"] < needed:
            raise ValueError(f"{value} starts need m_b of at least {needed}")
        return value

    @field_validator("population")
    @classmethod
    def _without_noise(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("tau", 0.0) > 0.0:
            raise ValueError("the law of tokens with noise (tau > 0) cannot be summed")
        return value

    @property
    def alpha_star(self) -> float:
        """Share of label-relevant tokens, `n_star / L`."""
        return self.n_star / self.L

    @property
    def alpha_sharp(self) -> float:
        """Share of confusion tokens, `n_sharp / L`."""
        return self.n_sharp / self.L

    @property
    def first_other(self) -> int:
        """The first pattern of other tokens, counted from 0: spurious ones take two."""
        return 4 if self.n_spurious else 2

    @property
    def others(self) -> int:
        """Tokens of a sample that are neither of the first two patterns nor spurious."""
        return self.L - self.n_star - self.n_sharp - self.n_spurious


_NOISE = {"N": 16, "L": 30, "M": 4, "d": 40, "m": 32, "n_star": 3, "xi": 0.01, "step_size": 0.5, "B": 16}
_SHARP = {"m": 128, "sigma": 0.0, "delta": 0.0, "xi": 0.01, "loss_target": 0.0, "max_steps": 2000}

PRESETS = {
    "learnt": Preset("L = 100, 8 relevant tokens: the label is learnt and attention turns to them", {}),
    "aligned": Preset(
        "the same with queries that are the keys: attention to equal tokens at the start", {"start": "aligned"}
    ),
    "confusion": Preset("two tokens of the other label in every sample: attention stays below 0.8", {"n_sharp": 2}),
    "attention-saturates": Preset(
        "queries and keys 16 times as long: attention to relevant tokens goes to 1",
        {**_SHARP, "kappa": 16.0, "step_size": 0.02},
    ),
    "attention-frozen": Preset(
        "W_K and W_Q are not trained: attention to relevant tokens stays at their share",
        {"attention_step": 0.0},
    ),
    "few-samples": Preset(
        "N = 24, stopped at loss 0.7: the label is not learnt everywhere",
        {"N": 24, "L": 40, "M": 5, "m": 32, "n_star": 3, "dirichlet": 0.3, "xi": 0.01, "loss_target": 0.7},
    ),
    "directed-error": Preset(
        "values of the two relevant patterns nearly equal at the start: training takes longer",
        {"sigma": 0.9, "error": "directed"},
    ),
    "spurious": Preset(
        "10 of 40 tokens agree with the label in training and by chance in test: the test error stays 1/2",
        {
            "N": 100,
            "L": 40,
            "M": 5,
            "m": 32,
            "n_star": 3,
            "dirichlet": 0.3,
            "xi": 0.01,
            "n_spurious": 10,
            "rho": 1.0,
            "max_steps": 400,
        },
    ),
    "equal-counts": Preset(
        "as many tokens of one label as of the other: nothing can be learnt, the error is 1/2",
        {"n_star": 8, "n_sharp": 8, "max_steps": 300},
    ),
    "token-noise": Preset(
        "token noise of norm 1.5, 16 samples: no two tokens are equal", {**_NOISE, "tau": 1.5, "max_steps": 150}
    ),
    "token-noise-high-dimension": Preset(
        "token noise of norm 1.5 at d = 1e6, drawn and trained in 100 coordinates",
        {**_NOISE, "N": 8, "L": 12, "d": 10**6, "tau": 1.5, "max_steps": 150},
    ),
    "population": Preset("training on the data law itself: no sample complexity", {"population": True}),
}
DEFAULT_PRESET = "learnt"
