"""The kernels of `kernels`, jitted: the one place where Numba meets them."""

from numba import njit
from numba.extending import register_jitable

from verify.systems.token_selection import kernels

for _inner in (
    kernels.attend,
    kernels.read_out,
    kernels.logistic_loss,
    kernels.drive_scores,
    kernels.forward,
    kernels.record,
    kernels.pull_back,
    kernels.grow_map,
    kernels.grow_representer,
    kernels.follow_representer,
    kernels.move,
    kernels.pull_coefficients,
    kernels.lead,
    kernels.measure_drives,
    kernels.measure_representer,
    kernels.measure_map,
    kernels.measure_balance,
    kernels.backward,
    kernels.descend,
    kernels.measure_weights,
):
    register_jitable(_inner)

# Sums over a row in any order: several numbers at a time.
register_jitable(fastmath={"reassoc"})(kernels.measure_rows)

# error_model="numpy": a division by zero gives inf, which the run reports, in place of a branch in every loop.
_jit = njit(cache=True, error_model="numpy", nogil=True)

advance = _jit(kernels.advance)
advance_weights = _jit(kernels.advance_weights)
forward = _jit(kernels.forward)
backward = _jit(kernels.backward)
lead = _jit(kernels.lead)
test_law = _jit(kernels.test_law)
