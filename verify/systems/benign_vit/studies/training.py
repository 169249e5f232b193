"""What the cells of studies share: training to the end, with test quantities there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verify.engines.drive import STRETCH_STEPS
from verify.systems.benign_vit.problem import Problem
from verify.systems.benign_vit.system import BenignVit

SYSTEM = BenignVit()


@dataclass(frozen=True)
class Trained:
    """The end of a training run: its last step, the training loss there, and the test quantities."""

    steps: int
    loss: float
    test: Mapping[str, float]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {"steps": self.steps, "loss": self.loss, **self.test}


def train(problem: Problem, seed: int) -> Trained:
    """Train to the loss target, or for `max_steps` steps, without judging.

    Examples:
        >>> end = train(Problem(N=4, d=10**6, d_h=10**6, step_size=0.002, loss_target=0.1), seed=0)
        >>> end.loss <= 0.1, end.test["test_loss"] < 0.2
        (True, True)
    """
    dynamics = SYSTEM.prepare(problem, seed, "reduced").dynamics
    while True:
        steps = min(STRETCH_STEPS, problem.max_steps - dynamics.step)
        stretch = dynamics.advance(steps, problem.loss_target, [])
        loss = float(stretch.arrays["loss"][stretch.steps])
        if not loss > problem.loss_target or dynamics.step >= problem.max_steps:
            break
    outputs = dynamics.test_outputs(dynamics.advance(0, -1.0, [dynamics.step]).kept[dynamics.step])
    test = {} if outputs is None else SYSTEM.test_quantities(*outputs)
    return Trained(dynamics.step, loss, test)
