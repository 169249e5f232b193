"""Numbers as readers of a study see them."""

from collections.abc import Sequence


def between(values: Sequence[float | None], digits: int = 4) -> str:
    """Smallest to largest of what occurred.

    Examples:
        >>> between([61, 80, None]), between([None])
        ('61 to 80 (2 of 3)', 'never')
    """
    there = [value for value in values if value is not None]
    if not there:
        return "never"
    low, high = f"{min(there):.{digits}g}", f"{max(there):.{digits}g}"
    often = "" if len(there) == len(values) else f" ({len(there)} of {len(values)})"
    return (low if low == high else f"{low} to {high}") + often


def with_interval(value: float, interval: tuple[float, float]) -> str:
    """A number and its interval, for readers."""
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
