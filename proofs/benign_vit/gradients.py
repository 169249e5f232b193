"""The gradient of the training loss in token form, derived by hand and proved equal to sympy's derivatives.

Letters: `x_l` token l of a sample (a row of X), `q_l = W_Q^T x_l` its query, `k_l = W_K^T x_l` its key,
`V_l = x_l^T W_V w_O` its value, `s_lj = <q_l, k_j>` the scores, `phi` the attention, `f` the output,
`lambda` minus the loss's derivative at the margin `y f`, and `A_lj = d f / d s_lj`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache

from sympy import Expr, Matrix, Rational, Symbol, diff, exp, log, symbols

from proofs.shared.softmax import output_by_score, require_zero, softmax, weighted_value


@dataclass(frozen=True)
class Size:
    """The sizes of a problem; `samples` is N, `tokens` M, `width` d, `head_width` d_h, `value_width` d_v.

    Raises:
        ValueError: if a size is below 1, or the width below 2 (where `s_lj = s_jl` are not separate
        unknowns).
    """

    samples: int = 1
    tokens: int = 2
    width: int = 2
    head_width: int = 1
    value_width: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            allowed = 2 if name == "width" else 1
            if value < allowed:
                raise ValueError(f"{name} = {value}: must be at least {allowed}")


PROVED_SIZES = (
    Size(tokens=2, head_width=2, value_width=2),
    Size(tokens=3, width=3),
    Size(tokens=4, head_width=2),
    Size(samples=2, tokens=2),
    Size(samples=2, tokens=3),
)


class Instance:
    """A training set and weights of one size, every entry of them a symbol of its own; labels too.

    >>> Instance(Size(tokens=2, width=2)).X[0]
    Matrix([
    [x0_00, x0_01],
    [x0_10, x0_11]])
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        self.X = [_matrix(f"x{n}_", size.tokens, size.width) for n in range(size.samples)]
        self.y = symbols(f"y:{size.samples}", real=True)
        self.W_Q = _matrix("Q", size.width, size.head_width)
        self.W_K = _matrix("K", size.width, size.head_width)
        self.W_V = _matrix("V", size.width, size.value_width)
        self.w_O = _matrix("o", size.value_width, 1)

    def scores(self, n: int) -> Matrix:
        """Return `s_lj = x_l^T W_Q W_K^T x_j` of sample n, shape (M, M)."""
        return (self.X[n] * self.W_Q) * (self.X[n] * self.W_K).T

    def values(self, n: int) -> list[Expr]:
        """Return `V_j = x_j^T W_V w_O` of sample n."""
        return list(self.X[n] * (self.W_V * self.w_O))

    def attention(self, n: int) -> Matrix:
        """Return `phi_lj` of sample n, shape (M, M): a softmax over the keys j."""
        scores = self.scores(n)
        return Matrix([softmax(scores.row(query)) for query in range(self.size.tokens)])

    def output(self, n: int) -> Expr:
        """Return `f_n`: the mean over queries of the values that attention weights."""
        phi, values = self.attention(n), self.values(n)
        rows = [weighted_value(list(phi.row(query)), values) for query in range(self.size.tokens)]
        return Rational(1, self.size.tokens) * sum(rows)

    def loss(self) -> Expr:
        """Return `(1/N) sum_n log(1 + exp(-y_n f_n))`."""
        terms = [log(1 + exp(-self.y[n] * self.output(n))) for n in range(self.size.samples)]
        return Rational(1, self.size.samples) * sum(terms)


def _matrix(letter: str, rows: int, columns: int) -> Matrix:
    return Matrix(rows, columns, lambda i, j: Symbol(f"{letter}{i}{j}", real=True))


class TokenForm:
    """The hand-derived gradient of the loss on one instance, and the directions in which tokens move.

    The loss does not come in: only the instance's scores, attention, values and outputs do.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def loss_derivative(self, n: int) -> Expr:
        """Return `lambda_n = 1 / (1 + exp(y_n f_n))`, minus the slope of `log(1 + exp(-z))` at `y_n f_n`."""
        return 1 / (1 + exp(self.instance.y[n] * self.instance.output(n)))

    def attention_gradient(self, n: int) -> Matrix:
        """Return `A_lj = phi_lj (V_j - sum_m phi_lm V_m) / M`, shape (M, M)."""
        phi, values, tokens = self.instance.attention(n), self.instance.values(n), self.instance.size.tokens
        averages = [weighted_value(list(phi.row(query)), values) for query in range(tokens)]
        return Matrix(tokens, tokens, lambda l, j: output_by_score(phi[l, j], values[j], averages[l]) / tokens)

    def value_gradient(self, n: int) -> Matrix:
        """Return `d f_n / d V_j = (1/M) sum_l phi_lj`, shape (M, 1)."""
        tokens = self.instance.size.tokens
        return self.instance.attention(n).T * Matrix([Rational(1, tokens)] * tokens)

    def sample_weight(self, n: int) -> Expr:
        """Return `y_n lambda_n / N`, which is minus the derivative of the loss in `f_n`."""
        return self.instance.y[n] * self.loss_derivative(n) / self.instance.size.samples

    def gradient_W_Q(self) -> Matrix:
        """Return `dL/dW_Q = -(1/N) sum_n y_n lambda_n sum_lj A_nlj x_l k_j^T`, shape (d, d_h)."""
        return _total(
            -self.sample_weight(n) * (X.T * self.attention_gradient(n) * (X * self.instance.W_K))
            for n, X in enumerate(self.instance.X)
        )

    def gradient_W_K(self) -> Matrix:
        """Return `dL/dW_K = -(1/N) sum_n y_n lambda_n sum_lj A_nlj x_j q_l^T`, shape (d, d_h)."""
        return _total(
            -self.sample_weight(n) * (X.T * self.attention_gradient(n).T * (X * self.instance.W_Q))
            for n, X in enumerate(self.instance.X)
        )

    def gradient_W_V(self) -> Matrix:
        """Return `dL/dW_V = -(1/N) sum_n y_n lambda_n (1/M) sum_lj phi_nlj x_j w_O^T`, shape (d, d_v)."""
        return _total(
            -self.sample_weight(n) * (X.T * self.value_gradient(n) * self.instance.w_O.T)
            for n, X in enumerate(self.instance.X)
        )

    def query_direction(self, token: Matrix) -> Matrix:
        """Return the change of `q_p = W_Q^T x_p` per unit of step size, for a token `x_p` of shape (d, 1).

        It is `(1/N) sum_n y_n lambda_n sum_l G[p,(n,l)] sum_j A_nlj k_(n,j)`, `G[p,(n,l)] = <x_p, x_(n,l)>`.
        """
        return _total(
            self.sample_weight(n) * (self.attention_gradient(n) * (X * self.instance.W_K)).T * (X * token)
            for n, X in enumerate(self.instance.X)
        )

    def key_direction(self, token: Matrix) -> Matrix:
        """Return the change of `k_p = W_K^T x_p` per unit of step size, for a token `x_p` of shape (d, 1).

        It is `(1/N) sum_n y_n lambda_n sum_j G[p,(n,j)] sum_l A_nlj q_(n,l)`.
        """
        return _total(
            self.sample_weight(n) * (self.attention_gradient(n).T * (X * self.instance.W_Q)).T * (X * token)
            for n, X in enumerate(self.instance.X)
        )

    def value_direction(self, token: Matrix) -> Matrix:
        """Return the change of `V_p = x_p^T W_V w_O` per unit of step size, shape (1, 1).

        It is `(|w_O|^2 / N) sum_n y_n lambda_n sum_j G[p,(n,j)] (1/M) sum_l phi_nlj`.
        """
        squared_norm = self.instance.w_O.T * self.instance.w_O
        return _total(
            self.sample_weight(n) * ((X * token).T * self.value_gradient(n)) * squared_norm
            for n, X in enumerate(self.instance.X)
        )


def _total(terms: Iterator[Matrix]) -> Matrix:
    total = next(terms)
    for term in terms:
        total += term
    return total


class _FreeCoordinates:
    """Writes an expression in free symbols, in which the loss's derivatives are polynomials.

    `exp(s_lj)` becomes `phi_lj Z_l` and their sum over j `Z_l`; `exp(-y f)` becomes `lambda / (1 - lambda)`
    and `1 + exp(-y f)` becomes `1 / (1 - lambda)`. The new symbols are taken to be independent of each
    other and of the weights, which forgets what they stand for: two expressions that agree in them agree in
    particular where they mean what they replaced.
    """

    def __init__(self, instance: Instance) -> None:
        self._replaced: dict[Expr, Expr] = {}
        for n in range(instance.size.samples):
            self._replace_sample(instance, n)

    def _replace_sample(self, instance: Instance, n: int) -> None:
        scores, tokens = instance.scores(n), range(instance.size.tokens)
        for l in tokens:
            normaliser = Symbol(f"Z{n}_{l}")
            self._replaced[sum(exp(scores[l, j]) for j in tokens)] = normaliser
            for j in tokens:
                self._replaced[exp(scores[l, j])] = Symbol(f"phi{n}_{l}{j}") * normaliser
        lam, margin = Symbol(f"lambda{n}"), instance.y[n] * instance.output(n)
        self._replaced |= {
            exp(-margin): lam / (1 - lam),
            1 + exp(-margin): 1 / (1 - lam),
            exp(margin): (1 - lam) / lam,
            1 + exp(margin): 1 / lam,
        }

    def __call__(self, expression: Expr) -> Expr:
        return expression.xreplace(self._replaced)


@cache
def _loss_gradients(size: Size) -> tuple[Instance, dict[str, Matrix]]:
    instance = Instance(size)
    free, loss = _FreeCoordinates(instance), instance.loss()
    weights = {"W_Q": instance.W_Q, "W_K": instance.W_K, "W_V": instance.W_V}
    return instance, {name: weight.applyfunc(lambda entry: free(diff(loss, entry))) for name, weight in weights.items()}


def _require_equal(name: str, left: Matrix, right: Matrix) -> None:
    for row in range(left.rows):
        for column in range(left.cols):
            require_zero(f"{name}[{row}, {column}]", left[row, column] - right[row, column])


def prove_weight_gradients(size: Size, form: type[TokenForm] = TokenForm) -> bool:
    """Prove the three weight gradients for one size and all values of tokens, labels and weights.

    `sympy.diff` differentiates the loss itself, all weights in place, in every entry of W_Q, W_K and W_V. The
    difference from the hand-derived entry is written in free coordinates and expands to 0: an identity
    between polynomials with rational coefficients, not a sample of values. Labels are arbitrary real
    numbers.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_weight_gradients(Size(samples=1, tokens=2))
    True
    """
    instance, gradients = _loss_gradients(size)
    free, claimed = _FreeCoordinates(instance), form(instance)
    _require_equal("dL/dW_Q", gradients["W_Q"], claimed.gradient_W_Q().applyfunc(free))
    _require_equal("dL/dW_K", gradients["W_K"], claimed.gradient_W_K().applyfunc(free))
    _require_equal("dL/dW_V", gradients["W_V"], claimed.gradient_W_V().applyfunc(free))
    return True


def prove_token_directions(size: Size, form: type[TokenForm] = TokenForm) -> bool:
    """Prove that gradient descent on the weights moves each token's query, key and value as the token form
    says.

    The token `x_p` is a vector of symbols of its own, so the identity holds for every token of the training
    set, for one that several samples share, and for a token of test data. The left sides are `-(dL/dW_Q)^T
    x_p`, `-(dL/dW_K)^T x_p` and `-x_p^T (dL/dW_V) w_O`, with sympy's derivatives of the loss.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_token_directions(Size(samples=1, tokens=2))
    True
    """
    instance, gradients = _loss_gradients(size)
    free, claimed = _FreeCoordinates(instance), form(instance)
    token = _matrix("p", size.width, 1)
    moves = {
        "query direction": (-gradients["W_Q"].T * token, claimed.query_direction(token)),
        "key direction": (-gradients["W_K"].T * token, claimed.key_direction(token)),
        "value direction": (-token.T * gradients["W_V"] * instance.w_O, claimed.value_direction(token)),
    }
    for name, (derived, by_hand) in moves.items():
        _require_equal(name, derived, by_hand.applyfunc(free))
    return True


def prove_attention_gradient_rows_vanish(size: Size, form: type[TokenForm] = TokenForm) -> bool:
    """Prove `sum_j A_nlj = 0` for every sample n and query l of one size.

    `proofs.shared.softmax.prove_row_sum_vanishes` is the same for every number of tokens.

    Raises:
        IdentityFails: naming the first row whose sum is not 0.

    >>> prove_attention_gradient_rows_vanish(Size(tokens=3))
    True
    """
    instance = Instance(size)
    free, claimed = _FreeCoordinates(instance), form(instance)
    for n in range(size.samples):
        gradient = claimed.attention_gradient(n).applyfunc(free)
        for query in range(size.tokens):
            # The last weight of a row is one minus the others.
            others = sum(Symbol(f"phi{n}_{query}{j}") for j in range(size.tokens - 1))
            row_sum = sum(gradient.row(query)).expand()
            last = Symbol(f"phi{n}_{query}{size.tokens - 1}")
            require_zero(f"sum_j A[{n}, {query}, j]", row_sum.subs(last, 1 - others))
    return True
