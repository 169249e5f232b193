"""The generated reference has every statement, field, study and command; the site builds without a warning."""

import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from verify.systems.base import find_system, system_names

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", system_names())
def test_a_system_is_told_in_full(name: str, reference: ModuleType) -> None:
    system, page = find_system(name), reference.page(find_system(name))
    for statement in system.statements().values():
        assert f"\n### {statement.name}\n" in page
    assert page.count("<math>") >= sum(len(lemma.claims) for lemma in system.lemmas())
    for field in system.problem.model_fields:
        assert f"| `{field}` |" in page
    for preset in system.presets:
        assert f"- `{preset}`" in page
    for study in system.studies():
        assert f"- `{study.name}`: " in page


def test_every_command_is_told(reference: ModuleType) -> None:
    page = reference.command_page()
    for command in ("list", "run", "show", "study", "table", "figure", "compare"):
        assert f"## verify {command}\n" in page
    assert "--numbering F.toml" in page


def test_words_are_no_markup(reference: ModuleType) -> None:
    assert reference._safe("<b>*x*</b> a_b $y$") == r"\<b\>\*x\*\</b\> a\_b \$y\$"


def test_every_page_is_in_the_contents() -> None:
    contents = (DOCS / "index.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or f"\n{page.stem}\n" in contents
    for notebook in (DOCS / "notebooks").glob("*.ipynb"):
        assert f"\nnotebooks/{notebook.stem}\n" in contents


@pytest.mark.slow
@pytest.mark.skipif(find_spec("sphinx") is None or find_spec("myst_nb") is None, reason="pip install -e '.[docs]'")
def test_the_site_builds_without_a_warning_and_asks_no_network(tmp_path: Path) -> None:
    words = ("-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path / "site")
    built = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text
        assert 'rel="stylesheet" type="text/css" href="http' not in text
