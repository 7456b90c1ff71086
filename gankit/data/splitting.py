"""Dividing pictures into splits: by their names and a seed; groups, pairs and copies stay together."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gankit.codecs.base import NOT_A_FILE
from gankit.codecs.images import EXTENSIONS
from gankit.codecs.npy import Npy
from gankit.core.errors import DataError, GankitError
from gankit.core.files import drafting, is_special, make_folder, reason, write_whole
from gankit.data.files import LAYOUT
from gankit.data.images import list_images
from gankit.data.pairs import sides_of

log = logging.getLogger(__name__)
SPLITS = ("train", "val", "test")
ENDINGS = EXTENSIONS | Npy.extensions
LISTS = (".csv", ".jsonl")
"""Endings of files that list pictures."""


@dataclass(frozen=True)
class Source:
    """A picture to be put into a split. side: "A", "B" or "". name: its path below the folder of its side."""

    path: Path
    side: str
    name: Path

    @property
    def stem(self) -> str:
        return self.name.with_suffix("").as_posix()


Divided = Mapping[str, Sequence[Source]]
"""Split -> its pictures."""


def divide(
    folder: Path,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    group: str = "",
    pairs: bool = False,
    other: Path | None = None,
) -> Divided:
    """Divide the pictures of a folder, or of the folders A and B in it, or of two folders that lie anywhere.

    val, test: the shares of both; the rest is for training. seed: another one draws other pictures. group: a regular
    expression that finds in a path below the folder, or below A or B, what must stay together, such as a patient: its
    first group, or all that it matches. pairs: A and B hold pairs, of equal names but for the extensions. other: the
    folder of side B, where `folder` is that of side A. Files of equal names but for the extensions, and files with
    equal bytes, always stay together.

    Raises DataError for shares without a training, and for a folder that is divided already or cannot be.
    """
    if not (min(val, test) >= 0 < max(val, test) and val + test < 1):
        raise DataError(
            f"the shares {val:g} for val and {test:g} for test leave nothing to divide, or none for training"
        )
    sources = _sources(folder) if other is None else _of_two(folder, other)
    if pairs:
        _check_pairs(folder, sources)
    groups = _joined(_grouped(sources, group))
    taken = _shared_out(groups, {"test": test, "val": val}, seed)
    for split, members in taken.items():
        missing = {source.side for source in sources} - {source.side for source in members}
        if missing and {"val": val, "test": test}.get(split, 1):
            where = f" of {min(missing)}" if min(missing) else ""
            raise DataError(
                f"{folder}: no picture{where} is left for {split}: it has {len(sources)} pictures in {len(groups)} "
                "groups that stay together; take other shares, or more pictures"
            )
    return {split: sorted(taken[split], key=lambda source: source.path) for split in SPLITS if taken[split]}


def _sources(folder: Path) -> list[Source]:
    """The pictures of a folder, or of the folders A and B in it. Raises DataError where it is divided already."""
    found = list_images(folder, ENDINGS)
    folder, sides = folder.expanduser(), sides_of(folder.expanduser())
    if len(sides) == 1:
        raise DataError(f"{folder} holds a folder {next(iter(sides.values())).name}, but none for the other side")
    sources = []
    for path in found:
        side = next((side for side, below in sides.items() if path.is_relative_to(below)), "")
        sources.append(Source(path, side.upper(), path.relative_to(sides.get(side, folder))))
    if sides and (beside := next((source.path for source in sources if not source.side), None)):
        raise DataError(f"{beside} is beside the folders A and B of {folder}: move it into one of them")
    _refuse_divided(folder, sources)
    below = sorted({source.name.parts[0] if len(source.name.parts) > 1 else "" for source in sources})
    if not sides and len(below) == 2 and all(below):
        text = (
            "%s holds two folders, %s and %s, which are divided as one set; where they are two domains, name both: %s"
        )
        both = " ".join(shlex.quote(str(folder / name)) for name in below)
        log.warning(text, folder, *below, f"gankit data split {both}")
    return sources


def _of_two(first: Path, second: Path) -> list[Source]:
    """The pictures of the folder of side A and of that of side B."""
    places = [folder.expanduser().resolve() for folder in (first, second)]
    if places[0].is_relative_to(places[1]) or places[1].is_relative_to(places[0]):
        raise DataError(f"{first} and {second} are one folder, or one lies in the other: name two that are apart")
    sources = []
    for side, folder in (("A", first), ("B", second)):
        below = folder.expanduser()
        found = [Source(path, side, path.relative_to(below)) for path in list_images(folder, ENDINGS)]
        _refuse_divided(folder, found)
        sources += found
    return sources


def _refuse_divided(folder: Path, sources: Iterable[Source]) -> None:
    for source in sources:
        if source.name.parts[0] in LAYOUT and len(source.name.parts) > 1:
            raise DataError(
                f"{folder} is divided already: it has a folder {source.name.parts[0]}; name a folder of pictures that "
                "are not"
            )


def _check_pairs(folder: Path, sources: Sequence[Source]) -> None:
    a, b = ({source.stem: source for source in sources if source.side == side} for side in ("A", "B"))
    if not a or not b:
        raise DataError(f"{folder} has no folders A and B, where pairs are expected")
    if len(a) + len(b) < len(sources) or a.keys() != b.keys():
        alone = min((a | b)[stem].path for stem in a.keys() ^ b.keys()) if a.keys() != b.keys() else None
        what = (
            f"{alone} has no partner" if alone else "two pictures of one side have equal names but for the extensions"
        )
        raise DataError(f"{what}: give both pictures of a pair the same name")


def _grouped(sources: Sequence[Source], pattern: str) -> dict[str, list[Source]]:
    """What must stay together by the names, by what they have in common."""
    try:
        sought = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise DataError(f"{pattern!r} is not a regular expression: {error}") from None
    groups: dict[str, list[Source]] = {}
    for source in sources:
        key = source.stem
        if pattern:
            match = sought.search(source.name.as_posix())
            key = (match[1] if sought.groups else match[0]) if match else None
            if not key:
                raise DataError(
                    f"{source.path}: {pattern!r} finds nothing in its name {source.name}, by which to group it"
                )
        groups.setdefault(key, []).append(source)
    return groups


def _joined(groups: Mapping[str, Sequence[Source]]) -> list[list[Source]]:
    """The groups, those joined that have files of equal bytes."""
    found: dict[str, str] = {}

    def root(key: str) -> str:
        while (above := found.get(key, key)) != key:
            key = above
        return key

    sizes = Counter(_size(source.path) for members in groups.values() for source in members)
    first: dict[bytes, str] = {}
    for key, members in groups.items():
        for source in members:
            if sizes[_size(source.path)] > 1:
                one, other = sorted((root(first.setdefault(_digest(source.path), key)), root(key)))
                found[other] = one
    joined: dict[str, list[Source]] = {}
    for key, members in groups.items():
        joined.setdefault(root(key), []).extend(members)
    return list(joined.values())


def _size(path: Path) -> int:
    if is_special(path):
        raise DataError(f"{path}: {NOT_A_FILE}")
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from None


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from None


def _shared_out(groups: Sequence[Sequence[Source]], shares: Mapping[str, float], seed: int) -> dict[str, list[Source]]:
    """Each split its share of each side, as nearly as whole groups allow, one picture at least; training the rest."""

    def drawn(members: Sequence[Source]) -> bytes:
        return hashlib.sha256(
            f"{seed}/{min(source.stem for source in members)}".encode(errors="surrogateescape")
        ).digest()

    left = sorted(groups, key=drawn)
    total = _by_side(source for members in groups for source in members)
    taken: dict[str, list[Source]] = {}
    for split, share in shares.items():
        wanted = {side: max(round(share * count), 1) if share else 0 for side, count in total.items()}
        mine, have = taken.setdefault(split, []), Counter[str]()
        for members in [*left]:
            more = _by_side(members)
            if sum(abs(have[side] + n - wanted[side]) - abs(have[side] - wanted[side]) for side, n in more.items()) < 0:
                mine += members
                have += more
                left.remove(members)
        for side in sorted(wanted):
            fitting = [members for members in left if _by_side(members)[side]]
            if wanted[side] and not have[side] and fitting:
                mine += left.pop(left.index(min(fitting, key=len)))
    return taken | {"train": [source for members in left for source in members]}


def _by_side(sources: Iterable[Source]) -> Counter[str]:
    return Counter(source.side for source in sources)


# -- what becomes of it ----------------------------------------------------------------------------------------------
def write_folders(divided: Divided, out: Path, links: bool = False, pairs: bool = False) -> None:
    """Copy the pictures into a new folder, in the layout of data sets: `train`; `trainA` and `trainB`; of pairs
    `train/A` and `train/B`. links: link to them instead.

    The folder appears whole or not at all. Raises DataError where it is there already, GankitError when the disk
    refuses.
    """
    _refuse_existing(out)
    make_folder(out.parent)
    try:
        with drafting(out) as draft:
            for split, sources in divided.items():
                for source in sources:
                    target = draft / (f"{split}/{source.side}" if pairs else f"{split}{source.side}") / source.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(source.path.resolve()) if links else shutil.copy2(source.path, target)
            draft.rename(out)
    except OSError as error:
        which = f" ({error.filename})" if error.filename else ""
        raise GankitError(f"{out}: cannot be written: {reason(error)}{which}: nothing of it was kept") from error


def write_list(divided: Divided, out: Path, pairs: bool = False) -> None:
    """Write a file, .csv or .jsonl, that lists the pictures with their splits; paths are relative to it.

    Raises DataError where it is there already, GankitError when the disk refuses.
    """
    _refuse_existing(out)
    make_folder(out.parent)
    rows = [row for split, sources in divided.items() for row in _rows(split, sources, out.parent, pairs)]
    if out.suffix.lower() == ".csv":
        text = io.StringIO()
        table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        content = text.getvalue()
    else:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_whole(out, content.encode(errors="surrogateescape"))


def _rows(split: str, sources: Iterable[Source], base: Path, pairs: bool) -> list[dict[str, str]]:
    def place(source: Source) -> str:
        return Path(os.path.relpath(source.path.absolute(), base.absolute())).as_posix()

    if pairs:
        partners: dict[str, dict[str, str]] = {}
        for source in sources:
            partners.setdefault(source.stem, {})[source.side.lower()] = place(source)
        return [{"a": pair["a"], "b": pair["b"], "split": split} for pair in partners.values()]
    side = [{"side": source.side.lower()} if source.side else {} for source in sources]
    return [{"path": place(source), **own, "split": split} for source, own in zip(sources, side, strict=True)]


def _refuse_existing(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise DataError(f"{out} exists already: name another place with --out, or remove it")
