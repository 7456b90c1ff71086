"""What was found of pictures, as text, and as a contact sheet: a PNG, or a page that needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from PIL import Image

from gankit.core.errors import DataError
from gankit.core.files import write_whole
from gankit.data.survey import Part
from gankit.inspect.data import Inspection
from gankit.report.grids import sample_grid
from gankit.report.page import document

FEW = 3
"""So many sizes or kinds are told one by one."""


def lines(part: Part) -> list[tuple[str, str]]:
    """What a part is, as names and texts."""
    plain = part.as_dict()
    told = [("files", _counts(plain["endings"]))]
    if part.count > len(part.looks):
        told = [("files", f"{part.count}, of which the first {len(part.looks)} were looked at")]
    told += [("sizes", _sizes(part, plain["sizes"])), ("kinds", _counts(plain["kinds"]))] if part.sound else []
    told += [("transparent", f"{plain['transparent']}, in some places")] if plain["transparent"] else []
    told += [("turned", f"{plain['turned']}, by EXIF")] if plain["turned"] else []
    told += [("profiles", _counts(plain["profiles"]))] if plain["profiles"] else []
    told += [("white", shares(part.whites))] if part.whites else []
    told += [("broken", f"{len(part.broken)}")] if part.broken else []
    return told


def shares(spread: Mapping[str, float]) -> str:
    """The least, middle and greatest share, in per cent."""
    least, middle, most = (f"{100 * spread[key]:.3g} %" for key in ("least", "median", "most"))
    return f"{least} to {most} of a picture, median {middle}"


def _counts(counts: Mapping[str, int]) -> str:
    shown = [f"{count} {name or 'without an ending'}" for name, count in list(counts.items())[:FEW]]
    return ", ".join(shown) + (f", and {len(counts) - FEW} other kinds" if len(counts) > FEW else "")


def _sizes(part: Part, counts: Mapping[str, int]) -> str:
    if len(counts) <= FEW:
        return ", ".join(f"{count} of {size} px" for size, count in counts.items())
    sides = [(seen.size[1], seen.size[0]) for seen in part.sound]
    small, large = (" x ".join(map(str, pick(sides, key=lambda size: size[0] * size[1]))) for pick in (min, max))
    return f"{small} to {large} px, {len(counts)} sizes; most often {next(iter(counts))}"


def sheet(found: Inspection) -> Image.Image:
    """Pictures of every part. Raises DataError where there are none."""
    if not any(found.rows):
        raise DataError(f"there is no picture of {found.title} to draw")
    return sample_grid(found.rows)


def write(found: Inspection, path: Path) -> None:
    """Write the contact sheet, whole or not at all: a picture for a name ending in .png, else a page. Raises DataError
    where there is nothing to draw, GankitError where the disk refuses."""
    file = io.BytesIO()
    sheet(found).save(file, "PNG")
    write_whole(path, file.getvalue() if path.suffix.lower() == ".png" else _page(found, file.getvalue()))


def _page(found: Inspection, png: bytes) -> str:
    picture = f'<img alt="pictures of each part" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    rows = "".join(f"<tr><td>{escape(part.name)}</td><td>{'<br>'.join(_cells(part))}</td></tr>" for part in found.parts)
    told = "".join(f"<li>{escape(text)}</li>" for text in found.warnings)
    uses = found.splits or ({"a recipe reads it with": f"data: {found.reads}"} if found.reads else {})
    items = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in uses.items())
    sections = [
        ("Warnings", f"<ul>{told}</ul>" if told else '<p class="soft">none</p>'),
        *([("Files", f'<div class="table"><table>{rows}</table></div>')] if rows else []),
        *([("Recipe", f'<div class="table"><table>{items}</table></div>')] if items else []),
        ("Pictures", f'<div class="samples">{picture}</div>'),
    ]
    return document(f"Data of {found.title}", "", sections)


def _cells(part: Part) -> Iterator[str]:
    yield from (f"{escape(name)}: {escape(text)}" for name, text in lines(part))
