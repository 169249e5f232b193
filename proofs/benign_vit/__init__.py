"""Benign overfitting in a two-layer vision transformer (arXiv:2409.19345)."""
