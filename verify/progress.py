"""A line on stderr that tells how far something is."""

import math
import sys
import time

QUIET_SECONDS = 2.0
LINE_SECONDS = 5.0
TICK_SECONDS = 0.2


class ProgressLine:
    """Written once something takes longer than two seconds.

    On a terminal one line is rewritten; elsewhere a line is printed every few seconds.
    """

    def __init__(self) -> None:
        self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def due(self) -> float | None:
        """The seconds so far, if it is time to write."""
        now = time.monotonic()
        wait = TICK_SECONDS if self._terminal else LINE_SECONDS
        if now - self._started < QUIET_SECONDS or now - self._told < wait:
            return None
        self._told = now
        return now - self._started

    def write(self, line: str) -> None:
        """Show a line in place of the one before."""
        self._shown = True
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._shown and self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def clock(seconds: float) -> str:
    """A duration that is only guessed.

    Examples:
        >>> clock(12.3), clock(200), clock(86400)
        ('13 s', '4 min', '24.0 h')
    """
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
