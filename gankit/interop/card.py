"""The model card of an exported run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gankit import __version__
from gankit.core.document import dump
from gankit.core.errors import printable
from gankit.core.figures import called
from gankit.evaluation.evaluate import Loaded


@dataclass(frozen=True)
class Shown:
    """What a card shows beside the run. source: what `gankit.load` takes. pictures: file name -> caption, beside the
    card. data_licence: of the pictures that it was trained on."""

    source: str = "this folder"
    pictures: Mapping[str, str] = field(default_factory=dict)
    data_licence: str = "unknown"


def model_card(model: Loaded, results: Sequence[dict[str, Any]], licence: str, shown: Shown = Shown()) -> str:
    """README.md of a hub folder: what it is, what it was trained on, its figures, how it is used.

    model: of `gankit.load`. results: rows of evaluation.json. licence: as the owner of the data and of the run says.
    """
    recipe = model.recipe
    about, data = recipe.about, recipe.data.model_dump(mode="json")
    paper = f" ([arXiv {_plain(about.arxiv)}](https://arxiv.org/abs/{quote(about.arxiv)}))" if about.arxiv else ""
    header = {"license": " ".join(licence.split()), "library_name": "gankit", "pipeline_tag": "image-to-image"}
    lines = [
        "---",
        dump(header | {"tags": ["gankit", "gan", "image-to-image"]}).rstrip("\n"),
        "---",
        "",
        f"# {_plain(recipe.name)}",
        "",
        f"{_plain(about.title or recipe.method.type)}{paper}. {_training(model)}; gankit {__version__}.",
        "",
        *([_plain(about.notes), ""] if about.notes else []),
        "## Use",
        "",
        "```python",
        "import gankit",
        "",
        f'model = gankit.load("{shown.source}")',
        _usage(model),
        "```",
        "",
        *(["## Pictures", ""] if shown.pictures else []),
        *(line for name, caption in shown.pictures.items() for line in (f"![{caption}]({name})", "")),
        "## Data",
        "",
        _code(json.dumps(data)) if model.step else "That of the project which trained these weights.",
        "",
        f"Licence of the data: {_plain(shown.data_licence)}.",
        "",
        "## Figures",
        "",
        *(_figures(results) or ["None were measured (`gankit evaluate RUN`)."]),
        "",
        "## Recipe",
        "",
        "`recipe.yaml`, with every default filled in.",
    ]
    return "\n".join(lines) + "\n"


def _training(model: Loaded) -> str:
    if not model.step:
        return "Weights of another project, not trained any further"
    return f"Trained for {model.step} steps{', averaged weights' if model.ema else ''}"


def _usage(model: Loaded) -> str:
    if "noise" in model.method.inputs:
        return "pictures = model.sample(16)"
    if "hole" in model.method.inputs:
        return 'picture = model.translate("photo.jpg", mask="mask.png")'
    return 'picture = model.translate("photo.jpg")'


def _figures(results: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        (called(r), r.get("direction", ""), r.get("value"), r.get("unit", ""), r.get("protocol", {})) for r in results
    ]
    if not rows:
        return []
    head = ["| metric | direction | value | protocol |", "| --- | --- | --- | --- |"]
    return head + [
        f"| {' | '.join(map(_plain, (metric, way, _value(value, unit), _protocol(protocol))))} |"
        for metric, way, value, unit, protocol in rows
    ]


def _value(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}".strip()


def _plain(text: str) -> str:
    """Text as it stands, on one line: nothing of it is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&]|^[-+=]|(?<=^\d)[.)])", r"\\\1", printable(" ".join(text.split())))


def _code(text: str) -> str:
    """Text as code, whatever is in it."""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`"


def _protocol(protocol: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in protocol.items() if k not in ("metric", "direction") and v is not None)
