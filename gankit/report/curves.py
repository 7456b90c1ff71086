"""The log of a run, read back, and line charts of it as inline SVG."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from gankit.core.figures import called
from gankit.core.files import read_whole

Point = tuple[float, float]
DASHES = ("", "5 3", "1.5 2.5")
"""Beyond six lines the colours come again, in another dash."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 190, 48, 8, 8, 22
POINTS = 200
LARGEST = 1e100


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl` by rising step.

    A line that is not a whole JSON object (the last one of a killed run) is left out. A resumed run repeats steps: the
    later line counts; what was measured at a step joins its line. No file is an empty log.
    """
    records: dict[int, dict[str, Any]] = {}
    try:
        text = read_whole(path, None).decode(errors="replace") if path.exists() else ""
    except OSError:
        return []
    for line in text.splitlines():
        try:
            record = _sound(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if record:
            records[record["step"]] = {**records.get(record["step"], {}), **record}
    return [records[step] for step in sorted(records)]


def _sound(record: Any) -> dict[str, Any]:
    """A line of the log without what is none; empty where it tells no step."""
    if not isinstance(record, dict) or not _is_count(record.get("step")):
        return {}
    kinds = {"step": _is_count, "epoch": _is_count, "time": _is_finite, "images_per_second": _is_finite}
    sound = {name: record[name] for name, fits in kinds.items() if name in record and fits(record[name])}
    for name in ("losses", "watched", "lr"):
        if isinstance(values := record.get(name), dict):
            sound[name] = {key: value for key, value in values.items() if _is_number(value)}
    if isinstance(rows := record.get("measured"), list):
        sound["measured"] = [row for row in rows if _is_measured(row)]
    return sound


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    """Also one that is not finite, as a loss may become; none so large that it cannot be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not LARGEST < abs(value) < math.inf


def _is_finite(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


def _is_measured(row: Any) -> bool:
    texts = isinstance(row, dict) and isinstance(row.get("metric"), str) and isinstance(row.get("direction", ""), str)
    return texts and _is_number(row.get("value"))


def loss_curves(log: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Point]]]:
    """Chart -> line -> points (step, value): `generator/cycle/a2b` is the line `a2b` of the chart `generator/cycle`."""
    return _curves(log, "losses")


def watched_curves(log: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Point]]]:
    """The same of what is watched: `critics/a2b/real` is the line `real` of the chart `critics/a2b`."""
    return _curves(log, "watched")


def rate_curves(log: Sequence[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """Turn -> points (step, learning rate)."""
    lines: dict[str, list[Point]] = defaultdict(list)
    for record in log:
        for turn, rate in (record.get("lr") or {}).items():
            lines[turn].append((record["step"], rate))
    return lines


def _curves(log: Sequence[Mapping[str, Any]], key: str) -> dict[str, dict[str, list[Point]]]:
    charts: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for record in log:
        for name, value in (record.get(key) or {}).items():
            chart, _, line = name.rpartition("/") if "/" in name else (name, "", "")
            if isinstance(value, int | float):
                charts[chart][line].append((record["step"], value))
    return charts


def measured_curves(log: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Point]]]:
    """Name of the figure -> direction -> points (step, value), of what was measured while training."""
    charts: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for record in log:
        for row in record.get("measured") or ():
            if isinstance(row.get("value"), int | float):
                charts[called(row)][row.get("direction") or ""].append((record["step"], row["value"]))
    return charts


def line_chart(title: str, lines: Mapping[str, Sequence[Point]]) -> str:
    """An SVG figure of at most 200 points a line: the mean of each stretch of steps, and its range as a band. A line
    may have several points at a step, such as those of several runs.

    Colours are the CSS variables --line-0, --line-1, ...; text and axes take `currentColor`. Values that are not finite
    are left out.
    """
    stretches = {name: _stretches(points) for name, points in lines.items()}
    stretches = {name: line for name, line in stretches.items() if line}
    if not stretches:
        return ""
    flat = [s for line in stretches.values() for s in line]
    x_ticks = ticks(min(s[0] for s in flat), max(s[0] for s in flat), 4)
    y_ticks = ticks(min(s[1] for s in flat), max(s[3] for s in flat), 4)
    x_range = min(s[0] for s in flat), max(s[0] for s in flat)
    y_range = min(y_ticks[0], *(s[1] for s in flat)), max(y_ticks[-1], *(s[3] for s in flat))

    def place(x: float, y: float) -> str:
        across = (x - x_range[0]) / ((x_range[1] - x_range[0]) or 1)
        up = (y - y_range[0]) / ((y_range[1] - y_range[0]) or 1)
        return f"{LEFT + across * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM):.1f}"

    marks = [_y_mark(place(x_range[0], y), y) for y in y_ticks]
    marks += [_x_mark(place(x, y_range[0]), x) for x in x_ticks if x_range[0] <= x <= x_range[1]]
    for i, line in enumerate(stretches.values()):
        band = [place(x, high) for x, _, _, high in line] + [place(x, low) for x, low, _, _ in reversed(line)]
        marks.append(f'<polygon points="{" ".join(band)}" fill="var(--line-{i % 6})" opacity=".18"/>')
        path = " ".join(place(x, mean) for x, _, mean, _ in line)
        style = f'fill="none" stroke="var(--line-{i % 6})" stroke-width="1.6"{_dash(i)}'
        marks.append(f'<polyline points="{path}" {style}/>')
        if len(line) == 1:  # a line of one point would not be seen
            x, y = path.split(",")
            marks.append(f'<circle cx="{x}" cy="{y}" r="3" {style}/>')
    keys = " ".join(  # a space, where a long row of them may break
        f'<span class="key">{_swatch(i)}{escape(name)} <b>{short(line[-1][2])}</b></span>'
        for i, (name, line) in enumerate(stretches.items())
    )
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(marks)}</svg>'
    return f'<figure class="chart"><figcaption>{escape(title)}<br/>{keys}</figcaption>{svg}</figure>'


def _dash(line: int) -> str:
    dashes = DASHES[line // 6 % len(DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _swatch(line: int) -> str:
    mark = f'<line x2="18" y1="4" y2="4" stroke="var(--line-{line % 6})" stroke-width="3"{_dash(line)}/>'
    return f'<svg class="swatch" viewBox="0 0 18 8">{mark}</svg>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart), about `count` of them, from at or below `low` to `high`."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= span / count * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def short(value: float) -> str:
    """Four significant digits, thousands as k: 0.1234, 12.34, 20k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.4g}k"
    return f"{value:.4g}"


def _stretches(points: Sequence[Point]) -> list[tuple[float, float, float, float]]:
    """(step, lowest, mean, highest) of at most POINTS consecutive groups of steps, of their finite points."""
    steps: dict[float, list[float]] = defaultdict(list)
    for x, y in points:
        if math.isfinite(y):
            steps[x].append(y)
    size = max(1, math.ceil(len(steps) / POINTS))
    ordered = sorted(steps)
    groups = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    values = [[y for x in group for y in steps[x]] for group in groups]
    return [(sum(g) / len(g), min(v), sum(v) / len(v), max(v)) for g, v in zip(groups, values, strict=True)]


def _y_mark(at: str, value: float) -> str:
    y = at.split(",")[1]
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="grid"/>'
    return f'{line}<text x="{LEFT - 5}" y="{y}" dy=".32em" text-anchor="end">{short(value)}</text>'


def _x_mark(at: str, value: float) -> str:
    return f'<text x="{at.split(",")[0]}" y="{HEIGHT - 6}" text-anchor="middle">{short(value)}</text>'
