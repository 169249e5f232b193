"""`benign-vit` against full weights in NumPy and PyTorch, and what its reduced engine, judge and command line cost."""
