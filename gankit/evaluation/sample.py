"""Pictures that come from noise: `gankit sample`, `Model.sample`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gankit.core.errors import DataError, GankitError
from gankit.data.images import image_pixels, save_png
from gankit.methods.base import Method
from gankit.training.pictures import tiled

AT_A_TIME = 64
NOTHING_TO_TRANSLATE = (
    "this run makes pictures from noise, so there is nothing to translate: use `gankit sample RUN --out DIR`, "
    "or Model.sample in Python"
)


@torch.no_grad()
def sample(method: Method, count: int, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> Tensor:
    """Pictures (count, C, H, W) in [-1, 1] on the CPU, of a method that draws from noise.

    The noise is drawn on the CPU, picture after picture, so that one seed gives the same pictures on every device, and
    the first ones are the same whatever `count`. progress: called with (done, count).

    Raises DataError for a method that translates and for a count below 1; GankitError when the networks return numbers
    that are not finite.
    """
    if not method.draws:
        raise DataError("this run translates pictures: give it some, by `gankit translate RUN PICTURES --out DIR`")
    if count < 1:
        raise DataError(f"at least one picture is drawn, not {count}")
    pictures, generator = [], torch.Generator().manual_seed(seed)
    for start in range(0, count, AT_A_TIME):
        if progress:
            progress(start, count)
        drawn = [_noise(method, generator) for _ in range(start, min(start + AT_A_TIME, count))]
        made = method.translate({name: torch.cat([one[name] for one in drawn]) for name in drawn[0]}).cpu()
        if not bool(made.isfinite().all()):
            raise GankitError("the networks return NaN or infinite values; take an earlier checkpoint")
        pictures.append(made)
    if progress:
        progress(count, count)
    return torch.cat(pictures)


def _noise(method: Method, generator: torch.Generator) -> dict[str, Tensor]:
    drawn = method.draw(1, generator)
    assert drawn is not None
    return drawn


def save_samples(pictures: Tensor, out: Path, grid: bool = False, overwrite: bool = False) -> list[Path]:
    """Write each picture as out/000000.png and so on, and with `grid` all of them as out/grid.png; the paths.

    Raises DataError, before anything is written, when one is there already and `overwrite` is not said; GankitError
    when the disk refuses.
    """
    paths = [out / f"{i:06d}.png" for i in range(len(pictures))]
    every = [*paths, *([out / "grid.png"] if grid else [])]
    existing = [path for path in every if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise DataError(f"{existing[0]}{more} exists already; name another folder with --out, or say --overwrite")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DataError(f"{out}: the folder cannot be made: {(e.strerror or str(e)).lower()}") from e
    for picture, path in zip(pictures, paths, strict=True):
        save_png(picture, path)
    if grid:
        save_png(image_pixels(tiled(pictures)), every[-1])
    return every
