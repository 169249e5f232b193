"""Events of `token-selection` on runs made by hand."""

from typing import Any

import numpy as np
import pytest

from proofs.token_selection.stages import EVENTS, T_select
from verify.checking.compile import compile_lemmas

CLEAN, NOISY = 0.0, 1.0


def events(attention: Any, fit: Any, noisy: Any) -> dict[str, int | None]:
    """The events of a run with this attention (step, sample, token) and these outputs in the labels' direction."""
    states = {"attention": np.asarray(attention, dtype=float), "output": np.asarray(fit, dtype=float)}
    constants = {"is_noisy": np.asarray(noisy), "label": np.ones(len(noisy))}
    by_outputs = [event for event in EVENTS if event is not T_select]
    return dict(compile_lemmas([], states, events=by_outputs).start(constants).evaluate(states, 0).events)


def turning(shares: list[float], token: int = 0) -> np.ndarray:
    """Attention of one sample of three tokens that gives these shares to one of them."""
    attention = np.repeat((1 - np.array(shares)[:, None]) / 2, 3, axis=1)
    attention[:, token] = shares
    return attention


def test_every_event_is_where_it_is_said() -> None:
    clean, noisy = turning([1 / 3, 0.4, 0.49, 0.6, 0.9, 0.95]), turning([1 / 3, 0.3, 0.3, 0.45, 0.49, 0.6], token=2)
    found = events(
        np.stack([clean, noisy], axis=1), np.transpose([[0, 1, 1, 1, 1, 1], [-1, -1, -1, 0.0, 1, 1]]), [CLEAN, NOISY]
    )
    # 3 * 0.6 - 1 > 1/2 at step 3, so step 2 is the last within; 3 * 0.49 - 1 = 0.47 is beyond 1/4, 3 * 0.4 - 1 is not
    assert found == {"tau_quarter": 2, "tau_1": 2, "tau_2": 3, "tau_3": 4, "tau_G": 5, "T_fit": 4}


@pytest.mark.parametrize(("kind", "absent"), [(CLEAN, {"tau_3", "tau_G"}), (NOISY, {"tau_2"})])
def test_what_no_sample_can_do_does_not_happen(kind: float, absent: set[str]) -> None:
    found = events(turning([1 / 3, 0.6, 0.9])[:, None], [[0.0], [1.0], [1.0]], [kind])
    assert {name for name, step in found.items() if step is None} == absent


def test_samples_settle_after_they_are_fitted() -> None:
    settled_early = turning([0.9, 0.9, 0.9, 0.9])
    found = events(settled_early[:, None], [[-1.0], [-1.0], [1.0], [1.0]], [NOISY])
    assert (found["tau_3"], found["tau_G"]) == (2, 2)
