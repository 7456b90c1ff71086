"""Data sets given by a file that lists pictures, their splits and their labels: .csv with a header, or .jsonl."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gankit.core.errors import DataError
from gankit.core.files import read_whole, reason
from gankit.core.words import suggest
from gankit.data.dataset import Split

SPLITS = ("train", "val", "test")
ENDINGS = (".csv", ".jsonl")
MOST_LABELS = 100_000
Check = Callable[[int, Collection[str]], None]
"""Refuses the columns of a line."""


class Row(NamedTuple):
    """A line: its files by column, in the order of the columns, its split, and what else it says. map: that of the
    picture."""

    line: int
    files: dict[str, Path]
    split: str
    side: str
    label: int | None
    map: Path | None = None


@dataclass(frozen=True)
class Listed:
    """The rows of a list, in its order."""

    file: Path
    rows: Sequence[Row]

    @property
    def classes(self) -> int | None:
        """How many labels there are: one more than the greatest; None where it has none."""
        labels = [row.label for row in self.rows if row.label is not None]
        return max(*labels, 1) + 1 if labels else None

    def of(self, split: Split, side: str = "") -> list[Row]:
        """Those of a split, and of a side where there are sides. Raises DataError where there are none."""
        rows = [row for row in self.rows if row.split == split and row.side == side]
        if not rows:
            share = ", and no share `val: 0.1`" if split == "val" else ""
            raise DataError(
                f"{self.file} lists no picture with split {split}{f' and side {side}' if side else ''}{share}"
            )
        return rows


def read_list(
    file: Path, columns: Sequence[str], sides: bool = False, labels: bool = False, maps: bool = False
) -> Listed:
    """Read a list. Paths are relative to its folder, and `~` is a home.

    columns: those of files that each row must have, `path`, or `a` and `b`. sides: whether `side`, a or b, says to
    which domain a picture belongs. labels: whether there may be a `label`, a whole number. `split` is train, val or
    test; without it all are for training. Raises DataError, with file and line, for all else: other columns, files
    that are not there, and rows that stand there twice.
    """
    if file.suffix.lower() not in ENDINGS:
        raise DataError(f"{file}: a list of pictures ends in .csv or .jsonl")
    must = [*columns, *(["side"] if sides else [])]
    may = ["split", *(["label"] if labels else []), *(["map"] if maps else [])]
    rows: list[Row] = []
    lines: dict[tuple[Path, ...], int] = {}
    missing: list[str] = []
    for line, values in _lines(file, must, may):
        at = f"{file}:{line}"
        row = _row(at, file.parent, line, values, columns)
        key = tuple(row.files.values())
        if key in lines:
            raise DataError(f"{at}: {key[0]} is already in line {lines[key]}: keep one of the two lines")
        lines[key] = line
        named = [*key, *([row.map] if row.map else [])]
        missing += [f"{at}: {path}" for path in named if not os.path.isfile(path)]  # False for names that cannot be
        rows.append(row)
    if missing:
        raise DataError(f"{file} lists {len(missing)} files that do not exist: the first is {missing[0]}")
    if not rows:
        raise DataError(f"{file} lists no picture")
    if 0 < sum(row.label is not None for row in rows) < len(rows):
        raise DataError(f"{file}: some lines have a label and others none")
    return Listed(file, rows)


def _row(at: str, base: Path, line: int, values: dict[str, Any], columns: Sequence[str]) -> Row:
    split, side = values.get("split", "train"), values.get("side", "")
    if split not in SPLITS:
        raise DataError(f"{at}: split is {split!r}, and can be train, val or test")
    if "side" in values and side not in ("a", "b"):
        raise DataError(f"{at}: side is {side!r}, and can be a or b")
    if unnamed := next((column for column in columns if not values[column] or "\0" in values[column]), None):
        raise DataError(f"{at}: {unnamed} names no file")
    files = {column: base / os.path.expanduser(values[column]) for column in columns}
    label = values.get("label")
    if label is not None and not (label.isascii() and label.isdigit() and len(label) < 9 and int(label) < MOST_LABELS):
        raise DataError(f"{at}: label is {label!r}, and can be a whole number from 0 to {MOST_LABELS - 1}")
    map = base / os.path.expanduser(values["map"]) if values.get("map") else None
    return Row(line, files, split, side, None if label is None else int(label), map)


def _lines(file: Path, must: Sequence[str], may: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line, and what it says by column."""
    try:
        text = read_whole(file).decode("utf-8-sig", "surrogateescape")  # names of files may be no text
    except OSError as error:
        raise DataError(f"{file} cannot be read: {reason(error)}") from error

    def check(line: int, names: Collection[str]) -> None:
        _check_columns(f"{file}:{line}", names, must, may)

    yield from (_of_csv if file.suffix.lower() == ".csv" else _of_json)(file, text, check)


def _of_csv(file: Path, text: str, check: Check) -> Iterator[tuple[int, dict[str, str]]]:
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(table, [])]
        if len(set(head)) < len(head):
            raise DataError(f"{file}:1: a column appears twice: {', '.join(head)}")
        if head:
            check(1, head)
        for values in table:
            if values and len(values) != len(head):
                raise DataError(f"{file}:{table.line_num}: it has {len(values)} values, and the first line {len(head)}")
            if values:
                yield table.line_num, dict(zip(head, values, strict=True))
    except csv.Error as error:
        raise DataError(f"{file}:{table.line_num}: it is not CSV: {error}") from error


def _of_json(file: Path, text: str, check: Check) -> Iterator[tuple[int, dict[str, str]]]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            values = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}:{line}: it is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise DataError(f'{file}:{line}: a line is an object, as {{"path": "a.png"}}')
        if odd := next((name for name, value in values.items() if type(value) not in (str, int)), None):
            raise DataError(f"{file}:{line}: {odd} is neither a text nor a whole number")
        check(line, values)
        yield line, {name: str(value) for name, value in values.items()}


def _check_columns(at: str, names: Collection[str], must: Sequence[str], may: Sequence[str]) -> None:
    for name in names:
        if name not in must and name not in may:
            near = suggest(name, [*must, *may])
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join([*must, *may])}, separated by commas"
            raise DataError(f"{at}: this data set takes no column {name!r}; {hint}")
    if lacks := next((name for name in must if name not in names), None):
        raise DataError(f"{at}: there is no column {lacks!r}; this data set needs {', '.join(must)}")
