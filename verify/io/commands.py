"""The commands that repeat what was done, ready to be pasted."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_command(system: str, asked: Mapping[str, Any]) -> str:
    """The `verify run` with the keyword arguments of `verify.run`.

    Examples:
        >>> run_command("benign-vit", {"preset": "small", "settings": {"N": 4, "d": 1e6}, "steps": 20, "strict": True})
        'verify run benign-vit --preset small --steps 20 --strict --set N=4 d=1000000.0'
    """
    words = ["verify", "run", system]
    for name, value in asked.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif name != "settings" and value is not None and value is not False:
            words += [option, str(value)]
    settings = [f"{name}={value}" for name, value in (asked.get("settings") or {}).items()]
    return shlex.join([*words, *(["--set", *settings] if settings else [])])


def replay_command(system: str, replay: Path, replay_step: int, lemmas: Path | None) -> str:
    """The command that violates a statement again at step `replay_step` of the instance that a strict run kept."""
    asked = {"instance": replay, "lemmas": lemmas, "steps": replay_step + 1, "strict": True}
    return run_command(system, asked)
