"""Benign overfitting in a two-layer vision transformer (arXiv:2409.19345)."""

from verify.systems.benign_vit.system import BenignVit

SYSTEM = BenignVit()
