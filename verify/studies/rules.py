"""What intervals say of statements: one rule for each kind of statement, with its error rates.

A rule is given the interval of a quantity that covers the truth with probability `confidence`, and misses it on
either side with probability at most `(1 - confidence) / 2`. It answers supported (consistent, for probabilities),
refuted, or inconclusive. An answer can be wrong only where the interval misses: *supported though false* has
probability at most `(1 - confidence) / 2`; *refuted though true* at most that, or twice that where a truth can be
missed on both sides (exponents and ranges). Inconclusive supports nothing.
"""

from verify.checking.verdicts import Verdict
from verify.statistics import clopper_pearson

Interval = tuple[float, float]

EXPONENT_TOLERANCE = 0.05
"""Exponents nearer than this count as equal: sizes are finite, and lower-order terms bend a power law."""

EXPONENT_RULE = (
    f"supported if the interval of the exponent lies within {EXPONENT_TOLERANCE} of the stated one,"
    " refuted if it lies farther off, else inconclusive"
)
AT_MOST_RULE = (
    f"supported if the interval of the exponent lies below the stated one plus {EXPONENT_TOLERANCE},"
    " refuted if it lies above that, else inconclusive"
)
DECAY_RULE = "supported if the interval of the exponent lies below 0, refuted if not below it, else inconclusive"
LIMIT_RULE = (
    f"supported if the interval of the exponent lies below -{EXPONENT_TOLERANCE}, refuted if it lies above,"
    " else inconclusive"
)
RANGE_RULE = "supported if the interval lies in the stated range, refuted if it lies outside, else inconclusive"
PROBABILITY_RULE = (
    "consistent if the Clopper-Pearson interval lies at or above the stated probability,"
    " refuted if it lies below, else inconclusive"
)


def judge_exponent(interval: Interval, target: float, tolerance: float = EXPONENT_TOLERANCE) -> Verdict:
    """An order (`Theta`): `EXPONENT_RULE`.

    Examples:
        >>> judge_exponent((-0.27, -0.24), -0.25).value, judge_exponent((-0.27, -0.24), -0.5).value
        ('supported', 'refuted')
        >>> judge_exponent((-0.9, 0.4), -0.25).value
        'inconclusive'
    """
    return judge_range(interval, target - tolerance, target + tolerance)


def judge_at_most(interval: Interval, target: float, tolerance: float = EXPONENT_TOLERANCE) -> Verdict:
    """An upper order (`O`): `AT_MOST_RULE`.

    Examples:
        >>> judge_at_most((-0.6, -0.5), -0.25).value, judge_at_most((0.0, 0.1), -0.25).value
        ('supported', 'refuted')
    """
    low, high = interval
    if high <= target + tolerance:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if low > target + tolerance else Verdict.INCONCLUSIVE


def judge_decay(interval: Interval) -> Verdict:
    """A smaller order (`o`), be it by a logarithm alone: `DECAY_RULE`.

    Examples:
        >>> judge_decay((-0.3, -0.1)).value, judge_decay((-0.1, 0.1)).value, judge_decay((0.0, 0.1)).value
        ('supported', 'inconclusive', 'refuted')
    """
    low, high = interval
    if high < 0:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if low >= 0 else Verdict.INCONCLUSIVE


def judge_limit(interval: Interval, tolerance: float = EXPONENT_TOLERANCE) -> Verdict:
    """The distance from a limit (`~`: of a ratio from 1), which falls like a power: `LIMIT_RULE`.

    An exponent within the tolerance of 0 counts as 0, so that a distance which stays is refuted.

    Examples:
        >>> judge_limit((-0.6, -0.4)).value, judge_limit((-0.01, 0.02)).value, judge_limit((-0.1, 0.1)).value
        ('supported', 'refuted', 'inconclusive')
    """
    low, high = interval
    if high < -tolerance:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if low >= -tolerance else Verdict.INCONCLUSIVE


def judge_range(interval: Interval, low: float, high: float) -> Verdict:
    """A quantity between two numbers: `RANGE_RULE`.

    Examples:
        >>> judge_range((1.9, 2.1), 1.75, 2.25).value, judge_range((1.9, 2.1), 2.5, 3.5).value
        ('supported', 'refuted')
    """
    if low <= interval[0] and interval[1] <= high:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if interval[1] < low or interval[0] > high else Verdict.INCONCLUSIVE


def judge_probability(successes: int, trials: int, claimed: float, confidence: float) -> tuple[Verdict, Interval]:
    """A probability of at least `claimed`: `PROBABILITY_RULE`, and the interval.

    Examples:
        >>> judge_probability(990, 1000, 0.95, 0.99)[0].value, judge_probability(900, 1000, 0.95, 0.99)[0].value
        ('consistent', 'refuted')
        >>> judge_probability(20, 20, 0.95, 0.99)[0].value
        'inconclusive'
    """
    low, high = interval = clopper_pearson(successes, trials, confidence)
    if low >= claimed:
        return Verdict.CONSISTENT, interval
    return (Verdict.REFUTED if high < claimed else Verdict.INCONCLUSIVE), interval


def shared_out(confidence: float, judged: int) -> float:
    """The confidence at which each of several is judged, so that all hold at `confidence` (Bonferroni).

    Examples:
        >>> round(shared_out(0.99, 10), 6)
        0.999
    """
    return 1.0 - (1.0 - confidence) / judged
