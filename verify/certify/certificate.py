"""Certificates: what a run on enclosures proved, in a file that anybody can have verified again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from verify.certify.judge import ends
from verify.certify.run import CertifiedRun, certify
from verify.checking.verdicts import LemmaVerdict
from verify.errors import RequestError
from verify.io.files import bounded_text
from verify.io.request import Request, make_request
from verify.versions import versions

FORMAT = 1
CERTIFICATE = "certificate.json"
FURTHER_BITS = 64
"""A certificate is verified at so many bits more than it was made with."""

LARGEST = 2**28


def certificate(run: CertifiedRun) -> dict[str, Any]:
    """What a run proved: the instance, how it was trained, and for each statement its verdict and enclosures."""
    request = run.request
    content: dict[str, Any] = {
        "format": FORMAT,
        "config": request.config(run.prepared.engine),
        "lemmas": None if request.lemmas is None else str(request.lemmas.resolve()),
        "instance_sha256": run.instance_hash,
        "step_size": float(run.prepared.instance.step_size).hex(),
        "steps": run.steps,
        "ending": run.ending.value,
        "precision": run.bits,
        "versions": versions(),
        "stages": dict(run.stages),
        "final_loss": list(ends(run.loss)),
        "statements": [_statement(verdict) for verdict in run.judged],
    }
    return {**content, "sha256": _digest(content)}


def _statement(verdict: LemmaVerdict) -> dict[str, Any]:
    record = verdict.record()
    kept = ("claim", "verdict", "checked_steps", "first_violation", "at_step", "where", "enclosures")
    return {
        "lemma": record["lemma"],
        "verdict": record["verdict"],
        "evidence": record["evidence"],
        "claims": [{name: claim[name] for name in kept} for claim in record["claims"]],
    }


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read_certificate(path: Path) -> dict[str, Any]:
    """The contents of a certificate.

    Raises:
        RequestError: if the file is none, is truncated, or was changed.
    """
    try:
        content = json.loads(bounded_text("--check", path, LARGEST))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--check: {path} is not a whole certificate ({error})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RequestError(f"--check: {path} is no certificate of format {FORMAT}")
    digest = content.pop("sha256", None)
    if digest != _digest(content):
        raise RequestError(f"--check: {path} was changed (its SHA-256 differs)")
    return content


def check_certificate(
    path: Path,
    instance: Path | None = None,
    precision: int | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    show_progress: bool = False,
) -> CertifiedRun:
    """Verify a certificate again from its instance, at another precision.

    `instance` is a file to take the instance from in place of the one that the certificate names.

    Raises:
        RequestError: if the certificate cannot be read, is for another instance, or claims what is not so.
    """
    claimed = read_certificate(path)
    request = _request(path, claimed, instance)
    bits = claimed["precision"] + FURTHER_BITS if precision is None else precision
    if bits == claimed["precision"]:
        raise RequestError.of("--precision", bits, "another precision than the certificate's")

    def refuse_another(found: str) -> None:
        if found != claimed["instance_sha256"]:
            raise RequestError(f"--check: {path} is for another instance (its SHA-256 differs)")

    found = certify(request, bits, interrupted=interrupted, show_progress=show_progress, on_instance=refuse_another)
    for difference in differences(claimed, certificate(found)):
        raise RequestError(f"--check: {path} does not hold: {difference}")
    return found


def _request(path: Path, claimed: Mapping[str, Any], instance: Path | None) -> Request:
    config = claimed["config"]
    lemmas = claimed["lemmas"]
    given = config.get("instance") if instance is None else instance
    try:
        return make_request(
            config["system"],
            settings=config["problem"],
            instance=given,
            engine=config["engine"],
            steps=config.get("steps"),
            seed=config["seed"],
            lemmas=None if lemmas is None else Path(lemmas),
        )
    except (KeyError, TypeError) as error:
        raise RequestError(f"--check: {path} describes no run ({error})") from None


def differences(claimed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """What a certificate claims otherwise than was found at another precision."""
    for name in ("step_size", "steps", "ending", "stages"):
        if claimed[name] != found[name]:
            yield f"{name} is {found[name]}, not {claimed[name]}"
    if not _overlap(claimed["final_loss"], found["final_loss"]):
        yield f"the final loss is in {found['final_loss']}, not in {claimed['final_loss']}"
    if [each["lemma"] for each in claimed["statements"]] != [each["lemma"] for each in found["statements"]]:
        yield "it is about other statements"
        return
    for mine, theirs in zip(claimed["statements"], found["statements"], strict=True):
        name = mine["lemma"]
        weaker = mine["evidence"] == "certified" != theirs["evidence"]
        if mine["verdict"] != theirs["verdict"] or weaker:
            yield f"{name}: {theirs['verdict']} ({theirs['evidence']}), not {mine['verdict']} ({mine['evidence']})"
        if len(mine["claims"]) != len(theirs["claims"]):
            yield f"{name} has {len(theirs['claims'])} claims, not {len(mine['claims'])}"
            continue
        for one, other in zip(mine["claims"], theirs["claims"], strict=True):
            yield from (f"{name}: {difference}" for difference in _claim_differences(one, other))


def _claim_differences(claimed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("claim", "verdict", "checked_steps", "first_violation"):
        if claimed[name] != found[name]:
            yield f"{name} is {found[name]}, not {claimed[name]}"
    mine, theirs = claimed["enclosures"], found["enclosures"]
    if set(mine) != set(theirs):
        yield "it encloses other numbers"
        return
    tie = not mine or mine["relative_margin"][0] <= 0.0  # several places may share it
    same_place = (claimed["at_step"], claimed["where"]) == (found["at_step"], found["where"])
    if not same_place and not tie:
        yield f"the smallest relative margin is at step {found['at_step']}, not {claimed['at_step']}"
    for name in mine if same_place else ("relative_margin",) if mine else ():
        if not _overlap(mine[name], theirs[name]):
            yield f"{name} is in {theirs[name]}, not in {mine[name]}"


def _overlap(one: Any, other: Any) -> bool:
    return bool(one[0] <= other[1] and other[0] <= one[1])
