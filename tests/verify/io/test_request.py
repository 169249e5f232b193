"""Command line, configuration file, preset and defaults brought together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verify.errors import RequestError
from verify.io.request import Request, make_request
from verify.io.results import toml_text


def config(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def asked(**words: Any) -> Request:
    return make_request("benign-vit", **words)


def repeated(request: Request, folder: Path) -> Request:
    return asked(config=config(folder / "problem.toml", toml_text(request.config("reduced"))))


def test_defaults() -> None:
    request = asked()
    assert (request.engine, request.steps, request.seed, request.record_every) == ("auto", None, 0, None)
    assert request.problem.SNR == 14.0
    assert request.instance is None


def test_settings_override_the_file_which_overrides_the_preset(tmp_path: Path) -> None:
    written = config(tmp_path / "c.toml", 'preset = "harmful"\nseed = 3\nsteps = 7\n[problem]\nN = 5\nM = 3\n')
    request = asked(config=written, settings={"M": "6"}, seed=9)
    problem = request.problem
    assert (problem.SNR, problem.N, problem.M) == (0.5, 5, 6)
    assert (request.seed, request.steps) == (9, 7)
    assert asked(config=written, preset="benign").problem.SNR == 14.0


def test_a_step_size_replaces_the_r_of_an_earlier_layer_and_the_other_way_round(tmp_path: Path) -> None:
    assert asked(preset="harmful", settings={"step_size": 0.25}).problem.r is None
    assert asked(preset="harmful", settings={"step_size": 0.25}).problem.step_size == 0.25
    written = config(tmp_path / "c.toml", "[problem]\nstep_size = 0.5\n")
    assert asked(config=written).problem.step_size == 0.5
    assert asked(config=written, settings={"r": 2}).problem.r == 2.0
    with pytest.raises(RequestError, match="exclude each other"):
        asked(settings={"r": 2, "step_size": 0.5})


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"preset": "harmful", "seed": 2**128 - 1, "steps": 0},
        {"preset": "small", "record_every": 7, "settings": {"N": 3, "SNR": 1 / 3, "balanced": False}},
        {"settings": {"step_size": 1e-5, "sigma_p": 0.1, "sigma_h": 1e-300, "test_law": "joint"}},
    ],
)
def test_the_file_of_a_request_makes_the_same_request(words: dict[str, Any], tmp_path: Path) -> None:
    request = asked(**words)
    again = repeated(request, tmp_path)
    assert again.problem == request.problem
    assert (again.seed, again.steps, again.record_every) == (
        request.seed,
        request.steps,
        request.record_every,
    )
    assert again.engine == "reduced"


def test_the_file_of_a_request_on_arrays_names_them_by_their_hash(reference_file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.npz"
    mine.write_bytes(reference_file.read_bytes())
    request = asked(instance=mine, settings={"sigma_p": 0.1, "C_p": 2.0}, steps=3)
    again = repeated(request, tmp_path)
    assert again.problem == request.problem
    assert again.instance == mine
    mine.write_bytes(mine.read_bytes() + b" ")
    with pytest.raises(RequestError, match="SHA-256 differs"):
        asked(config=tmp_path / "problem.toml")
    mine.unlink()
    with pytest.raises(RequestError, match=r"^--config: instance .* cannot be read"):
        asked(config=tmp_path / "problem.toml")


def test_an_instance_of_a_config_is_found_beside_it(reference_file: Path, tmp_path: Path) -> None:
    (tmp_path / "arrays.npz").write_bytes(reference_file.read_bytes())
    request = asked(config=config(tmp_path / "c.toml", 'instance = "arrays.npz"\n'))
    assert request.instance == tmp_path / "arrays.npz"


def test_names_of_files_may_be_text(reference_file: Path, tmp_path: Path) -> None:
    assert asked(instance=str(reference_file)).instance == reference_file
    assert asked(config=str(config(tmp_path / "c.toml", "seed = 4\n"))).seed == 4


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    request = asked(steps=np.int64(5), seed=np.uint8(3))
    assert (request.steps, request.seed) == (5, 3)
    assert type(request.steps) is int


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            {"preset": "none"},
            "--preset: 'none' is not allowed (benign or harmful or benign-asymptotic or small)",
        ),
        ({"engine": "fast"}, "--engine: 'fast' is not allowed (auto or reduced or weights)"),
        ({"steps": -1}, "--steps: -1 is not allowed (an integer from 0 to 1000000000000)"),
        ({"steps": 1.0}, "--steps: 1.0 is not allowed (an integer from 0 to 1000000000000)"),
        ({"seed": -1}, f"--seed: -1 is not allowed (an integer from 0 to {2**128 - 1})"),
        ({"seed": 2**128}, f"--seed: {2**128} is not allowed (an integer from 0 to {2**128 - 1})"),
        ({"record_every": 0}, "--record-every: 0 is not allowed (an integer from 1 to 1000000000000)"),
        ({"record_every": True}, "--record-every: True is not allowed (an integer from 1 to 1000000000000)"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(words: dict[str, Any], line: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(**words)
    assert str(refused.value) == line


def test_an_unknown_system_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RequestError, match=r"^SYSTEM: 'vit' is not allowed \(.*benign-vit"):
        make_request("vit")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("steps = 1.5", "--steps"),
        ('seed = "3"', "--seed"),
        ("record_every = false", "--record-every"),
        ("engine = 3", "--engine"),
        ("engine = []", "--engine"),
        ("preset = [1]", "--preset"),
        ("preset = {}", "--preset"),
        ('system = "token-selection"', "--config"),
        ("system = [1]", "--config"),
        ("instance = 3", "--config: instance"),
        ("[problem]\nN = true", "N"),
        ("[problem]\nN = [3]", "N"),
        ("[problem]\nN = {}", "N"),
        ("[problem]\nN = 1979-05-27", "N"),
        ("[problem]\nSNR = nan", "SNR"),
        ("[problem]\nSNR = false", "SNR"),
        ("[problem]\nbalanced = 3", "balanced"),
        ("[problem]\nwidth = 3", "width"),
        ("[problem]\nr = 1\nstep_size = 1", "r and step_size exclude each other"),
    ],
)
def test_wrong_types_in_a_config_are_refused_by_name(content: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as refused:
        asked(config=config(tmp_path / "c.toml", content + "\n"))
    assert str(refused.value).startswith(f"{named}:")


@pytest.mark.parametrize("field", ["N", "SNR", "r", "sigma_h"])
def test_what_arrays_fix_cannot_be_set_beside_them(field: str, reference_file: Path) -> None:
    with pytest.raises(RequestError, match=rf"^{field}: the arrays of .* fix it \(beside an instance: .*sigma_p"):
        asked(instance=reference_file, settings={field: 1})


def test_no_preset_beside_arrays(reference_file: Path) -> None:
    with pytest.raises(RequestError, match=r"^--preset: 'small' is not allowed \(none beside an instance"):
        asked(instance=reference_file, preset="small")
