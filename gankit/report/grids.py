"""Pictures to look at: attention drawn over a picture, and grids of samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

# Dark blue over purple and orange to pale yellow; lightness rises all the way, so it also reads in grey.
HEAT = ((0, 0, 30), (60, 10, 110), (150, 35, 105), (225, 90, 50), (250, 175, 40), (252, 255, 190))
BROKEN = (255, 0, 255)  # numbers that are not finite are drawn in a colour that no one overlooks
CELL, GAP, HEADER, MARGIN = 128, 4, 20, 34
PAPER, INK = (24, 26, 30), (228, 230, 235)


def colour(picture: Tensor) -> Tensor:
    """(C, H, W) in [-1, 1] -> (3, H, W) in [0, 1]; other channel counts show their first channel as grey."""
    picture = picture.detach().float().cpu()
    picture = picture if picture.shape[0] == 3 else picture[:1].expand(3, -1, -1)
    return _mark_broken((picture.clamp(-1, 1) + 1) / 2, picture)


def heat(attention: Tensor) -> Tensor:
    """(1, H, W) in [0, 1] -> its heat map (3, H, W) in [0, 1]."""
    attention = attention.detach().float().cpu()[:1]
    stops = torch.tensor(HEAT) / 255
    position = attention.nan_to_num(0).clamp(0, 1)[0] * (len(HEAT) - 1)
    lower = position.long().clamp(max=len(HEAT) - 2)
    share = (position - lower)[..., None]
    return _mark_broken((stops[lower] * (1 - share) + stops[lower + 1] * share).permute(2, 0, 1), attention)


def overlay(image: Tensor, attention: Tensor, strength: float = 0.6) -> Tensor:
    """The heat map of `attention` over the grey picture.

    image: (1 or 3, H, W) in [-1, 1]; attention: (1, h, w) in [0, 1], brought to H x W; strength: the share of the heat
    map. Returns (3, H, W) in [0, 1]; what is not finite is magenta.
    """
    base = colour(image)
    attention = attention.detach().float().cpu()
    if attention.shape[-2:] != base.shape[-2:]:
        attention = F.interpolate(attention[None], base.shape[-2:], mode="bilinear", align_corners=False)[0]
    broken = ~(image.isfinite().all(0).cpu() & attention[0].isfinite())
    blend = (1 - strength) * base.mean(0, keepdim=True) + strength * heat(attention)
    return _paint(blend, broken)


def to_pil(picture: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] -> an RGB picture."""
    return Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy(), "RGB")


def sample_grid(rows: Sequence[Mapping[str, Tensor | str]], cell: int = CELL) -> Image.Image:
    """A labelled grid, one row a sample.

    rows: column name -> (C, H, W) in [-1, 1], of other C than 1 and 3 the first channel; or a text, such as a label.
    The column `attention` is (1, h, w) in [0, 1] and is drawn over the row's `source`. The text under `direction`
    stands left of the row. Columns come in the order in which rows first name them; a row without one leaves the place
    empty. Pictures are scaled to fit `cell` pixels, enlarged without smoothing. Raises ValueError where there is
    nothing to draw.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "direction"))
    if not columns:
        raise ValueError("a sample grid needs at least one picture")
    cells = [[_cell(row, name, cell) for name in columns] for row in rows]
    height = [max(c.height for c in line if c) for line in cells]
    width = [max(c.width for line in cells if (c := line[i])) for i in range(len(columns))]
    margin = MARGIN if any("direction" in row for row in rows) else GAP
    grid = Image.new("RGB", (margin + sum(width) + GAP * len(width), HEADER + sum(height) + GAP * len(height)), PAPER)
    draw, font = ImageDraw.Draw(grid), ImageFont.load_default(12)
    for left, name, room in zip(_offsets(margin, width), columns, width, strict=True):
        draw.text((left + room // 2, HEADER // 2), name.replace("_", " "), INK, font, anchor="mm")
    for top, row, line, room in zip(_offsets(HEADER, height), rows, cells, height, strict=True):
        if "direction" in row:
            draw.text((margin // 2, top + room // 2), str(row["direction"]), INK, font, anchor="mm")
        for left, picture in zip(_offsets(margin, width), line, strict=True):
            if picture:
                grid.paste(picture, (left, top))
    return grid


def plain_grid(pictures: Sequence[Tensor] | Tensor, columns: int | None = None) -> Image.Image:
    """Pictures without labels, row by row; as many columns as make it about square, if not given.

    pictures: (C, H, W) in [-1, 1] of one size; of other C than 1 and 3 the first channel. Small ones are enlarged,
    without smoothing, so that a row has some 512 pixels. Raises ValueError when there is nothing to draw.
    """
    if not len(pictures):
        raise ValueError("a grid needs at least one picture")
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    height, width = pictures[0].shape[-2:]
    scale = max(1, 512 // (columns * width))
    room = (width * scale + 2, height * scale + 2)
    grid = Image.new("RGB", (2 + columns * room[0], 2 + math.ceil(len(pictures) / columns) * room[1]), PAPER)
    for i, picture in enumerate(pictures):
        cell = to_pil(colour(picture)).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        grid.paste(cell, (2 + i % columns * room[0], 2 + i // columns * room[1]))
    return grid


def _cell(row: Mapping[str, Tensor | str], name: str, side: int) -> Image.Image | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return _written(value, side)
    source = row.get("source")
    if name == "attention":
        picture = to_pil(overlay(source, value) if isinstance(source, Tensor) else heat(value))
    else:
        picture = to_pil(colour(value))
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _written(text: str, side: int) -> Image.Image:
    """A text in the middle of a cell."""
    cell = Image.new("RGB", (side, side), PAPER)
    ImageDraw.Draw(cell).text(
        (side // 2, side // 2), text, INK, ImageFont.load_default(max(10, side // 6)), anchor="mm"
    )
    return cell


def _offsets(start: int, sizes: Iterable[int]) -> list[int]:
    offsets = []
    for size in sizes:
        offsets.append(start)
        start += size + GAP
    return offsets


def _mark_broken(drawn: Tensor, values: Tensor) -> Tensor:
    return _paint(drawn, ~values.isfinite().all(0))


def _paint(drawn: Tensor, where: Tensor) -> Tensor:
    return torch.where(where, torch.tensor(BROKEN).view(3, 1, 1) / 255, drawn)
