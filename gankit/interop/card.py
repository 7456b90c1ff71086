"""The model card of an exported run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gankit import __version__
from gankit.evaluation.evaluate import Loaded


def model_card(model: Loaded, results: Sequence[dict[str, Any]], licence: str) -> str:
    """README.md of a hub folder: what it is, what it was trained on, its figures, how it is used.

    model: of `gankit.load`. results: rows of evaluation.json. licence: as the owner of the data and of the run says.
    """
    recipe = model.recipe
    about, data = recipe.about, recipe.data.model_dump(mode="json")
    paper = f" ([arXiv {about.arxiv}](https://arxiv.org/abs/{about.arxiv}))" if about.arxiv else ""
    lines = [
        "---",
        f"license: {licence}",
        "library_name: gankit",
        "pipeline_tag: image-to-image",
        "tags: [gankit, gan, image-to-image]",
        "---",
        "",
        f"# {recipe.name}",
        "",
        f"{about.title or recipe.method.type}{paper}. {_training(model)}; gankit {__version__}.",
        "",
        *([about.notes, ""] if about.notes else []),
        "## Use",
        "",
        "```python",
        "import gankit",
        "",
        'model = gankit.load("this folder")',
        _usage(model),
        "```",
        "",
        "## Data",
        "",
        f"`{json.dumps(data)}`" if model.step else "That of the project which trained these weights.",
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
        (r["metric"], r.get("direction", ""), r.get("value"), r.get("unit", ""), r.get("protocol", {})) for r in results
    ]
    if not rows:
        return []
    head = ["| metric | direction | value | protocol |", "| --- | --- | --- | --- |"]
    return head + [
        f"| {metric} | {way} | {'-' if value is None else f'{value:.4g} {unit}'.strip()} | {_protocol(protocol)} |"
        for metric, way, value, unit, protocol in rows
    ]


def _protocol(protocol: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in protocol.items() if k not in ("metric", "direction") and v is not None)
