"""Intervals of floats: what the smallest and largest values of the parts say about an expression.

Rounded to nearest, not outward: they enclose rounding bounds, which count every rounding double.
"""

from collections.abc import Callable
from math import cosh as real_cosh
from math import exp as real_exp
from math import expm1 as real_expm1
from math import inf
from math import log as real_log
from math import log1p as real_log1p
from math import sinh as real_sinh
from math import sqrt as real_sqrt
from math import tanh as real_tanh

Range = tuple[float, float]

EVERYTHING: Range = (-inf, inf)


def point(value: float) -> Range:
    """The range of one number."""
    return value, value


def plus(one: Range, other: Range) -> Range:
    """The range of a sum."""
    low, high = one[0] + other[0], one[1] + other[1]
    return (low, high) if low == low and high == high else EVERYTHING


def times(one: Range, other: Range) -> Range:
    """The range of a product."""
    low, high = one
    least, most = other
    if low >= 0.0:
        # Every run asks for thousands of products, most of them of what is not negative.
        bottom, top = (low if least >= 0.0 else high) * least, (high if most >= 0.0 else low) * most
    elif high <= 0.0:
        bottom, top = (low if most >= 0.0 else high) * most, (high if least >= 0.0 else low) * least
    elif least >= 0.0:
        bottom, top = low * most, high * most
    elif most <= 0.0:
        bottom, top = high * least, low * least
    else:
        bottom, top = min(low * most, high * least), max(low * least, high * most)
    return (bottom, top) if bottom == bottom and top == top else EVERYTHING


def repeated(one: Range, count: float) -> Range:
    """The range of a sum of `count` terms."""
    return one[0] * count, one[1] * count


def larger(one: Range, other: Range) -> Range:
    """The range of the larger of two."""
    return max(one[0], other[0]), max(one[1], other[1])


def smaller(one: Range, other: Range) -> Range:
    """The range of the smaller of two."""
    return min(one[0], other[0]), min(one[1], other[1])


def hull(one: Range, other: Range) -> Range:
    """The smallest range that holds both."""
    return min(one[0], other[0]), max(one[1], other[1])


def absolute(one: Range) -> Range:
    """The range of the absolute value."""
    low, high = one
    return one if low >= 0 else (-high, -low) if high <= 0 else (0.0, max(-low, high))


def power(one: Range, exponent: int) -> Range:
    """The range of a positive integer power."""
    low, high = absolute(one) if exponent % 2 == 0 else one
    return _float_power(low, exponent), _float_power(high, exponent)


def _float_power(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except OverflowError:
        return inf if base > 0 or exponent % 2 == 0 else -inf


def reciprocal(one: Range) -> Range:
    """The range of the reciprocal; everything if the range holds zero."""
    low, high = one
    if low > 0 or high < 0:
        return 1 / high, 1 / low
    return (1 / high if high else inf, inf) if low == 0 else EVERYTHING


def _increasing(function: Callable[[float], float], least: float, most: float) -> Callable[[Range], Range]:
    def enclosed(one: Range) -> Range:
        return _clipped(function, one[0], least, most), _clipped(function, one[1], least, most)

    return enclosed


def _clipped(function: Callable[[float], float], value: float, least: float, most: float) -> float:
    try:
        return min(max(function(value), least), most)
    except OverflowError:
        return most
    except ValueError:
        return least


def _logistic(value: float) -> float:
    small = real_exp(-abs(value))
    return (1.0 if value >= 0 else small) / (1 + small)


def _softplus(value: float) -> float:
    return max(value, 0.0) + real_log1p(real_exp(-abs(value)))


def _sinh(value: float) -> float:
    try:
        return real_sinh(value)
    except OverflowError:
        return inf if value > 0 else -inf


def cosh(one: Range) -> Range:
    """The range of the hyperbolic cosine, which grows with the absolute value."""
    return _cosh_of_size(absolute(one))


_cosh_of_size = _increasing(real_cosh, 1.0, inf)
exp = _increasing(real_exp, 0.0, inf)
log = _increasing(real_log, -inf, inf)
expm1 = _increasing(real_expm1, -1.0, inf)
log1p = _increasing(real_log1p, -inf, inf)
sinh = _increasing(_sinh, -inf, inf)
root = _increasing(real_sqrt, 0.0, inf)
tanh = _increasing(real_tanh, -1.0, 1.0)
logistic = _increasing(_logistic, 0.0, 1.0)
softplus = _increasing(_softplus, 0.0, inf)
