"""Pictures in one IDX file: MNIST, Fashion-MNIST, KMNIST and the like."""

from __future__ import annotations

import copy
import gzip
import zlib
from math import prod
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor

from gankit.codecs.images import to_model_range
from gankit.core.errors import DataError
from gankit.data.dataset import Split
from gankit.fields import Picture

HELD_OUT = 10
MAX_BYTES = 2**31
"""A larger file is refused from its header."""


class IDX:
    """Grey pictures of one IDX file for each split, as MNIST comes. An item has `a`, (1, size, size) in [-1, 1].

    Where one of the two files is missing, the other is divided: each tenth picture (the 10th, 20th, ...) is held out
    for the test split, the others are for training.

    Nothing is random.

    Args:
        root: the folder that contains the files.
        train, test: the names of the files, with or without `.gz`. The defaults are MNIST's.
        size: the side of the pictures in pixels.
        resize: how the file's pictures are brought to `size`. `pad` puts smaller ones into the middle of a black frame
            (28 px in 32). `bilinear` enlarges or shrinks them, with antialiasing.

    Raises DataError where neither file is there, where a file is not an IDX file of pictures (unsigned bytes, three
    dimensions) or is cut off, and where `pad` would have to cut.
    """

    def __init__(
        self,
        *,
        root: str = "",
        train: str = "train-images-idx3-ubyte",
        test: str = "t10k-images-idx3-ubyte",
        size: Annotated[int, Ge(1), Le(4096)] = 28,
        resize: Literal["pad", "bilinear"] = "pad",
    ):
        base = Path(root).expanduser()
        files = {"train": _found(base / train), "test": _found(base / test)}
        alone = next((path for path in files.values() if path is not None), None)
        if alone is None:
            raise DataError(f"{base.absolute()} holds neither {train} nor {test}, with or without .gz")
        self.divided = None in files.values()
        self._files: dict[str, Path] = {split: path or alone for split, path in files.items()}
        self._resize = resize
        self.fields: dict[str, Picture] = {"a": Picture(1)}
        self.size = size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        if split not in self._files:
            raise DataError(
                f"IDX files have no pictures for {split}: they are a file for training and one for the test"
            )
        pictures = read_idx(self._files[split])
        if self.divided:
            held = torch.arange(len(pictures)) % HELD_OUT == HELD_OUT - 1
            pictures = pictures[held if split == "test" else ~held]
        if not len(pictures):
            raise DataError(f"{self._files[split]} has too few pictures for a split {split}")
        if self._resize == "pad" and max(pictures.shape[1:]) > self.size:
            height, width = pictures.shape[1:]
            raise DataError(
                f"pictures of {width} x {height} px do not fit into {self.size}: set data.resize to bilinear"
            )
        self._split: Split = split
        self._pictures = pictures

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The file of the split."""
        return {"a": [self._files[self._split]]}

    def split(self, name: Split) -> IDX:
        """The "train" or the "test" pictures. Raises DataError for others."""
        if name == self._split:
            return self
        other = copy.copy(self)
        other._enter(name)
        return other

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        share = ", divided" if self.divided else ""
        return f"IDX({self._split}: {len(self)} in {self._files[self._split]}{share}, size={self.size}, {self._resize})"

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Item `index`; nothing is random."""
        return {"a": self._sized(to_model_range(self._pictures[index][None]))}

    def _sized(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[1:]
        if (height, width) == (self.size, self.size):
            return picture
        if self._resize == "bilinear":
            size = (self.size, self.size)
            return F.interpolate(picture[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
        top, left = (self.size - height) // 2, (self.size - width) // 2
        return F.pad(picture, (left, self.size - width - left, top, self.size - height - top), value=-1.0)


def read_idx(path: Path) -> Tensor:
    """The pictures of an IDX file, plain or gzipped, as uint8 (N, H, W). Raises DataError, with file and reason."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as opened:
            return _read(path, cast(BinaryIO, opened))
    except (OSError, EOFError, zlib.error) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else e
        raise DataError(f"{path}: cannot be read, or is damaged: {str(reason).lower()}") from e


def _read(path: Path, file: BinaryIO) -> Tensor:
    head = file.read(16)
    if len(head) < 16 or head[:4] != bytes([0, 0, 8, 3]):
        raise DataError(f"{path} is not an IDX file of pictures: it does not begin with 0 0 8 3 and three sizes")
    count, height, width = np.frombuffer(head, ">u4", offset=4).tolist()
    if min(height, width) < 1 or prod((count, height, width)) > MAX_BYTES:
        raise DataError(f"{path}: {count} pictures of {width} x {height} px are more than gankit reads")
    wanted = count * height * width
    content = file.read(wanted)
    if len(content) < wanted:
        raise DataError(f"{path} is cut off: it has {len(content)} bytes of pictures instead of {wanted}")
    return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(count, height, width).copy())


def _found(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)
