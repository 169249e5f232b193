"""Measure all systems, or those named, and write their sections of `docs/performance.md`."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

try:
    import torch  # noqa: F401
except ModuleNotFoundError:
    sys.exit('benchmarks: PyTorch is missing (pip install -e ".[peers]")')

from benchmarks import machine
from benchmarks.benign_vit.section import measure as measure_benign_vit
from benchmarks.page import with_sections
from benchmarks.report import machine_lines
from benchmarks.shallow_vit.section import measure as measure_shallow_vit
from benchmarks.token_selection.section import measure as measure_token_selection

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

SYSTEMS = {
    "benign-vit": measure_benign_vit,
    "token-selection": measure_token_selection,
    "shallow-vit": measure_shallow_vit,
}


def main() -> None:
    """Run, print what was measured and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"{', '.join(SYSTEMS)} [all]")
    chosen = parser.parse_args().systems or list(SYSTEMS)
    for name in chosen:
        if name not in SYSTEMS:
            parser.error(f"SYSTEM: {name}: one of {', '.join(SYSTEMS)}")
    begun = time.monotonic()

    def tell(name: str, what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {name}: {what}", file=sys.stderr, flush=True)

    for name in chosen:
        lines = machine_lines(machine.describe())
        text = f"{lines}\n{SYSTEMS[name](partial(tell, name))}"
        print(text)
        before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        PAGE.write_text(with_sections(before, {name: text}, list(SYSTEMS)), encoding="utf-8")
        tell(name, f"written to {PAGE}")


if __name__ == "__main__":
    main()
