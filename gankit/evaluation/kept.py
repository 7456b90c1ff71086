"""evaluation.json of a run: its measurements side by side, newest first, and how a damaged file is told.

    {"results": [row, ...], "measurements": [{"asked": {"limit": 2}, "results": [row, ...]}, ...]}

`results` are the figures that stand for the run: those of the newest measurement of the whole split, and what older
ones of the same weights have beside them. What was measured on the first pictures alone stands for it only where there
is nothing else. Files of older versions have `results` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gankit.core.better import ARROWS
from gankit.core.errors import CheckpointError
from gankit.core.files import read_json, write_whole
from gankit.evaluation.results import Evaluation

KEPT = 20
"""Measurements; the oldest go."""
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Kept:
    """A measurement. asked: what was asked for beyond what the recipe says, such as `limit`."""

    results: list[dict[str, Any]]
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.asked.get("limit") is None

    @property
    def weights(self) -> Any:
        """By which weights it was obtained; None where no row tells."""
        return next((row["protocol"].get("weights_sha256") for row in self.results), None)


def measurements(path: Path) -> list[Kept]:
    """Those of an evaluation.json, newest first. Raises CheckpointError, with what to do, for a damaged one."""
    advice = f"measure it again by `gankit evaluate {path.parent}`"
    value = read_json(path, advice)
    several = value.get("measurements", [{"results": value.get("results")}])
    if not isinstance(several, list) or not all(isinstance(one, dict) for one in several):
        raise CheckpointError(f"{path} holds no figures: {advice}")
    for one in several:
        rows, asked = one.get("results"), one.get("asked", {})
        if not isinstance(rows, list) or not all(map(_is_row, rows)) or not isinstance(asked, dict):
            raise CheckpointError(f"{path} holds no figures: {advice}")
    return [Kept(one["results"], one.get("asked", {})) for one in several]


def results(path: Path) -> list[dict[str, Any]]:
    """The rows that stand for the run. Raises CheckpointError."""
    return standing(measurements(path))


def standing(several: Sequence[Kept]) -> list[dict[str, Any]]:
    """The rows that stand for a run, of its measurements."""
    whole = [one for one in several if one.whole] or list(several[:1])
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in whole:
        if one.weights == whole[0].weights:
            for row in one.results:
                known = rows.setdefault(_key(row), row)
                if known["value"] is None and row["value"] is not None:
                    rows[_key(row)] = row
    return list(rows.values())


def keep(path: Path, evaluation: Evaluation, asked: Mapping[str, Any]) -> None:
    """Put a measurement beside those that are there, in the place of one of the same weights that was asked for alike.

    A file that is damaged is replaced. Raises GankitError when the disk refuses.
    """
    new = Kept(evaluation.as_dict()["results"], {name: value for name, value in asked.items() if value is not None})
    try:
        old = measurements(path) if path.exists() else []
    except CheckpointError:
        old = []
    others = [one for one in old if (one.asked, one.weights) != (new.asked, new.weights)]
    several = [new, *others][:KEPT]
    listed = [{"asked": one.asked, "results": one.results} for one in several]
    content = {"results": standing(several), "measurements": listed}
    write_whole(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """By which figures are the same one: the metric and how it is obtained, save for the number of pictures."""
    apart = {k: v for k, v in row["protocol"].items() if k in ("against", "reference", "features", "protocol")}
    return row["metric"], row.get("label", ""), row["direction"], json.dumps(apart, sort_keys=True)


def _is_row(row: Any) -> bool:
    def is_number(value: Any) -> bool:
        if value is None:
            return True
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300

    if not isinstance(row, dict) or not {"metric", "direction", "value", "interval", "protocol"} <= row.keys():
        return False
    interval, trivial = row["interval"], row.get("trivial", {})
    texts = (row["metric"], row["direction"], *(row.get(name, "") for name in TEXTS))
    return (
        all(isinstance(text, str) for text in texts)
        and is_number(row["value"])
        and is_number(row.get("std"))
        and (interval is None or (isinstance(interval, list) and len(interval) == 2 and all(map(is_number, interval))))
        and isinstance(row["protocol"], dict)
        and isinstance(trivial, dict)
        and all(map(is_number, trivial.values()))
        and row.get("better") in ARROWS
    )


TEXTS = ("label", "unit", "warning", "unavailable")
