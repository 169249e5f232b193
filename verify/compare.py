"""Two saved runs side by side: what changed in problem, stages, verdicts and margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verify.checking.verdicts import Verdict
from verify.errors import RequestError
from verify.io.saved import SavedRun, relative_margin

Change = tuple[Any, Any]
"""What something is in the first run and in the second; `None` where a run does not have it."""


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs of one system, by name: the value in the first and in the second.

    `made` are seed, engine, number of steps and ending; `verdicts` and `margins` (the smallest relative ones) are by
    the names of the statements. `newly_violated` are the statements that the second run violates and the first does
    not, among them those that only the second was asked about.
    """

    system: str
    problem: Mapping[str, Change]
    made: Mapping[str, Change]
    versions: Mapping[str, Change]
    stages: Mapping[str, Change]
    verdicts: Mapping[str, Change]
    margins: Mapping[str, Change]
    newly_violated: Sequence[str]

    @property
    def exit_status(self) -> int:
        """1 if the second run violates what the first does not, else 0."""
        return int(bool(self.newly_violated))

    def record(self) -> dict[str, Any]:
        """The comparison as `--json` prints it: pairs of the first run's value and the second's."""
        changes = ("problem", "made", "versions", "stages", "verdicts", "margins")
        return {
            "system": self.system,
            **{name: {key: list(pair) for key, pair in getattr(self, name).items()} for name in changes},
            "newly_violated": list(self.newly_violated),
        }


def compare(first: SavedRun, second: SavedRun) -> Comparison:
    """What changed from the first run to the second.

    Raises:
        RequestError: if they are runs of two systems.
    """
    if first.system != second.system:
        raise RequestError(f"DIR: {first.folder} is a run of {first.system}, {second.folder} one of {second.system}")
    before, after = first.record, second.record
    made = [{key: record[key] for key in ("seed", "engine", "steps", "ending")} for record in (before, after)]
    verdicts = [{name: row["verdict"] for name, row in run.verdicts.items()} for run in (first, second)]
    margins = [{name: relative_margin(row) for name, row in run.verdicts.items()} for run in (first, second)]
    violated = [
        name
        for name, verdict in verdicts[1].items()
        if verdict == Verdict.VIOLATED.value and verdicts[0].get(name) != verdict
    ]
    return Comparison(
        system=first.system,
        problem=changes(before["problem"], after["problem"]),
        made=changes(*made),
        versions=changes(before["versions"], after["versions"]),
        stages=changes(before["stages"], after["stages"]),
        verdicts=changes(*verdicts),
        margins=changes(*margins),
        newly_violated=violated,
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """The entries that differ.

    Examples:
        >>> changes({"N": 4, "SNR": 1.0}, {"N": 8, "SNR": 1.0, "r": 2.0})
        {'N': (4, 8), 'r': (None, 2.0)}
    """
    pairs = {name: (before.get(name), after.get(name)) for name in (*before, *after)}
    return {name: (one, other) for name, (one, other) in pairs.items() if one != other}
