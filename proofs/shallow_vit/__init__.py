"""Learning, sample complexity and sparse attention in a shallow vision transformer (arXiv:2302.06015)."""
