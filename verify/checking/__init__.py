"""Statements checked against runs: compiled, evaluated at every step, decided where floats cannot."""
