"""Token selection of attention under label noise (arXiv:2409.17625)."""

from verify.systems.token_selection.system import TokenSelection

SYSTEM = TokenSelection()
