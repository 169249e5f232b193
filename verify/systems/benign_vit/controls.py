"""The controls of `benign-vit`: errors easy and subtle, and the check that must catch each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from sympy import Integer, Rational, exp

from proofs.benign_vit import bounds, exact, stage_one, stage_two
from proofs.benign_vit.symbols import loss, step_size
from proofs.language import Claim, Largest, Lemma, Smallest, roundoff
from proofs.language.recurrence import Member
from verify.checking import compile as compiling
from verify.checking.judge import Judge
from verify.checking.run import Run
from verify.checking.verdicts import Verdict
from verify.controls import Control, Finding, Look, Plant, edit, made_plain
from verify.scenes import Comparison, Scene
from verify.systems.base import Prepared, System
from verify.systems.benign_vit import compiled, draw, dynamics, kernels, observed, system, testing
from verify.systems.benign_vit.gradients import WEIGHTS
from verify.systems.benign_vit.instance import Instance
from verify.systems.benign_vit.kernels import Array
from verify.systems.benign_vit.laws import look_at_laws
from verify.systems.benign_vit.problem import ArraysGiven, Problem

BENIGN = Problem.model_validate(
    {"N": 4, "M": 3, "d": 200, "d_h": 10**6, "SNR": 20.0, "w_O_norm": 2.0, "test_samples": 0}
    | {"sigma_h": 1.25e-3, "sigma_V": 5e-4, "r": 40.0, "loss_target": 0.56}
)
"""Everything moves, and every event comes, within 30 steps."""

STRETCHES, FEW = (12, 18), (3, 3)
"""Steps between two looks of the judge: in the run to the end, and where the first steps tell."""

SMALL = Problem.model_validate(
    {"N": 3, "M": 3, "d": 20, "d_h": 24, "SNR": 2.0, "C_p": 2.0, "w_O_norm": 3.0, "test_samples": 4}
    | {"sigma_h": 0.4, "sigma_V": 0.3}
)
"""Drawn in full, and everything is of order one."""


uncompiled = partial(made_plain, compiled, kernels)


def controls(of: System) -> list[Control]:
    """All of them, kind by kind."""
    small = Comparison(of, SMALL, uncompiled)
    run = _scene(of, STRETCHES, lambda: of.prepare(BENIGN, 0, "reduced", checked=True), exact, bounds, stage_two)
    by_weights = _scene(of, FEW, lambda: of.prepare(SMALL, 0, "weights", checked=True), exact, bounds)
    untested = ArraysGiven.model_validate({"test_samples": 0})
    given = partial(of.prepare_arrays, given=untested, seed=0, engine="reduced", checked=True)
    one_row = _scene(of, FEW, lambda: given(ONE_ROW), bounds)
    crossing = _scene(of, FEW, lambda: given(CROSSING), stage_two)
    one_key = _scene(of, FEW, lambda: given(ONE_KEY), stage_one)
    return [
        *_of_kernels(run, small.look_at_gradients),
        *_of_records(run),
        *_of_training(run, partial(look_in_full, of)),
        *_of_data(run),
        *_of_engines(partial(small.look_at_engines, ("score", "value", "output"), WEIGHTS), by_weights),
        *_of_laws(),
        *_of_statements(run, one_row, crossing, one_key),
        *_of_checking(run),
    ]


def _scene(of: System, stretches: Sequence[int], prepare: Callable[[], Prepared], *modules: ModuleType) -> Scene:
    """A run that judges the statements of some modules."""
    names = {module.__name__ for module in modules}
    return Scene(of, prepare, stretches, lambda: [lemma for lemma in of.lemmas() if lemma.module in names], uncompiled)


# Other looks.


def look_in_full(of: System) -> dict[str, Finding]:
    """Exact statements where a run follows them, and, apart from that, in full at its first steps."""
    lemmas = [lemma for lemma in of.lemmas() if lemma.module == exact.__name__ and lemma.judged_in_a_run]
    with uncompiled():
        prepared = of.prepare(SMALL, 0, "reduced", checked=True)
        judge = Judge(of.name, lambda: (lemmas, ()), prepared)
        judge.observe(prepared.dynamics.advance(FEW[0], -1.0, []), prepared.dynamics.twin())
    findings: dict[str, Finding] = {}
    for each in judge.verdicts():
        followed = [claim for claim in each.claims if not claim.snapshots]
        whole = [claim for claim in each.claims if claim.snapshots]
        found = {each.statement.name: replace(each, claims=followed)}
        found |= {f"{each.statement.name}-in-full": replace(each, claims=whole)} if whole else {}
        findings |= {name: Finding(part.verdict is Verdict.HOLDS, part.verdict.value) for name, part in found.items()}
    return findings


# Errors of the kernels.


def _of_kernels(run: Scene, gradients: Look) -> list[Control]:
    control = partial(Control, look=run.look)
    by_gradients = partial(Control, caught_by="gradients", look=gradients)
    return [
        control(
            "mean-forgotten",
            "the attention gradient without the mean value of its row",
            edit(kernels, "attention_gradient", "- mean)", ")"),
            "softmax-jacobian",
        ),
        control(
            "attention-gradient-transposed",
            "rows and columns of the attention gradient exchanged",
            Plant(
                kernels,
                "drive",
                lambda drive: lambda work: drive(work._replace(pull=work.pull.transpose(0, 2, 1))),
            ),
            "vectorised-qk",
        ),
        control(
            "gradient-ascent",
            "the sign of the loss derivatives",
            edit(kernels, "backward", "weight = step_size", "weight = -step_size"),
            "signal-values-monotone",
        ),
        control(
            "labels-forgotten",
            "every sample pushes as if its label were +1",
            edit(kernels, "backward", "labels[n] * ", ""),
            "signal-values-monotone",
        ),
        control(
            "values-not-averaged-over-queries",
            "no 1/M in the direction of the values",
            edit(kernels, "backward", "attended / tokens", "attended"),
            "signal-value-growth",
        ),
        control(
            "samples-summed",
            "no 1/N in the gradient",
            edit(kernels, "backward", " / samples", ""),
            "signal-value-growth",
        ),
        control(
            "last-sample-left-out",
            "a gradient of all samples but one, still divided by N",
            edit(kernels, "backward", "in range(samples)", "in range(samples - 1)"),
            "scalarised-v",
        ),
        control(
            "scattered-to-another-token",
            "directions added to the token before",
            edit(kernels, "backward", "token_at[n, i]", "token_at[n, i - 1]"),
            "vectorised-qk",
        ),
        control(
            "keys-pushed-back",
            "the sign of the keys' directions",
            edit(kernels, "backward", "direction[row, rank + c] +=", "direction[row, rank + c] -="),
            "balancedness-drift",
        ),
        control(
            "directions-not-cleared",
            "a gradient that still holds that of the step before",
            edit(kernels, "backward", "\n    direction[:] = 0.0", ""),
            "vectorised-qk",
        ),
        control(
            "softmax-over-queries",
            "attention normalised along the wrong axis",
            Plant(
                kernels,
                "attend",
                lambda attend: lambda s, phi: attend(s.transpose(0, 2, 1), phi.transpose(0, 2, 1)),
            ),
            "softmax-jacobian",
        ),
        control(
            "softmax-misses-a-key",
            "a normaliser without the last key",
            edit(
                kernels,
                "attend",
                "total += attention[n, l, j]",
                "total += attention[n, l, j] * (j < keys - 1)",
            ),
            "definitions",
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
            "loss-derivative-exact",
        ),
        control(
            "loss-summed",
            "the loss is the samples' sum, not their mean; nothing else depends on it",
            edit(kernels, "logistic_loss", "total / labels.shape[0]", "total"),
            "definitions",
        ),
        control(
            "stale-outputs",
            "loss derivatives of the outputs of the step before",
            Plant(kernels, "logistic_loss", _one_step_behind),
            "loss-derivative-exact",
        ),
        by_gradients(
            "scores-scaled",
            "scores divided by the root of the width, as in practice but not in the theory",
            edit(
                kernels,
                "forward",
                ".T, work.score[n])",
                ".T, work.score[n]); work.score[n] /= np.sqrt(work.keys.shape[2])",
            ),
        ),
        by_gradients(
            "scores-in-single-precision",
            "scores rounded to float32",
            edit(
                kernels,
                "forward",
                ".T, work.score[n])",
                ".T, work.score[n]); work.score[n] = np.float32(work.score[n])",
            ),
        ),
        by_gradients(
            "attention-gradient-not-averaged",
            "no 1/M in the attention gradient",
            edit(kernels, "attention_gradient", " / queries", ""),
        ),
    ]


def _one_step_behind(
    logistic_loss: Callable[[Array, Array, Array], float],
) -> Callable[[Array, Array, Array], float]:
    before: list[Array] = []

    def behind(labels: Array, output: Array, loss_derivative: Array) -> float:
        before.append(output.copy())
        logistic_loss(labels, before[-2:][0], loss_derivative)
        return logistic_loss(labels, output, np.empty_like(loss_derivative))

    return behind


def _of_records(run: Scene) -> list[Control]:
    """Errors of what is recorded, while training goes on as it should."""
    control = partial(Control, look=run.look)
    late = {
        "value": "scalarised-v",
        "output": "loss-derivative-exact",
        "attention": "definitions",
        "score": "definitions",
    }
    return [
        *(
            control(
                f"{name}-recorded-late",
                f"each recorded {name} is that of the step before",
                _recorded_late(name),
                check,
            )
            for name, check in late.items()
        ),
        control(
            "change-of-coefficients",
            "how far queries move is read off their directions, not off the states",
            edit(kernels, "advance", "measure_change(increment,", "measure_change(direction,"),
            "definitions",
        ),
        control(
            "norms-cut-short",
            "squared norms and overlaps without the last component",
            edit(kernels, "inner_product", "range(left.shape[0])", "range(left.shape[0] - 1)"),
            "definitions",
        ),
        control(
            "dual-not-added-up",
            "what the weights moved by is not kept",
            edit(kernels, "descend", "sum_[i] += term[i]", "pass"),
            "balancedness-drift",
        ),
    ]


def _recorded_late(name: str) -> Plant:
    def make(record: Callable[..., None]) -> Callable[..., None]:
        before: Array | None = None

        def late(recording: Any, t: int, *rest: Any) -> None:
            nonlocal before
            record(recording, t, *rest)
            array = getattr(recording, name)
            now = array[t].copy()
            if t and before is not None:
                array[t] = before
            before = now

        return late

    return Plant(kernels, "record", make)


# Errors of gradient descent.


def _of_training(run: Scene, in_full: Look) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "readout-forgotten",
            "values grow without |w_O|^2",
            edit(kernels, "advance", "value_increment *= readout", "pass"),
            "scalarised-v",
        ),
        control(
            "keys-after-queries",
            "keys are updated with the queries just updated, not with those of the same step",
            edit(kernels, "advance", "backward(token_at, labels, step_size, work)", KEYS_AFTER_QUERIES),
            "balancedness-drift",
        ),
        Control(
            "keys-pushed-past-the-probes",
            "W_K moves a little in a direction that is orthogonal to both probes",
            Plant(kernels, "backward", _pushed_past_the_probes),
            "balancedness-drift-in-full",
            in_full,
        ),
        control(
            "step-100-times-too-long",
            "training takes 100 times the declared step",
            edit(dynamics.Reduced, "__init__", "= instance.step_size", "= 100.0 * instance.step_size"),
            "signal-value-growth",
        ),
        control(
            "weight-decay",
            "queries and keys shrink by 1e-9 a step",
            edit(kernels, "descend", "before + step[i]", "before + step[i] - 1e-9 * before"),
            "vectorised-qk",
        ),
        control(
            "noise-taken-as-orthogonal",
            "a Gram matrix that is diagonal, as approximations have it",
            edit(
                dynamics.Reduced,
                "__init__",
                "(table.tokens @ table.tokens.T)",
                "(np.diag((table.tokens**2).sum(axis=1)))",
            ),
            "scalarised-v",
        ),
        control(
            "one-label-for-all",
            "training sees every label as -1",
            edit(
                dynamics.Reduced,
                "__init__",
                "self._labels = instance.y",
                "self._labels = -np.abs(instance.y)",
            ),
            "signal-values-monotone",
        ),
        control(
            "other-tokens-trained",
            "training sees the noise tokens of a sample in the other order",
            edit(
                dynamics.Reduced,
                "__init__",
                "self._token_at = table.token_at",
                "self._token_at = table.token_at[:, [0, 2, 1]].copy()",
            ),
            "scalarised-v",
        ),
    ]


def _pushed_past_the_probes(backward: Callable[..., None]) -> Callable[..., None]:
    def pushed(token_at: Any, labels: Array, step_size: float, work: kernels.Workspace) -> None:
        backward(token_at, labels, step_size, work)
        rank = work.direction.shape[1] // 2
        spanned = np.linalg.qr(dynamics.probe_directions(rank))[0]
        push = np.eye(rank)[0] - spanned @ spanned[0]
        work.direction[0, rank:] += 1e-3 * np.abs(work.direction).max() * push

    return pushed


KEYS_AFTER_QUERIES = """backward(token_at, labels, step_size, work)
        np.dot(gram, direction, increment)
        work.queries[:] += increment[:, : work.queries.shape[2]][token_at]
        drive(work)
        backward(token_at, labels, step_size, work)"""


# Errors of the data.


def _of_data(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "signal-among-the-noise",
            "in one sample of each class a noise token is the other class's signal",
            _drawn_with(_signals_among_noise),
            "signal-value-growth",
        ),
        control(
            "labels-flipped",
            "one label of each class is wrong",
            _drawn_with(
                lambda instance: replace(instance, y=instance.y * np.where(np.arange(len(instance.y)) < 2, -1.0, 1.0))
            ),
            "signal-values-monotone",
        ),
        control(
            "noise-meets-signal",
            "noise is not projected off the signals",
            _drawn_with(lambda instance: replace(instance, X=instance.X + 1e-6 * instance.X[:, :1])),
            "signal-value-growth",
        ),
        control(
            "readout-not-squared",
            "statements are told |w_O| in place of its square",
            edit(system, "statement_data", "instance.readout", "np.sqrt(instance.readout)"),
            "scalarised-v",
        ),
        control(
            "regimes-confused",
            "what memorises noise is taken for what learns signals, and the reverse",
            Plant(observed, "is_benign", lambda is_benign: lambda *data: not is_benign(*data)),
            "stage-two-step",
        ),
    ]


def _drawn_with(change: Callable[[Instance], Instance]) -> Plant:
    return Plant(system, "draw", lambda draw: lambda problem, seed, full: change(draw(problem, seed, full=full)))


def _signals_among_noise(instance: Instance) -> Instance:
    X = instance.X.copy()
    X[0, 2], X[1, 2] = X[1, 0], X[0, 0]
    return replace(instance, X=X)


# Errors of the reduction, and of what is drawn.


def _of_engines(look: Look, by_weights: Scene) -> list[Control]:
    control = partial(Control, caught_by="engines", look=look)
    on_weights = partial(Control, look=by_weights.look)
    return [
        control(
            "keys-outside-the-frame",
            "coordinates that hold the queries but not all of the keys",
            edit(dynamics, "_frame", "np.vstack([queries, keys])", "np.vstack([queries, queries[::-1]])"),
        ),
        control(
            "value-dual-not-added-up",
            "test samples and saved weights do not see the values move",
            edit(kernels, "advance", "        value_dual += value_direction\n", ""),
        ),
        control(
            "kept-states-overwritten",
            "states kept for test samples all go to one place",
            edit(kernels, "advance", "copied += 1", "copied += 0"),
        ),
        on_weights(
            "weights-outrun",
            "how far queries move is put down to the step after",
            edit(
                kernels, "advance_weights", "measure_change(states, norms, t - 1)", "measure_change(states, norms, t)"
            ),
            "definitions",
        ),
        on_weights(
            "weights-balance-added",
            "squared norms of queries' and keys' weights added in place of subtracted",
            edit(kernels, "measure_weights_balance", "balance += by_query - by_key", "balance += by_query + by_key"),
            "balancedness-drift",
        ),
        on_weights(
            "half-the-output-vector",
            "values read from the weights with half of w_O",
            edit(kernels, "advance_weights", "np.dot(weights_v, readout,", "np.dot(weights_v, readout / 2.0,"),
            "scalarised-v",
        ),
        control(
            "test-parts-outside-forgotten",
            "test scores without what queries and keys have outside the frame",
            edit(dynamics._TestOverlaps, "__init__", "outside[0] @ outside[1]", "0.0 * outside[0] @ outside[1]"),
        ),
    ]


def _of_laws() -> list[Control]:
    drawn = partial(Control, caught_by="draw-law", look=look_at_laws)
    tested = partial(Control, caught_by="test-law", look=look_at_laws)
    return [
        drawn(
            "one-degree-of-freedom-lost",
            "chi-squares of Bartlett's diagonal with one degree of freedom less",
            edit(draw, "gaussian_factor", "float(width) - diagonal", "float(width) - 1.0 - diagonal"),
        ),
        drawn(
            "queries-and-keys-drawn-apart",
            "two Bartlett factors in place of one of queries and keys together",
            edit(
                draw,
                "draw",
                TOGETHER,
                "(problem.sigma_h * gaussian_factor(weights, rows, problem.d_h) for _ in range(2))",
            ),
        ),
        drawn(
            "large-noise-misplaced",
            "the last token is the large one",
            edit(draw, "noise_scales", "scales[0]", "scales[-1]"),
        ),
        tested(
            "orthogonal-part-forgotten",
            "test samples that live in the span of the training tokens",
            edit(testing, "draw_test_samples", "dimension < problem.d", "False"),
        ),
        tested(
            "seen-heads-counted-twice",
            "unseen parts of queries and keys with the degrees of freedom of all",
            edit(testing._Beyond, "draw", "problem.d_h - heads", "problem.d_h"),
        ),
        tested(
            "test-set-leaks",
            "test noise correlated with training noise",
            edit(
                testing,
                "draw_test_samples",
                "    beyond =",
                "    tokens[:, 1:] = 0.8 * tokens[:, 1:] + 0.6 * instance.X[0, 1:]\n    beyond =",
            ),
        ),
    ]


TOGETHER = "np.split(problem.sigma_h * gaussian_factor(weights, 2 * rows, problem.d_h), 2)"


# Errors of the statements.

ONE_ROW = Instance(
    X=np.array([[[1.0], [-1.0], [-1.0]]]),
    y=np.array([1.0]),
    W_Q=np.array([[0.25]]),
    W_K=np.array([[1.0]]),
    W_V=np.array([[1.0]]),
    w_O=np.array([1.0]),
    step_size=1e-3,
)
"""Scores (delta, -delta, -delta) of one query: its attention is as far from uniform as delta allows."""

CROSSING = Instance(
    X=np.eye(2)[None],
    y=np.array([1.0]),
    W_Q=np.array([[2.0, 1.0], [0.0, 1.0]]),
    W_K=np.array([[1.0, 0.0], [0.0, 0.0]]),
    W_V=np.array([[0.02], [0.0]]),
    w_O=np.array([1.0]),
    step_size=1e-3,
)
"""The query of a noise token meets the signal's, and pulls the signal's key along."""

ONE_KEY = Instance(
    X=np.diag([0.5, 1.0, 1.0, 1.0])[None],
    y=np.array([1.0]),
    W_Q=np.array([[0.2], [0.1], [0.1], [0.1]]),
    W_K=np.array([[0.0], [0.1], [0.0], [0.0]]),
    W_V=np.array([[0.0], [0.1], [-0.1], [-0.1]]),
    w_O=np.array([1.0]),
    step_size=0.1,
)
"""One query, and one key that does not vanish: its value stands against the others, so it is pulled hard."""


def _changed(lemma: Lemma, change: Callable[[Any], Any]) -> Plant:
    """A variant of a statement: the right sides of its claims changed."""

    def make(claims: Sequence[Claim]) -> tuple[Claim, ...]:
        changed = tuple(Claim(each.lhs, each.relation, change(each.rhs), where=each.where) for each in claims)
        assert any(new.rhs != old.rhs for new, old in zip(changed, claims, strict=True)), lemma.name
        return changed

    return Plant(lemma, "claims", make)


def _miscounted(member: Member, part: Any, by: Any) -> Plant:
    """A variant of a recurrence: something else in place of a part of a member's next value."""

    def make(update: Any) -> Any:
        assert update.has(part), member.name
        return update.xreplace({part: by})

    return Plant(member, "update", make)


def _smallest_for_largest(expression: Any) -> Any:
    return expression.replace(lambda node: isinstance(node, Largest), lambda node: Smallest(*node.args))


def _without_cross_terms(side: Any) -> Any:
    written_out = stage_two.error.observable.definition.expression
    return side.xreplace({stage_two.error: written_out.xreplace({stage_two.cross: Integer(0)})})


def _of_statements(run: Scene, one_row: Scene, crossing: Scene, one_key: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    a_priori = partial(Control, look=one_key.look)
    delta = bounds.largest_score
    return [
        control(
            "an-eighth-for-a-quarter",
            "loss derivatives within |f|/8 of 1/2",
            _changed(bounds.loss_derivative_near_half, lambda side: side / 2),
            "loss-derivative-near-half",
        ),
        Control(
            "e-to-the-delta",
            "attention within e^delta of uniform, in place of e^(2 delta): true at M = 2",
            _changed(
                bounds.attention_near_uniform,
                lambda side: side.xreplace({exp(2 * delta): exp(delta), exp(-2 * delta): exp(-delta)}),
            ),
            "attention-near-uniform",
            one_row.look,
        ),
        control(
            "smallest-for-largest",
            "signal values grow by at most the smallest loss derivative and attention of their class",
            _changed(bounds.signal_value_growth, _smallest_for_largest),
            "signal-value-growth",
        ),
        control(
            "first-power-of-the-step",
            "the balance drifts by the step size times squared gradients, not by its square",
            _changed(exact.balancedness_drift, lambda side: side / step_size),
            "balancedness-drift",
        ),
        control(
            "a-third-for-a-half",
            "the derivatives by a row's scores add up to at most a third of the spread of values",
            _changed(bounds.attention_gradient_row_bounded, lambda side: side * Rational(2, 3)),
            "attention-gradient-row-bounded",
        ),
        Control(
            "cross-terms-forgotten",
            "the signal's score grows as if other queries and keys were orthogonal to its own",
            _changed(stage_two.stage_two_step, _without_cross_terms),
            "stage-two-step",
            crossing.look,
        ),
        a_priori(
            "factor-2-forgotten",
            "half of what a noise token's value adds to the rate of keys",
            _miscounted(
                stage_one.norm_bound,
                stage_one.noise_column,
                stage_one.noise_column - stage_one.attention_variance_bound * stage_one.noise_value_bound,
            ),
            "stage-one-queries-and-keys",
        ),
        a_priori(
            "pull-of-the-wrong-tokens",
            "values of noise tokens bounded by the inner products of signals",
            _miscounted(stage_one.noise_value_bound, stage_one.noise_pull, stage_one.signal_pull),
            "stage-one-values",
        ),
        a_priori(
            "cube-of-norms",
            "scores grow by the third power of norms",
            _miscounted(stage_one.score_bound, stage_one.norm_bound**2, stage_one.norm_bound**3),
            "stage-one-queries-and-keys",
        ),
        control(
            "vacuous",
            "a hypothesis that never holds must not count as a statement that holds",
            Plant(bounds.loss_decreases, "given", lambda given: (*given, Claim(loss, "<=", -1))),
            "loss-decreases",
        ),
    ]


# Errors of the machine that judges.


def _of_checking(run: Scene) -> list[Control]:
    control = partial(Control, look=run.look)
    return [
        control(
            "event-one-step-late",
            "events are put one step after the first state at which they hold",
            edit(Run, "event", "np.argmax(happens)", "np.argmax(happens) + 1"),
            "events",
        ),
        control(
            "stage-one-step-too-long",
            "statements of a stage are judged one step beyond its end as well",
            edit(compiling, "stage_span", "min(first + increments, end)", "min(first + increments, end + 1)"),
            "stages",
        ),
        control(
            "sums-start-anew",
            "sums over steps forget what came before the present stretch",
            edit(Run, "accumulated", "self._memory.get(number, 0.0)", "0.0"),
            "signal-value-envelope",
        ),
        control(
            "tolerances-too-wide",
            "rounding bounds so wide that no equality can fail",
            Plant(roundoff, "EPSILON", lambda epsilon: 10**9 * epsilon),
            "resolution",
        ),
    ]
