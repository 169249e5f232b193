"""The gradient of the batch loss, derived by hand and proved equal to sympy's derivatives away from the kinks.

Letters: `x_l` token l of a sample (a column of X), `s_ls = x_s^T P x_l` the score of key s for query l, `phi` the
attention, `h_l = R sum_s phi_ls x_s` hidden units, `F` the output. Away from the kinks every neuron is active or not on
a neighbourhood of the weights, so `ReLU(h_lr)` is `gamma_lr h_lr` with a constant gate `gamma_lr`, 0 or 1, and the
hinge loss of a sample is constant or `1 - y F`: `g` is its derivative by F, one constant a sample. Both are symbols.
At the kinks themselves the convention is `ReLU'(0) = 0` and derivative 0 of the hinge at margin 1.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache

from sympy import Expr, Matrix, Rational, Symbol, diff, exp, expand, symbols

from proofs.shared.softmax import require_zero


@dataclass(frozen=True)
class Size:
    """The sizes of a problem; `value_width` is m_a, `head_width` m_b.

    Raises:
        ValueError: if a size is below 1, or the width below 2 (where scores are not separate unknowns).
    """

    samples: int = 1
    tokens: int = 2
    width: int = 2
    neurons: int = 1
    value_width: int = 1
    head_width: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            allowed = 2 if name == "width" else 1
            if value < allowed:
                raise ValueError(f"{name} = {value}: must be at least {allowed}")


PROVED_SIZES = (
    Size(neurons=2, value_width=2),
    Size(head_width=2),
    Size(tokens=3),
    Size(samples=2),
)

WEIGHTS = ("W_O", "W_V", "W_K", "W_Q")


def _matrix(letter: str, rows: int, columns: int) -> Matrix:
    return Matrix(rows, columns, lambda i, j: Symbol(f"{letter}{i}{j}", real=True))


class Instance:
    """A batch and weights of one size, every entry of them a symbol of its own; gates and loss derivatives too.

    >>> Instance(Size()).W_K
    Matrix([[K00, K01]])
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        self.X = [_matrix(f"x{n}_", size.width, size.tokens) for n in range(size.samples)]
        self.gates = [_matrix(f"gamma{n}_", size.tokens, size.neurons) for n in range(size.samples)]
        self.g = symbols(f"g:{size.samples}", real=True)
        self.a = symbols(f"a:{size.neurons}", real=True)
        self.W_O = _matrix("O", size.neurons, size.value_width)
        self.W_V = _matrix("V", size.value_width, size.width)
        self.W_K = _matrix("K", size.head_width, size.width)
        self.W_Q = _matrix("Q", size.head_width, size.width)

    def scores(self, n: int) -> Matrix:
        """Return `s_ls = (W_K x_s)^T (W_Q x_l)` of sample n, queries l in rows."""
        return (self.W_Q * self.X[n]).T * (self.W_K * self.X[n])

    def attention(self, n: int) -> Matrix:
        """Return `phi_ls` of sample n: a softmax over the keys s of each row."""
        weights = self.scores(n).applyfunc(exp)
        rows = range(self.size.tokens)
        return Matrix(self.size.tokens, self.size.tokens, lambda l, s: weights[l, s] / sum(weights[l, t] for t in rows))

    def output(self, n: int) -> Expr:
        """Return `F_n = (1/L) sum_l sum_r a_r gamma_lr h_lr` with `h_l = W_O W_V sum_s phi_ls x_s`."""
        hidden = self.W_O * (self.W_V * (self.X[n] * self.attention(n).T))
        terms = [
            self.a[r] * self.gates[n][l, r] * hidden[r, l]
            for l in range(self.size.tokens)
            for r in range(self.size.neurons)
        ]
        return Rational(1, self.size.tokens) * sum(terms)

    def loss(self) -> Expr:
        """Return `(1/B) sum_n g_n F_n`: up to constants the hinge loss in the region of these gates."""
        return Rational(1, self.size.samples) * sum(self.g[n] * self.output(n) for n in range(self.size.samples))


class ByHand:
    """The hand-derived gradients, through the derivatives of the loss by R and by P."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def gate(self, n: int) -> Matrix:
        """Return `b_l = a * gamma_l` of sample n, one row a query."""
        instance = self.instance
        return Matrix(instance.size.tokens, instance.size.neurons, lambda l, r: instance.a[r] * instance.gates[n][l, r])

    def effects(self, n: int) -> Matrix:
        """Return `t_ls = b_l^T W_O W_V x_s` of sample n."""
        return self.gate(n) * (self.instance.W_O * (self.instance.W_V * self.instance.X[n]))

    def attention_gradient(self, n: int) -> Matrix:
        """Return `c_ls = phi_ls (t_ls - sum_s phi_ls t_ls)` of sample n."""
        tokens, phi, effects = self.instance.size.tokens, self.instance.attention(n), self.effects(n)
        means = [sum(phi[l, s] * effects[l, s] for s in range(tokens)) for l in range(tokens)]
        return Matrix(tokens, tokens, lambda l, s: phi[l, s] * (effects[l, s] - means[l]))

    def by_hidden_map(self) -> Matrix:
        """Return the derivative of the loss by R: `(1/B) sum_n g_n (1/L) sum_l b_l (X phi_l)^T`, (m, d)."""
        return self._mean(self.gate(n).T * self.instance.attention(n) * X.T for n, X in enumerate(self.instance.X))

    def by_score_map(self) -> Matrix:
        """Return the derivative of the loss by P: `(1/B) sum_n g_n (1/L) sum_l (X c_l) x_l^T`, (d, d)."""
        return self._mean(X * self.attention_gradient(n).T * X.T for n, X in enumerate(self.instance.X))

    def _mean(self, terms: Iterator[Matrix]) -> Matrix:
        size, total = self.instance.size, None
        for n, term in enumerate(terms):
            weighted = self.instance.g[n] * term / (size.samples * size.tokens)
            total = weighted if total is None else total + weighted
        return total

    def gradient(self, name: str) -> Matrix:
        """Return `K W_V^T`, `W_O^T K`, `W_Q H^T` or `W_K H`, K and H being the derivatives above."""
        instance = self.instance
        match name:
            case "W_O":
                return self.by_hidden_map() * instance.W_V.T
            case "W_V":
                return instance.W_O.T * self.by_hidden_map()
            case "W_K":
                return instance.W_Q * self.by_score_map().T
            case _:
                return instance.W_K * self.by_score_map()


class _FreeCoordinates:
    """Writes an expression in free symbols, in which the derivatives are polynomials.

    `exp(s_ls)` becomes `phi_ls Z_l` and their sum over s `Z_l`. The new symbols are taken to be independent of each
    other and of the weights, which forgets what they stand for.
    """

    def __init__(self, instance: Instance) -> None:
        self._replaced: dict[Expr, Expr] = {}
        tokens = range(instance.size.tokens)
        for n in range(instance.size.samples):
            scores = instance.scores(n)
            for l in tokens:
                normaliser = Symbol(f"Z{n}_{l}")
                self._replaced[sum(exp(scores[l, s]) for s in tokens)] = normaliser
                for s in tokens:
                    self._replaced[exp(scores[l, s])] = Symbol(f"phi{n}_{l}{s}") * normaliser

    def __call__(self, expression: Expr) -> Expr:
        return expression.xreplace(self._replaced)


@cache
def _derivatives(size: Size) -> tuple[Instance, dict[str, Matrix]]:
    instance = Instance(size)
    free, loss = _FreeCoordinates(instance), instance.loss()
    found = {name: getattr(instance, name).applyfunc(lambda entry: free(diff(loss, entry))) for name in WEIGHTS}
    return instance, found


def prove_weight_gradients(size: Size, form: type[ByHand] = ByHand) -> bool:
    """Prove the four weight gradients for one size and all values of tokens, gates, weights and loss derivatives.

    `sympy.diff` differentiates the loss itself, all weights in place, in every entry of the weights. The difference
    from the hand-derived entry is written in free coordinates and expands to 0.

    Raises:
        IdentityFails: naming the first entry that differs.

    >>> prove_weight_gradients(Size())
    True
    """
    instance, derived = _derivatives(size)
    free, claimed = _FreeCoordinates(instance), form(instance)
    for name in WEIGHTS:
        by_hand = claimed.gradient(name).applyfunc(free)
        for place, difference in enumerate(derived[name] - by_hand):
            require_zero(f"dL/d{name}[{place}]", difference)
    return True


def prove_scores_do_not_sum(size: Size, form: type[ByHand] = ByHand) -> bool:
    """Prove `sum_s c_ls = 0` and `c_l^T t_l = sum_s phi_ls (t_ls - mean_l)^2` for every query of one size.

    Raises:
        IdentityFails: naming the first row for which that is not so.

    >>> prove_scores_do_not_sum(Size(tokens=3))
    True
    """
    instance = Instance(size)
    free, claimed = _FreeCoordinates(instance), form(instance)
    tokens = range(size.tokens)
    for n in range(size.samples):
        gradient, effects = claimed.attention_gradient(n).applyfunc(free), claimed.effects(n).applyfunc(free)
        for l in tokens:
            phi = [Symbol(f"phi{n}_{l}{s}") for s in tokens]
            # The last weight of a row is one minus the others.
            last = {phi[-1]: 1 - sum(phi[:-1])}
            require_zero(f"sum_s c[{n}, {l}, s]", expand(sum(gradient.row(l))).subs(last))
            mean = sum(weight * effects[l, s] for s, weight in enumerate(phi))
            variance = sum(weight * (effects[l, s] - mean) ** 2 for s, weight in enumerate(phi))
            product = sum(gradient[l, s] * effects[l, s] for s in tokens)
            require_zero(f"c^T t - Var[{n}, {l}]", expand((product - variance).subs(last)))
    return True
