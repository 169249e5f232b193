"""What a study measures of a run: extremes over stages, at their steps, whatever the stretches."""

from functools import cache

import numpy as np
import pytest

from proofs.benign_vit.stages import EVENTS, STAGE_ONE
from proofs.benign_vit.symbols import loss, loss_derivative, n
from proofs.language import STEP, Claim, Derived, Lemma
from verify.checking.measure import Measure, measure_until
from verify.engines.stretch import Stretch
from verify.systems.base import Prepared
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.studies.growing import prepare_to_measure

STEPS = 300
PROBLEM = Problem(N=4, d=10**6, d_h=10**6, SNR=32.0, r=60.0, test_samples=0)


def order(claim: Claim, name: str, **options: object) -> Lemma:
    lemma = Lemma(words="a law", kind="order", claim=claim, source=Derived("tests"), **options)  # type: ignore[arg-type]
    lemma.name = name
    return lemma


LAWS = (
    order(Claim(loss, "O", 1), "loss"),
    order(Claim(loss_derivative[n], "O", 1), "derivative"),
    order(Claim(loss_derivative[n], "O", 1), "derivative-in-stage-one", stage=STAGE_ONE),
    order(Claim(loss, "O", 1), "loss-early", given=[Claim(STEP, "<=", 20)]),
)


def prepared() -> Prepared:
    return prepare_to_measure(PROBLEM, 0)


@cache
def trajectory() -> Stretch:
    return prepared().dynamics.advance(STEPS, -1.0, [])


@cache
def measured(stretch: int = 1024) -> Measure:
    ready = prepared()
    measure = Measure(LAWS, EVENTS, ready, watch=("loss_derivative",))
    measure.train(ready.dynamics, STEPS, stretch=stretch)
    return measure


def test_extremes_are_those_of_the_trajectory() -> None:
    losses, derivatives = (trajectory().arrays[name] for name in ("loss", "loss_derivative"))
    side = measured().sides["loss", 0]
    assert (side.largest.ratio, side.largest.step) == (losses.max(), int(losses.argmax()))
    assert (side.smallest.ratio, side.smallest.step) == (losses.min(), int(losses.argmin()))
    side = measured().sides["derivative", 0]
    assert side.largest.ratio == derivatives.max()
    assert side.smallest.ratio == derivatives.min()
    assert side.smallest.step == int(derivatives.min(axis=1).argmin())
    np.testing.assert_array_equal(side.ratios, derivatives[-1])


def test_a_stage_ends_at_its_event() -> None:
    derivatives = trajectory().arrays["loss_derivative"]
    end = measured().events["T1"]
    assert end is not None
    assert 0 < end < STEPS
    side = measured().sides["derivative-in-stage-one", 0]
    assert side.step == end
    assert side.largest.ratio == derivatives[: end + 1].max()
    assert side.smallest.ratio == derivatives[: end + 1].min() > derivatives.min()
    np.testing.assert_array_equal(measured().seen["T1"]["loss_derivative"], derivatives[end])


def test_only_where_the_hypotheses_hold() -> None:
    losses = trajectory().arrays["loss"]
    side = measured().sides["loss-early", 0]
    assert side.step == 20
    assert side.smallest.ratio == losses[:21].min() > losses.min()


@pytest.mark.parametrize("stretch", [1, 17, 300])
def test_the_length_of_stretches_does_not_matter(stretch: int) -> None:
    assert measured(stretch).events == measured().events
    for key, side in measured(stretch).sides.items():
        assert (side.smallest, side.largest) == (measured().sides[key].smallest, measured().sides[key].largest)


def test_training_stops_where_it_is_told() -> None:
    losses = trajectory().arrays["loss"]
    target = float(losses[200])
    ready = prepared()
    measure = measure_until(LAWS, EVENTS, ready, None, STEPS, loss_target=target)
    assert ready.dynamics.step == int(np.argmax(losses <= target))
    assert measure.sides["loss", 0].smallest.ratio <= target
    assert not Measure(LAWS, EVENTS, prepared()).train(prepared().dynamics, 10, loss_target=target)
    ready = prepared()
    measure = measure_until(LAWS, EVENTS, ready, "T1", STEPS)
    assert measure.reached("T1")
    assert measure.events["T1"] == measured().events["T1"]


def test_statements_are_compiled_once() -> None:
    first, second = (Measure(LAWS, EVENTS, prepared()) for _ in range(2))
    assert first._session.checker is second._session.checker
