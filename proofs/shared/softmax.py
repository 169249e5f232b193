"""The softmax of one row of attention, its derivatives, and the average of values that it weights.

A row has scores `s_1 .. s_M` and values `V_1 .. V_M`; its attention is `phi_j = exp(s_j) / sum_m exp(s_m)`
and its output `sum_j phi_j V_j`.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sympy import Expr, IndexedBase, KroneckerDelta, Sum, Symbol, diff, exp, expand, lambdify, symbols


class IdentityFails(Exception):
    """A claimed identity whose two sides differ; `entry` names the place, `difference` is what is left."""

    def __init__(self, entry: str, difference: Expr) -> None:
        super().__init__(f"{entry}: the two sides differ by {difference}")
        self.entry = entry
        self.difference = difference


def require_zero(entry: str, difference: Expr) -> None:
    """Accept a difference that expands to the symbol zero, and nothing else.

    Raises:
        IdentityFails: if terms are left.

    >>> x = Symbol("x")
    >>> require_zero("binomial", (1 + x) ** 2 - 1 - 2 * x - x**2)
    """
    remainder = expand(difference)
    if remainder != 0:
        raise IdentityFails(entry, remainder)


def softmax(scores: Sequence[Expr]) -> list[Expr]:
    """Return the attention weights `exp(s_j) / sum_m exp(s_m)` of one row.

    >>> from sympy import log
    >>> softmax([log(1), log(3)])
    [1/4, 3/4]
    """
    total = sum(exp(score) for score in scores)
    return [exp(score) / total for score in scores]


def weighted_value(phi: Sequence[Expr], values: Sequence[Expr]) -> Expr:
    """Return the output `sum_j phi_j V_j` of one row."""
    return sum(weight * value for weight, value in zip(phi, values, strict=True))


def softmax_by_score(phi_j: Expr, phi_k: Expr, delta_jk: Expr) -> Expr:
    """Return `d phi_j / d s_k = phi_j (1[j=k] - phi_k)`."""
    return phi_j * (delta_jk - phi_k)


def output_by_score(phi_k: Expr, value_k: Expr, output: Expr) -> Expr:
    """Return the derivative of a row's output in its score `s_k`: `phi_k (V_k - sum_m phi_m V_m)`."""
    return phi_k * (value_k - output)


class _Row:
    """One row with M tokens, M being a symbol.

    M is written `k + r` with `k >= 1` and `r >= 0`, which is every pair `1 <= k <= M`, so that sympy knows
    that `s_k` is among the scores.
    """

    def __init__(self) -> None:
        self.j, self.m = symbols("j m", integer=True)
        self.k = Symbol("k", integer=True, positive=True)
        self.tokens = self.k + Symbol("r", integer=True, nonnegative=True)
        self.scores = IndexedBase("s", real=True)
        self.values = IndexedBase("V", real=True)
        self.normaliser = self.total(exp(self.scores[self.m]))

    def total(self, term: Expr) -> Expr:
        return Sum(term, (self.m, 1, self.tokens))

    def phi(self, token: Expr) -> Expr:
        return exp(self.scores[token]) / self.normaliser

    @property
    def output(self) -> Expr:
        return self.total(exp(self.scores[self.m]) * self.values[self.m]) / self.normaliser

    def by_score(self, quantity: Expr) -> Expr:
        return diff(quantity, self.scores[self.k]).doit()


def prove_softmax_jacobian(claimed: Callable[[Expr, Expr, Expr], Expr] = softmax_by_score) -> bool:
    """Prove `d phi_j / d s_k = phi_j (1[j=k] - phi_k)` for every number of tokens M and all `1 <= j, k <= M`.

    The left side is sympy's derivative of `exp(s_j) / Sum(exp(s_m), (m, 1, M))` with M a symbol.

    Raises:
        IdentityFails: if `claimed`, a function of `phi_j`, `phi_k` and `1[j=k]`, is not that derivative.

    >>> prove_softmax_jacobian()
    True
    """
    row = _Row()
    same = KroneckerDelta(row.j, row.k)
    difference = expand(row.by_score(row.phi(row.j)) - claimed(row.phi(row.j), row.phi(row.k), same))
    # 1[j=k] is 0 unless s_k is s_j, so in its coefficient the one may stand for the other.
    coefficient = difference.coeff(same)
    merged = coefficient.xreplace({row.scores[row.k]: row.scores[row.j]})
    require_zero("d phi_j / d s_k", difference + same * (merged - coefficient))
    return True


def prove_output_by_score(claimed: Callable[[Expr, Expr, Expr], Expr] = output_by_score) -> bool:
    """Prove the derivative of a row's output in any of its scores, for every number of tokens M.

    Raises:
        IdentityFails: if `claimed`, a function of `phi_k`, `V_k` and the output, is not sympy's derivative.

    >>> prove_output_by_score()
    True
    """
    row = _Row()
    formula = claimed(row.phi(row.k), row.values[row.k], row.output)
    require_zero("d output / d s_k", row.by_score(row.output) - formula)
    return True


def prove_row_sum_vanishes(claimed: Callable[[Expr, Expr, Expr], Expr] = output_by_score) -> bool:
    """Prove that a row's derivatives in its scores add up to 0, for every number of tokens M.

    Each term of `phi_k (V_k - output)` is a factor without k times one of the two sums `sum_k exp(s_k)` and
    `sum_k exp(s_k) V_k`; the factors are taken out of the sum over k, and what is left expands to 0.

    Raises:
        IdentityFails: if the sum of `claimed` over k is not 0.

    >>> prove_row_sum_vanishes()
    True
    """
    row = _Row()
    any_m = Symbol("M", integer=True, positive=True)
    summand = claimed(row.phi(row.k), row.values[row.k], row.output).subs(row.tokens, any_m)
    total = 0
    for term in expand(summand).as_ordered_terms():
        constant, varying = term.as_independent(row.k)
        total += constant * Sum(varying.subs(row.k, row.m), (row.m, 1, any_m))
    require_zero("sum over k of d output / d s_k", total)
    return True


class RowDerivatives(NamedTuple):
    """A row's output and its derivatives, each a list over the row's tokens."""

    output: Any
    by_score: list[Any]
    by_value: list[Any]


@cache
def sympy_gradient_of_output(tokens: int) -> Callable[[Sequence[Any], Sequence[Any]], RowDerivatives]:
    """Return a function of M scores and M values, generated from sympy's own derivatives of the row's output.

    No formula of this package enters: `sympy.diff` differentiates `sum_j exp(s_j) V_j / sum_m exp(s_m)`, and
    `sympy.lambdify` prints the result. The function takes floats, or arrays of equal shape, one per token.
    It does not shift the scores: they must stay below 700, where `exp` overflows.

    >>> output, by_score, by_value = sympy_gradient_of_output(2)([0.0, 0.0], [1.0, 3.0])
    >>> float(output), [float(a) for a in by_score], [float(b) for b in by_value]
    (2.0, [-0.5, 0.5], [0.5, 0.5])
    """
    scores, values = symbols(f"s:{tokens}", real=True), symbols(f"V:{tokens}", real=True)
    output = weighted_value(softmax(scores), values)
    wanted = [output, *(diff(output, variable) for variable in (*scores, *values))]
    generated = lambdify([scores, values], wanted, modules="numpy", cse=True)

    def row_derivatives(scores: Sequence[Any], values: Sequence[Any]) -> RowDerivatives:
        output, *derivatives = generated(scores, values)
        return RowDerivatives(output, derivatives[:tokens], derivatives[tokens:])

    return row_derivatives
