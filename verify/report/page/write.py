"""The page as one file: templates filled in, style and script inside, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from verify.report.page import charts, graph
from verify.report.page.scales import number

PACKAGE = "verify.report.page"


def page_text(template: str, **content: Any) -> str:
    """A template filled in; whatever is not markup already is escaped, and no script but the page's own can run."""
    script = _asset("page.js")
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(style=_asset("page.css"), script=script, script_digest=f"sha256-{digest}", **content)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.globals["drawing"] = charts.drawing
    environment.globals["labels"] = charts.labels
    environment.globals["event_labels"] = charts.event_labels
    environment.globals["readout"] = charts.readout
    environment.globals["described"] = charts.described
    environment.globals |= {"light": charts.LIGHT, "dark": charts.DARK}
    environment.globals |= {"box_width": graph.BOX_WIDTH, "box_height": graph.BOX_HEIGHT}
    environment.filters["json_script"] = json_for_script
    return environment


def _asset(name: str) -> Markup:
    return Markup((files(PACKAGE) / "templates" / name).read_text(encoding="utf-8"))


def edges_json(edges: Iterable[tuple[str, str]]) -> str:
    """The edges of a graph for the script of the page."""
    return json.dumps([list(edge) for edge in edges])


def json_for_script(text: str) -> Markup:
    """JSON that can stand in a `script` element: nothing in it can end the element or begin a comment.

    Examples:
        >>> json_for_script('["</script><!--"]')
        Markup('["\\\\u003c/script\\\\u003e\\\\u003c!--"]')
    """
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
