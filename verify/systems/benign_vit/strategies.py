"""Hypothesis strategies of `benign-vit`."""

from typing import Any

from hypothesis import strategies as st

from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.observed import scales
from verify.systems.drawn import Drawn, Lever
from verify.systems.entries import STEP_SIZE, matrices, signs


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a small problem, or of one that is small but for its dimensions."""
    return {
        "N": draw(st.integers(1, 6)),
        "M": draw(st.integers(2, 4)),
        "d": draw(st.sampled_from([4, 3, 8, 30, 10**6])),
        "d_h": draw(st.sampled_from([4, 1, 10, 10**6])),
        "d_v": draw(st.integers(1, 3)),
        "SNR": draw(st.sampled_from([1.0, 2.0, 0.5, 10.0])),
        "C_p": draw(st.sampled_from([1.0, 2.0, 10.0])),
        "r": draw(st.sampled_from([1.0, 10.0, 0.1])),
        "loss_target": draw(st.sampled_from([0.5, 0.1, 0.0125])),
        "balanced": draw(st.sampled_from([True, False])),
        "test_samples": draw(st.sampled_from([0, 10])),
    }


@st.composite
def arrays(draw: st.DrawFn) -> Instance:
    """Small instances; Hypothesis likes equal entries, so equal tokens occur inside and across samples."""
    samples, tokens, dimension = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    heads, width = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    return Instance(
        X=draw(matrices(samples, tokens, dimension)),
        y=draw(signs(samples)),
        W_Q=draw(matrices(dimension, heads)),
        W_K=draw(matrices(dimension, heads)),
        W_V=draw(matrices(dimension, width)),
        w_O=draw(matrices(width)),
        step_size=draw(STEP_SIZE),
    )


DRAWN = Drawn(
    settings=settings,
    arrays=arrays,
    levers=(
        Lever("d_h", 1.0, at_least="head-dimension"),
        Lever("step_size", 1.0, at_most="step-size"),
        Lever("sigma_h", 2.0, at_least="head-scale-above", at_most="head-scale-below"),
        Lever("sigma_V", 1.0, at_most="value-scale"),
    ),
    scales=scales,
    sizes=lambda problem: {"N": problem.N, "M": problem.M},
)
