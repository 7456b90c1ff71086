"""A trained run that translates pictures which strangers send: bounded, checked before anything is computed.

All goes through `translate_paths`, so that the answer is the very file that `gankit translate` writes.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image

from gankit.api import Model
from gankit.codecs.base import Codec
from gankit.codecs.images import as_pil, image_size, read_classes, read_image
from gankit.codecs.masks import read_mask
from gankit.core.errors import DataError
from gankit.core.words import suggest
from gankit.fields import Field, Mask, Segmentation
from gankit.inference.given import HOLE, read_text, wanted_of
from gankit.inference.sample import NOTHING_TO_TRANSLATE
from gankit.inference.translate import attention_path, translate_paths
from gankit.methods.styled import Styled

MEDIA = {".png": "image/png", ".tif": "image/tiff", ".tiff": "image/tiff"}
Given = Mapping[str, str | bytes]
"""What goes with a picture, by name: text for labels and numbers, the bytes of a file for masks, maps and pictures."""


class TooLarge(DataError):
    """A picture has more pixels than are taken."""


@dataclass(frozen=True)
class Limits:
    """What is taken at most. bytes: of all that is sent with a picture, itself included. pixels: of each picture."""

    bytes: int = 32 * 10**6
    pixels: int = 16 * 10**6


@dataclass(frozen=True)
class Answer:
    """A translation, as a file: its bytes and their media type. attention: a grey PNG, where the method has a map."""

    picture: bytes
    media: str
    attention: bytes | None = None


class Station:
    """A loaded run under a name. One translation at a time, from whichever thread.

    Raises DataError for a run that translates no pictures.
    """

    def __init__(self, name: str, model: Model, limits: Limits = Limits()) -> None:
        self.name, self.model, self.limits = name, model, limits
        self.method = model.method
        if self.method.draws:
            raise DataError(f"{name}: {NOTHING_TO_TRANSLATE}")
        if self.method.untranslatable:
            raise DataError(f"{name}: {self.method.untranslatable}")
        self._lock = threading.Lock()

    @property
    def directions(self) -> tuple[str, ...]:
        return self.method.directions

    @property
    def styled(self) -> bool:
        """Whether it takes a `seed` or a `style_image`."""
        return isinstance(self.method, Styled)

    @property
    def eight_bits(self) -> bool:
        """Whether its pictures, in and out, are ordinary ones: what PIL reads, and PNG."""
        return all(codec.stored == torch.uint8 for codec in self.model.codecs.values())

    def wanted(self, direction: str) -> dict[str, Field]:
        """What goes with a picture, by name; `mask` is the hole of methods that fill one."""
        return {"mask" if n == HOLE else n: kind for n, kind in wanted_of(self.method, direction).items()}

    def optional(self, name: str, direction: str) -> bool:
        """Whether it may be left out. A mask may where the picture is transparent in the hole."""
        return name == "mask" or name in self.method.optional or name not in self.wanted(direction)

    def about(self) -> dict[str, Any]:
        """What it is and takes, as plain data."""
        recipe, method = self.model.recipe, self.method
        return {
            "name": self.name,
            "recipe": recipe.name,
            "title": recipe.about.title,
            "method": recipe.method.type.removeprefix("gankit/"),
            "step": self.model.step,
            "directions": {d: self._takes(d) for d in self.directions},
            "styles": self.styled,
            "size_multiple": method.size_multiple,
            "smallest_side": method.min_size,
            "fixed_side": method.fixed_size,
            "scale": method.scale,
        }

    def _takes(self, direction: str) -> dict[str, Any]:
        codec = self._codec(direction)
        more = {
            name: {"what": kind.words, "required": not self.optional(name, direction), "file": kind.spatial}
            for name, kind in self.wanted(direction).items()
        }
        return {"picture": codec.words, "channels": self.model.channels.get(self._side(direction)), "given": more}

    def _side(self, direction: str) -> str:
        return self.method.fields[direction].get("source", "a")

    def _codec(self, direction: str) -> Codec:
        return self.model.codecs[self._side(direction)]

    def translate(
        self,
        picture: bytes,
        direction: str = "",
        given: Given = MappingProxyType({}),
        *,
        filename: str = "",
        seed: int | None = None,
        style_image: bytes | None = None,
        side: int | None = None,
        attention: bool = False,
    ) -> Answer:
        """Translate the picture in a file.

        direction: the first one if empty. filename: as its owner calls it; its ending tells the kind of file where the
        pictures of a run are not ordinary ones. seed, style_image: of methods with styles. side: the picture, and what
        lies on it, is shrunk first so that no side is longer. Raises DataError, in words that name fields and no paths,
        for anything that does not fit, TooLarge for too many pixels; GankitError when the work fails.
        """
        way = direction or self.directions[0]
        self._check(way, given, seed, style_image, side)
        with tempfile.TemporaryDirectory(prefix="gankit-") as folder, self._lock:
            try:
                return self._translate(Path(folder), picture, way, given, filename, seed, style_image, side, attention)
            except DataError as e:
                raise type(e)(str(e).replace(f"{folder}/", "")) from e

    def _check(self, way: str, given: Given, seed: int | None, style_image: bytes | None, side: int | None) -> None:
        """Refuse what is wrong before anything is read."""
        if way not in self.directions:
            raise DataError(f"direction is one of {', '.join(self.directions)}, not '{way}'")
        wanted = self.wanted(way)
        for name, value in given.items():
            if name not in wanted:
                near = suggest(name, list(wanted))
                takes = f"it takes {', '.join(wanted)}" if wanted else "it takes the picture and nothing else"
                hint = f"; did you mean `{near}`?" if near else ""
                raise DataError(f"this run has no use for `{name}`: {takes}{hint}")
            if isinstance(value, str) == wanted[name].spatial:
                raise DataError(
                    f"`{name}` is {wanted[name].words}: send {'a file' if wanted[name].spatial else 'text'}"
                )
            if isinstance(value, str):
                read_text(name, wanted[name], value)
        for name, kind in wanted.items():
            if name not in given and not self.optional(name, way):
                raise DataError(f"`{name}` is missing: {kind.words}")
        if (seed is not None or style_image is not None) and not self.styled:
            raise DataError("this run has no styles: leave `seed` and `style_image` out")
        if seed is not None and style_image is not None:
            raise DataError("give a `seed` or a `style_image`, not both")
        if seed is not None and not 0 <= seed < 2**63:
            raise DataError("`seed` is a whole number from 0 on")
        if side is not None and not self.eight_bits:
            raise DataError(
                "the pictures of this run are not ordinary 8-bit ones and are not resized: leave `side` out"
            )
        if side is not None and side < 4:
            raise DataError("`side` is a whole number of pixels from 4 on")

    def _translate(
        self,
        folder: Path,
        picture: bytes,
        way: str,
        given: Given,
        filename: str,
        seed: int | None,
        style_image: bytes | None,
        side: int | None,
        attention: bool,
    ) -> Answer:
        codec, wanted = self._codec(way), self.wanted(way)
        source = self._written(folder, "picture", picture, codec, filename)
        files = {name: self._written(folder, name, data) for name, data in given.items() if isinstance(data, bytes)}
        if "mask" in wanted and "mask" not in files:
            files["mask"] = _hole_of(codec, source, folder)
        if side is not None:
            self._shrink(source, self.method.takes.get(self._side(way)), side)
            for name, file in files.items():
                self._shrink(file, wanted[name], side)
        for name, file in files.items():
            if (theirs := image_size(file)) != (ours := codec.shape(source)[1:]):
                sizes = f"`{name}` is {theirs[1]} x {theirs[0]} px, and the picture {ours[1]} x {ours[0]}"
                raise DataError(f"{sizes}: make them equal")
        example = None if style_image is None else self._written(folder, "style_image", style_image)
        texts = {name: value for name, value in given.items() if isinstance(value, str)}
        outcome = translate_paths(
            self.method,
            [source],
            folder / "out",
            way,
            channels=self.model.channels,
            codecs=self.model.codecs,
            attention=attention,
            mask=files.pop("mask", None),
            given=texts | {name: str(file) for name, file in files.items()},
            style_image=example,
            seed=seed,
        )
        if outcome.failed:
            raise DataError(outcome.failed[0])
        (written,) = outcome.written
        heat = attention_path(written)
        return Answer(
            written.read_bytes(),
            MEDIA.get(written.suffix, "application/octet-stream"),
            heat.read_bytes() if heat.exists() else None,
        )

    def _written(self, folder: Path, name: str, data: bytes, codec: Codec | None = None, filename: str = "") -> Path:
        """What was sent, as a file, once its header says that it is not too large."""
        if not data:
            raise DataError(f"`{name}` is empty: send a picture")
        path = folder / f"{name}.png"  # ordinary pictures are told by their content
        if codec is not None and codec.stored != torch.uint8:
            suffix = codec.ending(Path(filename))
            if not suffix:
                endings = ", ".join(sorted(codec.extensions))
                raise DataError(f"pictures of this run are read as {codec.words}, of files ending in {endings}")
            path = path.with_suffix(suffix)
        path.write_bytes(data)
        height, width = codec.shape(path)[1:] if codec is not None else image_size(path)
        if height * width > self.limits.pixels:
            most = f"{self.limits.pixels / 1e6:g} megapixels"
            raise TooLarge(f"`{name}` is {width} x {height} px, and at most {most} are taken: make it smaller")
        return path

    def _shrink(self, path: Path, kind: Field | None, side: int) -> None:
        """Replace a picture, mask or map by a smaller one where a side is longer."""
        height, width = image_size(path)
        if max(height, width) <= side:
            return
        size = (max(1, round(width * side / max(height, width))), max(1, round(height * side / max(height, width))))
        if isinstance(kind, Mask | Segmentation):
            pixels = read_mask(path, flat=True)[0].byte() * 255 if isinstance(kind, Mask) else read_classes(path)[0]
            small = Image.fromarray(pixels.numpy()).resize(size, Image.Resampling.NEAREST)
        else:
            small = as_pil(read_image(path)).resize(size, Image.Resampling.LANCZOS)
        small.save(path, "PNG")


def _hole_of(codec: Codec, picture: Path, folder: Path) -> Path:
    """A mask of what is transparent in a picture. Raises DataError where nothing is, or all."""
    hole = codec.transparent(picture)
    if hole is None or not hole.any():
        raise DataError(
            "`mask` is missing: this run fills holes; send a mask, white in the hole, or a picture that is "
            "transparent there"
        )
    path = folder / "mask.png"
    as_pil(hole.byte() * 255).save(path)
    return path


def stations(models: Sequence[Model], limits: Limits = Limits()) -> dict[str, Station]:
    """Loaded runs by the names of their directories, with -2, -3 ... where these are alike. Raises DataError."""
    named: dict[str, Station] = {}
    for model in models:
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(model.run_dir).resolve().name).strip("-.") or "run"
        name, number = base, 2
        while name in named:
            name, number = f"{base}-{number}", number + 1
        named[name] = Station(name, model, limits)
    return named
