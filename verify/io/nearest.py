"""Names that do not exist, told with the one that was perhaps meant."""

import difflib
from collections.abc import Iterable


def unknown_name(name: str, names: Iterable[str], holder: str) -> str:
    """Say that the holder has no such name, and which of its names comes nearest.

    Examples:
        >>> unknown_name("loss-decrease", ["loss-decreases", "value-step"], "benign-vit")
        "benign-vit has no 'loss-decrease' (did you mean loss-decreases?)"
        >>> unknown_name("x", ["loss-decreases"], "benign-vit")
        "benign-vit has no 'x'"
    """
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"{holder} has no {name!r}" + (f" (did you mean {near[0]}?)" if near else "")
