"""The verdict table of a saved run, for papers and for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

from verify.checking.verdicts import SEVERITY
from verify.errors import RequestError
from verify.io.saved import SavedRun, relative_margin
from verify.numbering import Numbering

COLUMNS = ("statement", "verdict", "evidence", "relative margin", "at step", "first violated", "steps")

CSV_COLUMNS = (
    *("statement", "kind", "verdict", "evidence", "worst_margin", "relative_margin", "lhs", "rhs", "at_step", "where"),
    *("first_violation", "checked_steps", "decided_by_balls", "provenance", "reason", "words"),
)

_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def table_text(run: SavedRun, numbering: Numbering, style: str) -> str:
    """The verdicts of a run as a table in one of the `STYLES`.

    All but csv leave out what one run cannot judge, and count it below; csv has every statement with all its numbers.

    Raises:
        RequestError: if there is no such style.
    """
    if style not in STYLES:
        raise RequestError.of("--format", style, " or ".join(STYLES))
    return STYLES[style](run, numbering)


def markdown(run: SavedRun, numbering: Numbering) -> str:
    """A table of GitHub's Markdown, and the counts of each verdict."""
    head, rows = _rows(run, numbering)
    escaped = [[_escaped_markdown(cell) for cell in row] for row in rows]
    rule = ["---" if name in ("statement", "in your paper", "verdict", "evidence") else "---:" for name in head]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *escaped)]
    return "\n".join([*lines, "", _escaped_markdown(_counts(run) + _of(numbering)), ""])


def latex(run: SavedRun, numbering: Numbering) -> str:
    """A `tabular` with the rules of the package booktabs, and the counts of each verdict as a last row."""
    head, rows = _rows(run, numbering)
    columns = "".join("l" if name in ("statement", "in your paper", "verdict", "evidence") else "r" for name in head)
    numbers = {place for place, name in enumerate(head) if name == "relative margin"}
    body = [
        " & ".join(_latex_number(cell) if at in numbers else _escaped_latex(cell) for at, cell in enumerate(row))
        + r" \\"
        for row in rows
    ]
    counts = _escaped_latex(_counts(run) + _of(numbering))
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            rf"\multicolumn{{{len(head)}}}{{l}}{{{counts}}} \\",
            r"\end{tabular}",
            "",
        ]
    )


def csv_text(run: SavedRun, numbering: Numbering) -> str:
    """Every statement with all its numbers, in full precision."""
    stream = io.StringIO()
    head = [*(["in_your_paper"] if numbering else []), *CSV_COLUMNS]
    writer = csv.DictWriter(stream, head, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for name, row in run.verdicts.items():
        where = " ".join(f"{index}={place}" for index, place in row["where"].items())
        named = {"statement": name, "in_your_paper": numbering.number(name)}
        writer.writerow({**row, **named, "relative_margin": relative_margin(row), "where": where})
    return stream.getvalue()


STYLES: Mapping[str, Callable[[SavedRun, Numbering], str]] = {"markdown": markdown, "latex": latex, "csv": csv_text}


def _rows(run: SavedRun, numbering: Numbering) -> tuple[list[str], list[list[str]]]:
    rows = []
    for name, row in run.judged.items():
        margin = relative_margin(row)
        rows.append(
            [
                name,
                *([numbering.number(name)] if numbering else []),
                row["verdict"],
                row["evidence"],
                "" if margin is None else f"{margin:.3g}",
                *("" if row[key] is None else f"{row[key]:,}" for key in ("at_step", "first_violation")),
                f"{row['checked_steps']:,}",
            ]
        )
    return [COLUMNS[0], *(["in your paper"] if numbering else []), *COLUMNS[1:]], rows


def _counts(run: SavedRun) -> str:
    found = [row["verdict"] for row in run.verdicts.values()]
    counts = ", ".join(f"{verdict.value}: {found.count(verdict.value)}" for verdict in SEVERITY)
    return f"{run.system}, seed {run.record['seed']}, {run.record['steps']:,} steps; {counts}"


def _of(numbering: Numbering) -> str:
    return f"; numbers of {numbering.paper}" if numbering.paper else ""


def _escaped_markdown(text: str) -> str:
    """Text in which Markdown and HTML find nothing of theirs.

    Examples:
        >>> _escaped_markdown("a|b <i>*")
        'a\\\\|b &lt;i&gt;\\\\*'
    """
    for letter, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, safe)
    return "".join(f"\\{letter}" if letter in "\\`*_[]|" else letter for letter in text)


def _escaped_latex(text: str) -> str:
    """Text in which LaTeX finds no command.

    Examples:
        >>> print(_escaped_latex("50% of a_b"))
        50\\% of a\\_b
    """
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _latex_number(text: str) -> str:
    """A number as LaTeX's mathematics.

    Examples:
        >>> print(_latex_number("-1.5e-07"), _latex_number("0.25"))
        $-1.5 \\times 10^{-7}$ $0.25$
    """
    digits, exponential, power = text.partition("e")
    if not text:
        return ""
    return rf"${digits} \times 10^{{{int(power)}}}$" if exponential else f"${digits}$"
