"""The page of all measurements: a section for each system, which can be measured by itself."""

import re
from collections.abc import Mapping, Sequence

HEAD = """# Performance

Written by `python -m benchmarks` (`make bench`), which also takes the names of the systems to measure; do not edit.

- threads: one in every library; contestants take turns within each round
- times: processor time, so that waiting for a core that others hold does not count
- numbers: median [lower quartile, upper quartile] over rounds; ratios are formed within rounds
- agreement: before any time is taken, losses of all contestants are compared step by step; rounding allows machine
  epsilon times the square root of steps and of the terms of the longest sum, and a step size 1 % too large must be
  told apart
"""

SECTION = re.compile(r"^## (.+)\n", re.MULTILINE)


def with_sections(page: str, measured: Mapping[str, str], systems: Sequence[str]) -> str:
    """The page with what was measured in place of its sections on the same systems; its others stay.

    Sections come in the order of `systems`; those on none of them are dropped.

    Examples:
        >>> old = with_sections("", {"b": "old", "a": "kept"}, ["a", "b"])
        >>> print(with_sections(old, {"b": "new"}, ["a", "b"]).removeprefix(HEAD), end="")
        <BLANKLINE>
        ## a
        <BLANKLINE>
        kept
        <BLANKLINE>
        ## b
        <BLANKLINE>
        new
    """
    _, *found = SECTION.split(page)
    sections = {name: text.strip() for name, text in zip(found[::2], found[1::2], strict=True)}
    sections |= {name: text.strip() for name, text in measured.items()}
    return HEAD + "".join(f"\n## {name}\n\n{sections[name]}\n" for name in systems if name in sections)
