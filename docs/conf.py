"""The documentation site: `make docs` builds it from docs/, the docstrings and the statements themselves."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "verify"
author = "the authors of verify"
release = importlib.metadata.version("verify")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "reference"]
nb_execution_mode = "off"
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = "verify"
html_static_path: list[str] = []

myst_enable_extensions: list[str] = []  # formulas are MathML: a page needs no network
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
