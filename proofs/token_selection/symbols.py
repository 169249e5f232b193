"""Everything that statements about `token-selection` can name: sizes, data, state and observables.

Letters of the model: W and p weights, u = W^T p the direction that scores tokens, a scores, phi attention, gamma
values (inner products with the fixed head), f output, Y labels (some flipped), g minus the loss's derivative, q the
squared norm of p, h the step size. There are N samples of T tokens; token 0 of a sample carries its signal.

Training needs inner products alone. Z has all tokens as rows, K = Z Z^T is their Gram matrix and M = Z W^T W Z^T
what W makes of it; c is minus the loss's derivative by the scores. A step moves scores by M c and K c, M by K c and
the scores. M and the representer P, which are too large to be recorded at every step, are seen through their products
with c and with a few fixed vectors, the probes.

The representer says where the weights have come from: with p_0, W_0 at the start,
p = alpha p_0 + W_0 Z^T pi and W = W_0 (I + Z^T P Z) + p_0 beta^T Z.
"""

from sympy import Abs, exp, log, sqrt

from proofs.language import (
    STEP,
    Index,
    IndexSet,
    Largest,
    Logistic,
    Observable,
    Same,
    Size,
    Softmax,
    Softplus,
    Total,
    define,
    rounding,
    update,
)
from proofs.language.roundoff import EPSILON

SAMPLE = IndexSet("sample", size="N")
TOKEN = IndexSet("token", size="T")
PROBE = IndexSet("probe", size="Z")
CLASS = IndexSet("signal", size="C")

n, n2, n3 = Index("n", SAMPLE), Index("n2", SAMPLE), Index("n3", SAMPLE)
t, s, r = Index("t", TOKEN), Index("s", TOKEN), Index("r", TOKEN)
z = Index("z", PROBE)
k, k2 = Index("k", CLASS), Index("k2", CLASS)

N, T = Size(SAMPLE), Size(TOKEN)

# Data of an instance.

label = Observable("label", SAMPLE, constant=True, symbol="Y", words="label as trained on, -1 or 1")
true_label = Observable("true_label", SAMPLE, constant=True, words="label before any was flipped, -1 or 1")
is_noisy = Observable(
    "is_noisy", SAMPLE, constant=True, nonnegative=True, words="1 for samples whose label is flipped, else 0"
)
is_other = Observable("is_other", TOKEN, constant=True, nonnegative=True, words="0 for token 0 of a sample, else 1")
value = Observable(
    "value", SAMPLE, TOKEN, constant=True, symbol="gamma", words="inner product of a token with the fixed head"
)
token_gram = Observable(
    "token_gram", SAMPLE, TOKEN, SAMPLE, TOKEN, constant=True, symbol="K", words="inner product of two tokens"
)
start_map = Observable(
    "start_map",
    SAMPLE,
    TOKEN,
    SAMPLE,
    TOKEN,
    constant=True,
    symbol="M_0",
    words="inner product of two tokens seen through W at the start",
)
start_score = Observable("start_score", SAMPLE, TOKEN, constant=True, symbol="a_0", words="score at the start")
start_query_square = Observable(
    "start_query_square", constant=True, nonnegative=True, symbol="q_0", words="squared norm of p at the start"
)
step_size = Observable("step_size", constant=True, nonnegative=True, symbol="h", words="step size")
loss_target = Observable("loss_target", constant=True, nonnegative=True, symbol="epsilon", words="loss to be reached")
probe = Observable(
    "probe", SAMPLE, TOKEN, PROBE, constant=True, symbol="b", words="fixed random coefficients of the tokens"
)
token_norm = Observable("token_norm", SAMPLE, TOKEN, constant=True, nonnegative=True, words="norm of a token")
diameter = Observable(
    "diameter", SAMPLE, constant=True, nonnegative=True, words="largest distance between two tokens of a sample"
)
start_norm = Observable(
    "start_norm", constant=True, nonnegative=True, words="operator norm of W at the start, on the span of the tokens"
)
start_size = Observable(
    "start_size",
    SAMPLE,
    TOKEN,
    constant=True,
    nonnegative=True,
    words="norm of a token seen through W at the start",
)
start_block = Observable(
    "start_block",
    SAMPLE,
    SAMPLE,
    constant=True,
    nonnegative=True,
    words="operator norm of the block of two samples in M at the start, centred within samples",
)
start_rest = Observable(
    "start_rest",
    SAMPLE,
    constant=True,
    nonnegative=True,
    words="operator norm of the blocks of a sample with all others in M at the start, centred within samples",
)
gram_block = Observable(
    "gram_block",
    SAMPLE,
    SAMPLE,
    constant=True,
    nonnegative=True,
    words="operator norm of the block of two samples in K, centred within samples",
)
gram_rest = Observable(
    "gram_rest",
    SAMPLE,
    constant=True,
    nonnegative=True,
    words="operator norm of the blocks of a sample with all others in K, centred within samples",
)

# Parameters of the data law and of the initial weights; an instance given as arrays may leave them open.

dimension = Observable("dimension", constant=True, nonnegative=True, symbol="d", words="dimension of the tokens")
signal_norm = Observable("signal_norm", constant=True, nonnegative=True, symbol="m", words="norm of a signal")
noise_deviation = Observable(
    "noise_deviation", constant=True, nonnegative=True, symbol="sigma", words="standard deviation of token noise"
)
weak_scale = Observable(
    "weak_scale", constant=True, nonnegative=True, symbol="rho", words="size of weak and confusing signals"
)
weak_tokens = Observable(
    "weak_tokens", constant=True, nonnegative=True, symbol="k_w", words="how many tokens carry the own signal weakly"
)
confusing_tokens = Observable(
    "confusing_tokens",
    constant=True,
    nonnegative=True,
    symbol="k_c",
    words="how many tokens carry the other signal weakly",
)
flip_rate = Observable(
    "flip_rate", constant=True, nonnegative=True, symbol="eta_f", words="share of labels that are flipped"
)
start_scale = Observable(
    "start_scale", constant=True, nonnegative=True, symbol="s_0", words="expected W^T W at the start, a multiple of I"
)
start_spread = Observable(
    "start_spread",
    constant=True,
    nonnegative=True,
    words="expected (W^T W)^2 at the start over the square of s_0: 1 for an orthogonal start, about 2 for a random one",
)
signal_gram = Observable(
    "signal_gram", SAMPLE, TOKEN, SAMPLE, TOKEN, constant=True, words="inner product of the signal parts of two tokens"
)
signal_overlap = Observable(
    "signal_overlap", CLASS, SAMPLE, TOKEN, constant=True, words="inner product of a class's signal with a token"
)
signal_start_map = Observable(
    "signal_start_map",
    CLASS,
    SAMPLE,
    TOKEN,
    constant=True,
    words="inner product of a class's signal with a token, seen through W at the start",
)

start_square_map = Observable(
    "start_square_map",
    SAMPLE,
    TOKEN,
    SAMPLE,
    TOKEN,
    constant=True,
    symbol="Q_0",
    words="inner product of two tokens, each seen through W^T W at the start",
)
own_share = Observable(
    "own_share", TOKEN, constant=True, nonnegative=True, symbol="b", words="how much of its own signal a token carries"
)
other_share = Observable(
    "other_share",
    TOKEN,
    constant=True,
    nonnegative=True,
    symbol="e",
    words="how much of the other class's signal a token carries",
)
half_lead = Observable(
    "half_lead",
    constant=True,
    nonnegative=True,
    symbol="r_half",
    words="lead over T - 1 standard normal numbers at which another one is the largest half the time: 1.342 for T = 8",
)

# State: what gradient descent moves.

score = Observable("score", SAMPLE, TOKEN, state=True, symbol="a", words="score of a token")
query_square = Observable("query_square", state=True, nonnegative=True, symbol="q", words="squared norm of p")
token_map = Observable(
    "token_map",
    SAMPLE,
    TOKEN,
    SAMPLE,
    TOKEN,
    state=True,
    symbol="M",
    words="inner product of two tokens seen through W",
)
coefficient = Observable("coefficient", SAMPLE, TOKEN, state=True, symbol="pi", words="representer coefficient of p")
representer = Observable(
    "representer", SAMPLE, TOKEN, SAMPLE, TOKEN, state=True, symbol="P", words="representer coefficients of W"
)
start_share = Observable("start_share", state=True, symbol="alpha", words="share of the start's p in p")
start_coefficient = Observable(
    "start_coefficient", SAMPLE, TOKEN, state=True, symbol="beta", words="representer coefficient of the start's p in W"
)

# What follows from the state.

attention = Observable("attention", SAMPLE, TOKEN, nonnegative=True, symbol="phi", words="attention to a token")
define(attention[n, t], Softmax(score[n, t], t))

output = Observable("output", SAMPLE, symbol="f", words="output of a sample")
define(output[n], Total(attention[n, t] * value[n, t], t))

loss_derivative = Observable(
    "loss_derivative", SAMPLE, nonnegative=True, symbol="g", words="minus the derivative of a sample's loss"
)
define(loss_derivative[n], Logistic(-label[n] * output[n]))

loss = Observable("loss", nonnegative=True, symbol="L", words="training loss")
define(loss, Total(Softplus(-label[n] * output[n]), n) / N)

score_drive = Observable(
    "score_drive", SAMPLE, TOKEN, symbol="c", words="minus the derivative of the training loss by a score"
)
define(score_drive[n, t], label[n] * loss_derivative[n] * attention[n, t] * (value[n, t] - output[n]) / N)

gram_drive = Observable(
    "gram_drive", SAMPLE, TOKEN, symbol="Kc", words="inner product of a token with minus the derivative by W^T p"
)
define(gram_drive[n, t], Total(token_gram[n, t, n2, s] * score_drive[n2, s], n2, s))

map_drive = Observable("map_drive", SAMPLE, TOKEN, symbol="Mc", words="the same, seen through W")
define(map_drive[n, t], Total(token_map[n, t, n2, s] * score_drive[n2, s], n2, s))

alignment = Observable("alignment", words="sum of scores times what drives them, u^T v")
define(alignment, Total(score[n, t] * score_drive[n, t], n, t))

moved_square = Observable(
    "moved_square", nonnegative=True, words="squared norm of v, minus the derivative of the loss by W^T p"
)
define(moved_square, Total(score_drive[n, t] * gram_drive[n, t], n, t))

pulled_square = Observable(
    "pulled_square", nonnegative=True, words="squared norm of W v, minus the derivative of the loss by p"
)
define(pulled_square, Total(score_drive[n, t] * map_drive[n, t], n, t))

gradient_square = Observable(
    "gradient_square", nonnegative=True, words="squared norm of the gradient of the training loss"
)
define(gradient_square, pulled_square + query_square * moved_square)

effective_gap = Observable(
    "effective_gap", SAMPLE, TOKEN, symbol="x", words="lead of a token's score over the others, softly averaged"
)
define(
    effective_gap[n, t],
    log(T - 1) - log(Total((1 - Same(s, t)) * exp(score[n, s] - score[n, t]), s)),
)

# The representer at work: W_0 Z^T of its coefficients is the part of p, and of W v, that has grown.

start_pull = Observable(
    "start_pull", SAMPLE, TOKEN, words="inner product of a token, seen through W_0, with the grown p"
)
define(start_pull[n, t], Total(start_map[n, t, n2, s] * coefficient[n2, s], n2, s))

representer_drive = Observable(
    "representer_drive", SAMPLE, TOKEN, symbol="PKc", words="what the growth of W adds to the drive of a coefficient"
)
define(representer_drive[n, t], Total(representer[n, t, n2, s] * gram_drive[n2, s], n2, s))

coefficient_pull = Observable(
    "coefficient_pull", SAMPLE, TOKEN, symbol="w", words="coefficient of a token in what the growth of W adds to W^T p"
)
define(
    coefficient_pull[n, t],
    Total(representer[n2, s, n, t] * (start_share * start_score[n2, s] + start_pull[n2, s]), n2, s)
    + start_coefficient[n, t]
    * (start_share * start_query_square + Total(start_score[n2, s] * coefficient[n2, s], n2, s)),
)

# How they move.

step_gain = query_square + step_size * alignment
"""`q + h u^T v`, the weight of K c in a step of the scores."""

update(score[n, t], score[n, t] + step_size * (map_drive[n, t] + step_gain * gram_drive[n, t]))
update(query_square, query_square + 2 * step_size * alignment + step_size**2 * pulled_square)
update(
    token_map[n, t, n2, s],
    token_map[n, t, n2, s]
    + step_size * (score[n, t] * gram_drive[n2, s] + gram_drive[n, t] * score[n2, s])
    + step_size**2 * query_square * gram_drive[n, t] * gram_drive[n2, s],
)
update(coefficient[n, t], coefficient[n, t] + step_size * (score_drive[n, t] + representer_drive[n, t]))
update(representer[n, t, n2, s], representer[n, t, n2, s] + step_size * coefficient[n, t] * score_drive[n2, s])
update(start_share, start_share + step_size * Total(start_coefficient[n, t] * gram_drive[n, t], n, t))
update(start_coefficient[n, t], start_coefficient[n, t] + step_size * start_share * score_drive[n, t])

# Along probes: M b and P b on tokens; W W^T - p p^T along z = W_0 Z^T b, a direction in the space of p.

gram_probe = Observable("gram_probe", SAMPLE, TOKEN, PROBE, constant=True, symbol="Kb", words="K along a probe")
define(gram_probe[n, t, z], Total(token_gram[n, t, n2, s] * probe[n2, s, z], n2, s))

start_probe = Observable(
    "start_probe", SAMPLE, TOKEN, PROBE, constant=True, symbol="M_0b", words="M at the start along a probe"
)
define(start_probe[n, t, z], Total(start_map[n, t, n2, s] * probe[n2, s, z], n2, s))

map_probe = Observable("map_probe", SAMPLE, TOKEN, PROBE, symbol="Mb", words="M along a probe")
define(map_probe[n, t, z], Total(token_map[n, t, n2, s] * probe[n2, s, z], n2, s))

representer_probe = Observable(
    "representer_probe", SAMPLE, TOKEN, PROBE, symbol="Pb", words="the representer along a probe"
)
define(representer_probe[n, t, z], Total(representer[n, t, n2, s] * probe[n2, s, z], n2, s))

probe_square = Observable(
    "probe_square", PROBE, constant=True, nonnegative=True, words="squared norm of a probe direction of p"
)
define(probe_square[z], Total(probe[n, t, z] * start_probe[n, t, z], n, t))

start_query_probe = Observable(
    "start_query_probe", PROBE, constant=True, words="p at the start along a probe direction"
)
define(start_query_probe[z], Total(start_score[n, t] * probe[n, t, z], n, t))

query_probe = Observable("query_probe", PROBE, words="p along a probe direction")
define(query_probe[z], start_share * start_query_probe[z] + Total(start_probe[n, t, z] * coefficient[n, t], n, t))

pulled_probe = Observable("pulled_probe", PROBE, words="W v along a probe direction")
define(
    pulled_probe[z],
    Total(start_probe[n, t, z] * (score_drive[n, t] + representer_drive[n, t]), n, t)
    + start_query_probe[z] * Total(start_coefficient[n, t] * gram_drive[n, t], n, t),
)

growth_probe = Observable(
    "growth_probe",
    SAMPLE,
    TOKEN,
    PROBE,
    words="coefficient of a token in what W^T z has grown by along a probe direction",
)
define(
    growth_probe[n, t, z],
    Total(representer[n2, s, n, t] * start_probe[n2, s, z], n2, s) + start_query_probe[z] * start_coefficient[n, t],
)

balance = Observable(
    "balance", PROBE, symbol="D", words="|W^T z|^2 - (p^T z)^2 along a probe direction z, since the start"
)
define(
    balance[z],
    2 * Total(start_probe[n, t, z] * growth_probe[n, t, z], n, t)
    + Total(growth_probe[n, t, z] * token_gram[n, t, n2, s] * growth_probe[n2, s, z], n, t, n2, s)
    - query_probe[z] ** 2
    + start_query_probe[z] ** 2,
)

# What the representer makes of scores and of p.

rebuilt_score = Observable("rebuilt_score", SAMPLE, TOKEN, words="score of a token, by the representer")
define(
    rebuilt_score[n, t],
    start_share * start_score[n, t]
    + start_pull[n, t]
    + Total(token_gram[n, t, n2, s] * coefficient_pull[n2, s], n2, s),
)

rebuilt_query_square = Observable(
    "rebuilt_query_square", nonnegative=True, words="squared norm of p, by the representer"
)
define(
    rebuilt_query_square,
    start_share**2 * start_query_square
    + 2 * start_share * Total(start_score[n, t] * coefficient[n, t], n, t)
    + Total(coefficient[n, t] * start_pull[n, t], n, t),
)

signal_score = Observable("signal_score", CLASS, words="score of a class's signal, of an instance that starts at p = 0")
define(
    signal_score[k],
    Total(signal_start_map[k, n, t] * coefficient[n, t], n, t)
    + Total(signal_overlap[k, n, t] * coefficient_pull[n, t], n, t),
)

direction_square = Observable(
    "direction_square", symbol="u_square", words="squared norm of u = W^T p, of an instance that starts at p = 0"
)
define(
    direction_square,
    Total(coefficient[n, t] * start_square_map[n, t, n2, s] * coefficient[n2, s], n, t, n2, s)
    + 2 * Total(coefficient_pull[n, t] * start_pull[n, t], n, t)
    + Total(coefficient_pull[n, t] * token_gram[n, t, n2, s] * coefficient_pull[n2, s], n, t, n2, s),
)

test_lead = Observable(
    "test_lead", CLASS, TOKEN, words="expected lead of token 0 over another token of a test sample of a class"
)
define(
    test_lead[k, t],
    (1 - own_share[t]) * signal_score[k] - other_share[t] * (Total(signal_score[k2], k2) - signal_score[k]),
)

# What rounding does to recorded numbers beyond their last bits.

score_rounding = Observable(
    "score_rounding", SAMPLE, TOKEN, nonnegative=True, words="rounding error of a recorded score beyond its last bit"
)
gram_terms = Observable(
    "gram_terms", constant=True, nonnegative=True, words="how many terms a recorded inner product sums"
)
map_terms = Observable("map_terms", constant=True, nonnegative=True, words="the same, seen through W")
square_terms = Observable(
    "square_terms", constant=True, nonnegative=True, words="how many terms a recorded squared norm of p sums"
)
gram_size = Observable(
    "gram_size",
    SAMPLE,
    TOKEN,
    constant=True,
    nonnegative=True,
    words="norm of a row of K, or of the absolute terms of its entries",
)
map_size = Observable(
    "map_size", SAMPLE, TOKEN, nonnegative=True, words="norm of a row of M, or of the absolute terms of its entries"
)
representer_size = Observable(
    "representer_size", SAMPLE, TOKEN, nonnegative=True, words="norm of a row of the representer"
)
representer_reach = Observable(
    "representer_reach", SAMPLE, TOKEN, nonnegative=True, words="norm of a column of the representer"
)
balance_scale = Observable(
    "balance_scale", PROBE, nonnegative=True, words="the sum of the absolute terms of the balance"
)
balance_terms = Observable("balance_terms", constant=True, nonnegative=True, words="how many terms the balance sums")

rounding(score[n, t], score_rounding[n, t])
rounding(
    effective_gap[n, t],
    EPSILON * (2 * T + 8 + 5 * log(T - 1) + 2 * Abs(effective_gap[n, t])),
    passed_on=2 * Largest(score[n, s], s),
)
rounding(query_square, square_terms * EPSILON * query_square)
rounding(gram_drive[n, t], gram_terms * EPSILON * gram_size[n, t] * sqrt(Total(score_drive[n2, s] ** 2, n2, s)))
rounding(map_drive[n, t], map_terms * EPSILON * map_size[n, t] * sqrt(Total(score_drive[n2, s] ** 2, n2, s)))
rounding(map_probe[n, t, z], map_terms * EPSILON * map_size[n, t] * sqrt(Total(probe[n2, s, z] ** 2, n2, s)))
rounding(
    representer_drive[n, t],
    (N * T + 2) * EPSILON * representer_size[n, t] * sqrt(Total(gram_drive[n2, s] ** 2, n2, s)),
)
rounding(
    representer_probe[n, t, z],
    (N * T + 2) * EPSILON * representer_size[n, t] * sqrt(Total(probe[n2, s, z] ** 2, n2, s)),
)
rounding(balance[z], (STEP + balance_terms) * EPSILON * balance_scale[z])

# Numbers that the representer makes again drift from those that training moves by the roundings of all steps so far.
drift = STEP + 4 * N * T
rounding(
    coefficient_pull[n, t],
    4
    * N
    * T
    * EPSILON
    * (
        representer_reach[n, t]
        * sqrt(Total((Abs(start_share * start_score[n2, s]) + Abs(start_pull[n2, s])) ** 2, n2, s))
        + Abs(start_coefficient[n, t])
        * (Abs(start_share) * start_query_square + Total(Abs(start_score[n2, s] * coefficient[n2, s]), n2, s))
    ),
)
rounding(
    rebuilt_score[n, t],
    drift
    * EPSILON
    * (
        Abs(start_share * start_score[n, t])
        + start_size[n, t] * Total(start_size[n2, s] * Abs(coefficient[n2, s]), n2, s)
        + token_norm[n, t] * Total(token_norm[n2, s] * Abs(coefficient_pull[n2, s]), n2, s)
    ),
)
rounding(
    rebuilt_query_square,
    drift
    * EPSILON
    * (
        start_share**2 * start_query_square
        + 2 * Abs(start_share) * Total(Abs(start_score[n, t] * coefficient[n, t]), n, t)
        + Total(start_size[n, t] * Abs(coefficient[n, t]), n, t) ** 2
    ),
)
