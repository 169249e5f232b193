"""Saved runs of the two example lemmas, on two small problems."""

from pathlib import Path
from typing import NamedTuple

import pytest

import verify
from verify.systems.benign_vit import BenignVit

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
TRUE, FALSE = EXAMPLES / "attention_by_scores.py", EXAMPLES / "attention_by_scores_too_sharp.py"

NUMBERING = """paper = "a paper, v2"

[lemmas]
"Lemma <1> & 2" = "attention-by-scores-too-sharp"
"""


class Saved(NamedTuple):
    """`holding` runs the true lemma, `violating` and `longer` both; `longer` has another seed and more steps."""

    holding: Path
    violating: Path
    longer: Path


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("runs")
    both = folder / "both.py"
    both.write_text(TRUE.read_text() + FALSE.read_text())
    (folder / "numbering.toml").write_text(NUMBERING)
    settings = {"N": 4, "M": 3, "d": 1e6, "d_h": 1e6, "test_samples": 10}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BenignVit, "lemmas", lambda self: [])

        def keep(name: str, lemmas: Path, seed: int, steps: int, **more: Path) -> Path:
            run = verify.run("benign-vit", settings=settings, lemmas=lemmas, seed=seed, steps=steps, **more)
            return run.save(folder / name)

        return Saved(
            keep("holding", TRUE, 3, 60),
            keep("violating", both, 3, 60, numbering=folder / "numbering.toml"),
            keep("longer", both, 4, 200),
        )
