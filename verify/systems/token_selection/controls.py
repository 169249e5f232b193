"""The controls of `token-selection`: errors easy and subtle, and the check that must catch each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sympy import log

from proofs.language import Claim, Expm1, Lemma, roundoff
from proofs.token_selection import exact, inequalities, stage_one, stage_two
from proofs.token_selection.symbols import T, query_square, step_size
from verify.controls import Control, Look, Plant, edit, made_plain
from verify.scenes import Comparison, Scene
from verify.systems.base import Prepared, System
from verify.systems.token_selection import compiled, draw, dynamics, kernels, system, testing
from verify.systems.token_selection.gradients import WEIGHTS
from verify.systems.token_selection.instance import Instance
from verify.systems.token_selection.laws import look_at_laws
from verify.systems.token_selection.problem import ArraysGiven, Problem

SMALL = Problem.model_validate(
    {"n": 4, "T": 4, "d": 30, "m": 3.0, "sigma": 0.5, "eta_f": 0.5, "step_size": 0.5, "test_samples": 3}
)
"""Drawn in full; everything is of order one, squares of the step too."""

BRACKETED = Problem.model_validate(
    {"n": 2, "T": 4, "d": 30, "m": 6.0, "sigma": 0.5, "eta_f": 0.0, "step_size": 0.09, "test_samples": 3}
)
"""So strong a signal that bounds known from the start say at which step, or the one before, attention leaves 1/T."""

STRETCHES, FEW = (12, 18), (3, 3)
"""Steps between two looks of the judge: in a run of some length, and where the first steps tell."""


uncompiled = partial(made_plain, compiled, kernels)


def controls(of: System) -> list[Control]:
    """All of them, kind by kind."""
    small = Comparison(of, SMALL, uncompiled)
    run = _scene(of, STRETCHES, lambda: of.prepare(SMALL, 0, "reduced", checked=True))
    by_weights = _scene(of, FEW, lambda: of.prepare(SMALL, 0, "weights", checked=True))
    untested = ArraysGiven.model_validate({"test_samples": 0})
    resumed = _scene(of, FEW, lambda: of.prepare_arrays(_moved(), untested, 0, "reduced", checked=True))
    bounds = Scene(of, lambda: of.prepare(SMALL, 0, "reduced", checked=True), STRETCHES, lambda: BOUNDS, uncompiled)
    ends = Scene(of, lambda: of.prepare(BRACKETED, 0, "reduced", checked=True), FEW, lambda: ENDS, uncompiled)
    return [
        *_of_drives(run, small.look_at_gradients),
        *_of_steps(run, by_weights, resumed),
        *_of_records(run),
        *_of_data(run),
        *_of_engines(partial(small.look_at_engines, ("score", "output"), WEIGHTS)),
        *_of_laws(),
        *_of_statements(run),
        *_of_bounds(bounds),
        *_of_ends(ends),
    ]


BOUNDS = (inequalities.sufficient_descent, stage_two.gap_sandwich, stage_two.growth_sandwich)
ENDS = (stage_one.stage_one_not_shorter, stage_one.stage_one_not_longer)


def _scene(of: System, stretches: Sequence[int], prepare: Callable[[], Prepared]) -> Scene:
    """A run that judges the exact statements."""
    return Scene(
        of, prepare, stretches, lambda: [lemma for lemma in of.lemmas() if lemma.module == exact.__name__], uncompiled
    )


def _moved() -> Instance:
    """An instance that starts where p is not 0."""
    instance = draw.draw(SMALL, 0)
    p = 0.3 * np.random.Generator(np.random.PCG64(0)).standard_normal(len(instance.p))
    return Instance(instance.X, instance.y, instance.y_clean, instance.W, p, instance.nu, instance.step_size)


# Errors of what drives the scores.


def _of_drives(run: Scene, gradients: Look) -> list[Control]:
    control = partial(Control, look=run.look)
    by_gradients = partial(Control, caught_by="gradients", look=gradients)
    return [
        control(
            "mean-forgotten",
            "the derivative of the softmax without what the other tokens lose",
            edit(kernels, "drive_scores", "(value[n, t] - work.output[n])", "value[n, t]"),
            "drives-cancel",
        ),
        control(
            "labels-forgotten",
            "every sample pushes as if its label were +1",
            edit(kernels, "drive_scores", "labels[n] * ", ""),
            "drive-by-pairs",
        ),
        control(
            "samples-summed",
            "no 1/n in the gradient",
            edit(kernels, "drive_scores", " / samples", ""),
            "drive-by-pairs",
        ),
        control(
            "last-token-left-out",
            "outputs without the last token of each sample",
            edit(kernels, "read_out", "in range(tokens)", "in range(tokens - 1)"),
            "drives-cancel",
        ),
        control(
            "softmax-misses-a-token",
            "a normaliser without the last token",
            edit(kernels, "attend", "total += attention[n, t]", "total += attention[n, t] * (t < tokens - 1)"),
            "drives-cancel",
        ),
        control(
            "half-the-margin",
            "loss derivatives of half the output",
            edit(
                kernels,
                "logistic_loss",
                "loss_derivative[n] =",
                "small = np.exp(-abs(margin) / 2.0); loss_derivative[n] =",
            ),
            "definitions",
        ),
        by_gradients(
            "p-pushed-back",
            "the sign of the gradient of p",
            edit(kernels, "backward", "np.dot(W, moved, pulled)", "np.dot(W, -moved, pulled)"),
        ),
        by_gradients(
            "mean-forgotten-in-the-gradient",
            "gradients without what the other tokens lose",
            edit(kernels, "drive_scores", "(value[n, t] - work.output[n])", "value[n, t]"),
        ),
        by_gradients(
            "drives-in-single-precision",
            "what drives the scores rounded to float32",
            edit(kernels, "drive_scores", "weight * work", "np.float32(weight) * work"),
        ),
    ]


# Errors of a step.


def _of_steps(run: Scene, by_weights: Scene, resumed: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    on_weights = partial(Control, look=by_weights.look)
    from_elsewhere = partial(Control, look=resumed.look)
    return [
        control(
            "square-of-the-step-forgotten",
            "scores move to first order in the step alone",
            edit(kernels, "move", "gain = query_square + step_size * alignment", "gain = query_square"),
            "gram-system",
        ),
        control(
            "square-of-the-step-forgotten-in-the-map",
            "M moves to first order in the step alone",
            edit(kernels, "grow_map", "(score[i] + step_size * query_square * gram_drive[i])", "score[i]"),
            "gram-system",
        ),
        control(
            "square-of-the-step-forgotten-in-the-norm",
            "the squared norm of p moves to first order in the step alone",
            edit(kernels, "move", " + step_size * step_size * work.numbers[2]", ""),
            "query-growth",
        ),
        control(
            "map-grows-one-way",
            "M is updated by a product that is not symmetric",
            edit(kernels, "grow_map", "by_score * score[j] + by_drive", "by_drive"),
            "gram-system",
        ),
        control(
            "step-100-times-too-short",
            "training takes a hundredth of the declared step",
            edit(dynamics, "_fixed", "instance.step_size, geometry", "0.01 * instance.step_size, geometry"),
            "gram-system",
        ),
        control(
            "growth-of-the-map-forgotten-in-coefficients",
            "coefficients of p move by drives alone",
            edit(kernels, "follow_representer", "(drive[i] + work.representer_drive[i])", "drive[i]"),
            "representer-step",
        ),
        control(
            "representer-transposed",
            "what the growth of W adds to W^T p, with rows for columns",
            edit(
                kernels, "pull_coefficients", "np.dot(work.arrived, representer,", "np.dot(representer, work.arrived,"
            ),
            "definitions",
        ),
        from_elsewhere(
            "p-at-the-start-forgotten",
            "coefficients of W over the start's p are not followed",
            edit(kernels, "follow_representer", "start_coefficient[i] += step_size * share * drive[i]", "pass"),
            "representer-step",
        ),
        from_elsewhere(
            "share-of-the-start-kept",
            "the start's p is taken to stay what it was",
            edit(
                kernels, "follow_representer", "share + step_size * np.dot(start_coefficient, work.gram_drive)", "share"
            ),
            "representer-step",
        ),
        on_weights(
            "p-pushed-back-in-steps",
            "p climbs while W descends",
            edit(kernels, "descend", "p[i] += step_size", "p[i] -= step_size"),
            "gram-system",
        ),
        on_weights(
            "one-after-the-other",
            "W is updated with the p just updated, not with that of the same step",
            edit(
                kernels, "descend", "weight = step_size * p[i]", "weight = step_size * (p[i] + step_size * pulled[i])"
            ),
            "balance-drift",
        ),
        on_weights(
            "weight-decay",
            "W shrinks by 1e-9 a step",
            edit(kernels, "descend", "row[j] += weight * moved[j]", "row[j] += weight * moved[j] - 1e-9 * row[j]"),
            "gram-system",
        ),
    ]


# Errors of what is recorded, while training goes on as it should.


def _of_records(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "tokens-counted-with-itself",
            "the effective gap with log T in place of log(T - 1)",
            edit(kernels, "lead", "tokens - 1.0", "float(tokens)"),
            "gap-identity",
        ),
        control(
            "scores-recorded-halved",
            "recorded scores are half of those trained",
            edit(kernels, "record", "recording.score[t] = score", "recording.score[t] = 0.5 * score"),
            "definitions",
        ),
        control(
            "probes-past-the-coefficients",
            "the balance without what p has moved along a probe",
            edit(kernels, "measure_balance", "balance - along * along + before * before", "balance"),
            "balance-drift",
        ),
    ]


# Errors of the data.


def _of_data(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "flips-undone",
            "training sees the labels as they were before any was flipped",
            edit(dynamics, "_fixed", "labels=instance.y", "labels=instance.y_clean"),
            "drive-by-pairs",
        ),
        control(
            "flips-unknown",
            "statements are told the labels as they were before any was flipped",
            edit(system, "statement_data", '"label": instance.y,', '"label": instance.y_clean,'),
            "drive-by-pairs",
        ),
        control(
            "another-head",
            "training reads values with a head that is twice as long",
            edit(dynamics, "_fixed", "value=instance.value", "value=2.0 * instance.value"),
            "drive-by-pairs",
        ),
    ]


# Errors of the reduction, and of what is drawn.


def _of_engines(look: Look) -> list[Control]:
    control = partial(Control, caught_by="engines", look=look)
    return [
        control(
            "noise-taken-as-orthogonal",
            "a Gram matrix that is diagonal, as approximations have it",
            edit(
                dynamics.Geometry,
                "__init__",
                "(self.tokens @ self.tokens.T)",
                "(np.diag((self.tokens**2).sum(axis=1)))",
            ),
        ),
        control(
            "start-taken-as-isotropic",
            "W^T W at the start replaced by a multiple of the identity",
            edit(dynamics.Geometry, "__init__", "(self.images.T @ self.images)", "(self.tokens @ self.tokens.T / 3.0)"),
        ),
        control(
            "growth-forgotten",
            "saved weights and test samples do not see W grow",
            edit(kernels, "grow_representer", "row[j] += weight * drive[j]", "pass"),
        ),
        control(
            "kept-states-overwritten",
            "states kept for test samples all go to one place",
            edit(kernels, "advance", "copied += 1", "copied += 0"),
        ),
    ]


def _of_laws() -> list[Control]:
    drawn = partial(Control, caught_by="draw-law", look=look_at_laws)
    tested = partial(Control, caught_by="test-law", look=look_at_laws)
    at_start = partial(Control, caught_by="accuracy-at-the-start", look=look_at_laws)
    return [
        drawn(
            "one-degree-of-freedom-lost",
            "W drawn as if the dimension were smaller by one",
            edit(
                draw,
                "_drawn_reduced",
                "gaussian_factor(weights, span, problem.d)",
                "gaussian_factor(weights, span, problem.d - 1)",
            ),
        ),
        drawn(
            "outside-forgotten",
            "W^T p without what it has outside the span of the tokens",
            edit(draw, "_drawn_reduced", "gaussian_factor(weights, span, problem.d - span)", "np.zeros((span, 1))"),
        ),
        drawn(
            "signals-swapped",
            "weak signals where confusing ones belong",
            edit(
                draw,
                "signal_shares",
                "shares[1, 1 + weak : 1 + weak + confusing]",
                "shares[0, 1 + weak : 1 + weak + confusing]",
            ),
        ),
        tested(
            "scores-and-values-apart",
            "test scores drawn independently of the values of the same tokens",
            edit(testing.TestSamples, "seen", "float(direction @ unit)", "0.0"),
        ),
        tested(
            "noise-too-small",
            "test noise with the variance for a standard deviation",
            edit(testing.TestSamples, "seen", "spread = self.deviation *", "spread = self.deviation**2 *"),
        ),
        at_start(
            "head-across-the-signals",
            "a head that sees nothing of the signals",
            edit(draw, "head", "nu[:2]", "nu[2:4]"),
        ),
        at_start(
            "accuracy-of-one-token",
            "test samples read from a single token in place of the mean",
            edit(
                testing.TestSamples,
                "seen",
                "self._means(self.signals @ vector)",
                "len(self.shares[0]) * self._means(self.signals @ vector)",
            ),
        ),
    ]


# Errors of the statements.


def _changed(lemma: Lemma, change: Callable[[Any], Any]) -> Plant:
    """A variant of a statement: the right sides of its claims changed."""

    def make(claims: Sequence[Claim]) -> tuple[Claim, ...]:
        changed = tuple(Claim(each.lhs, each.relation, change(each.rhs), where=each.where) for each in claims)
        assert any(new.rhs != old.rhs for new, old in zip(changed, claims, strict=True)), lemma.name
        return changed

    return Plant(lemma, "claims", make)


def _of_statements(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "log-of-all-tokens",
            "log T for log(T - 1) in the log-odds",
            _changed(exact.gap_identity, lambda side: side.xreplace({log(T - 1): log(T)})),
            "gap-identity",
        ),
        control(
            "first-power-of-the-step",
            "the balance drifts by the step size times squared gradients, not by its square",
            _changed(exact.balance_drift, lambda side: side.xreplace({step_size**2: step_size})),
            "balance-drift",
        ),
        control(
            "growth-of-p-forgotten",
            "scores move by M c alone",
            _changed(exact.gram_system, lambda side: side.xreplace({query_square: 0 * query_square})),
            "gram-system",
        ),
        control(
            "tolerances-too-wide",
            "rounding bounds so wide that no equality can fail",
            Plant(roundoff, "EPSILON", lambda epsilon: 10**9 * epsilon),
            "resolution",
        ),
    ]


# Errors that no identity shows.


def _of_bounds(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "step-100-times-too-long",
            "training takes steps that overshoot",
            edit(dynamics, "_fixed", "instance.step_size, geometry", "100.0 * instance.step_size, geometry"),
            "sufficient-descent",
        ),
        control(
            "range-of-the-moves-forgotten",
            "an effective gap moves by no less than the mean move of its leads",
            _changed(stage_two.gap_sandwich, lambda side: side.xreplace({stage_two.move_spread: 0 * query_square})),
            "gap-sandwich",
        ),
        control(
            "linear-growth",
            "the growth function moves by what drives the leads, not by its exponential",
            _changed(stage_two.growth_sandwich, lambda side: side.replace(Expm1, lambda move: move)),
            "growth-sandwich",
        ),
    ]


def _of_ends(run: Scene) -> list[Control]:
    """Stage one lasts about as long as it should, and yet not as long."""

    def paced(factor: str) -> Plant:
        return edit(dynamics, "_fixed", "instance.step_size, geometry", f"{factor} * instance.step_size, geometry")

    control = partial(Control, look=run.look)
    return [
        control(
            "attention-moves-too-soon",
            "training takes steps half as long again",
            paced("1.5"),
            "stage-one-not-shorter",
        ),
        control(
            "attention-moves-too-late",
            "training takes steps half as long",
            paced("0.5"),
            "stage-one-not-longer",
        ),
    ]
