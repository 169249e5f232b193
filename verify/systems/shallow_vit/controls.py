"""The controls of `shallow-vit`: errors easy and subtle, and the check that must catch each.

K and H are measured apart from the kernels, so statements that hold for any K and H (the balances, the closed
recursion) notice wrong gradients as well. Errors of the data law (shuffled labels, equal counts) break no identity:
only test errors show them, which studies judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from proofs.language import Claim, Lemma, roundoff
from proofs.language.definitions import observables_needed
from proofs.shallow_vit import exact
from proofs.shallow_vit.symbols import step_size
from verify.controls import Control, Look, Plant, edit, made_plain
from verify.scenes import Comparison, Scene
from verify.systems.base import Prepared, System
from verify.systems.shallow_vit import compiled, kernels
from verify.systems.shallow_vit.instance import Instance
from verify.systems.shallow_vit.kernels import Array
from verify.systems.shallow_vit.problem import ArraysGiven, Problem

SMALL = {"N": 6, "L": 10, "M": 4, "d": 7, "m": 6, "m_a": 5, "m_b": 8, "n_star": 3, "n_sharp": 1, "xi": 0.7, "B": 4}
SMALL |= {"delta": 0.6, "dirichlet": 0.15, "step_size": 0.3, "loss_every": 1, "loss_target": 0.05, "test_samples": 0}
PATTERNS = Problem.model_validate(SMALL)
"""Everything is of order one, and every event comes within the steps of `STRETCHES`."""

NOISY = Problem.model_validate(SMALL | {"N": 3, "L": 4, "n_star": 2, "n_sharp": 0, "tau": 0.8, "d": 24, "B": 2})
"""Every token is one of its own, and some directions are orthogonal to all."""

STRETCHES, FEW = (9, 13), (3, 3)
"""Steps between two looks of the judge."""

ONE, FIRST = np.ones((1, 1)), np.eye(1, 2)
AT_UNIT_MARGIN = Instance(
    X=FIRST[None],
    y=np.ones(1),
    a=np.ones(1),
    W_O=ONE,
    W_V=FIRST,
    W_K=FIRST,
    W_Q=FIRST,
    patterns=np.eye(2),
    step_size=0.1,
)
"""One token, whose output is exactly 1: the kink of the hinge loss."""

WITHOUT_READOUT = replace(AT_UNIT_MARGIN, W_O=0.0 * ONE)
"""Every hidden unit is exactly 0: the kink of ReLU."""


uncompiled = partial(made_plain, compiled, kernels)


def controls(of: System) -> list[Control]:
    """All of them, kind by kind."""
    run = _scene(of, STRETCHES, lambda: of.prepare(PATTERNS, 0, "patterns", checked=True))
    noisy = _scene(of, FEW, lambda: of.prepare(NOISY, 0, "weights", checked=True))
    products = _scene(of, FEW, lambda: of.prepare(PATTERNS, 0, "gram", checked=True))
    given = partial(of.prepare_arrays, given=ArraysGiven.model_validate({"loss_every": 1}), seed=0, checked=True)
    at_unit_margin = _scene(of, FEW, lambda: given(AT_UNIT_MARGIN, engine="patterns"))
    without_readout = _scene(of, FEW, lambda: given(WITHOUT_READOUT, engine="patterns"))
    return [
        *_of_gradients(run, noisy, Comparison(of, NOISY, uncompiled).look_at_gradients),
        *_of_training(run),
        *_of_conventions(run, noisy, at_unit_margin, without_readout),
        *_of_products(products),
        *_of_statements(run),
        Control(
            "tolerances-too-wide",
            "rounding bounds so wide that no equality can fail",
            Plant(roundoff, "EPSILON", lambda epsilon: 10**9 * epsilon),
            "resolution",
            run.look,
        ),
    ]


def _scene(of: System, stretches: Sequence[int], prepare: Callable[[], Prepared]) -> Scene:
    """A run that judges the exact statements."""

    def lemmas() -> list[Lemma]:
        prepared = prepare()
        known = frozenset(prepared.dynamics.observables) | frozenset(prepared.constants)
        return [each for each in of.lemmas() if each.module == exact.__name__ and _followed(each, known)]

    return Scene(of, prepare, stretches, lemmas, uncompiled)


def _followed(lemma: Lemma, known: frozenset[str]) -> bool:
    """Whether a run follows all that a statement names."""
    claims = (*lemma.claims, *lemma.given)
    return not any(observables_needed(side, known) for claim in claims for side in (claim.lhs, claim.rhs, claim.where))


def _of_gradients(run: Scene, noisy: Scene, gradients: Look) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "mean-forgotten",
            "the softmax's Jacobian without the mean effect",
            edit(kernels, "attention_gradient", "(token_effect - mean_effect)", "token_effect"),
            "softmax-jacobian",
        ),
        control(
            "keys-and-queries-exchanged",
            "H transposed",
            edit(kernels, "backward", "transpose(work.score_pull", "copy(work.score_pull"),
            "closed-recursion",
        ),
        Control(
            "tokens-and-keys-exchanged",
            "H transposed where samples have tokens of their own",
            edit(kernels, "backward_tokens", "work.queries, work.score_pull.T", "work.queries, work.score_pull"),
            "gradients",
            gradients,
        ),
        control(
            "queries-not-averaged",
            "no 1/L in the gradient",
            edit(kernels, "weigh", "push * samples.query_weight[n, i]", "push * samples.key_count[n, i]"),
            "closed-recursion",
        ),
        control(
            "batch-summed",
            "no 1/B in the gradient",
            edit(kernels, "push_of", "batch_weight[k] * ", ""),
            "homogeneity",
        ),
        control(
            "labels-forgotten",
            "every sample pushes as if its label were +1",
            edit(kernels, "push_of", "samples.label[chosen[k]] * ", ""),
            "norm-growth",
        ),
        control(
            "logistic-loss",
            "samples pushed by the derivative of the logistic loss",
            edit(
                kernels,
                "judge",
                "1.0 if hinge > 0.0 else 0.0",
                "1.0 / (1.0 + np.exp(samples.label[chosen[k]] * work.output[k]))",
            ),
            "hinge-convention",
        ),
        control(
            "softmax-over-queries",
            "attention normalised along the wrong axis",
            Plant(kernels, "attend", lambda attend: lambda s, count, A: attend(s.T, count, A.T)),
            "softmax-jacobian",
        ),
        Control(
            "gates-forgotten",
            "gradients through all neurons",
            edit(kernels, "gate_of", "if hidden > 0.0 else 0.0", ""),
            "closed-recursion",
            noisy.look,
        ),
        Control(
            "tokens-know-their-place",
            "a little of the place is added to every token",
            edit(kernels, "meet", "copy(tokens", PLACES),
            "closed-recursion",
            noisy.look,
        ),
    ]


PLACES = "copy(tokens + 0.01 * np.arange(len(tokens))[:, None]"


def _of_training(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    again = "differentiate(weights, work, gradients)"
    return [
        control(
            "weight-decay",
            "every step shortens W_O by a thousandth",
            edit(
                kernels, "descend", "add(weights.W_O, gradients", "weights.W_O[:] *= 0.999; add(weights.W_O, gradients"
            ),
            "homogeneity",
        ),
        control(
            "momentum", "steps keep 0.9 of the step before", Plant(kernels, "descend", _with_momentum), "norm-growth"
        ),
        control(
            "queries-after-keys",
            "queries are updated with the keys just updated",
            edit(
                kernels,
                "advance",
                "descend(weights",
                f"add(weights.W_K, gradients.W_K, attention_step); {again}; gradients.W_K[:] = 0.0; descend(weights",
            ),
            "head-balance-drift",
        ),
        control(
            "keys-twice-as-fast",
            "twice the step size for W_K",
            edit(kernels, "descend", "gradients.W_K, attention_step", "gradients.W_K, 2.0 * attention_step"),
            "head-balance-drift",
        ),
        control(
            "neurons-twice-as-fast",
            "twice the step size for W_O",
            edit(kernels, "descend", "gradients.W_O, step_size", "gradients.W_O, 2.0 * step_size"),
            "value-balance-drift",
        ),
        control(
            "attention-frozen",
            "W_K and W_Q stay, though their step size is not 0",
            edit(kernels, "descend", "gradients.W_Q, attention_step", "gradients.W_Q, 0.0"),
            "homogeneity",
        ),
        control(
            "keys-drift-together",
            "all keys move by a little more in one direction",
            edit(kernels, "descend", "    add(weights.W_Q", "    weights.W_K[0] += 1e-6\n    add(weights.W_Q"),
            "key-sum-conserved",
        ),
        control(
            "queries-leave-their-span",
            "all queries move by a little more in one direction",
            edit(kernels, "descend", "    add(weights.W_Q", "    weights.W_Q[0] += 1e-6\n    add(weights.W_Q"),
            "moves-in-head-span",
        ),
    ]


def _with_momentum(descend: Callable[..., None]) -> Callable[..., None]:
    before: list[Array] = []

    def behind(weights: Any, gradients: Any, step_size: float, attention_step: float) -> None:
        for number, gradient in enumerate(gradients):
            if len(before) == number:
                before.append(np.zeros_like(gradient))
            gradient += 0.9 * before[number]
            before[number] = gradient.copy()
        descend(weights, gradients, step_size, attention_step)

    return behind


def _of_conventions(run: Scene, noisy: Scene, at_unit_margin: Scene, without_readout: Scene) -> list[Control]:
    return [
        Control(
            "relu-slope-one-at-zero",
            "the derivative of ReLU at 0 is 1",
            edit(kernels, "gate_of", "> 0.0", ">= 0.0"),
            "rest-at-zero-readout",
            without_readout.look,
        ),
        Control(
            "hinge-slope-at-unit-margin",
            "samples with margin 1 still push",
            edit(kernels, "judge", "hinge > 0.0", "hinge >= 0.0"),
            "rest-at-unit-margins",
            at_unit_margin.look,
        ),
        Control(
            "leaky-relu",
            "inactive neurons pass on a tenth",
            edit(kernels, "gate_of", "else 0.0", "else 0.1 * readout"),
            "closed-recursion",
            noisy.look,
        ),
        Control(
            "scores-scaled",
            "scores divided by the root of the width, as in practice but not in the theory",
            edit(
                kernels,
                "multiply",
                "weights.W_Q, work.score_map)",
                "weights.W_Q, work.score_map); work.score_map[:] /= np.sqrt(len(weights.W_K))",
            ),
            "closed-recursion",
            run.look,
        ),
        Control(
            "zero-counts-count",
            "patterns that a sample does not have get attention as if they were there once",
            edit(
                kernels,
                "attend",
                "            else:\n                attention[i, j] = 0.0",
                "            else:\n                attention[i, j] = 0.01\n                total += 0.01",
            ),
            "definitions",
            run.look,
        ),
    ]


def _of_products(products: Scene) -> list[Control]:
    control = partial(Control, caught_by="closed-recursion", look=products.look)
    return [
        control(
            name="second-order-forgotten",
            words="P without the square of the step",
            plant=edit(kernels, "move_scores", "add(P, twice, step * step)", "pass"),
        ),
        control(
            name="new-for-old",
            words="W_O W_O^T moved with a W_V^T W_V that has already moved",
            plant=edit(
                kernels,
                "move_effects",
                "np.dot(V_2, drive, second)",
                "add_twice(V_2, by_token, step); np.dot(V_2, drive, second); add_twice(V_2, by_token, -step)",
            ),
        ),
    ]


def _changed(lemma: Lemma, change: Callable[[Any], Any]) -> Plant:
    """A variant of a statement: the right sides of its claims changed."""

    def make(claims: Sequence[Claim]) -> tuple[Claim, ...]:
        return tuple(Claim(each.lhs, each.relation, change(each.rhs), where=each.where) for each in claims)

    return Plant(lemma, "claims", make)


def _of_statements(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "a-third-for-a-half",
            "derivatives by scores add up to a third of the spread of effects",
            _changed(exact.attention_gradient_bounded, lambda side: side * 2 / 3),
            "attention-gradient-bounded",
        ),
        control(
            "half-the-budget",
            "irrelevant queries attend to own tokens with half of their share at most",
            _changed(exact.attention_budget, lambda side: side / 2),
            "attention-budget",
        ),
        control(
            "drift-with-the-step",
            "the balance of values drifts with the step size, not with its square",
            _changed(exact.value_balance_drift, lambda side: side / step_size),
            "value-balance-drift",
        ),
    ]
