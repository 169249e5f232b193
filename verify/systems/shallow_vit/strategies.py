"""Hypothesis strategies of `shallow-vit`."""

from typing import Any

from hypothesis import strategies as st

from verify.systems.drawn import Drawn, Lever
from verify.systems.entries import STEP_SIZE, matrices, signs
from verify.systems.shallow_vit.instance import Instance


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a small problem; its counts of tokens fit into a sample."""
    relevant = draw(st.integers(1, 3))
    confusing = draw(st.integers(0, relevant - 1))
    patterns = draw(st.integers(3, 5))
    return {
        "N": draw(st.integers(1, 8)),
        "L": relevant + confusing + draw(st.integers(0, 4)),
        "M": patterns,
        "d": patterns + draw(st.sampled_from([0, 1, 4, 10**6])),
        "m": draw(st.integers(1, 6)),
        "m_a": patterns + draw(st.integers(0, 2)),
        "m_b": 2 * patterns + draw(st.integers(0, 2)),
        "n_star": relevant,
        "n_sharp": confusing,
        "tau": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "start": draw(st.sampled_from(["perp", "aligned"])),
        "kappa": draw(st.sampled_from([1.0, 0.5])),
        "sigma": draw(st.sampled_from([0.0, 0.1])),
        "delta": draw(st.sampled_from([0.0, 0.1])),
        "B": draw(st.integers(1, 8)),
        "step_size": draw(st.sampled_from([0.1, 0.5])),
        "test_samples": draw(st.sampled_from([0, 10])),
    }


@st.composite
def arrays(draw: st.DrawFn) -> Instance:
    """Small instances that name no patterns; Hypothesis likes equal entries, so equal and zero tokens occur."""
    samples, tokens, dimension = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    neurons, values, heads = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return Instance(
        X=draw(matrices(samples, tokens, dimension)),
        y=draw(signs(samples)),
        a=draw(matrices(neurons)),
        W_O=draw(matrices(neurons, values)),
        W_V=draw(matrices(values, dimension)),
        W_K=draw(matrices(heads, dimension)),
        W_Q=draw(matrices(heads, dimension)),
        step_size=draw(STEP_SIZE),
    )


DRAWN = Drawn(
    settings=settings,
    arrays=arrays,
    levers=(Lever("N", 1.0, at_least="samples"),),
    scales=lambda problem: {
        "samples": float(problem.N),
        "relevant_share": problem.alpha_star,
        "confusion_share": problem.alpha_sharp,
        "token_noise": problem.tau,
        "value_error": problem.sigma,
        "head_error": problem.delta,
        "head_scale": problem.kappa,
    },
    sizes=lambda problem: {"N": problem.N, "L": problem.L, "M": problem.M},
)
