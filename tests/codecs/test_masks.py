"""What is white in a mask, however it was drawn and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from gankit.codecs.masks import mask_pixels, read_mask
from gankit.core.errors import DataError

INSIDE = np.zeros((24, 32), dtype=bool)
INSIDE[4:12, 6:20] = True
PHOTO = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def grey(inside: int, outside: int = 0) -> Image.Image:
    return Image.fromarray(np.where(INSIDE, inside, outside).astype(np.uint8))


def painted(inside: tuple[int, ...], outside: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.where(INSIDE[..., None], inside, outside).astype(np.uint8))


def palette(*colours: int) -> Image.Image:
    image = Image.fromarray(INSIDE.astype(np.uint8), "P")
    image.putpalette([*colours, *[0] * (768 - len(colours))])
    return image


def of_depth(dtype: type, inside: float) -> Image.Image:
    return Image.fromarray(np.where(INSIDE, inside, 0).astype(dtype))


def erased() -> Image.Image:
    return Image.fromarray(np.dstack([PHOTO, np.where(INSIDE, 0, 255).astype(np.uint8)]))


MASKS: dict[str, tuple[Callable[[], Image.Image], str]] = {
    "white": (lambda: grey(255), ""),
    "one bit": (lambda: Image.fromarray(INSIDE), ""),
    "grey on white is still cut at half": (lambda: grey(200, 100), ""),
    "bytes 0 and 1": (lambda: grey(1), "0 to 1 of 255"),
    "dim": (lambda: grey(100, 20), "20 to 100 of 255"),
    "bright": (lambda: grey(255, 200), "200 to 255 of 255"),
    "a red brush": (lambda: painted((255, 0, 0), (0, 0, 0)), "0 to 76 of 255"),
    "a palette index": (lambda: palette(0, 0, 0, 128, 0, 0), "0 to 38 of 255"),
    "a palette of white": (lambda: palette(0, 0, 0, 255, 255, 255), ""),
    "16 bits, 0 and 1": (lambda: of_depth(np.uint16, 1), "0 to 1 of 255"),
    "16 bits": (lambda: of_depth(np.uint16, 65535), ""),
    "32 bits": (lambda: of_depth(np.int32, 1), "0 to 1 of 255"),
    "floats": (lambda: of_depth(np.float32, 1.0), "0 to 1 of 255"),
    "opaque alpha": (lambda: grey(255).convert("RGBA"), ""),
    "white strokes on transparent ground": (lambda: painted((255, 255, 255, 255), (255, 255, 255, 0)), ""),
    "red strokes on transparent ground": (lambda: painted((255, 0, 0, 255), (0, 0, 0, 0)), "0 to 76"),
    "a photo with a hole": (erased, "where it is transparent"),
}


@pytest.mark.parametrize("name", MASKS)
def test_what_is_white(name: str) -> None:
    make, told = MASKS[name]
    mask, remark = mask_pixels(make())
    assert torch.equal(mask, torch.from_numpy(INSIDE)[None])
    assert told in remark and bool(told) == bool(remark)


def test_edges_of_dim_masks_are_cut_in_the_middle_of_their_greys() -> None:
    soft = grey(80).filter(ImageFilter.BoxBlur(1))
    mask, remark = mask_pixels(soft)
    assert torch.equal(mask[0], torch.from_numpy(np.asarray(soft) > 40)) and "0 to 80" in remark


def test_compressed_masks(tmp_path: Path) -> None:
    for name, image in (("white.jpg", grey(255)), ("red.jpg", painted((255, 0, 0), (0, 0, 0)))):
        image.save(tmp_path / name, quality=95)
        assert (read_mask(tmp_path / name)[0].numpy() != INSIDE).mean() < 0.02


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((8, 8), np.uint8), "m.png: .* has one grey, 0"),
        (np.full((8, 8), 255, np.uint8), "one grey, 255"),
        (np.arange(64, dtype=np.uint8).reshape(8, 8) % 4, "only greys from 0 to 3"),
        (np.dstack([np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.uint8) * 255]), "one grey, 0"),
    ],
    ids=["black", "white", "noise", "black strokes on transparent ground"],
)
def test_a_mask_without_inside_or_outside_is_refused(tmp_path: Path, pixels: np.ndarray, words: str) -> None:
    Image.fromarray(pixels).save(tmp_path / "m.png")
    with pytest.raises(DataError, match=words):
        read_mask(tmp_path / "m.png")


def test_where_it_may_be_flat() -> None:
    for value in (0, 255):
        assert mask_pixels(Image.new("L", (4, 4), value), flat=True)[0].float().mean() == value / 255


def test_what_was_guessed_is_told_once_for_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", "b.png"):
        grey(1).save(tmp_path / name)
        read_mask(tmp_path / name)
    (record,) = caplog.records
    assert (
        record.getMessage()
        == f"{tmp_path / 'a.png'}: its greys are 0 to 1 of 255: the mask is taken to be the brighter ones"
    )
