"""The kernels of `kernels`, jitted: the one place where Numba meets them."""

from numba import njit
from numba.extending import register_jitable

from verify.systems.benign_vit import kernels

for _inner in (
    kernels.attend,
    kernels.read_out,
    kernels.logistic_loss,
    kernels.attention_gradient,
    kernels.gather,
    kernels.forward,
    kernels.drive,
    kernels.record,
    kernels.backward,
    kernels.descend,
    kernels.measure_state,
    kernels.measure_balance,
    kernels.measure_weights_balance,
    kernels.measure_change,
):
    register_jitable(_inner)

# The one sum whose terms may be added in any order: a vector unit then takes several at once.
register_jitable(fastmath={"reassoc"})(kernels.inner_product)

# error_model="numpy": a division by zero gives inf, which the run reports, in place of a branch in every loop.
_jit = njit(cache=True, error_model="numpy", nogil=True)

advance = _jit(kernels.advance)
advance_weights = _jit(kernels.advance_weights)
forward = _jit(kernels.forward)
drive = _jit(kernels.drive)
backward = _jit(kernels.backward)
