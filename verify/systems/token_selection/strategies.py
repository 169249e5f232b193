"""Hypothesis strategies of `token-selection`."""

from typing import Any

from hypothesis import strategies as st

from verify.systems.drawn import Drawn, Lever
from verify.systems.entries import STEP_SIZE, matrices, signs
from verify.systems.token_selection.instance import Instance


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a small problem, or of one that is small but for its dimension."""
    weak, confusing = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return {
        "n": 2 * draw(st.integers(1, 4)),
        "T": draw(st.integers(max(2, 1 + weak + confusing), 6)),
        "d": draw(st.sampled_from([4, 3, 10, 100, 10**6])),
        "SNR": draw(st.sampled_from([1.0, 0.5, 2.0, 0.1])),
        "rho": draw(st.sampled_from([0.0, 0.1, 0.5])),
        "k_w": weak,
        "k_c": confusing,
        "eta_f": draw(st.sampled_from([0.0, 0.2, 0.5])),
        "start": draw(st.sampled_from(["gaussian", "orthogonal"])),
        "step_size": draw(st.sampled_from([0.01, 0.001])),
        "test_samples": draw(st.sampled_from([0, 10])),
    }


@st.composite
def arrays(draw: st.DrawFn) -> Instance:
    """Small instances, W of any shape, p anywhere; Hypothesis likes equal entries, so equal and zero tokens occur."""
    samples, tokens, dimension = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.integers(1, 5))
    rows = draw(st.integers(1, 5))
    return Instance(
        X=draw(matrices(samples, tokens, dimension)),
        y=draw(signs(samples)),
        y_clean=draw(signs(samples)),
        W=draw(matrices(rows, dimension)),
        p=draw(matrices(rows)),
        nu=draw(matrices(dimension)),
        step_size=draw(STEP_SIZE),
    )


DRAWN = Drawn(
    settings=settings,
    arrays=arrays,
    levers=(Lever("SNR", 2.0, at_most="memorisation"), Lever("d", 0.5, at_least="signal-against-noise")),
    scales=lambda problem: {
        "signal_norm": problem.m,
        "noise_deviation": problem.sigma,
        "dimension": float(problem.d),
    },
    sizes=lambda problem: {"N": problem.n, "T": problem.T},
)
