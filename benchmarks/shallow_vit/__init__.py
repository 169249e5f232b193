"""`shallow-vit` against the transformer in PyTorch."""
