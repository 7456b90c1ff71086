"""What the page of `gankit demo` does, without the page: one picture through several runs, as captioned pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gankit.core.errors import DataError
from gankit.core.files import read_whole
from gankit.fields import Field
from gankit.web.station import Station

Shown = tuple[Image.Image, str]
"""A picture and its caption."""


@dataclass(frozen=True)
class Wish:
    """What was chosen on the page. given: by name, text or the path of a file; of names that a run does not take
    nothing comes to it. side: no side is longer; None: as it is. seed: of a random style."""

    picture: Path | Image.Image | None = None
    mask: Image.Image | None = None
    direction: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    style_image: Path | None = None
    side: int | None = None


def kinds_of(stations: Sequence[Station]) -> dict[str, Field]:
    """What these runs take beside the picture, by name, but for masks and styles."""
    kinds: dict[str, Field] = {}
    for station in stations:
        for direction in station.directions:
            for name, kind in station.wanted(direction).items():
                if name not in ("mask", "style"):
                    kinds.setdefault(name, kind)
    return kinds


def directions_of(stations: Sequence[Station]) -> list[str]:
    """The directions of all of these runs, in order; of one run, its own."""
    return list(dict.fromkeys(direction for station in stations for direction in station.directions))


def fills_holes(station: Station) -> bool:
    return any("mask" in station.wanted(direction) for direction in station.directions)


def results(stations: Sequence[Station], wish: Wish) -> list[Shown]:
    """For each run its picture, and its attention map where it has one. Raises DataError, in a sentence."""
    if not stations:
        raise DataError("choose a run first")
    if wish.picture is None:
        raise DataError("drop a picture first")
    most = stations[0].limits.bytes
    data = _png(wish.picture) if isinstance(wish.picture, Image.Image) else _read(wish.picture, most)
    style = None if wish.style_image is None else _read(wish.style_image, most)
    shown: list[Shown] = []
    for station in stations:
        shown += _of_run(station, wish, data, style)
    return shown


def _of_run(station: Station, wish: Wish, data: bytes, style: bytes | None) -> list[Shown]:
    way = wish.direction if wish.direction in station.directions else station.directions[0]
    wanted = station.wanted(way)
    given: dict[str, str | bytes] = {}
    for name, text in wish.given.items():
        if name in wanted and text:
            given[name] = _read(Path(text), station.limits.bytes) if wanted[name].spatial else text
    if "mask" in wanted and wish.mask is not None:
        given["mask"] = _png(wish.mask)
    styled = station.styled
    try:
        answer = station.translate(
            data,
            way,
            given,
            seed=wish.seed if styled and style is None else None,
            style_image=style if styled else None,
            side=wish.side,
            attention=True,
        )
    except DataError as e:
        raise DataError(f"{station.name}: {e}") from e
    shown = [(_opened(answer.picture), f"{station.name}: {way}")]
    if answer.attention is not None:
        shown.append((_opened(answer.attention), f"{station.name}: attention"))
    return shown


def hole_of(layers: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image | None:
    """What was painted over a picture of this (width, height), as a mask, white inside; None for nothing."""
    hole = np.zeros(size[::-1], bool)
    for layer in layers:
        hole |= np.asarray(layer.convert("RGBA").getchannel("A").resize(size, Image.Resampling.NEAREST)) > 0
    return Image.fromarray(hole.astype(np.uint8) * 255) if hole.any() else None


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise DataError(f"the file is larger than the {most / 1e6:g} MB that are taken: make the picture smaller")
        return read_whole(path)
    except OSError as e:
        raise DataError("the file did not arrive: drop it again") from e


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
