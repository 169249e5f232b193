"""Progress of a study: cells done, rate, time left, failures."""

from verify.progress import ProgressLine, clock


class StudyProgress:
    """Tells on stderr how far a study is; `stored` cells of the `total` were there before."""

    def __init__(self, total: int, stored: int) -> None:
        self._total = total
        self._stored = stored
        self._finished = self._failed = 0
        self._shown = ProgressLine()

    def count(self, failed: bool) -> None:
        """Count a cell that has just finished."""
        self._finished += 1
        self._failed += failed

    def tell(self) -> None:
        """Tell, if it is time to."""
        seconds = self._shown.due()
        if seconds is not None:
            self._shown.write(self._line(seconds))

    def close(self) -> None:
        """Clear the line."""
        self._shown.close()

    def _line(self, seconds: float) -> str:
        line = f"{self._stored + self._finished:,} of {self._total:,} cells"
        if self._stored:
            line += f" ({self._stored:,} of these from the store)"
        if self._finished:
            rate = self._finished / seconds
            left = (self._total - self._stored - self._finished) / rate
            line += f"  {_rate(rate)}  {clock(left)} left"
        return f"{line}  {self._failed:,} failed" if self._failed else line


def _rate(rate: float) -> str:
    """Cells a second, or a minute where that is easier to read.

    Examples:
        >>> _rate(12.34), _rate(0.05)
        ('12.3 cells/s', '3 cells/min')
    """
    return f"{rate:.3g} cells/s" if rate >= 1.0 else f"{60.0 * rate:.3g} cells/min"
