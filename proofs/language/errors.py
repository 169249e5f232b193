"""What is said to an author whose statement is refused, and where in the author's file it stands."""

import re
import sys
from pathlib import Path

import sympy

_NOT_THE_AUTHOR = (str(Path(__file__).parent), str(Path(sympy.__file__).parent), "<string>")
_NAME = re.compile(r"[A-Za-z]\w*\Z", re.ASCII)


class StatementError(ValueError):
    """A statement cannot be accepted; the message is one line: file:line, what, why."""


def place() -> str:
    """The file:line of the innermost caller outside the language, sympy and generated code."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_AUTHOR):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def refusal(what: str, why: str, where: str | None = None) -> StatementError:
    """The error to raise: what is refused and why, at `where` or at the author's line."""
    return StatementError(f"{where or place()}: {what}: {why}")


def checked_name(name: str, what: str) -> str:
    """The name itself, if printers can show it and generated code can use it."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise refusal(f"{what} {name!r}", "a name is a letter followed by letters, digits or underscores")
    return name
