"""Fields of the problem: what follows from what, and what is refused."""

from typing import Any

import pytest

from verify.errors import RequestError
from verify.io.request import make_request
from verify.systems.token_selection.problem import PRESETS, Problem


def refused(**settings: Any) -> str:
    with pytest.raises(RequestError) as caught:
        make_request("token-selection", settings=settings)
    return str(caught.value)


def test_the_signal_follows_from_the_ratio() -> None:
    assert Problem(d=400, sigma=2.0, SNR=0.25).m == 10.0
    assert Problem(d=400, sigma=2.0, m=10.0).signal_to_noise == 0.25


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SNR": 1.0, "m": 2.0}, "SNR and m exclude each other"),
        ({"n": 5}, "n: 5 is not allowed"),
        ({"n": 0}, "n: 0 is not allowed"),
        ({"T": 1}, "T: 1 is not allowed"),
        ({"T": 4, "k_w": 2, "k_c": 2}, "T: 4 is not allowed (at least 1 + k_w + k_c = 5)"),
        ({"eta_f": 1.5}, "eta_f: 1.5 is not allowed"),
        ({"start": "xavier"}, "start: 'xavier' is not allowed"),
        ({"start": "uniform", "d": 10**9}, "d: 1000000000 is not allowed (at most 30000 with start uniform"),
        ({"start": "uniform", "drawn": "reduced"}, "drawn: 'reduced' is not allowed"),
        ({"step_size": 0.0}, "step_size: 0.0 is not allowed"),
        ({"mu": 3.0}, "mu"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    assert words in refused(**settings)


def test_every_preset_is_a_problem_and_says_what_it_shows() -> None:
    for preset in PRESETS.values():
        Problem.model_validate(preset.settings)
        assert preset.shows


@pytest.mark.parametrize("settings", [{"SNR": 0.5, "d": 100}, {"m": 5.0}])
def test_settings_of_a_request_make_the_same_problem_again(settings: dict[str, Any]) -> None:
    request = make_request("token-selection", settings=settings)
    again = make_request("token-selection", settings=request.settings())
    assert again.problem == request.problem
