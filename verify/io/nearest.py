"""Names that do not exist, told with the ones that were perhaps meant."""

import difflib
from collections.abc import Iterable


def unknown_name(name: str, names: Iterable[str], holder: str) -> str:
    """Say that the holder has no such name, and which of its names come nearest.

    Examples:
        >>> unknown_name("loss-decrease", ["loss-decreases", "value-step"], "benign-vit")
        "benign-vit has no 'loss-decrease' (did you mean loss-decreases?)"
        >>> unknown_name("x", ["loss-decreases"], "benign-vit")
        "benign-vit has no 'x'"
    """
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"{holder} has no {name!r}" + (f" (did you mean {' or '.join(near)}?)" if near else "")
