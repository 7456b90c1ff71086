"""What a measurement gives: rows of figures, each with how it was obtained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gankit.core.better import Better


@dataclass(frozen=True)
class Figure:
    """One figure of a metric in a direction, which is empty for two folders of pictures.

    value: None where it is not defined, or not to be had. interval: the 95 % bootstrap over pictures; None for a single
    one. protocol: how the figure was obtained. label: of the rows of a metric that has several. more: figures beside
    it, such as `std`. trivial: the same figure of answers that need no training, by name (`gankit.evaluation.trivial`):
    one that they reach is no evidence. warning: what to beware of. unavailable: why there is no figure, and what to do.
    """

    metric: str
    direction: str
    value: float | None
    interval: tuple[float | None, float | None] | None
    unit: str
    better: Better
    protocol: Mapping[str, Any] = field(default_factory=dict, hash=False)
    label: str = ""
    more: Mapping[str, float | None] = field(default_factory=dict, hash=False)
    trivial: Mapping[str, float | None] = field(default_factory=dict, hash=False)
    warning: str = ""
    unavailable: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, as in evaluation.json; without what is empty of the fields from `label` on."""
        row: dict[str, Any] = {"metric": self.metric, "direction": self.direction, "value": self.value}
        row["interval"] = None if self.interval is None else list(self.interval)
        row |= {"label": self.label} if self.label else {}
        row |= {"unit": self.unit, "better": self.better, "protocol": dict(self.protocol), **self.more}
        row |= {"trivial": dict(self.trivial)} if self.trivial else {}
        notes = {"warning": self.warning, "unavailable": self.unavailable}
        return row | {name: note for name, note in notes.items() if note}


@dataclass(frozen=True)
class Evaluation:
    """The rows of a measurement, in the order of the metrics, then of the directions: iterate, or ask for one."""

    rows: tuple[Figure, ...] = ()

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: Evaluation) -> Evaluation:
        return Evaluation((*self.rows, *other.rows))

    def __getitem__(self, which: str | tuple[str, str]) -> Figure:
        """`found["psnr"]`, or `found["psnr", "a2b"]`, where there are several directions.

        A plugin's metric may be called without its distribution, where no other has that name. Of rows that differ in
        their label the first, which is about all pictures. Raises KeyError that says what there is.
        """
        metric, direction = which if isinstance(which, tuple) else (which, None)
        names = [row.metric for row in self.rows]
        ends = {name for name in names if name.rpartition("/")[2] == metric}
        meant = metric if metric in names or len(ends) != 1 else ends.pop()
        rows = [row for row in self.rows if row.metric == meant and direction in (None, row.direction)]
        if len({row.direction for row in rows}) == 1:
            return rows[0]
        several = {row.direction: None for row in rows}
        known = several or dict.fromkeys(f"{row.metric} {row.direction}".strip() for row in self.rows)
        raise KeyError(
            f"{metric} has several directions: {', '.join(known)}; choose one, as [{metric!r}, {rows[0].direction!r}]"
            if rows
            else f"there is no {' '.join(filter(None, (metric, direction)))}; there are: {', '.join(known) or 'none'}"
        )

    def as_dict(self) -> dict[str, Any]:
        """`{"results": [row, ...]}`, JSON-able: what evaluation.json holds."""
        return {"results": [row.as_dict() for row in self.rows]}
