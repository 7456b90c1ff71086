"""Whether groups of runs were measured on the same test pictures, in a direction or in all that the data have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gankit.contracts import DatasetContract
from gankit.core.errors import DataError, RecipeError
from gankit.core.recipe import Recipe
from gankit.evaluation.evaluate import samples_of
from gankit.report.differences import in_words
from gankit.report.groups import Group
from gankit.training.assemble import open_dataset

PICTURES = 4
"""So many of a split are compared, and shown."""


@dataclass(frozen=True)
class Pictures:
    """The test pictures of groups. why: for what reason they are not the same ones; empty where they are.

    shared: the directions in which sources and truths are the same all the same, as of pairs, and of the same sources
    beside targets of other scenes.
    """

    why: str = ""
    shared: Collection[str] = ()

    def apart(self, direction: str) -> bool:
        """Whether figures of this direction are of other pictures."""
        return bool(self.why) and direction not in self.shared


def look_at(groups: Sequence[Group], differences: Mapping[str, Sequence[Any]]) -> Pictures:
    """differences: the keys in which the recipes of the groups differ, and the value of each group."""
    keys = [key for key in differences if key.startswith("data.")]
    if not keys:
        return Pictures()
    told = "; ".join(f"{key} is {' and '.join(dict.fromkeys(map(in_words, differences[key])))}" for key in keys)
    try:
        first, *others = map(_opened, groups)
    except (DataError, RecipeError) as e:
        return Pictures(f"{told}, and the data cannot be looked at: {e}")
    if all(_same(first, other) for other in others):
        return Pictures()
    directions = {row["direction"]: None for group in groups for run in group.runs for row in run.results}
    shared = [way for way in directions if "2" in way and all(_same(first, other, way) for other in others)]
    return Pictures(f"the test pictures differ: {told}", shared)


@dataclass(frozen=True)
class First:
    """The first items of a split of `count`."""

    count: int
    paired: bool
    items: Sequence[Mapping[str, Tensor]]

    def of(self, direction: str) -> list[dict[str, Tensor]]:
        """Of a direction: without what is of its target's domain alone, and with the truth of pairs."""
        source, _, target = direction.partition("2")
        if source == target:
            return [dict(item) for item in self.items]
        of_target = (f"_{target}", f"_{target}2{source}")
        return [
            {name: x for name, x in item.items() if name != target and not name.endswith(of_target)}
            | ({f"truth_{direction}": item[target]} if self.paired and target in item else {})
            for item in self.items
        ]


def _opened(group: Group) -> list[First]:
    """The test pictures of each `data.seed` of a group."""
    runs = {run.data_seed: run for run in group.runs}
    splits = [open_dataset(Recipe.load(run.recipe, for_use=True)).split("test") for run in runs.values()]
    return [First(len(one), DatasetContract(one).paired, list(samples_of(one, PICTURES))) for one in splits]


def _same(ours: Sequence[First], theirs: Sequence[First], direction: str = "") -> bool:
    """Whether what is among the ones is among the others too. direction: only what belongs to it is looked at."""
    return all(
        any(_equal(one, other, direction) for other in there)
        for here, there in ((ours, theirs), (theirs, ours))
        for one in here
    )


def _equal(ours: First, theirs: First, direction: str) -> bool:
    """Whether two splits have as many pictures, and the first ones are the same to the bit."""
    return ours.count == theirs.count and all(
        one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        for one, other in zip(ours.of(direction), theirs.of(direction), strict=True)
    )
