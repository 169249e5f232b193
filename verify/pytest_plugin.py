"""What pytest has of verify: the marker `verify`, the fixture `verified` and the option `--verify-strict`.

A test reads::

    @pytest.mark.verify("benign-vit", settings={"N": 4}, steps=200)
    def test_loss_derivatives(verified):
        verified.assert_holds("loss-derivative-near-half")

Every pytest run loads this module, so all that takes time is imported when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verify.asserting import Verified

MARKER = "verify"
USAGE = f"@pytest.mark.{MARKER}(SYSTEM, **what verify.run takes), or @pytest.mark.{MARKER}(folder=DIR)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--verify-strict`."""
    parser.getgroup("verify", "runs of verify").addoption(
        "--verify-strict",
        action="store_true",
        help="End a run at its first violation, keep a replay file, and fail every test that looks at the run.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", f"{MARKER}(system, **asked): the run that the fixture `verified` gives: {USAGE}")


@pytest.fixture(scope="session")
def verified_runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Verified]:
    """Carry out or load runs, each once a session: `verified_runs(SYSTEM, **asked)`, `verified_runs(folder=DIR)`."""
    from verify.errors import RequestError

    done: dict[str, Verified] = {}
    strict = bool(request.config.getoption("--verify-strict"))

    def get(system: str | None = None, folder: Path | str | None = None, **asked: Any) -> Verified:
        from verify.asserting import verified_folder, verified_run

        if (system is None) == (folder is None) or (folder is not None and asked):
            pytest.fail(f"either a system or a folder: {USAGE}", pytrace=False)
        key = repr((system, folder and Path(folder).resolve(), sorted(asked.items())))
        if key not in done:
            try:
                if folder is not None:
                    done[key] = verified_folder(Path(folder))
                else:
                    kept = tmp_path_factory.mktemp("verify", numbered=True)
                    done[key] = verified_run(str(system), asked, strict, kept)
            except RequestError as error:
                pytest.fail(str(error), pytrace=False)
        return done[key]

    return get


@pytest.fixture
def verified(request: pytest.FixtureRequest, verified_runs: Callable[..., Verified]) -> Verified:
    """The run that the nearest marker `verify` names."""
    marker = request.node.get_closest_marker(MARKER)
    if marker is None:
        pytest.fail(f"the fixture needs its marker: {USAGE}", pytrace=False)
    return verified_runs(*marker.args, **marker.kwargs)
