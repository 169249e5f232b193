"""What holds at the start with probability at least 1 - delta, with constants; judged by sampling the law."""

from sympy import Abs, Rational, log, sqrt

from proofs.benign_vit.bounds import same_class
from proofs.benign_vit.exact import PAPER
from proofs.benign_vit.stages import log_term
from proofs.benign_vit.symbols import (
    TOKEN,
    M,
    N,
    dimension,
    failure_probability,
    h,
    head_dimension,
    head_scale,
    is_signal,
    j,
    key,
    key_square,
    n,
    n2,
    noise_deviation,
    overlap,
    p,
    query,
    query_square,
    readout,
    token_at,
    value,
    value_scale,
)
from proofs.language import ByHand, Claim, Derived, Index, Lemma, Observable, Paper, Same, Size, Stage, Total

HERE = Derived("docs/statements.md#start")
PROVED = ByHand("docs/statements.md#start")
AT_START = Stage("start", end=None, words="at step 0")
P = Size(TOKEN)

CHERNOFF = Rational(744, 1000)
"""For Gaussian g, g' in R^k, `<g, g'> > 2 sqrt(k x)` has probability at most `e^(-x)` once `k >= 0.744 x`."""

token_square = Observable("token_square", TOKEN, constant=True, nonnegative=True, words="squared norm of a token")

_here = token_at[n, j]
_is_noise = 1 - is_signal[_here]
_variance = noise_deviation[_here] ** 2
_tokens = log(2 * N * (M - 1) / failure_probability)
_deviation = 2 * sqrt((dimension - 2) * _tokens)

noise_norms = Lemma(
    words="All squared noise norms are near their expectation.",
    kind="probability",
    claims=[
        Claim(token_square[_here], ">=", _variance * (dimension - 2 - _deviation), where=_is_noise),
        Claim(token_square[_here], "<=", _variance * (dimension - 2 + _deviation + 2 * _tokens), where=_is_noise),
    ],
    stage=AT_START,
    source=HERE,
    proof=PROVED,
)

_pairs = log(4 * N**2 * M**2 / failure_probability)

noise_nearly_orthogonal = Lemma(
    words="All pairs of noise tokens are nearly orthogonal.",
    kind="probability",
    claim=Claim(
        Abs(overlap[p, n, j]),
        "<=",
        2 * noise_deviation[p] * noise_deviation[_here] * sqrt(dimension * _pairs),
        where=(1 - is_signal[p]) * _is_noise * (1 - Same(p, _here)),
    ),
    given=[Claim(dimension - 2, ">=", CHERNOFF * _pairs)],
    stage=AT_START,
    source=Paper(PAPER, says="noise tokens are nearly orthogonal", derived="the constant and the requirement"),
    proof=PROVED,
)

initial_values_small = Lemma(
    words="All values are small at the start.",
    kind="probability",
    claim=Claim(
        Abs(value[p]),
        "<=",
        sqrt(token_square[p]) * value_scale * sqrt(readout) * sqrt(2 * log(P / failure_probability)),
    ),
    stage=AT_START,
    source=HERE,
    proof=PROVED,
)

_p2 = Index("p2", TOKEN)

initial_scores_small = Lemma(
    words="All scores are small at the start, of any token's key for any token's query.",
    kind="probability",
    claim=Claim(
        Abs(Total(query[p, h] * key[_p2, h], h)),
        "<=",
        2 * sqrt(token_square[p]) * sqrt(token_square[_p2]) * head_scale**2 * sqrt(head_dimension * log_term),
    ),
    given=[Claim(head_dimension, ">=", CHERNOFF * log_term)],
    stage=AT_START,
    source=Paper(PAPER, says="scores are small at the start, with log(6N^2M^2/delta)", derived="the constant 2"),
    proof=PROVED,
)

_expected = token_square[p] * head_scale**2 * head_dimension

initial_norms = Lemma(
    words="All squared norms of queries and keys are within half of their expectation at the start.",
    kind="probability",
    claims=[
        Claim(query_square[p], ">=", _expected / 2),
        Claim(query_square[p], "<=", 3 * _expected / 2),
        Claim(key_square[p], ">=", _expected / 2),
        Claim(key_square[p], "<=", 3 * _expected / 2),
    ],
    given=[Claim(head_dimension, ">=", Rational(212, 10) * log(4 * P / failure_probability))],
    stage=AT_START,
    source=HERE,
    proof=PROVED,
)

classes_balanced = Lemma(
    words="Each class has at least a quarter of the samples.",
    kind="probability",
    claims=[Claim(Total(same_class, n2), ">=", N / 4), Claim(Total(1 - same_class, n2), ">=", N / 4)],
    given=[Claim(N, ">=", 8 * log(2 / failure_probability))],
    stage=AT_START,
    source=HERE,
    proof=PROVED,
)
