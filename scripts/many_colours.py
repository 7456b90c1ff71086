"""Draw two domains for MUNIT: outlines of shapes, and the same kinds of shapes filled with one colour of any hue.

What an outline shows is content; the colour is style, which no outline tells. `python scripts/many_colours.py DIR`
writes DIR/trainA, trainB, testA, testB.
"""

from __future__ import annotations

import argparse
import colorsys
import math
import random
from pathlib import Path

from PIL import Image, ImageDraw

SCALE = 4
"""Drawn so many times larger, for smooth edges."""


def shape(draws: random.Random, size: int, fill: tuple[int, int, int]) -> Image.Image:
    """One to two polygons or discs with a dark outline on white, all filled with one colour."""
    side = size * SCALE
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    for _ in range(draws.randint(1, 2)):
        radius = draws.uniform(0.15, 0.3) * side
        x, y = (draws.uniform(radius, side - radius) for _ in range(2))
        corners, turn = draws.choice([3, 4, 60]), draws.uniform(0, 2 * math.pi)
        angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
        outline = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
        pen.polygon(outline, fill=fill)
        pen.line([*outline, *outline[:2]], fill=(30, 30, 30), width=2 * SCALE, joint="curve")
    return picture.resize((size, size), Image.Resampling.BOX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=50)
    args = parser.parse_args()
    draws = random.Random(0)
    for split, count in (("train", args.train), ("test", args.test)):
        for domain in "AB":
            folder = args.out / f"{split}{domain}"
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                hue = tuple(round(255 * v) for v in colorsys.hsv_to_rgb(draws.random(), 0.8, 0.95))
                shape(draws, args.size, hue if domain == "B" else (255, 255, 255)).save(folder / f"{i:04d}.png")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
