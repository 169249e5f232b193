"""A lemma with some of its hypotheses dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from proofs.language import ALWAYS, Lemma, plain
from verify.errors import RequestError

ALL, STAGE = "all", "stage"


def droppable(lemma: Lemma) -> dict[str, str]:
    """What can be dropped of a lemma: its hypotheses by their numbers, and its stage, each with its text.

    Examples:
        >>> from proofs.benign_vit.stage_one import stage_one_values
        >>> droppable(stage_one_values)["stage"]
        'only in stage one'
    """
    numbered = {str(number): plain(given) for number, given in enumerate(lemma.given, start=1)}
    return numbered if lemma.stage is ALWAYS else {**numbered, STAGE: f"only in {lemma.stage.name}"}


def chosen(lemma: Lemma, words: Sequence[str]) -> tuple[str, ...]:
    """The names that `--without` gives, commas and `all` taken apart.

    Raises:
        RequestError: if the lemma has no such hypothesis.
    """
    there = droppable(lemma)
    names = [name for word in words for name in word.split(",")]
    if names == [ALL] and there:
        return tuple(there)
    for name in names:
        if name not in there:
            allowed = ", ".join(f"{each} ({text})" for each, text in there.items()) or "it has no hypotheses"
            raise RequestError.of("--without", name, f"{ALL}, {allowed}" if there else allowed)
    return tuple(each for each in there if each in names)


def weakened(lemma: Lemma, dropped: Sequence[str]) -> Lemma:
    """The lemma without the named hypotheses, under a name that says so.

    Examples:
        >>> from proofs.benign_vit.stage_one import stage_one_values
        >>> len(weakened(stage_one_values, ["1"]).given), len(weakened(stage_one_values, []).given)
        (0, 1)
    """
    if not dropped:
        return lemma
    kept = [given for number, given in enumerate(lemma.given, start=1) if str(number) not in dropped]
    stage = ALWAYS if STAGE in dropped else lemma.stage
    weaker = replace(lemma, claim=None, claims=lemma.claims, given=kept, stage=stage)
    weaker.name = weakened_name(lemma, dropped)
    return weaker


def weakened_name(lemma: Lemma, dropped: Sequence[str]) -> str:
    """What the weakened lemma is called."""
    return "-".join([lemma.name, "without", *dropped])


def source_of(system: str, lemma: Lemma, dropped: Sequence[str]) -> str:
    """A file for `--lemmas` that holds the weakened lemma."""
    kept = [number for number in range(len(lemma.given)) if str(number + 1) not in dropped]
    given = ", ".join(f"stated.given[{number}]" for number in kept)
    stage = "ALWAYS" if STAGE in dropped else "stated.stage"
    variable = weakened_name(lemma, dropped).replace("-", "_")
    imports = "ALWAYS, Lemma" if STAGE in dropped else "Lemma"
    return (
        f'"""{system}/{lemma.name} without {", ".join(dropped)}: written by verify falsify."""\n\n'
        f"from proofs.language import {imports}\n"
        "from verify.systems.base import find_system\n\n"
        f'stated = find_system("{system}").statements()["{lemma.name}"]\n'
        f"{variable} = Lemma(\n"
        "    words=stated.words,\n"
        "    claims=stated.claims,\n"
        f"    given=[{given}],\n"
        f"    stage={stage},\n"
        "    kind=stated.kind,\n"
        "    source=stated.source,\n"
        ")\n"
    )
