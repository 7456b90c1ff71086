"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gankit.core.better import ARROWS
from gankit.core.errors import CheckpointError
from gankit.core.figures import called
from gankit.core.files import read_json, read_whole, write_whole
from gankit.evaluation.kept import Kept, measurements, standing
from gankit.report import made
from gankit.report.curves import line_chart, loss_curves, measured_curves, rate_curves, read_log, short, watched_curves
from gankit.report.differences import in_words
from gankit.training.run import Run

GRIDS = 8
WATCHED = (
    "critics: what each says of real and of fake pictures, on average, in its own units; gradients: their L2 norms "
    "before clipping; rho: the share of instance norm in AdaLIN and LIN, layer by layer."
)
STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1d2228;--soft:#66707c;--rule:#dfe3e8;--panel:#f6f7f9;
--line-0:#1769c2;--line-1:#d0551b;--line-2:#2c8a4b;--line-3:#8a4fc0;--line-4:#b08400;--line-5:#c23a75}
@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e3e6ea;--soft:#98a2ad;--rule:#31363d;--panel:#1e2126;
--line-0:#63a8f5;--line-1:#f38f5c;--line-2:#66c587;--line-3:#bd93ea;--line-4:#dcb54a;--line-5:#ee82ae}}
*{box-sizing:border-box}body{margin:0 auto;max-width:74rem;padding:2rem 1.25rem 4rem;background:var(--paper);
color:var(--ink);font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
h1{font-size:1.7rem;margin:0;line-height:1.25}h2{font-size:1.15rem;margin:2.5rem 0 .75rem}p{margin:.3rem 0}
.soft,figcaption,th{color:var(--soft)}figure{margin:0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem}
.chart{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.7rem .7rem .3rem}
figcaption{font-size:.85rem}.chart svg{display:block;width:100%;height:auto}.chart text{font-size:10px;fill:var(--soft)}
.grid{stroke:var(--rule)}.key{margin-right:.7rem;white-space:nowrap}.key b{color:var(--ink);font-weight:600}
.key .swatch{display:inline-block;width:1.1em;height:.5em;margin-right:.35em;vertical-align:middle}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:500}td{white-space:nowrap}td:last-child{white-space:normal}td.n{font-variant-numeric:tabular-nums}td.p{white-space:normal;min-width:16rem;font-size:.8rem;color:var(--soft)}
.samples{display:flex;flex-wrap:wrap;gap:1.25rem;margin-top:1rem}
.samples img{display:block;max-width:100%;border-radius:6px;margin-top:.3rem}
pre{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:1rem;overflow-x:auto;
font:.82rem/1.5 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
"""


def write(run_dir: str | os.PathLike[str]) -> Path:
    """Write `report.html` of a run and return its path.

    Takes what is there: `recipe.json`, `recipe.yaml`, `metrics.jsonl` (a half-written last line is left out),
    `history.json`, `samples/*.png`, `evaluation.json` with `evaluation.png`; what is missing is said in the report. The
    file appears whole or not at all. Raises CheckpointError when there is no such run, GankitError when it cannot be
    written to.
    """
    run = Run(Path(run_dir))
    if not run.path.is_dir():
        raise CheckpointError(f"{run.path}: there is no such run directory")
    if not run.begun:
        traces = ", ".join(place.name for place in (run.recipe, run.metrics, run.checkpoints))
        raise CheckpointError(f"{run.path} is not a run directory: it has none of {traces}")
    write_whole(run.report, html(run))
    return run.report


def html(run: Run) -> str:
    """The report as text."""
    recipe = _recipe_of(run)
    log = read_log(run.metrics)
    title = str((recipe.get("about") or {}).get("title") or recipe.get("name") or run.path.resolve().name)
    sections = [
        ("Figures", _measured(run)),
        ("Losses", _untrained(recipe) + _curves(log)),
        *_watched(log),
        ("Samples", _windows(recipe) + _samples(run.grids())),
        ("How it was made", made.section(run)),
        ("Recipe, with every default filled in", _recipe(run)),
    ]
    return document(title, _summary(run, recipe, log), sections)


def document(title: str, summary: str, sections: Sequence[tuple[str, str]]) -> str:
    """A page that needs nothing beside it: a title, HTML below it, and named sections of HTML."""
    body = "".join(f"<section><h2>{name}</h2>{content}</section>" for name, content in sections)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><header><h1>{escape(title)}</h1>{summary}</header>{body}</body></html>\n"
    )


def _summary(run: Run, recipe: Mapping[str, Any], log: list[dict[str, Any]]) -> str:
    method = recipe.get("method") or {}
    parts = [f"run {run.path.resolve().name}", str(method.get("type", "")) if isinstance(method, dict) else str(method)]
    if arxiv := (recipe.get("about") or {}).get("arxiv"):
        parts.append(f"arXiv:{arxiv}")
    if log:
        last = log[-1]
        parts.append(f"{last['step']:,} steps")
        epochs = last["epoch"] + 1 if isinstance(last.get("epoch"), int) else 0
        parts += [f"{epochs} epoch{'s' * (epochs != 1)}"] if epochs else []
        parts += [f"{_duration(last['time'])}"] if isinstance(last.get("time"), int | float) else []
        speed = last.get("images_per_second")
        parts += [f"{short(speed)} images/s"] if isinstance(speed, int | float) else []
    return f'<p class="soft">{escape(" · ".join(part for part in parts if part))}</p>'


def _untrained(recipe: Mapping[str, Any]) -> str:
    """Which losses look through a network with random weights."""

    def random(part: object) -> bool:
        if isinstance(part, Mapping):
            return part.get("weights") == "random" or any(map(random, part.values()))
        return isinstance(part, list) and any(map(random, part))

    names = [name for name, term in (recipe.get("losses") or {}).items() if random(term)]
    what = f"Features with random weights, which nobody has trained, are used by: {', '.join(names)}"
    return f'<p class="soft">{escape(what)}.</p>' if names else ""


def _windows(recipe: Mapping[str, Any]) -> str:
    """How pictures are drawn that are not 8-bit RGB or grey ones."""
    data, method = recipe.get("data") or {}, recipe.get("method") or {}
    notes = []
    for key in ("codec", "codec_b"):
        codec = data.get(key) if isinstance(data, Mapping) else None
        if isinstance(codec, Mapping) and isinstance(codec.get("low"), int | float):
            low, high, units = (codec.get(name, "") for name in ("low", "high", "units"))
            notes.append(f"in {codec.get('type')} black is {_plain(low)}, white {_plain(high)} {units}".strip())
    channels = {n for key, n in method.items() if key.startswith("channels_")} if isinstance(method, Mapping) else set()
    if several := sorted(n for n in channels if isinstance(n, int) and n not in (1, 3)):
        notes.append(f"of pictures of {' and '.join(map(str, several))} channels the first is drawn, as grey")
    text = "; ".join(notes)
    return f'<p class="soft">{escape(text[:1].upper() + text[1:])}.</p>' if notes else ""


def shared_protocol(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the protocols of all results have in common."""
    protocols = [row["protocol"] for row in results if "unavailable" not in row]
    first = protocols[0] if protocols else {}
    return {k: v for k, v in first.items() if all(k in p and p[k] == v for p in protocols)}


def describe(protocol: Mapping[str, Any], without: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A protocol as a line of text, without what is said elsewhere."""
    told = {k: v for k, v in protocol.items() if v is not None and k not in {"metric", "direction", *without}}
    return " · ".join(f"{k.replace('_', ' ')} {_plain(v)}" for k, v in told.items())


def figure(row: Mapping[str, Any]) -> str:
    """The value of a result with its standard deviation and its unit."""
    if "unavailable" in row:
        return "unavailable"
    if row["value"] is None:
        return "undefined"
    spread = f" ± {number(row['std'])}" if "std" in row else ""
    return f"{number(row['value'])}{spread} {row['unit']}".strip()


def interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a result."""
    if row["interval"] and None not in row["interval"]:
        return " to ".join(map(number, row["interval"]))
    return "one picture" if row["protocol"].get("n") == 1 else "-"


def trivial(row: Mapping[str, Any]) -> str:
    """What answers that need no training would score on the same pictures."""
    answers = row.get("trivial") or {}
    return ", ".join(f"{name} {number(value)}" for name, value in answers.items()) or "-"


def _measured(run: Run) -> str:
    """The figures that stand for the run, and those of every measurement of its own, newest first."""
    try:
        several = measurements(run.evaluation) if run.evaluation.exists() else []
    except CheckpointError as e:
        return _none(f"{e}.")
    if not any(one.results for one in several):
        return _none(
            "Not measured: `gankit evaluate` writes evaluation.json, where there is something to compare with."
        )
    png = _bytes(run.evaluation_picture)
    drawn = f'<div class="samples">{image(png, "pictures of the test split")}</div>' if png else ""
    main = standing(several)
    others = [one for one in several if one.results != main]
    told = "".join(f'<p class="soft">{escape(_asked(one))}</p>{_figures(one.results)}' for one in others)
    return f"{_figures(main)}{drawn}{told}"


def _asked(one: Kept) -> str:
    """What was asked for at a measurement."""
    asked = ", ".join(f"{name} {in_words(value)}" for name, value in one.asked.items())
    return f"Measured with {asked or 'what the recipe says'}:"


def _figures(results: Sequence[Mapping[str, Any]]) -> str:
    """The table of results; what all protocols share stands once, above it."""
    shared = shared_protocol(results)
    rows = "".join(_figure_row(row, shared) for row in results)
    columns = ("metric", "direction", "value", "95 % interval", "trivial answers", "protocol")
    head = f"<tr>{''.join(f'<th>{column}</th>' for column in columns)}</tr>"
    return f'<p class="soft">{escape(describe(shared))}</p><div class="table"><table>{head}{rows}</table></div>'


def _figure_row(row: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    arrow = ARROWS[row["better"]]
    texts = [("", f"{called(row)} {arrow}"), ("", row["direction"]), ("n", figure(row)), ("n", interval(row))]
    texts.append(("n", trivial(row)))
    notes = (row.get("unavailable"), row.get("warning"), describe(row["protocol"], shared))
    texts.append(("p", " · ".join(filter(None, notes))))
    return "<tr>" + "".join(f'<td class="{kind}">{escape(text)}</td>' for kind, text in texts) + "</tr>"


def _curves(log: list[dict[str, Any]]) -> str:
    named = {f"measured: {name}": lines for name, lines in measured_curves(log).items()} | loss_curves(log)
    charts = [line_chart(name, lines) for name, lines in named.items()]
    rates = line_chart("learning rates", rate_curves(log))
    charts = [chart for chart in (*charts, rates) if chart]
    if not charts:
        return _none("Nothing logged: there is no whole line in metrics.jsonl.")
    note = '<p class="soft">By step; the line is the mean of neighbouring steps, the band their range.</p>'
    return f'{note}<div class="charts">{"".join(charts)}</div>'


def _watched(log: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The section of what is watched beside the losses, if there is anything."""
    charts = "".join(line_chart(name, lines) for name, lines in watched_curves(log).items())
    return (
        [("Critics and networks", f'<p class="soft">{WATCHED}</p><div class="charts">{charts}</div>')] if charts else []
    )


def _samples(paths: list[Path]) -> str:
    """The newest first; of many, an even choice with the first and the last."""
    if not paths:
        return _none("No sample grids: there is no PNG in samples/.")
    count = min(GRIDS, len(paths))
    chosen = [paths[round(i * (len(paths) - 1) / max(count - 1, 1))] for i in range(count)] if count > 1 else paths[-1:]
    note = (
        f'<p class="soft">{count} of {len(paths)} grids; the others are in samples/.</p>' if len(paths) > count else ""
    )
    images = "".join(image(png, _caption(path)) for path in reversed(chosen) if (png := _bytes(path)))
    return f'{note}<div class="samples">{images}</div>'


def _caption(path: Path) -> str:
    word, _, digits = path.stem.partition("_")
    return f"{word} {int(digits):,}" if digits.isascii() and digits.isdigit() and len(digits) < 20 else path.stem


def _recipe(run: Run) -> str:
    for file in (run.recipe_text, run.recipe):
        if raw := _bytes(file):
            return f"<pre>{escape(raw.decode(errors='replace'))}</pre>"
    return _none("There is no recipe.yaml in the run.")


def image(png: bytes, caption: str) -> str:
    """A figure that holds the picture itself."""
    data = base64.b64encode(png).decode("ascii")
    picture = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>"


def _recipe_of(run: Run) -> dict[str, Any]:
    """The recipe, of whose parts each is a mapping; empty where there is none or it is not whole."""
    try:
        value = read_json(run.recipe, "")
    except CheckpointError:
        return {}
    parts = {name: value.get(name) for name in ("about", "method", "losses", "data")}
    return value | {name: part if isinstance(part, dict) else {} for name, part in parts.items()}


def _bytes(path: Path) -> bytes:
    """The content of a file; empty where it is missing or cannot be read."""
    try:
        return read_whole(path)
    except OSError:
        return b""


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def number(value: float | None) -> str:
    """Four significant digits."""
    return "undefined" if value is None else f"{value:.4g}"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _none(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'
