"""The kernels of `kernels`, jitted: the one place where Numba meets them."""

from numba import njit
from numba.extending import register_jitable

from verify.systems.shallow_vit import kernels

for _inner in (
    kernels.copy,
    kernels.fill,
    kernels.add,
    kernels.transpose,
    kernels.attend,
    kernels.activate,
    kernels.read_out,
    kernels.attention_gradient,
    kernels.hinge_loss,
    kernels.judge_batch,
    kernels.weigh,
    kernels.forward,
    kernels.backward,
    kernels.drive,
    kernels.meet,
    kernels.respond,
    kernels.effects_of_values,
    kernels.forward_tokens,
    kernels.backward_tokens,
    kernels.drive_tokens,
    kernels.respond_to,
    kernels.look,
    kernels.watch,
    kernels.observe,
    kernels.record_batch,
    kernels.multiply,
    kernels.differentiate,
    kernels.descend,
    kernels.add_twice,
    kernels.move_scores,
    kernels.move_effects,
):
    register_jitable(_inner)

# error_model="numpy": a division by zero gives inf, which the run reports, in place of a branch in every loop.
_jit = njit(cache=True, error_model="numpy", nogil=True)

advance = _jit(kernels.advance)
advance_grams = _jit(kernels.advance_grams)
drive_tokens = _jit(kernels.drive_tokens)
look = _jit(kernels.look)
