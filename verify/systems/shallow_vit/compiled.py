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
    kernels.gate_of,
    kernels.activate,
    kernels.read_out,
    kernels.attention_gradient,
    kernels.hinge_loss,
    kernels.judge,
    kernels.push_of,
    kernels.weigh,
    kernels.forward,
    kernels.backward,
    kernels.drive,
    kernels.exponential,
    kernels.attend_down,
    kernels.activate_down,
    kernels.stack,
    kernels.unstack,
    kernels.meet,
    kernels.forward_tokens,
    kernels.effects_of_tokens,
    kernels.weigh_queries,
    kernels.pull_scores,
    kernels.backward_tokens,
    kernels.drive_tokens,
    kernels.look,
    kernels.record_watched,
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
