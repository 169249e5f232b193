"""The gradient of the training loss, and what a step does, derived by hand and proved by sympy for generic small sizes.

Letters: `x_t` token t of a sample (a row of X), Z all tokens as rows, `u = W^T p`, `a = Z u` the scores, `gamma` the
values, `phi` the attention, `f` the output, `g` minus the loss's derivative at the margin `Y f`,
`c_nt = g_n Y_n phi_nt (gamma_nt - f_n) / N` and `v = Z^T c`. A step is `p += h W v`, `W += h p v^T`, both at once.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache

from sympy import Expr, Matrix, Rational, Symbol, diff, exp, eye, log, simplify, symbols

from proofs.shared.softmax import output_by_score, require_zero, softmax, weighted_value


@dataclass(frozen=True)
class Size:
    """The sizes of a problem; `samples` is N, `tokens` T, `width` d, `rows` r.

    Raises:
        ValueError: if a size is below 1.
    """

    samples: int = 1
    tokens: int = 2
    width: int = 2
    rows: int = 2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} = {value}: must be at least 1")


PROVED_SIZES = (Size(), Size(tokens=3), Size(tokens=4, width=3, rows=1), Size(samples=2, rows=3), Size(2, 3))
STEP_SIZES = (Size(rows=1), Size(width=1), Size(), Size(tokens=3))


def _matrix(letter: str, rows: int, columns: int) -> Matrix:
    return Matrix(rows, columns, lambda i, j: Symbol(f"{letter}{i}{j}", real=True))


class Instance:
    """A training set and weights of one size, every entry of them a symbol of its own; values and labels too.

    Values do not depend on what is trained, so that they may be symbols.

    >>> Instance(Size()).X[0]
    Matrix([
    [x0_00, x0_01],
    [x0_10, x0_11]])
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        self.X = [_matrix(f"x{n}_", size.tokens, size.width) for n in range(size.samples)]
        self.Y = symbols(f"Y:{size.samples}", real=True)
        self.gamma = [list(symbols(f"gamma{n}_:{size.tokens}", real=True)) for n in range(size.samples)]
        self.W = _matrix("W", size.rows, size.width)
        self.p = _matrix("p", size.rows, 1)

    def scores(self, n: int) -> list[Expr]:
        """Return `a_t = x_t^T W^T p` of sample n."""
        return list(self.X[n] * (self.W.T * self.p))

    def output(self, n: int) -> Expr:
        """Return `f_n`: the mean of the values that attention weights."""
        return weighted_value(softmax(self.scores(n)), self.gamma[n])

    def loss(self) -> Expr:
        """Return `(1/N) sum_n log(1 + exp(-Y_n f_n))`."""
        terms = [log(1 + exp(-self.Y[n] * self.output(n))) for n in range(self.size.samples)]
        return Rational(1, self.size.samples) * sum(terms)


class HandForm:
    """The hand-derived gradient of the loss on one instance; the loss does not come in."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def score_drive(self, n: int) -> Matrix:
        """Return `c_nt = g_n Y_n phi_nt (gamma_nt - f_n) / N` of sample n, shape (T, 1)."""
        instance = self.instance
        phi, gamma, f = softmax(instance.scores(n)), instance.gamma[n], instance.output(n)
        weight = instance.Y[n] / (1 + exp(instance.Y[n] * f)) / instance.size.samples
        return Matrix([weight * output_by_score(phi[t], gamma[t], f) for t in range(instance.size.tokens)])

    def moved(self) -> Matrix:
        """Return `v = sum_nt c_nt x_nt`, shape (d, 1)."""
        v = Matrix.zeros(self.instance.size.width, 1)
        for n, X in enumerate(self.instance.X):
            v += X.T * self.score_drive(n)
        return v

    def gradient_p(self) -> Matrix:
        """Return `dL/dp = -W v`."""
        return -self.instance.W * self.moved()

    def gradient_W(self) -> Matrix:
        """Return `dL/dW = -p v^T`."""
        return -self.instance.p * self.moved().T


class _FreeCoordinates:
    """Writes an expression in free symbols, in which the loss's derivatives are polynomials.

    `exp(a_t)` becomes `phi_t A` and their sum `A`; `exp(-Y f)` becomes `g / (1 - g)`. The new symbols are taken to be
    independent of each other and of the weights: two expressions that agree in them agree in particular where they mean
    what they replaced.
    """

    def __init__(self, instance: Instance) -> None:
        self._replaced: dict[Expr, Expr] = {}
        for n in range(instance.size.samples):
            scores, tokens = instance.scores(n), range(instance.size.tokens)
            normaliser = Symbol(f"A{n}")
            self._replaced[sum(exp(score) for score in scores)] = normaliser
            for t in tokens:
                self._replaced[exp(scores[t])] = Symbol(f"phi{n}_{t}") * normaliser
            g, margin = Symbol(f"g{n}"), instance.Y[n] * instance.output(n)
            self._replaced |= {
                exp(-margin): g / (1 - g),
                1 + exp(-margin): 1 / (1 - g),
                exp(margin): (1 - g) / g,
                1 + exp(margin): 1 / g,
            }

    def __call__(self, expression: Expr) -> Expr:
        return expression.xreplace(self._replaced)


@cache
def _loss_gradients(size: Size) -> tuple[Instance, Matrix, Matrix]:
    instance = Instance(size)
    free, loss = _FreeCoordinates(instance), instance.loss()
    by_p, by_W = (weight.applyfunc(lambda entry: free(diff(loss, entry))) for weight in (instance.p, instance.W))
    return instance, by_p, by_W


def _require_equal(name: str, left: Matrix, right: Matrix) -> None:
    for row in range(left.rows):
        for column in range(left.cols):
            require_zero(f"{name}[{row}, {column}]", left[row, column] - right[row, column])


def prove_gradients(size: Size, form: type[HandForm] = HandForm) -> bool:
    """Prove both gradients for one size and all values of tokens, labels, values and weights.

    `sympy.diff` differentiates the loss itself in every entry of p and W. The difference from the hand-derived entry is
    written in free coordinates and expands to 0. Labels are arbitrary real numbers.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_gradients(Size())
    True
    """
    instance, by_p, by_W = _loss_gradients(size)
    free, claimed = _FreeCoordinates(instance), form(instance)
    _require_equal("dL/dp", by_p, claimed.gradient_p().applyfunc(free))
    _require_equal("dL/dW", by_W, claimed.gradient_W().applyfunc(free))
    return True


class _Step:
    """One step with Z, c, W, p and h all free: what is proved of it holds whatever c stands for."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.total = size.samples * size.tokens
        self.h = Symbol("h", real=True)
        self.Z = _matrix("z", self.total, size.width)
        self.c = _matrix("c", self.total, 1)
        self.W, self.p = _matrix("W", size.rows, size.width), _matrix("p", size.rows, 1)
        self.v = self.Z.T * self.c
        self.K = self.Z * self.Z.T

    def after(self, W: Matrix, p: Matrix) -> tuple[Matrix, Matrix]:
        """Return the weights one step later."""
        return W + self.h * p * self.v.T, p + self.h * W * self.v


def gram_step(h: Expr, K: Matrix, c: Matrix, a: Matrix, M: Matrix, q: Expr) -> tuple[Matrix, Matrix, Expr]:
    """Return scores, `M = Z W^T W Z^T` and `q = |p|^2` one step later, from themselves, K and c alone."""
    Kc, Mc, alignment = K * c, M * c, _number(a.T * c)
    return (
        a + h * (Mc + (q + h * alignment) * Kc),
        M + h * (a * Kc.T + Kc * a.T) + h**2 * q * Kc * Kc.T,
        q + 2 * h * alignment + h**2 * _number(c.T * Mc),
    )


GramStep = Callable[[Expr, Matrix, Matrix, Matrix, Matrix, Expr], tuple[Matrix, Matrix, Expr]]


def prove_gram_system(size: Size, claimed: GramStep = gram_step) -> bool:
    """Prove that a step of the weights moves scores, M and q as `claimed` says, for one size.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_gram_system(Size(tokens=1, rows=1))
    True
    """
    step = _Step(size)
    Z, W, p = step.Z, step.W, step.p
    W_next, p_next = step.after(W, p)
    a, M, q = claimed(step.h, step.K, step.c, Z * W.T * p, Z * W.T * W * Z.T, _number(p.T * p))
    _require_equal("scores", Z * W_next.T * p_next, a)
    _require_equal("M", Z * W_next.T * W_next * Z.T, M)
    require_zero("q", _number(p_next.T * p_next) - q)
    return True


def prove_steps_of_weights(size: Size) -> bool:
    """Prove how `u = W^T p`, `S = W^T W`, q and `D = W W^T - p p^T` move, and what the squared gradient is.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_steps_of_weights(Size(tokens=1, rows=1))
    True
    """
    step = _Step(size)
    h, v, W, p, c, Z = step.h, step.v, step.W, step.p, step.c, step.Z
    W_next, p_next = step.after(W, p)
    u, S, q = W.T * p, W.T * W, _number(p.T * p)
    alignment = _number(u.T * v)
    _require_equal("u", W_next.T * p_next, u + h * (S * v + q * v) + h**2 * alignment * v)
    _require_equal("S", W_next.T * W_next, S + h * (u * v.T + v * u.T) + h**2 * q * v * v.T)
    require_zero("q", _number(p_next.T * p_next) - (q + 2 * h * alignment + h**2 * _number(v.T * S * v)))
    drift = _number(v.T * v) * p * p.T - W * v * (W * v).T
    _require_equal("D", W_next * W_next.T - p_next * p_next.T, W * W.T - p * p.T + h**2 * drift)
    squared = sum(entry**2 for entry in [*(W * v), *(p * v.T)])
    require_zero("|gradient|^2", squared - _number(c.T * (Z * S * Z.T) * c) - q * _number(c.T * step.K * c))
    return True


def prove_representer(size: Size) -> bool:
    """Prove that the representer goes along with a step, and rebuilds scores, q and the balance, for one size.

    With `p = alpha p_0 + W_0 Z^T pi` and `W = W_0 (I + Z^T P Z) + p_0 beta^T Z`, every coefficient a symbol.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_representer(Size(tokens=1, rows=1))
    True
    """
    step = _Step(size)
    h, Z, K, c, W_0, p_0 = step.h, step.Z, step.K, step.c, step.W, step.p
    pi, beta, b = (_matrix(letter, step.total, 1) for letter in ("pi", "beta", "b"))
    P, alpha = _matrix("P", step.total, step.total), Symbol("alpha", real=True)
    Kc = K * c

    def weights(alpha: Expr, pi: Matrix, P: Matrix, beta: Matrix) -> tuple[Matrix, Matrix]:
        grown = eye(size.width) + Z.T * P * Z
        return W_0 * grown + p_0 * beta.T * Z, alpha * p_0 + W_0 * Z.T * pi

    W, p = weights(alpha, pi, P, beta)
    W_next, p_next = step.after(W, p)
    moved = (alpha + h * _number(beta.T * Kc), pi + h * (c + P * Kc), P + h * pi * c.T, beta + h * alpha * c)
    for name, left, right in zip(("W", "p"), (W_next, p_next), weights(*moved), strict=True):
        _require_equal(name, left, right)
    M_0, a_0, q_0 = Z * W_0.T * W_0 * Z.T, Z * W_0.T * p_0, _number(p_0.T * p_0)
    pull = P.T * (alpha * a_0 + M_0 * pi) + beta * (alpha * q_0 + _number(a_0.T * pi))
    _require_equal("scores", Z * W.T * p, alpha * a_0 + M_0 * pi + K * pull)
    q = alpha**2 * q_0 + 2 * alpha * _number(a_0.T * pi) + _number(pi.T * M_0 * pi)
    require_zero("q", _number(p.T * p) - q)
    z, r, start = W_0 * Z.T * b, M_0 * b, _number(a_0.T * b)
    y = P.T * r + start * beta
    along = alpha * start + _number(r.T * pi)
    grown = 2 * _number(r.T * y) + _number(y.T * K * y) - along**2
    before = _number(z.T * (W_0 * W_0.T) * z)
    require_zero("balance", _number(z.T * (W * W.T - p * p.T) * z) - before - grown)
    require_zero("W v", _number(z.T * W * step.v) - _number(r.T * (c + P * Kc)) - start * _number(beta.T * Kc))
    return True


def _number(matrix: Matrix) -> Expr:
    return matrix[0, 0]


def prove_pairwise_drive(tokens: int = 4) -> bool:
    """Prove `phi_s (gamma_s - f) = phi_s sum_t phi_t (gamma_s - gamma_t)` where the weights add up to 1.

    Raises:
        IdentityFails: if it is not so.

    >>> prove_pairwise_drive(2)
    True
    """
    phi, gamma = list(symbols(f"phi:{tokens}")), symbols(f"gamma:{tokens}")
    phi[-1] = 1 - sum(phi[:-1])
    f = weighted_value(phi, gamma)
    for s in range(tokens):
        pairs = sum(phi[t] * (gamma[s] - gamma[t]) for t in range(tokens))
        require_zero(f"c_{s}", output_by_score(phi[s], gamma[s], f) - phi[s] * pairs)
    return True


def prove_gap_identity() -> bool:
    """Prove `phi (1 - phi) = 1 / (2 + 2 cosh(y))` with `y = -log E` and `phi = 1 / (1 + E)`.

    E is the weight of the other tokens relative to that of the one attended to.

    Raises:
        IdentityFails: if it is not so.

    >>> prove_gap_identity()
    True
    """
    E = Symbol("E", positive=True)
    phi, y = 1 / (1 + E), -log(E)
    logistic = [1 / (1 + exp(-y)), 1 / (1 + exp(y))]
    require_zero("two logistic functions", simplify(phi * (1 - phi) - logistic[0] * logistic[1]))
    require_zero("hyperbolic cosine", simplify(phi * (1 - phi) - 1 / (2 + exp(y) + exp(-y))))
    return True
