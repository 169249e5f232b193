"""The systems that can be verified, one folder each."""
