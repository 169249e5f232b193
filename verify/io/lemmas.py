"""A user's own lemmas, from a file that runs with the user's rights."""

import importlib.util
import sys
import traceback
from pathlib import Path

from proofs.language import Lemma, StatementError, collect
from verify.errors import RequestError

MODULE = "lemmas_of_the_user"


def load_lemmas(path: Path) -> list[Lemma]:
    """Run a file and collect the lemmas that it defines.

    Raises:
        RequestError: with file and line, if it cannot be read, fails, or states something that is refused.
    """
    if not path.is_file():
        raise RequestError(f"--lemmas: {path} is no file")
    spec = importlib.util.spec_from_file_location(MODULE, path.resolve())
    if spec is None or spec.loader is None:
        raise RequestError(f"--lemmas: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
        found = [statement for statement in collect(module).values() if isinstance(statement, Lemma)]
    except StatementError as error:
        raise RequestError(f"--lemmas: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file that ends the process would end it with its own exit status
        line = _line_of(error, path)
        raise RequestError(f"--lemmas: {path}:{line}: {type(error).__name__}: {error}") from None
    if not found:
        raise RequestError(f"--lemmas: {path} defines no lemma")
    return found


def _line_of(error: BaseException, path: Path) -> int:
    """The line of the user's file at which the error came up."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    here = str(path.resolve())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == here]
    return (lines[-1] or 0) if lines else 0
