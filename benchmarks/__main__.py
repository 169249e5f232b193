"""Measure everything and write `docs/performance.md`."""

import sys
import time
from pathlib import Path

try:
    import torch  # noqa: F401
except ModuleNotFoundError:
    sys.exit('benchmarks: PyTorch is missing (pip install -e ".[peers]")')

from benchmarks import judging, machine, memory, report, scaling, startup
from benchmarks.meeting import hold
from benchmarks.problems import MEETINGS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> None:
    """Run, print the page and write it."""
    begun = time.monotonic()
    described = machine.describe()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {what}", file=sys.stderr, flush=True)

    with machine.one_thread():
        product = machine.matrix_product_seconds(*scaling.PRODUCT)
        meetings = []
        for meeting in MEETINGS:
            tell(f"side by side at {meeting}")
            meetings.append((meeting, hold(meeting)))
        tell("cost against d and d_h")
        scales = scaling.measure()
    tell("all statements checked")
    costs = judging.measure()
    tell("memory against steps")
    peaks = memory.measure()
    tell("start-up")
    startups = startup.measure()
    text = report.page(described, product, meetings, scales, peaks, startups, costs)
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    tell(f"written to {PAGE}")


if __name__ == "__main__":
    main()
