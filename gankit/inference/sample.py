"""Pictures that come from noise: `gankit sample`, `Model.sample`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.codecs.images import image_pixels, save_png
from gankit.core.errors import DataError, GankitError
from gankit.core.files import make_folder
from gankit.methods.base import Method

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
        raise DataError("this run translates pictures: give it some, as with `gankit translate RUN PICTURES --out DIR`")
    if count < 1:
        raise DataError(f"at least one picture is drawn, not {count}")
    pictures, generator = [], torch.Generator().manual_seed(seed)
    for start in range(0, count, AT_A_TIME):
        if progress:
            progress(start, count)
        drawn = [_noise(method, generator) for _ in range(start, min(start + AT_A_TIME, count))]
        batch = method.translate({name: torch.cat([one[name] for one in drawn]) for name in drawn[0]}).cpu()
        if not bool(batch.isfinite().all()):
            raise GankitError("the networks return NaN or infinite values; take an earlier checkpoint")
        pictures.append(batch)
    if progress:
        progress(count, count)
    return torch.cat(pictures)


def _noise(method: Method, generator: torch.Generator) -> dict[str, Tensor]:
    drawn = method.draw(1, generator)
    assert drawn is not None
    return drawn


def save_samples(
    pictures: Tensor, out: Path, grid: Image.Image | None = None, overwrite: bool = False, codec: Codec | None = None
) -> list[Path]:
    """Write each picture as out/000000.png and so on, and a grid of them as out/grid.png; the paths.

    codec: of the pictures, which says their kind of file; 8-bit PNG if None.

    Raises DataError, before anything is written, when one is there already and `overwrite` is not said; GankitError
    when the disk refuses.
    """
    codec = codec or Image8()
    paths = [out / f"{i:06d}{codec.default_extension}" for i in range(len(pictures))]
    every = [*paths, *([out / "grid.png"] if grid is not None else [])]
    existing = [path for path in every if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise DataError(f"{existing[0]}{more} exists already; name another folder with --out, or add --overwrite")
    make_folder(out)
    for picture, path in zip(pictures, paths, strict=True):
        codec.write(picture, path)
    if grid is not None:
        save_png(image_pixels(grid), every[-1])
    return every
