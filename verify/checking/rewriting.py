"""Other forms of an expression, some of which have narrower enclosures."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, reduce
from math import comb, prod

from sympy import (
    Abs,
    Dummy,
    Expr,
    Function,
    Integer,
    Max,
    Min,
    exp,
    expand,
    expand_power_exp,
    factor,
    fraction,
    gcd,
    log,
    powsimp,
    tanh,
    together,
)

from proofs.language import Logistic, Softplus
from verify.checking.intervals import EnclosedBox, Enclosure, NotDefined, enclose

# Expressions with more terms or operations are not rewritten or differentiated, which could take minutes.
MOST_TERMS = 200

LARGEST_POWER = 8


def _exponential_over_constants(base: Expr) -> tuple[Expr, Expr, Expr] | None:
    """Return (a, b, u) if the expression is `a + b exp(u)` with positive numbers a and b."""
    if not (base.is_Add and len(base.args) == 2):
        return None
    for constant, term in (base.args, base.args[::-1]):
        scale, exponential = term.as_independent(*term.free_symbols) if term.is_Mul else (Integer(1), term)
        if isinstance(exponential, exp) and constant.is_number and constant.is_positive and scale.is_positive:
            return constant, scale, exponential.args[0]
    return None


def _logistic(argument: Expr) -> Expr:
    return (1 + tanh(argument / 2)) / 2


@lru_cache(maxsize=10_000)
def normal_form(expression: Expr) -> Expr:
    """Write every logistic function by tanh, and every maximum by an absolute value.

    Then the derivatives of logistic functions are polynomials in them, and `phi (1 - phi) <= 1/4` a square.
    """
    if not expression.args:
        return expression
    if expression.is_Mul:
        expression = _with_merged_exponentials(expression)
    shape = _exponential_over_constants(expression.args[0])
    if shape is not None and expression.is_Pow and expression.exp.is_Integer and expression.exp < 0:
        a, b, u = shape
        return (_logistic(-normal_form(u) - log(b / a)) / a) ** (-expression.exp)
    if shape is not None and isinstance(expression, log):
        a, b, u = shape
        return log(a) + Softplus(normal_form(u) + log(b / a))
    arguments = [normal_form(argument) for argument in expression.args]
    if isinstance(expression, Logistic):
        return _logistic(arguments[0])
    if isinstance(expression, Max | Min):
        sign = 1 if isinstance(expression, Max) else -1
        return reduce(lambda a, b: (a + b + sign * Abs(a - b)) / 2, arguments)
    return expression.func(*arguments)


def _with_merged_exponentials(product: Expr) -> Expr:
    """Write `exp(u) / (a + b exp(u))` as `1 / (b + a exp(-u))` inside a product."""
    for power in product.args:
        shape = _exponential_over_constants(power.base) if power.is_Pow and power.exp == -1 else None
        if shape is not None and exp(shape[2]) in product.args:
            a, b, u = shape
            return product / power / exp(u) / (b + a * exp(-u))
    return product


def _expanded(expression: Expr) -> Expr:
    return expand(expression, power_exp=False, power_base=False, log=False)


@lru_cache(maxsize=50_000)
def count_terms(expression: Expr) -> int:
    """Return how many terms an expression has at most when it is multiplied out."""
    if expression.is_Add:
        return sum(map(count_terms, expression.args))
    if expression.is_Mul:
        return prod(map(count_terms, expression.args))
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return comb(count_terms(expression.base) + int(expression.exp) - 1, int(expression.exp))
    return max(map(count_terms, expression.args), default=1)


def _with_powers_merged(expression: Expr) -> Expr:
    return powsimp(_expanded(expression), combine="exp")


def as_fraction(expression: Expr) -> Expr:
    """Write an expression as one fraction, with exponentials for tanh, to show its sign in a tail."""
    exponentials = {node: 1 - 2 / (exp(2 * node.args[0]) + 1) for node in expression.atoms(tanh)}
    numerator, denominator = fraction(together(expand_power_exp(expression.xreplace(exponentials))))
    return _factored(numerator) / denominator if count_terms(numerator) <= MOST_TERMS else expression


def _near_upper_limits(expression: Expr) -> Expr:
    """Write `tanh(u)` and `Softplus(u)` by their distance from their asymptotes for large u.

    Written so, a distance far below the working precision is not lost to rounding.
    """
    near = {node: 1 - 2 * Logistic(-2 * node.args[0]) for node in expression.atoms(tanh)}
    near |= {node: node.args[0] + Softplus(-node.args[0]) for node in expression.atoms(Softplus)}
    return _expanded(expression.xreplace(near))


def _near_lower_limits(expression: Expr) -> Expr:
    near = {node: 2 * Logistic(2 * node.args[0]) - 1 for node in expression.atoms(tanh)}
    return _expanded(expression.xreplace(near))


def _factored(expression: Expr) -> Expr:
    """Expand and factor an expression as a polynomial in its functions, `exp(2 u)` a square of `exp(u)`.

    sympy's own choice of unknowns would take `exp(10**9 x)` for a power of `exp(x)` with that exponent.
    """
    expanded = _expanded(expression)
    functions = expanded.atoms(Function)
    unknowns = {function: Dummy() for function in functions}
    multiples: dict[Expr, dict[Expr, Expr]] = {}
    for function in functions:
        if isinstance(function, exp):
            multiple, rest = function.args[0].as_coeff_Mul()
            multiples.setdefault(rest, {})[function] = multiple
    meant = {unknown: function for function, unknown in unknowns.items()}
    for rest, powers in multiples.items():
        unit, base = reduce(gcd, powers.values()), Dummy()
        if all(abs(multiple / unit) <= LARGEST_POWER for multiple in powers.values()):
            unknowns |= {function: base ** (multiple / unit) for function, multiple in powers.items()}
            meant[base] = exp(unit * rest)
    return factor(expanded.xreplace(unknowns)).xreplace(meant)


_REWRITINGS: Sequence[Callable[[Expr], Expr]] = (
    _expanded,
    _with_powers_merged,
    _factored,
    _near_upper_limits,
    _near_lower_limits,
    as_fraction,
)


@lru_cache(maxsize=50_000)
def _rewritten(expression: Expr, place: int) -> Expr:
    return _REWRITINGS[place](expression) if count_terms(expression) <= MOST_TERMS else expression


def enclose_forms(expression: Expr, box: EnclosedBox, bits: int) -> Enclosure | None:
    """Intersect the enclosures of an expression's forms, up to the first that settles its sign.

    None if the expression may not be defined on the box.
    """
    try:
        best = enclose(expression, box, bits)
    except NotDefined:
        return None
    tried = {expression}
    for place in range(len(_REWRITINGS)):
        if best.positive or best.negated.positive:
            break
        form = _rewritten(expression, place)
        if form not in tried:
            tried.add(form)
            with suppress(NotDefined):
                best = best.intersection(enclose(form, box, bits))
    return best
