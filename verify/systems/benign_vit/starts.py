"""Many independent starts of one problem at once: tokens, values, queries and keys before the first step.

The law is that of `draw`, at reduced size; the leading axis counts the starts.
"""

import numpy as np
from scipy.special import ndtri

from verify.systems.benign_vit.draw import noise_scales
from verify.systems.benign_vit.instance import TokenTable
from verify.systems.benign_vit.kernels import Array, Integers
from verify.systems.benign_vit.problem import Problem
from verify.systems.draws import gaussian_factor

TOKENS = ("token_square", "overlap")
WEIGHTS = ("value", "query", "key", "query_square", "key_square")
LABELS = ("label",)


def draw_tokens(problem: Problem, count: int, rng: np.random.Generator) -> Array:
    """Distinct tokens of starts with both classes: the two signals, then noise sample by sample.

    Shape (count, P, D) in D = 2 + min(N (M - 1), d - 2) coordinates of token space.
    """
    factor = gaussian_factor(rng, problem.N * (problem.M - 1), problem.d - 2, stack=(count,))
    scales = np.tile(noise_scales(problem.M, problem.sigma_p, problem.C_p), problem.N)
    tokens = np.zeros((count, problem.distinct_tokens, 2 + factor.shape[2]))
    tokens[:, 0, 0] = tokens[:, 1, 1] = problem.signal_norm
    tokens[:, 2:, 2:] = scales[:, None] * factor
    return tokens


def seen_in_tokens(tokens: Array, token_at: Integers) -> dict[str, Array]:
    """Inner products: `token_square` (count, P) and `overlap` (count, P, N, M)."""
    gram = tokens @ tokens.transpose(0, 2, 1)
    return {"token_square": np.diagonal(gram, axis1=1, axis2=2), "overlap": gram[:, :, token_at]}


def seen_in_weights(problem: Problem, tokens: Array, rng: np.random.Generator) -> dict[str, Array]:
    """What fresh weights make of tokens: values and squared norms (count, P), queries and keys (count, P, r)."""
    count, _, coordinates = tokens.shape
    weights = problem.sigma_h * gaussian_factor(rng, 2 * coordinates, problem.d_h, stack=(count,))
    queries, keys = tokens @ weights[:, :coordinates], tokens @ weights[:, coordinates:]
    value_map = problem.sigma_V * problem.w_O_norm * rng.standard_normal((count, coordinates, 1))
    return {
        "value": (tokens @ value_map)[:, :, 0],
        "query": queries,
        "key": keys,
        "query_square": np.einsum("tpr,tpr->tp", queries, queries),
        "key_square": np.einsum("tpr,tpr->tp", keys, keys),
    }


def draw_extreme_tokens(problem: Problem, table: TokenTable, count: int, rng: np.random.Generator) -> Array:
    """For d = 3, where noise lies on one line: of all N (M - 1) noise tokens the longest, and the shortest.

    Lengths count in units of their deviations, so it does not matter which of the tokens is which. They fill the
    noise places of `table`, the longest first and the shortest last. Shape (count, rows of the table, 3).

    In terms of the distribution function u of |g|, the largest of n has log u = -E/n for an exponential E, the
    next largest the largest of n - 1 below it, and so on; the rest are uniform below the last of these.
    """
    noise, kept = problem.N * (problem.M - 1), len(table.tokens) - table.signals
    waits = -rng.standard_exponential((count, kept))
    log_below = np.cumsum(waits[:, :-1] / (noise - np.arange(kept - 1)), axis=1)
    shortest = log_below[:, -1:] + np.log(-np.expm1(waits[:, -1:] / (noise - kept + 1)))
    beyond = -np.expm1(np.concatenate([log_below, shortest], axis=1))
    scales = noise_scales(problem.M, problem.sigma_p, problem.C_p)[table.position[table.signals :] - 1]
    tokens = np.zeros((count, len(table.tokens), 3))
    tokens[:, : table.signals, : table.signals] = problem.signal_norm * np.eye(table.signals)
    tokens[:, table.signals :, 2] = -scales * ndtri(beyond / 2.0)
    return tokens
