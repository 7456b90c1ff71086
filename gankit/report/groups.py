"""Runs of one recipe as a group, and what to call it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gankit.core.errors import dotted
from gankit.report.differences import FREE, differing, in_words, tails
from gankit.report.measured import Measured

OF_A_GROUP = FREE | {("data", "seed")}
"""In what the recipes of a group may differ."""


@dataclass(frozen=True)
class Group:
    """Runs of one recipe, which differ in their seeds, by these. label: short, and no other group's."""

    label: str
    runs: Sequence[Measured]

    @property
    def title(self) -> str:
        """The label, with the number of its seeds where there are several."""
        return f"{self.label} ({self.seeds} seeds)" if self.seeds > 1 else self.label

    @property
    def seeds(self) -> int:
        return len({seeds_of(run) for run in self.runs})


def grouped(runs: Sequence[Measured]) -> list[Group]:
    """Runs whose recipes differ in seeds at most, together."""
    together: list[list[Measured]] = []
    for run in runs:
        alike = (group for group in together if not list(differing([group[0].recipe, run.recipe], free=OF_A_GROUP)))
        if (group := next(alike, None)) is not None:
            group.append(run)
        else:
            together.append([run])
    labels = _labels(together)
    return [Group(label, sorted(g, key=seeds_of)) for label, g in zip(labels, together, strict=True)]


def seeds_of(run: Measured) -> tuple[int, int]:
    """What tells it apart in its group: `data.seed` and `train.seed`."""
    return (run.data_seed, run.seed)


def _labels(groups: Sequence[Sequence[Measured]]) -> list[str]:
    """The names of the recipes; else the one or two keys in which they differ; else the names of the directories,
    without `-seed0`."""
    names = [{str(run.recipe.get("name") or run.path.name) for run in group} for group in groups]
    firsts = [group[0] for group in groups]
    candidates = [[name for several in names for name in several]] if len(groups) == sum(map(len, names)) else []
    different = differing([run.recipe for run in firsts], free=OF_A_GROUP)
    differences = {dotted(place): values for place, values in different}
    if 0 < len(differences) <= 2:
        differences = {key.removesuffix(".type"): values for key, values in differences.items()}
        words = tails(differences)
        told = [
            [f"{words[key]}={in_words(values[i], 24)}" for key, values in differences.items()]
            for i in range(len(firsts))
        ]
        candidates.append([", ".join(parts) for parts in told])
    candidates.append([re.sub(r"-seed\d+$", "", run.path.resolve().name) for run in firsts])
    paths = [str(run.path) for run in firsts]
    return next((labels for labels in candidates if len(set(labels)) == len(groups)), paths)
