"""Steps of numerical derivatives."""

import numpy as np

COMPLEX_STEP = 1e-30
"""So small that its square is nothing beside 1: the complex step has no truncation error."""

DIFFERENCE_STEP = float(np.finfo(float).eps) ** (1 / 3)
"""Relative step of central differences: balances truncation, step^2, against rounding, eps / step."""
