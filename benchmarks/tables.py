"""Numbers and tables as Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.timing import Spread

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, its head first.

    Examples:
        >>> print(table(("a", "b"), [("1", "2")]), end="")
        | a | b |
        | --- | --- |
        | 1 | 2 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def spread(numbers: Spread, unit: str = "") -> str:
    """Median and quartiles.

    Examples:
        >>> spread(Spread(12.34, 11.0, 13.0))
        '12.3 [11.0, 13.0]'
    """
    digits = 2 if numbers.median < 10 else 1 if numbers.median < 100 else 0
    median, low, high = (f"{number:,.{digits}f}" for number in (numbers.median, numbers.low, numbers.high))
    return f"{median}{unit} [{low}, {high}]"


def spread_of_time(seconds: Spread) -> str:
    """Median and quartiles in the unit of the median.

    Examples:
        >>> spread_of_time(Spread(0.0123, 0.01, 0.02))
        '12.3 ms [10.0, 20.0]'
    """
    size, unit = _unit(seconds.median)
    return spread(Spread(seconds.median / size, seconds.low / size, seconds.high / size), f" {unit}")


def time(seconds: float) -> str:
    """One time in its unit.

    Examples:
        >>> time(3.64e-05)
        '36.4 µs'
    """
    size, unit = _unit(seconds)
    return f"{seconds / size:.3g} {unit}"


def _unit(seconds: float) -> tuple[float, str]:
    return next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
