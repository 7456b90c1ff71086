"""What to beware of in the pictures of a training, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gankit.contracts import DatasetContract
from gankit.data.files import PictureFiles
from gankit.data.survey import Look, Part, copies_between, copies_within
from gankit.fields import Mask, Picture

NAMED = 3
"""Files that a warning names."""
SQUEEZED, ENLARGED = 1.25, 1.5
"""Pictures whose ratio, or whose side, resizing changes by more than that are told."""


def of_parts(parts: Sequence[Part], paired: bool = False) -> list[str]:
    """What the files themselves say. paired: whether both sides of a split may hold the same picture."""
    found = list(_copies(parts, paired))
    for part in parts:
        if part.broken:
            first = part.broken[0]
            found.append(
                f"{part.name} has {_count(part.broken, 'file')} that cannot be read: repair them, remove them, or "
                f"read them by another codec; the first is {first.path}: {first.broken}"
            )
        if isinstance(part.field, Picture):
            found += _kinds(part)
    return found


def _kinds(part: Part) -> Iterator[str]:
    if seen := [seen for seen in part.sound if seen.transparent]:
        yield (
            f"{part.name} has {_count(seen)} with transparent places, which are laid on white: where another ground is "
            f"wanted, lay them on it before ({_named(seen)})"
        )
    if seen := [seen for seen in part.sound if seen.profile]:
        yield (
            f"{part.name} has {_count(seen)} with a colour profile other than sRGB ({seen[0].profile}), which is not "
            f"heeded: convert them to sRGB ({_named(seen)})"
        )


def _copies(parts: Sequence[Part], paired: bool) -> Iterator[str]:
    for one, other, same in copies_between(parts):
        shared = f"{one.name} and {other.name} share {_count(same)}"
        if one.split != other.split:
            yield (
                f"{shared}, so that figures would be of pictures that were seen before: take them out of one, or "
                f"divide all anew by `gankit data split`, which keeps copies together ({_equal(same)})"
            )
        elif not paired:
            yield f"{shared}: leave each in the one to which it belongs ({_equal(same)})"
    for part in parts:
        if isinstance(part.field, Picture) and (same := copies_within(part)):
            yield (
                f"{part.name} has {_count(same, 'copy', 'copies')} of pictures that it holds already: remove them "
                f"({_equal(same)})"
            )


def of_sizes(parts: Sequence[Part], data: Any) -> list[str]:
    """What resizing does to the pictures of a split. parts: those of the data set `data`."""
    if not isinstance(data, PictureFiles):
        return []
    found = []
    sources = DatasetContract(data).sources
    halves = "b" in sources and sources["a"] == sources["b"]
    for part in parts:
        if isinstance(part.field, Mask):
            continue
        squeezed, enlarged, cramped = [], [], []
        for seen in part.sound:
            height, width = seen.size[0], max(seen.size[1] // (2 if halves else 1), 1)
            down, across = (new / old for new, old in zip(data.resized(height, width), (height, width), strict=True))
            squeezed += [seen] if max(down / across, across / down) > SQUEEZED else []
            enlarged += [seen] if max(down, across) > ENLARGED else []
            cramped += [seen] if data.lacks_room(height, width) else []
        if squeezed:
            found.append(
                f"{part.name}: resizing squeezes or stretches {_count(squeezed)} by more than a quarter: "
                f"`preprocess: shortest_side_and_crop` keeps their shape ({_named(squeezed)})"
            )
        if enlarged:
            found.append(
                f"{part.name}: resizing enlarges {_count(enlarged)} by more than half: lower load_size and crop_size "
                f"or take larger pictures ({_named(enlarged)})"
            )
        if cramped:
            found.append(
                f"{part.name}: largest_crop changes nothing for {_count(cramped)}, as there is no room for it: "
                f"raise load_size, lower crop_size, or take larger pictures ({_named(cramped)})"
            )
    return found


def _count(several: Sequence[Any], one: str = "picture", many: str = "") -> str:
    """ "1 picture", "3 pictures"."""
    return f"{len(several)} {one if len(several) == 1 else many or one + 's'}"


def _named(looks: Sequence[Look]) -> str:
    return _some([str(seen.path) for seen in looks])


def _equal(files: Sequence[tuple[Path, Path]]) -> str:
    return _some([f"{one} = {other}" for one, other in files])


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:NAMED]) + (", ..." if len(texts) > NAMED else "")
