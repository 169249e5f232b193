"""The folder of a certified run: its checkpoint while it lasts, its certificate and verdicts when it is done."""

from collections.abc import Callable, Mapping
from pathlib import Path

from verify.certify.certificate import CERTIFICATE, certificate
from verify.certify.run import CHECKPOINT, CertifiedRun, certify
from verify.io.folder import Writer, check_folder, write_folder
from verify.io.request import Request
from verify.io.results import json_text, toml_text


def certify_into(
    folder: Path | None,
    request: Request,
    precision: int | None = None,
    force: bool = False,
    interrupted: Callable[[], bool] = lambda: False,
    show_progress: bool = False,
) -> CertifiedRun:
    """Certify a run and write its files into a folder, if one is named: the files whole or not at all.

    A run that was interrupted there goes on, unless `force`.

    Raises:
        RequestError: if the folder holds another run or cannot be written, or the request cannot be carried out.
        verify.certify.run.Interrupted: when `interrupted` says so.
    """
    if folder is None:
        return certify(request, precision, None, interrupted, show_progress)
    check_folder(folder, force)
    checkpoint = folder / CHECKPOINT
    if force:
        checkpoint.unlink(missing_ok=True)
    finished = certify(request, precision, checkpoint, interrupted, show_progress)
    write_folder(folder, _files(finished))
    return finished


def _files(finished: CertifiedRun) -> Mapping[str, Writer]:
    texts = {
        "problem.toml": toml_text(finished.request.config(finished.prepared.engine)),
        "verdicts.json": json_text(finished.record()),
    }
    if not finished.given_up:
        texts[CERTIFICATE] = json_text(certificate(finished))
    return {name: _writer(text) for name, text in texts.items()}


def _writer(text: str) -> Writer:
    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write
