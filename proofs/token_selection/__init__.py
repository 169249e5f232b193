"""Token selection of attention under label noise (arXiv:2409.17625): symbols and statements."""
